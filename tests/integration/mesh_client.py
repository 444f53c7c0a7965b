"""A mesh client for tests: one stock aiortc connection to each other participant, set up by signals.

Knows the protocol as a page knows it (PROTOCOL.md, Mesh). As a program, with the server's URL and a name as
arguments, it is a participant in a process of its own, who greets whoever is there and can be killed.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from signaling import messages as m
from signaling.fields import Source

PING_EVERY = 0.5


async def until(condition: Callable[[], object], what: str, seconds: float = 15.0) -> None:
    """Wait until `condition()` is true; fails, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


@dataclass(eq=False)
class Link:
    """The connection to one other participant."""

    connection: RTCPeerConnection
    called: bool
    """Whether this side made the first offer."""
    channel: RTCDataChannel | None = None
    frames: dict[str, int] = field(default_factory=dict)
    """Frames that arrived, by the publication the other one said they are of."""
    tracks: dict[str, str] = field(default_factory=dict)


class MeshClient:
    """One participant of a mesh room."""

    def __init__(self, socket: ClientWebSocketResponse, sending: dict[str, MediaStreamTrack]) -> None:
        self.socket = socket
        self.id = ""
        self.links: dict[str, Link] = {}
        self.closed: dict[str, Link] = {}
        self.left: dict[str, tuple[float, str]] = {}
        """When (time.monotonic) this one was told that somebody left, and why."""
        self.published: dict[str, m.Publication] = {}
        self.chat: list[tuple[str, str]] = []
        self.errors: list[m.Error] = []
        self.greeting: str | None = None
        self._sending = sending
        self._own: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.pings = self._begin(self._ping())

    async def join(self, room: str, name: str) -> None:
        await self._send(m.Join(room=room, name=name, topology="mesh"))
        welcome = await self._receive()
        assert isinstance(welcome, m.Welcome), welcome
        assert welcome.path == "mesh"
        self.id = welcome.participant
        self._know(*welcome.participants)
        self._begin(self._read())
        if self._sending:
            await self.announce()

    async def announce(self) -> None:
        """Announce what is sent, and wait for the ids."""
        self._own.clear()
        source: dict[str, Source] = {"audio": "microphone", "video": "camera"}
        tracks = (
            m.Track(key=key, kind=track.kind, source=source[track.kind])  # type: ignore[arg-type]
            for key, track in self._sending.items()
        )
        await self._send(m.Announce(publications=tuple(tracks)))
        await until(lambda: len(self._own) == len(self._sending), "announced")

    async def add(self, key: str, track: MediaStreamTrack) -> None:
        """Send one more track to everybody, over the connections there are."""
        self._sending[key] = track
        await self.announce()
        for other, link in self.links.items():
            link.connection.addTrack(track)
            await self._offer(other, link)

    def say(self, text: str) -> None:
        for link in self.links.values():
            assert link.channel is not None
            link.channel.send(msgspec.json.encode({"type": "chat", "text": text}).decode())

    def talks_to(self, other: str) -> bool:
        link = self.links.get(other)
        return link is not None and link.channel is not None and link.channel.readyState == "open"

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self.links.values():
            await link.connection.close()
        await self.socket.close()

    # -- signaling -------------------------------------------------------------------------------------------

    async def _send(self, message: m.ClientMessage) -> None:
        await self.socket.send_str(m.encode(message))

    async def _receive(self) -> m.ServerMessage:
        while isinstance(message := m.decode_server(await self.socket.receive_str()), m.Pong):
            pass
        return message

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY)
            await self._send(m.Ping())

    async def _read(self) -> None:
        async for frame in self.socket:
            if frame.type is not WSMsgType.TEXT:
                return
            await self._obey(m.decode_server(frame.data))

    async def _obey(self, message: m.ServerMessage) -> None:
        match message:
            case m.Joined(participant):
                self._know(participant)
                self._begin(self._call(participant.id))
            case m.Left(participant=participant, reason=reason):
                self.left[participant] = (time.monotonic(), reason)
                if link := self.links.pop(participant, None):
                    self.closed[participant] = link
                    await link.connection.close()
            case m.Published(publication=publication):
                self.published[publication.id] = publication
            case m.Announced(publications=publications):
                self._own.update({each.key: each.publication for each in publications})
            case m.Signaled(sender=sender, data=data):
                self._begin(self._signaled(sender, dict(m.from_data(data))))
            case m.Error():
                self.errors.append(message)

    def _know(self, *participants: m.Participant) -> None:
        for participant in participants:
            self.published |= {publication.id: publication for publication in participant.publications}

    # -- connections -----------------------------------------------------------------------------------------

    async def _call(self, other: str) -> None:
        """The older one of two opens the channel and offers."""
        link = self._link(other, called=True)
        self._attach(other, link, link.connection.createDataChannel("chat"))
        await self._offer(other, link)

    async def _offer(self, other: str, link: Link) -> None:
        await link.connection.setLocalDescription(await link.connection.createOffer())
        await self._describe(other, link)

    async def _signaled(self, other: str, data: dict[str, Any]) -> None:
        link = self.links.get(other) or self._link(other, called=False)
        link.tracks |= data["tracks"]
        description = RTCSessionDescription(**data["description"])
        await link.connection.setRemoteDescription(description)
        if description.type == "offer":
            await link.connection.setLocalDescription(await link.connection.createAnswer())
            await self._describe(other, link)

    async def _describe(self, other: str, link: Link) -> None:
        """Send the description, with all candidates inside, as aiortc has them by then."""
        local = link.connection.localDescription
        keys = {track.id: key for key, track in self._sending.items()}
        tracks = {
            transceiver.mid: self._own[keys[transceiver.sender.track.id]]
            for transceiver in link.connection.getTransceivers()
            if transceiver.sender.track is not None and transceiver.mid is not None
        }
        data = {"description": {"type": local.type, "sdp": local.sdp}, "tracks": tracks}
        await self._send(m.Signal(to=other, data=m.to_data(data)))

    def _link(self, other: str, *, called: bool) -> Link:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        link = self.links[other] = Link(connection, called)
        for track in self._sending.values():
            connection.addTrack(track)
        connection.on("datachannel", lambda channel: self._attach(other, link, channel))
        connection.on("track", lambda track: self._begin(self._watch(link, track)))
        return link

    def _attach(self, other: str, link: Link, channel: RTCDataChannel) -> None:
        link.channel = channel

        def take(text: str) -> None:
            self.chat.append((other, msgspec.json.decode(text)["text"]))

        def greet() -> None:
            if self.greeting is not None:
                channel.send(msgspec.json.encode({"type": "chat", "text": self.greeting}).decode())

        channel.on("message", take)
        channel.on("open", greet)
        if channel.readyState == "open":
            greet()

    async def _watch(self, link: Link, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                transceivers = link.connection.getTransceivers()
                mid = next(each.mid for each in transceivers if each.receiver.track is track)
                publication = link.tracks[mid or ""]
                link.frames[publication] = link.frames.get(publication, 0) + 1

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        return task


@contextlib.asynccontextmanager
async def mesh_client(
    url: str, name: str, sending: dict[str, MediaStreamTrack] | None = None, room: str = "blue"
) -> AsyncIterator[MeshClient]:
    """Join the room at `url` (http://host:port); closed at the end."""
    async with ClientSession() as session:
        client = MeshClient(await session.ws_connect(url + "/ws"), sending or {})
        try:
            await client.join(room, name)
            yield client
        finally:
            await client.close()


async def _main(url: str, name: str) -> None:
    async with mesh_client(url, name) as client:
        client.greeting = f"I am {name}"
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
