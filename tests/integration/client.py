"""A room client for tests: stock aiortc over real signaling, with counts and pixels of what arrives.

Knows the protocol as a page knows it (PROTOCOL.md) and aiortc's public interface; the few private names that tests of
silence and loss need are in `network.py`. Never sleeps for a fixed time: see `until`.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import aiohttp
import msgspec
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

from signaling import messages as m
from signaling.fields import Source
from tests.integration.media import COLOURS, RED, Colour, FlatVideo, Sending, Slot

T = TypeVar("T", bound=m.ServerMessage)
PATIENCE = 10.0
"""Seconds within which whatever a test waits for happens, on a machine that is busy with other things."""


async def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until `condition()` is true; fails the test, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


class SignalingRefused(Exception):
    """The server answered a request with an error."""

    def __init__(self, error: m.Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.code = error.code
        self.message = error.message


class Client:
    """One participant. `messages` holds all that the server said, `others` the room as this client knows it."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.pc.on("track", self._track)
        self.messages: list[m.ServerMessage] = []
        self.others: dict[str, m.Participant] = {}
        self.slots: list[Slot] = []
        self.sendings: list[Sending] = []
        self.chat: RTCDataChannel | None = None
        self.chat_lines: list[str] = []
        self.id = ""
        self.session = ""
        self.answer_sdp = ""
        self._http: aiohttp.ClientSession | None = None
        self.ws: aiohttp.ClientWebSocketResponse | None = None
        self._replies: dict[int, asyncio.Future[m.ServerMessage]] = {}
        self._numbers = itertools.count(1)
        self._tasks: list[asyncio.Task[None]] = []

    # -- signaling -------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the WebSocket."""
        self._http = aiohttp.ClientSession()
        self.ws = await self._http.ws_connect(self.url + "/ws")
        self._tasks.append(asyncio.create_task(self._read(self.ws)))

    async def join(self, room: str = "blue", replaces: str | None = None) -> m.Welcome:
        if self.ws is None:
            await self.connect()
        welcome = await self.ask(m.Join(room=room, name=self.name, replaces=replaces), m.Welcome)
        self.id, self.session = welcome.participant, welcome.session
        return welcome

    async def ask(self, request: m.ClientMessage, answer: type[T]) -> T:
        """Send a request and wait for its answer; raises SignalingRefused."""
        number = next(self._numbers)
        future: asyncio.Future[m.ServerMessage] = asyncio.get_running_loop().create_future()
        self._replies[number] = future
        await self.send_text(m.encode(msgspec.structs.replace(request, id=number)))
        async with asyncio.timeout(PATIENCE):
            reply = await future
        if isinstance(reply, m.Error):
            raise SignalingRefused(reply)
        assert isinstance(reply, answer)
        return reply

    async def send_text(self, text: str) -> None:
        assert self.ws is not None
        await self.ws.send_str(text)

    async def _read(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in ws:
            message = m.decode_server(frame.data)
            self._note(message)
            self.messages.append(message)
            number = getattr(message, "re", None)
            waiting = self._replies.pop(number, None) if number is not None else None
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    def _note(self, message: m.ServerMessage) -> None:
        """Keep `others` and `slots` as the server tells."""
        match message:
            case m.Welcome():
                self.others = {other.id: other for other in message.participants}
            case m.Joined():
                self.others[message.participant.id] = message.participant
            case m.Left():
                gone = self.others.pop(message.participant)
                for publication in gone.publications:
                    self._ended(publication.id)
            case m.Published():
                self._set_publications(message.participant, message.publication.id, message.publication)
            case m.Unpublished():
                self._set_publications(message.participant, message.publication, None)
                self._ended(message.publication)
            case m.Muted():
                before = self.publication(message.publication)
                after = msgspec.structs.replace(before, muted=message.muted)
                self._set_publications(message.participant, before.id, after)
            case m.Slot():
                slot = self.slot(message.mid)
                slot.wanted, slot.state, slot.message = message.publication, message.state, message.message

    def _set_publications(self, participant: str, id: str, publication: m.Publication | None) -> None:
        other = self.others[participant]
        known = {entry.id: entry for entry in other.publications}
        if publication is None:
            del known[id]
        else:
            known[id] = publication
        self.others[participant] = msgspec.structs.replace(other, publications=tuple(known.values()))

    def _ended(self, publication: str) -> None:
        for slot in self.slots:
            if slot.wanted == publication:
                slot.wanted, slot.state = None, "empty"

    def heard(self, kind: type[T], **values: object) -> list[T]:
        """The messages of one type with these field values."""
        return [
            message
            for message in self.messages
            if isinstance(message, kind)
            and all(getattr(message, name) == value for name, value in values.items())
        ]

    async def hears(self, kind: type[T], **values: object) -> None:
        """Wait until the server has said so."""
        what = f"{self.name} hears {kind.__name__} {values}"
        await until(lambda: self.heard(kind, **values), what)

    async def knows(self, publications: int) -> None:
        """Wait until the others publish so many tracks."""
        what = f"{self.name} knows of {publications} publications"
        await until(lambda: len(self.offered()) == publications, what)

    def publication(self, id: str) -> m.Publication:
        return next(p for other in self.others.values() for p in other.publications if p.id == id)

    def offered(self, kind: str | None = None) -> list[str]:
        """Ids of what the others publish."""
        return [
            publication.id
            for other in self.others.values()
            for publication in other.publications
            if kind in (None, publication.kind)
        ]

    # -- media -----------------------------------------------------------------------------------------------

    def publish(self, track: MediaStreamTrack, source: Source) -> Sending:
        """Add a sending m-line; the next `offer` publishes it."""
        sending = Sending(self.pc.addTransceiver(track, direction="sendonly"), source)
        self.sendings.append(sending)
        return sending

    def publish_both(self, colour: Colour) -> None:
        self.publish(FlatVideo(colour), "camera")
        self.publish(AudioStreamTrack(), "microphone")

    def receive(self, publication: str | None, kind: str = "video") -> Slot:
        """Add a slot; the next `offer` negotiates it."""
        slot = Slot(kind, self.pc.addTransceiver(kind, direction="recvonly"))
        slot.wanted = publication
        self.slots.append(slot)
        return slot

    def receive_all(self) -> None:
        """Add a slot for each publication of the others that has none."""
        shown = {slot.wanted for slot in self.slots}
        for id in self.offered():
            if id not in shown:
                self.receive(id, self.publication(id).kind)

    def slot(self, mid: str) -> Slot:
        return next(slot for slot in self.slots if slot.transceiver.mid == mid)

    def slot_of(self, publication: str) -> Slot:
        return next(slot for slot in self.slots if slot.wanted == publication)

    def open_chat(self) -> RTCDataChannel:
        chat = self.chat = self.pc.createDataChannel("chat")
        chat.on("message", self.chat_lines.append)
        return chat

    async def prepare_offer(self, change: Callable[[str], str] = lambda sdp: sdp) -> m.Offer:
        """The offer of all that was added; `change` may spoil its SDP."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return m.Offer(
            sdp=change(self.pc.localDescription.sdp),
            publish=tuple(m.Publish(sending.mid, sending.source, sending.muted) for sending in self.sendings),
            receive=tuple(m.Receive(slot.mid, slot.wanted) for slot in self.slots),
        )

    async def offer(self, change: Callable[[str], str] = lambda sdp: sdp) -> m.Answer:
        """Negotiate all that was added."""
        answer = await self.ask(await self.prepare_offer(change), m.Answer)
        for published in answer.publish:
            next(s for s in self.sendings if s.mid == published.mid).publication = published.publication
        for result in answer.receive:
            slot = self.slot(result.mid)
            slot.wanted, slot.state, slot.message = result.publication, result.state, result.message
        self.answer_sdp = answer.sdp
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        return answer

    async def point(self, slot: Slot, publication: str | None) -> m.Slot:
        return await self.ask(m.Point(mid=slot.mid, publication=publication), m.Slot)

    async def mute(self, publication: str, muted: bool) -> None:
        await self.ask(m.Mute(publication=publication, muted=muted), m.Ok)

    async def connected(self) -> None:
        await until(lambda: self.pc.connectionState == "connected", f"{self.name} is connected")

    async def disconnected(self) -> None:
        await until(lambda: self.pc.connectionState == "closed", f"{self.name} sees the end of DTLS")

    async def hung_up(self) -> None:
        await until(lambda: self.ws is not None and self.ws.closed, f"{self.name}'s WebSocket is closed")

    def _track(self, track: MediaStreamTrack) -> None:
        slot = next(slot for slot in self.slots if slot.transceiver.receiver.track is track)
        self._tasks.append(asyncio.create_task(self._sink(slot, track)))

    async def _sink(self, slot: Slot, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                slot.take(await track.recv())

    async def frames(self, slots: Sequence[Slot] | None = None, more: int = 5) -> None:
        """Wait until each slot got `more` frames than it has now."""
        wanted = [(slot, slot.frames + more) for slot in (self.slots if slots is None else slots)]
        await until(
            lambda: all(slot.frames >= count for slot, count in wanted),
            f"{self.name} gets {more} frames on each of {len(wanted)} slots",
        )

    # -- the end ---------------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Leave as a page does: say so, and close both connections."""
        with contextlib.suppress(ConnectionError):
            await self.send_text(m.encode(m.Leave()))
        await self.close()

    async def close(self) -> None:
        """Close whatever is open; idempotent."""
        await self.pc.close()
        # aiortc may have been connecting, and go on to start what was just stopped.
        await until(lambda: not self.connecting(), "aiortc is done with connecting")
        for transceiver in self.pc.getTransceivers():
            await transceiver.sender.stop()
            await transceiver.receiver.stop()
        await self.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def connecting(self) -> bool:
        """Whether a task of aiortc is still bringing up this client's transports."""
        coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
        return any(
            coroutine.cr_frame is not None and coroutine.cr_frame.f_locals.get("self") is self.pc
            for coroutine in coroutines
            if coroutine.__qualname__ == "RTCPeerConnection.__connect"
        )

    async def hang_up(self) -> None:
        """Close the WebSocket, and leave the media as it is."""
        if self.ws is not None:
            await self.ws.close()
        if self._http is not None:
            await self._http.close()
            self._http = None


class Clients:
    """Makes clients of one server, and closes them all."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._all: list[Client] = []

    async def __call__(self, name: str, room: str = "blue") -> Client:
        """A client that has joined."""
        client = self.make(name)
        await client.join(room)
        return client

    def make(self, name: str) -> Client:
        """A client that has done nothing yet."""
        client = Client(self.url, name)
        self._all.append(client)
        return client

    async def pair(self) -> tuple[Client, Client]:
        """A publisher of red video and audio, and a subscriber that gets frames of both."""
        ada, bob = await self("Ada"), await self("Bob")
        ada.publish_both(RED)
        await ada.offer()
        await bob.knows(2)
        bob.receive_all()
        await bob.offer()
        await bob.frames()
        return ada, bob

    async def trio(self) -> list[Client]:
        """Three clients that each publish video and audio and receive the others'."""
        clients = [await self(name) for name in ("Ada", "Bob", "Cid")]
        for client, colour in zip(clients, COLOURS, strict=True):
            client.publish_both(colour)
            await client.offer()
        for client in clients:
            await client.knows(4)
            client.receive_all()
            await client.offer()
        return clients

    async def drop(self, client: Client) -> None:
        """Close a client and forget it."""
        await client.close()
        self._all.remove(client)

    async def close(self) -> None:
        await asyncio.gather(*(client.close() for client in self._all))
        self._all.clear()


@contextlib.asynccontextmanager
async def clients_of(url: str) -> AsyncIterator[Clients]:
    clients = Clients(url)
    try:
        yield clients
    finally:
        await clients.close()


async def all_of(*things: Awaitable[object]) -> None:
    await asyncio.gather(*things)


def video(client: Client) -> list[Slot]:
    return [slot for slot in client.slots if slot.kind == "video"]
