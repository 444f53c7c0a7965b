"""Relay trees: this node as the child of another (`--parent`), and as the parent of others (`/pipe`).

A room that has members here is linked to the parent's room of the same name: members are shown on both sides, and a
publication crosses the link once, however many take it, and only while somebody does. Joins `signaling.remote`
(who is there), `sfu.rooms.pipe` (their media) and the WebSocket between the nodes.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable

import aiohttp
import msgspec
from aiohttp import web

from sfu.backend import SfuBackend
from sfu.cluster import messages as wire
from sfu.rooms.pipe import Pipe
from sfu.rooms.room import Room
from sfu.transport.connection import Connection
from sfu.transport.dial import FarEnd
from sfu.transport.hub import Hub
from signaling.errors import SignalingError
from signaling.lobby import Lobby
from signaling.messages import Kind, Participant, Publication, Role, Source

logger = logging.getLogger(__name__)

# A dead node is noticed within one and a half of these (aiohttp waits half of it for the pong).
HEARTBEAT = 4.0
RETRY_FIRST, RETRY_MOST = 0.5, 10.0


class RoomLink:
    """One room between two nodes, from either end: keeps members and streams of both sides in step."""

    def __init__(
        self,
        room: str,
        lobby: Lobby,
        backend: SfuBackend,
        connection: Connection,
        send: Callable[[wire.AnyMessage], None],
    ) -> None:
        self._name = room
        self._lobby = lobby
        self._backend = backend
        self._connection = connection
        self._send = send
        self._pending = False
        self._closed = False
        self._told: wire.Members | None = None
        self._wanted: wire.Want | None = None
        self._side = lobby.attach(room, self._changed)
        self._pipe: Pipe
        self._room: Room
        self._pipe, self._room = backend.open_pipe(room, connection, self._changed)
        connection.sink = self._pipe
        self._changed()

    @property
    def needed(self) -> bool:
        """Whether anybody is in the room who did not come over this link."""
        return bool(self._side.others())

    def _changed(self) -> None:
        if not self._pending and not self._closed:
            self._pending = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        """Send what the neighbour does not know yet; once for all changes of one turn of the event loop."""
        self._pending = False
        if self._closed:
            return
        others = self._side.others()
        ours = [p for p in self._room.publications.values() if not self._pipe.holds(p)]
        streams: dict[str, list[wire.Stream]] = {}
        for stream in self._pipe.streams(ours):
            streams.setdefault(stream.participant, []).append(wire.to_stream(stream))
        members = wire.Members(
            tuple(wire.PipeMember(m.id, m.name, m.role, tuple(streams.get(m.id, ()))) for m in others)
        )
        want = wire.Want(tuple(sorted(self._pipe.wanted())))
        if members != self._told:
            self._told = members
            self._send(members)
        if want != self._wanted:
            self._wanted = want
            self._send(want)
        self._connection.schedule()

    def receive(self, message: wire.AnyMessage) -> None:
        """What the neighbour says. Raises ValueError for what it may not say now."""
        now = time.monotonic()
        match message:
            case wire.Members(members):
                streams = [
                    wire.from_stream(member.id, stream) for member in members for stream in member.streams
                ]
                # Media first: a publication is there before anybody hears of it.
                self._pipe.take(streams, now)
                self._side.replace(_participant(member) for member in members)
            case wire.Want(publications):
                self._pipe.send(publications, now)
            case _:
                raise ValueError(f"unexpected {type(message).__name__}")
        self._connection.schedule()

    def close(self) -> None:
        """The neighbour is gone: its members leave the room. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._side.close()
        self._backend.close_pipe(self._name, self._pipe)

    def stats(self) -> dict[str, object]:
        return {"connection": self._connection.stats(), **self._pipe.stats(time.monotonic())}


def _participant(member: wire.PipeMember) -> Participant:
    return Participant(
        id=member.id,
        name=member.name,
        publications=tuple(_publication(stream) for stream in member.streams),
        role=msgspec.convert(member.role, Role),
    )


