"""Relay trees: this node as the child of another (`--parent`), and as the parent of others (`/pipe`).

A room that has members here is linked to the parent's room of the same name: members are shown on both sides, and a
publication crosses the link once, however many take it, and only while somebody does. Knows the WebSocket between
nodes and when it is opened, tried again and closed; what is said of a room is roomlink.py's.
"""

import asyncio
import contextlib
import hmac
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator

import aiohttp
import msgspec
from aiohttp import web

from sfu.backend import SfuBackend
from sfu.cluster import messages as wire
from sfu.roomlink import RoomLink
from sfu.transport.connection import Connection
from sfu.transport.dial import FarEnd
from sfu.transport.hub import Hub
from signaling.errors import SignalingError
from signaling.fields import RoomName
from signaling.lobby import Lobby

logger = logging.getLogger(__name__)

# A dead node is noticed within one and a half of these (aiohttp waits half of it for the pong).
HEARTBEAT = 4.0
# Seconds for the other node to say its first word: it does nothing else before.
PATIENCE = 5.0
# Seconds for the other node's side of a close; a server that shuts down has three for everything.
CLOSE_PATIENCE = 0.5
CLOSE_ALL_PATIENCE = 1.5
RETRY_FIRST, RETRY_MOST = 0.5, 10.0

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class HungUp(ConnectionError):
    """The other node closed the WebSocket, or lost it; the text says how."""


