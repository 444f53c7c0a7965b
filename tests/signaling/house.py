"""A signaling server on loopback, and clients that speak its messages over real WebSockets.

Knows: the WebSocket pump and the lobby. Does not know: media, the daemon.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from signaling import websocket
from signaling.auto import AutoSettings
from signaling.counters import Counters
from signaling.fields import Role, Topology
from signaling.lobby import Lobby
from signaling.messages import ClientMessage, Join, ServerMessage, Welcome, decode_server, encode
from tests.signaling.doubles import MemoryBackend

PATIENCE = 5.0


@dataclass(slots=True)
class Peer:
    """A client that speaks messages."""

    socket: ClientWebSocketResponse
    me: Welcome | None = None

    @property
    def id(self) -> str:
        """The participant's id."""
        assert self.me is not None
        return self.me.participant

    async def send(self, message: ClientMessage) -> None:
        await self.socket.send_str(encode(message))

    async def receive(self) -> ServerMessage:
        return decode_server(await self.socket.receive_str(timeout=PATIENCE))

    async def ask(self, message: ClientMessage) -> ServerMessage:
        await self.send(message)
        return await self.receive()

    async def closed(self) -> int | None:
        """Wait for the server's close and return its code."""
        frame = await self.socket.receive(timeout=PATIENCE)
        assert frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSED), frame
        return self.socket.close_code


@dataclass(slots=True)
class House:
    """A running server and ways into it."""

    backend: MemoryBackend
    lobby: Lobby
    counters: Counters
    sockets: websocket.WebSockets
    client: TestClient[web.Request, web.Application]
    peers: list[Peer] = field(default_factory=list)

    async def connect(self) -> Peer:
        peer = Peer(await self.client.ws_connect("/ws"))
        self.peers.append(peer)
        return peer

    async def join(
        self,
        name: str,
        replaces: str | None = None,
        *,
        topology: Topology = "sfu",
        role: Role = "member",
    ) -> Peer:
        peer = await self.connect()
        join = Join(id=1, room="blue", name=name, replaces=replaces, topology=topology, role=role)
        welcome = await peer.ask(join)
        assert isinstance(welcome, Welcome)
        peer.me = welcome
        return peer


@contextlib.asynccontextmanager
async def open_house(
    max_waiting_bytes: int = 1 << 20, auto: AutoSettings | None = None
) -> AsyncIterator[House]:
    """Run a server; at the end everybody must be gone from it."""
    backend, counters = MemoryBackend(), Counters()
    lobby = Lobby(backend, counters, auto=auto or AutoSettings())
    sockets = websocket.WebSockets(lobby, counters, max_waiting_bytes=max_waiting_bytes)
    app = web.Application()
    app.router.add_get("/ws", sockets.handle)
    async with TestClient(TestServer(app)) as client:
        house = House(backend, lobby, counters, sockets, client)
        yield house
        await asyncio.gather(*(peer.socket.close() for peer in house.peers))
        await sockets.close()
        await lobby.close()
    assert counters.connections_open == 0
    assert lobby.stats()["participants"] == 0
    assert backend.members == {}