def _publication(stream: wire.Stream) -> Publication:
    return Publication(
        id=stream.publication,
        kind=msgspec.convert(stream.kind, Kind),
        source=msgspec.convert(stream.source, Source),
        muted=stream.muted,
        codec=stream.codecs[0].name,
    )


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
        self._dials: dict[str, asyncio.Task[None]] = {}
        self._closing = False
        self._sockets: set[web.WebSocketResponse] = set()
        if parent:
            lobby.on_room = self._room_opened

    # -- parent ----------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET /pipe: a child node links a room."""
        expected = f"Bearer {self._secret}"
        if not self._secret or not hmac.compare_digest(
            request.headers.get("Authorization", "").encode(), expected.encode()
        ):
            raise web.HTTPForbidden(text="Nodes need the --node-secret of this one.\n")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=wire.MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            hello = wire.decode(await socket.receive_str())
            if not isinstance(hello, wire.Hello) or hello.node == self._node:
                raise ValueError("the first message is a hello of another node")
            await self._accept(socket, hello)
        except (msgspec.MsgspecError, ValueError, TypeError, SignalingError) as error:
            logger.warning("x a node was refused: %s", error)
            await socket.close(code=1008, message=str(error).encode()[:120])
        finally:
            self._sockets.discard(socket)
        return socket

    async def _accept(self, socket: web.WebSocketResponse, hello: wire.Hello) -> None:
        over = asyncio.Event()
        connection = self._hub.open(lambda connection, reason: over.set())
        try:
            accept = wire.Accept(
                self._node,
                connection.ice.ufrag,
                connection.ice.password,
                tuple(self._hub.fingerprints),
                tuple(wire.Candidate(host, self._hub.port.port) for host in self._hosts),
            )
            await socket.send_str(wire.encode(accept))
            await self._run(socket, hello.room, connection, hello.fingerprints, over)
        finally:
            await self._hub.close(connection)

    # -- child -----------------------------------------------------------------------------------------------

    def _room_opened(self, room: str) -> None:
        if not self._closing and room not in self._dials:
            task = asyncio.get_running_loop().create_task(self._keep_linked(room))
            self._dials[room] = task

    async def _keep_linked(self, room: str) -> None:
        """Link a room to the parent's, again and again, until nobody is in it here."""
        pause = RETRY_FIRST
        try:
            while self._lobby.is_open(room):
                started = time.monotonic()
                try:
                    await self._dial(room)
                except (aiohttp.ClientError, OSError, msgspec.MsgspecError, ValueError, TypeError) as error:
                    logger.warning("x the link to the parent node failed: %s", error, extra={"room": room})
                if not self._lobby.is_open(room):
                    return
                pause = RETRY_FIRST if time.monotonic() - started > RETRY_MOST else min(pause * 2, RETRY_MOST)
                await asyncio.sleep(pause)
        finally:
            self._dials.pop(room, None)

    async def _dial(self, room: str) -> None:
        headers = {"Authorization": f"Bearer {self._secret}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(
                f"{self._parent}/pipe", heartbeat=HEARTBEAT, max_msg_size=wire.MAX_MESSAGE_BYTES
            ) as socket,
        ):
            await socket.send_str(wire.encode(wire.Hello(room, self._node, tuple(self._hub.fingerprints))))
            accept = wire.decode(await socket.receive_str())
            if not isinstance(accept, wire.Accept) or not accept.candidates:
                raise ValueError("the parent node did not accept")
            first = accept.candidates[0]
            over = asyncio.Event()
            far = FarEnd(first.host, first.port, accept.ufrag, accept.password)
            connection = self._hub.dial(far, lambda connection, reason: over.set())
            try:
                await self._run(socket, room, connection, accept.fingerprints, over)
            finally:
                await self._hub.close(connection)

    # -- both ------------------------------------------------------------------------------------------------

    async def _run(
        self,
        socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        room: str,
        connection: Connection,
        fingerprints: tuple[tuple[str, str], ...],
        over: asyncio.Event,
    ) -> None:
        """Keep one room in step over an open WebSocket, until either end or the media connection goes."""
        outgoing: asyncio.Queue[wire.AnyMessage] = asyncio.Queue()
        link = RoomLink(room, self._lobby, self._backend, connection, outgoing.put_nowait)
        self._links.add(link)
        connection.begin(fingerprints)
        tasks = {
            asyncio.ensure_future(self._read(socket, link)),
            asyncio.ensure_future(self._write(socket, link, outgoing)),
            asyncio.ensure_future(over.wait()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._links.discard(link)
            link.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(
        self, socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse, link: RoomLink
    ) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                link.receive(wire.decode(message.data))

    async def _write(
        self,
        socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        link: RoomLink,
        outgoing: asyncio.Queue[wire.AnyMessage],
    ) -> None:
        while True:
            await socket.send_str(wire.encode(await outgoing.get()))
            if isinstance(socket, aiohttp.ClientWebSocketResponse) and not link.needed:
                return  # nobody is left here who did not come from there

    async def close(self) -> None:
        """End every link, this node's own first. Idempotent."""
        self._closing = True
        for task in list(self._dials.values()):
            task.cancel()
        closing = [socket.close(code=1001) for socket in self._sockets]
        await asyncio.gather(*self._dials.values(), *closing, return_exceptions=True)

    def stats(self) -> list[dict[str, object]]:
        return [link.stats() for link in self._links]
