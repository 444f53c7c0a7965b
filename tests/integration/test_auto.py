"""Auto rooms and the real media side: connections to the server end and come back while their members stay."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from sfu.app import create_app
from sfu.config import Config
from sfu.service import MediaService
from signaling import messages as m
from tests.integration.mesh_client import until

T = TypeVar("T", bound=m.ServerMessage)


@dataclass
class Daemon:
    """A running server; its auto rooms go through it from two participants on, and back at once."""

    url: str
    media: MediaService

    @property
    def connections(self) -> int:
        return sum(
            participant["connection"] is not None
            for room in self.media.stats()["rooms"]  # type: ignore[attr-defined]
            for participant in room["participants"]
        )


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    config = Config(port=0, rtc_port=0, auto_threshold=2, auto_quiet=0)
    media = await MediaService.start(config)
    server = TestServer(create_app(config, media.backend, media.stats))
    await server.start_server()
    try:
        yield Daemon(str(server.make_url("")).rstrip("/"), media)
    finally:
        await server.close()
        await media.close()


@dataclass
class Client:
    """One participant, with as many connections to the server as it likes."""

    socket: ClientWebSocketResponse
    me: m.Welcome | None = None
    connections: list[RTCPeerConnection] = field(default_factory=list)

    async def send(self, message: m.ClientMessage) -> None:
        await self.socket.send_str(m.encode(message))

    async def next(self, kind: type[T]) -> T:
        """Skip to the next message of a kind; pings on the way, as rooms that speak directly want it."""
        while True:
            await self.send(m.Ping())
            message = m.decode_server(await self.socket.receive_str(timeout=5))
            assert not isinstance(message, m.Error | m.Bye), message
            if isinstance(message, kind):
                return message

    async def connect(self) -> RTCPeerConnection:
        """Publish sound over a new connection to the server."""
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connections.append(connection)
        connection.addTrack(AudioStreamTrack())
        await connection.setLocalDescription(await connection.createOffer())
        publish = (m.Publish(mid=connection.getTransceivers()[0].mid or "", source="microphone"),)
        sdp = connection.localDescription.sdp
        await self.send(m.Offer(sdp=sdp, publish=publish, receive=(), fresh=True))
        answer = await self.next(m.Answer)
        await connection.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        await until(lambda: connection.connectionState == "connected", "a connection to the server")
        return connection


@contextlib.asynccontextmanager
async def joined(daemon: Daemon, name: str) -> AsyncIterator[Client]:
    async with ClientSession() as session, session.ws_connect(daemon.url + "/ws") as socket:
        client = Client(socket)
        await client.send(m.Join(room="blue", name=name, topology="auto"))
        client.me = await client.next(m.Welcome)
        try:
            yield client
        finally:
            for connection in client.connections:
                await connection.close()


async def test_there_and_back_and_there_again(daemon: Daemon) -> None:
    async with joined(daemon, "Ada") as ada:
        for _ in range(2):
            async with joined(daemon, "Bob") as bob:
                assert bob.me is not None
                assert bob.me.path == "sfu"
                assert (await ada.next(m.Path)).path == "sfu"
                connection = await ada.connect()
                published = await bob.next(m.Published)
                assert published.publication.path == "sfu"
            assert (await ada.next(m.Path)).path == "mesh"
            await connection.close()
            await until(lambda: daemon.connections == 0, "the server has let go")
        await ada.send(m.Announce(publications=()))
        await ada.next(m.Announced)


async def test_a_fresh_connection_beside_one_that_was_not_closed(daemon: Daemon) -> None:
    async with joined(daemon, "Ada") as ada, joined(daemon, "Bob") as bob:
        await ada.connect()
        first = await bob.next(m.Published)
        await ada.connect()
        assert (await bob.next(m.Unpublished)).publication == first.publication.id
        assert (await bob.next(m.Published)).publication.id != first.publication.id
        assert daemon.connections == 1
