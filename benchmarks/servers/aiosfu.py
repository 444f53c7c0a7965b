"""Drives aiosfu itself, over its signaling protocol (signaling/PROTOCOL.md).

Knows: the daemon's command line, the messages of a client.
Does not know: the load, nor how it is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.load.link import Link
from benchmarks.load.media import Stream
from benchmarks.load.sdp import Section, read_answer, write_offer
from benchmarks.load.seam import certificate
from benchmarks.servers.adapter import LOGS, Member, Process, ServerError, free_port
from sfu.forwarding.engine import EngineMissing, choose

START_TIMEOUT = 20.0
ANSWER_TIMEOUT = 20.0
ROOM_SIZE = 1000
SOURCES = {"video": "camera", "audio": "microphone"}


@dataclass(slots=True)
class Signaling:
    """One client's WebSocket: requests with answers; what the server says unasked goes to `unasked`, if that is set."""

    socket: aiohttp.ClientWebSocketResponse
    unasked: Callable[[dict[str, Any]], None] | None = None
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _reader: asyncio.Task[None] | None = None

    async def request(self, kind: str, **fields: object) -> dict[str, Any]:
        """Send a request, return its answer. Raises ServerError."""
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        number = next(self._ids)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"type": kind, "id": number, **fields})
        try:
            message: dict[str, Any] = await asyncio.wait_for(answer, ANSWER_TIMEOUT)
        except TimeoutError:
            raise ServerError(f"no answer to {kind} within {ANSWER_TIMEOUT:.0f} s") from None
        if message["type"] == "error":
            raise ServerError(f"{kind} refused: {message.get('code')}: {message.get('message')}")
        return message

    async def _read(self) -> None:
        async for frame in self.socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = json.loads(frame.data)
            if (answer := self._waiting.pop(message.get("re"), None)) and not answer.done():
                answer.set_result(message)
            elif self.unasked is not None:
                self.unasked(message)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ServerError("the server closed the WebSocket"))

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.socket.close()
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=1)
            self._reader.cancel()


@dataclass(slots=True)
class Seat:
    """What this adapter keeps of a member."""

    signaling: Signaling
    link: Link
    publications: dict[str, str] = field(default_factory=dict)  # kind -> publication id
    empty: dict[str, list[str]] = field(default_factory=dict)  # kind -> mids of empty slots


class Aiosfu:
    """The daemon of this repository, as a process of its own."""

    def __init__(
        self, name: str, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ):
        self.name = name
        self._arguments = list(arguments)
        self._environment = dict(environment or {})
        self._process = Process(LOGS / f"{name}.log")
        self._certificate = certificate()
        self._session: aiohttp.ClientSession | None = None
        self._seats: dict[str, Seat] = {}
        self._url = ""

    def missing(self) -> str | None:
        if "native" not in self._arguments:
            return None
        try:
            choose("native")
        except EngineMissing as missing:
            return str(missing)
        return None

    @property
    def pids(self) -> Sequence[int]:
        return self._process.pids

    def command(self, port: int) -> list[str]:
        """How the daemon is started."""
        addresses = ["--host", "127.0.0.1", "--port", str(port), "--rtc-host", "127.0.0.1", "--rtc-port", "0"]
        rooms = ["--max-room-size", str(ROOM_SIZE)]
        return [sys.executable, "-m", "sfu.cli", "serve", *addresses, *rooms, *self._arguments]

    async def start(self, core: int) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        await self._process.start(self.command(port), core, self._environment)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0)
        )  # one WebSocket a member
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not await self._healthy(self._session):
                    self._process.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ServerError(
                f"{self.name} is not up after {START_TIMEOUT:.0f} s:\n{self._process.tail()}"
            ) from None

    async def _healthy(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self._url}/healthz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def join(
        self, room: str, name: str, streams: Sequence[Stream], watch: Sequence[Member], later: int
    ) -> Member:
        assert self._session is not None
        link = Link(self._certificate)
        seat = Seat(Signaling(await self._session.ws_connect(f"{self._url}/ws")), link)
        self._seats[name] = seat
        await seat.signaling.request("join", room=room, name=name)
        sections = [Section(stream.mid, stream.kind, stream) for stream in streams]
        receive: list[dict[str, str | None]] = []
        mids = (f"r{number}" for number in itertools.count())
        member = Member(name, sends=[(link, stream) for stream in streams])
        for other in watch:
            for _, stream in other.sends:
                sections.append(Section(next(mids), stream.kind))
                publication = self._seats[other.name].publications[stream.kind]
                receive.append({"mid": sections[-1].mid, "publication": publication})
                member.receives.append((link, stream))
        for stream in list(streams) * later:  # those who come later send the same kinds
            sections.append(Section(next(mids), stream.kind))
            receive.append({"mid": sections[-1].mid, "publication": None})
            seat.empty.setdefault(stream.kind, []).append(sections[-1].mid)
        answer = await seat.signaling.request(
            "offer",
            sdp=write_offer(link, name, sections),
            publish=[{"mid": stream.mid, "source": SOURCES[stream.kind]} for stream in streams],
            receive=receive,
        )
        kinds = {stream.mid: stream.kind for stream in streams}
        seat.publications = {kinds[entry["mid"]]: entry["publication"] for entry in answer["publish"]}
        for slot in answer["receive"]:
            self._check_slot(slot)
        await link.connect(read_answer(answer["sdp"]))
        return member

    async def watch(self, member: Member, other: Member) -> None:
        seat = self._seats[member.name]
        for _, stream in other.sends:
            publication = self._seats[other.name].publications[stream.kind]
            mid = seat.empty[stream.kind].pop(0)
            self._check_slot(await seat.signaling.request("point", mid=mid, publication=publication))
            member.receives.append((seat.link, stream))

    def _check_slot(self, slot: Mapping[str, Any]) -> None:
        if slot["state"] == "unsupported-codec":
            raise ServerError(f"slot {slot['mid']}: {slot.get('message', slot['state'])}")

    async def stop(self) -> None:
        for seat in self._seats.values():
            await seat.link.close()
            await seat.signaling.close()
        if self._session is not None:
            await self._session.close()
        await self._process.stop()
