"""Drives Janus (Debian's package) through the WebSocket API of its VideoRoom plugin.

Knows: a configuration for one machine, the plugin's requests; a publisher is one connection, all that a member
watches is another one, for which Janus makes the offers.
Does not know: the load, nor how it is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.load.link import Link
from benchmarks.load.media import Stream
from benchmarks.load.sdp import Section, read_answer, read_offer, write_answer, write_offer
from benchmarks.load.seam import certificate
from benchmarks.servers.adapter import LOGS, Member, Process, ServerError, free_port, own_address

START_TIMEOUT = 20.0
ANSWER_TIMEOUT = 20.0
PLUGIN = "janus.plugin.videoroom"
# Only what the room needs is loaded; a session never times out, since nobody keeps it alive here.
CONFIGURATION = """
general: {{ debug_level = 2; session_timeout = 0; {loops} }}
nat: {{ ice_enforce_list = "{address}" }}
media: {{ }}
plugins: {{ disable = "{others}" }}
transports: {{ disable = "{transports}" }}
events: {{ broadcast = false }}
"""
OTHER_PLUGINS = (
    "audiobridge", "duktape", "echotest", "lua", "nosip", "recordplay", "sip", "streaming", "textroom", "videocall",
    "voicemail",
)  # fmt: skip
OTHER_TRANSPORTS = ("http", "mqtt", "nanomsg", "pfunix", "rabbitmq")
WEBSOCKETS = """
general: {{ json = "compact"; ws = true; ws_port = {port}; ws_ip = "127.0.0.1"; wss = false }}
admin: {{ admin_ws = false }}
"""


@dataclass(slots=True)
class Handle:
    """One handle of the plugin: what asks for a connection and gets its events."""

    number: int
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    up: asyncio.Event = field(default_factory=asyncio.Event)  # DTLS is done


@dataclass(slots=True)
class Seat:
    """What this adapter keeps of a member."""

    room: int
    feed: int
    watching: Handle | None = None
    link: Link | None = None  # of what it watches
    address: tuple[str, int] = ("", 0)  # of that link


class Janus:
    """Janus as a process of its own; `event_loops` 0 is as it is shipped: a thread for each connection."""

    def __init__(self, name: str, event_loops: int = 0) -> None:
        self.name = name
        self._event_loops = event_loops
        self._process = Process(LOGS / f"{name}.log")
        self._certificate = certificate()
        self._address = own_address()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._janus_session = 0
        self._transactions = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._handles: dict[int, Handle] = {}
        self._rooms: dict[str, int] = {}
        self._seats: dict[str, Seat] = {}
        self._links: list[Link] = []

    def missing(self) -> str | None:
        return None if shutil.which("janus") else "janus is not installed: apt-get install janus"

    @property
    def pids(self) -> Sequence[int]:
        return self._process.pids

    # -- process and API -------------------------------------------------------------------------------------

    async def start(self, core: int) -> None:
        port = free_port()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        loops = f"event_loops = {self._event_loops}" if self._event_loops else ""
        others, transports = (_libraries(names) for names in (OTHER_PLUGINS, OTHER_TRANSPORTS))
        (folder / "janus.jcfg").write_text(
            CONFIGURATION.format(loops=loops, others=others, transports=transports, address=self._address)
        )
        (folder / "janus.transport.websockets.jcfg").write_text(WEBSOCKETS.format(port=port))
        await self._process.start(["janus", "--configs-folder", str(folder)], core, {})
        self._session = aiohttp.ClientSession()
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while self._socket is None:
                    self._process.check()
                    with contextlib.suppress(aiohttp.ClientError):
                        self._socket = await self._session.ws_connect(
                            f"ws://127.0.0.1:{port}", protocols=["janus-protocol"]
                        )
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ServerError(
                f"{self.name} is not up after {START_TIMEOUT:.0f} s:\n{self._process.tail()}"
            ) from None
        self._reader = asyncio.create_task(self._read(self._socket))
        self._janus_session = (await self._request("create"))["data"]["id"]

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message: dict[str, Any] = frame.json()
            waiting = self._waiting.get(message.get("transaction", ""))
            if message["janus"] in ("success", "error") and waiting is not None and not waiting.done():
                waiting.set_result(message)
            elif message["janus"] == "event" and (handle := self._handles.get(message["sender"])) is not None:
                handle.events.put_nowait(message)
            elif (
                message["janus"] == "webrtcup"
                and (handle := self._handles.get(message["sender"])) is not None
            ):
                handle.up.set()

    async def _request(self, kind: str, **fields: object) -> dict[str, Any]:
        """A request that is answered at once. Raises ServerError."""
        transaction = await self._send(kind, **fields)
        self._waiting[transaction] = answer = asyncio.get_running_loop().create_future()
        try:
            message: dict[str, Any] = await asyncio.wait_for(answer, ANSWER_TIMEOUT)
        except TimeoutError:
            raise ServerError(f"no answer to {kind} within {ANSWER_TIMEOUT:.0f} s") from None
        finally:
            del self._waiting[transaction]
        if message["janus"] == "error":
            raise ServerError(f"{kind} refused: {message['error']['reason']}")
        return message

    async def _send(self, kind: str, **fields: object) -> str:
        assert self._socket is not None
        transaction = str(next(self._transactions))
        session = {"session_id": self._janus_session} if self._janus_session else {}
        await self._socket.send_json({"janus": kind, "transaction": transaction, **session, **fields})
        return transaction

    async def _attach(self) -> Handle:
        answer = await self._request("attach", plugin=PLUGIN)
        handle = self._handles[answer["data"]["id"]] = Handle(answer["data"]["id"])
        return handle

    async def _ask(self, handle: Handle, wanted: str, **fields: object) -> dict[str, Any]:
        """A request to the plugin that is answered by an event. Raises ServerError."""
        await self._send("message", handle_id=handle.number, **fields)
        while True:
            try:
                event = await asyncio.wait_for(handle.events.get(), ANSWER_TIMEOUT)
            except TimeoutError:
                raise ServerError(f"no event '{wanted}' within {ANSWER_TIMEOUT:.0f} s") from None
            data = event["plugindata"]["data"]
            if "error" in data:
                raise ServerError(f"{wanted}: {data['error']}")
            if wanted == data.get("videoroom") or wanted in data:
                return event

    # -- members ---------------------------------------------------------------------------------------------

    async def join(
        self, room: str, name: str, streams: Sequence[Stream], watch: Sequence[Member], later: int
    ) -> Member:
        del later  # whom it watches later costs a renegotiation then
        number = self._rooms.get(room) or await self._new_room(room)
        seat = self._seats[name] = Seat(number, feed=len(self._seats) + 1)
        member = Member(name)
        if streams:
            await self._publish(seat, member, streams)
        if watch:
            await self._subscribe(seat, member, watch)
        return member

    async def _new_room(self, room: str) -> int:
        handle = await self._attach()
        number = self._rooms[room] = len(self._rooms) + 1
        body = {
            "request": "create", "room": number, "publishers": 1000, "audiocodec": "opus", "videocodec": "vp8",
            "notify_joining": False, "bitrate": 0, "fir_freq": 0,
        }  # fmt: skip
        answer = await self._request("message", handle_id=handle.number, body=body)
        if "error" in answer["plugindata"]["data"]:
            raise ServerError(f"create: {answer['plugindata']['data']['error']}")
        return number

    async def _publish(self, seat: Seat, member: Member, streams: Sequence[Stream]) -> None:
        handle = await self._attach()
        body = {"request": "join", "ptype": "publisher", "room": seat.room, "id": seat.feed}
        await self._ask(handle, "joined", body=body)
        link = self._link()
        sections = [Section(stream.mid, stream.kind, stream) for stream in streams]
        offer = write_offer(link, member.name, sections, link.bind(self._address))
        jsep = {"type": "offer", "sdp": offer, "trickle": False}
        event = await self._ask(handle, "configured", body={"request": "publish"}, jsep=jsep)
        await link.connect(read_answer(event["jsep"]["sdp"]))
        await asyncio.wait_for(handle.up.wait(), ANSWER_TIMEOUT)  # before that there is no such feed
        member.sends += [(link, stream) for stream in streams]

    async def _subscribe(self, seat: Seat, member: Member, watch: Sequence[Member]) -> None:
        seat.watching = await self._attach()
        feeds = [{"feed": self._seats[other.name].feed} for other in watch]
        body = {"request": "join", "ptype": "subscriber", "room": seat.room, "streams": feeds}
        event = await self._ask(seat.watching, "attached", body=body)
        seat.link = self._link()
        seat.link.agent.controlling = False
        seat.address = seat.link.bind(self._address)
        await self._start(seat, event)
        await seat.link.connect(read_offer(event["jsep"]["sdp"]))
        member.receives += [(seat.link, stream) for other in watch for _, stream in other.sends]

    async def _start(self, seat: Seat, event: dict[str, Any]) -> None:
        assert seat.link is not None
        assert seat.watching is not None
        sdp = write_answer(seat.link, event["jsep"]["sdp"], seat.address)
        answer = {"type": "answer", "sdp": sdp, "trickle": False}
        await self._ask(seat.watching, "started", body={"request": "start"}, jsep=answer)

    async def watch(self, member: Member, other: Member) -> None:
        seat = self._seats[member.name]
        if seat.watching is None or seat.link is None:
            await self._subscribe(seat, member, [other])
            return
        body = {"request": "update", "subscribe": [{"feed": self._seats[other.name].feed}]}
        event = await self._ask(seat.watching, "updated", body=body)
        if "jsep" in event:
            await self._start(seat, event)
        member.receives += [(seat.link, stream) for _, stream in other.sends]

    def _link(self) -> Link:
        link = Link(self._certificate)
        self._links.append(link)
        return link

    async def stop(self) -> None:
        for link in self._links:
            await link.close()
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
        if self._session is not None:
            await self._session.close()
        await self._process.stop()
        if self._folder is not None:
            self._folder.cleanup()


def _libraries(names: Sequence[str]) -> str:
    return ",".join(f"libjanus_{name}.so" for name in names)