class Tree:
    """This node's links to its parent and its children."""

    def __init__(
        self, lobby: Lobby, hub: Hub, backend: SfuBackend, hosts: list[str], parent: str, secret: str
    ) -> None:
        self._lobby = lobby
        self._hub = hub
        self._backend = backend
        self._hosts = hosts
        self._parent = parent
        self._secret = secret
        self._node = f"n_{secrets.token_urlsafe(9)}"
        self._links: set[RoomLink] = set()
        # Links of children, by node and room: a child that dials anew has lost the one before.
        self._children: dict[tuple[str, str], RoomLink] = {}
        self._dials: dict[str, asyncio.Task[None]] = {}
        self._closing = False
        self._sockets: set[web.WebSocketResponse] = set()
        if parent:
            lobby.on_room = self._room_opened

    # -- parent ----------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET /pipe: a child node links a room."""
        if not self._is_node(request.headers.get("Authorization", "")):
            raise web.HTTPForbidden(text="Nodes need the --node-secret of this one.\n")
        if self._closing:
            raise web.HTTPServiceUnavailable(text="The server is shutting down.\n")
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT, timeout=CLOSE_PATIENCE, max_msg_size=wire.MAX_MESSAGE_BYTES, compress=False
        )
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async with asyncio.timeout(PATIENCE):
                hello = await _next(socket)
            if not isinstance(hello, wire.Hello) or hello.node == self._node:
                raise ValueError("the first message is a hello of another node")
            await self._accept(socket, hello)
        except (msgspec.MsgspecError, ValueError, SignalingError, TimeoutError) as error:
            logger.warning("x a node was refused: %s", error or "it said nothing")
            await socket.close(code=1008, message=_reason(error))
        except ConnectionError as error:
            logger.info("< a child node is gone: %s", error)
        finally:
            self._sockets.discard(socket)
        return socket

    def _is_node(self, authorization: str) -> bool:
        # A header may hold any bytes; aiohttp keeps those that are no UTF-8 as surrogates.
        given = authorization.encode("utf-8", "surrogateescape")
        return bool(self._secret) and hmac.compare_digest(given, f"Bearer {self._secret}".encode())

    async def _accept(self, socket: web.WebSocketResponse, hello: wire.Hello) -> None:
        room = msgspec.convert(hello.room, RoomName)
        key = (hello.node, room)
        if before := self._children.get(key):
            before.close()
        async with self._linked(room, hello.topology, hello.node, None) as link:
            self._children[key] = link
            try:
                ice = link.connection.ice
                accept = wire.Accept(
                    self._node,
                    ice.ufrag,
                    ice.password,
                    tuple(self._hub.fingerprints),
                    tuple(wire.Candidate(host, self._hub.port.port) for host in self._hosts),
                )
                await socket.send_str(wire.encode(accept))
                await self._run(socket, link, hello.fingerprints)
            finally:
                if self._children.get(key) is link:
                    del self._children[key]

    # -- child -----------------------------------------------------------------------------------------------

    def _room_opened(self, room: str) -> None:
        if not self._closing and room not in self._dials:
            self._dials[room] = asyncio.get_running_loop().create_task(self._keep_linked(room))

    async def _keep_linked(self, room: str) -> None:
        """Link a room to the parent's, again and again, until nobody is in it here."""
        pause = RETRY_FIRST
        try:
            while (topology := self._lobby.linkable(room)) is not None:
                started = time.monotonic()
                try:
                    await self._dial(room, topology)
                except (
                    aiohttp.ClientError,
                    msgspec.MsgspecError,
                    OSError,
                    ValueError,
                    SignalingError,
                ) as error:
                    logger.warning(
                        "x no link to the parent node: %s", error or "no answer", extra={"room": room}
                    )
                except Exception:
                    # Our defect: it costs this link one try, not the room its parent.
                    logger.exception("x a link to the parent node failed", extra={"room": room})
                if self._lobby.linkable(room) is not None:
                    if time.monotonic() - started > RETRY_MOST:
                        pause = RETRY_FIRST
                    # Not all rooms at once, when the parent comes back.
                    await asyncio.sleep(pause * random.uniform(0.75, 1.25))
                    pause = min(2 * pause, RETRY_MOST)
        finally:
            del self._dials[room]

    async def _dial(self, room: str, topology: wire.Topology) -> None:
        async with (
            asyncio.timeout(PATIENCE) as patience,
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._secret}"}) as session,
            session.ws_connect(
                f"{self._parent}/pipe",
                heartbeat=HEARTBEAT,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_PATIENCE),
                max_msg_size=wire.MAX_MESSAGE_BYTES,
            ) as socket,
        ):
            hello = wire.Hello(room, topology, self._node, tuple(self._hub.fingerprints))
            await socket.send_str(wire.encode(hello))
            accept = await _next(socket)
            if not isinstance(accept, wire.Accept) or accept.node == self._node:
                raise ValueError("the first answer is no accept of another node")
            patience.reschedule(None)
            candidates = tuple((candidate.host, candidate.port) for candidate in accept.candidates)
            far = FarEnd(candidates, accept.ufrag, accept.password)
            async with self._linked(room, topology, accept.node, far) as link:
                await self._run(socket, link, accept.fingerprints)

    # -- both ------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _linked(
        self, room: str, topology: wire.Topology, neighbour: str, far: FarEnd | None
    ) -> AsyncIterator[RoomLink]:
        """A link with its media connection: dialed to the far end, or waiting for it to dial if that is None."""
        over = asyncio.Event()

        def lost(connection: Connection, reason: str) -> None:
            over.set()

        connection = self._hub.open(lost) if far is None else self._hub.dial(far, lost)
        try:
            link = RoomLink(
                room, topology, self._node, neighbour, self._lobby, self._backend, connection, over
            )
            self._links.add(link)
            try:
                yield link
            finally:
                self._links.discard(link)
                link.close()
        finally:
            await self._hub.close(connection)

    async def _run(self, socket: Socket, link: RoomLink, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Keep one room in step over an open WebSocket, until either end or the media connection goes."""
        link.connection.begin(fingerprints)
        tasks = {
            asyncio.ensure_future(_read(socket, link)),
            asyncio.ensure_future(_write(socket, link)),
            asyncio.ensure_future(link.over.wait()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            link.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End every link, and wait a moment for the other nodes to agree. Idempotent."""
        self._closing = True
        for task in self._dials.values():
            task.cancel()
        ending = [*self._dials.values()]
        ending += [asyncio.ensure_future(_hang_up(socket)) for socket in self._sockets]
        if ending:
            _, late = await asyncio.wait(ending, timeout=CLOSE_ALL_PATIENCE)
            for task in late:
                task.cancel()

    def stats(self) -> list[dict[str, object]]:
        """For /stats: each link of this node."""
        return [link.stats() for link in self._links]


async def _next(socket: Socket) -> wire.AnyMessage:
    """The next message. Raises HungUp, msgspec.MsgspecError, or ValueError for a binary one."""
    frame = await socket.receive()
    match frame.type:
        case aiohttp.WSMsgType.TEXT:
            return wire.decode(frame.data)
        case aiohttp.WSMsgType.BINARY:
            raise ValueError("messages are text")
        case aiohttp.WSMsgType.CLOSE:
            raise HungUp(f"it hung up ({frame.data}) {frame.extra or ''}".rstrip())
        case _:
            raise HungUp("the connection is lost")


async def _read(socket: Socket, link: RoomLink) -> None:
    while True:
        link.receive(await _next(socket))


async def _write(socket: Socket, link: RoomLink) -> None:
    while True:
        for message in await link.news():
            await socket.send_str(wire.encode(message))
        if isinstance(socket, aiohttp.ClientWebSocketResponse) and not link.needed:
            return  # nobody is left here who did not come from there


async def _hang_up(socket: web.WebSocketResponse) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_PATIENCE):
            await socket.close(code=1001)


def _reason(error: Exception) -> bytes:
    """RFC 6455 5.5: at most 123 bytes, of whole characters."""
    return str(error).encode()[:120].decode(errors="ignore").encode()
