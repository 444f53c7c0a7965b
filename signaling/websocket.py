"""The pump between WebSockets and sessions: tasks, clocks and sockets, and not one protocol rule.

Knows: aiohttp, and how a connection starts and ends. Does not know: what messages mean (session.py) or
what happens in rooms (lobby.py).

Each connection has three tasks: one reads and feeds the session, one works on the requests in order, one
writes. They end together; a connection that fails takes no other with it.
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from signaling.counters import Counters
from signaling.errors import to_message
from signaling.lobby import Lobby
from signaling.messages import Bye, Error, Join, ServerMessage, encode
from signaling.outbox import DISCONNECTED, LEFT, MAX_BYTES, SHUTDOWN, TIMEOUT, TOO_LARGE, Outbox
from signaling.room import Member
from signaling.session import MAX_PENDING, Effect, End, Pause, Perform, Send, Session, Work

logger = logging.getLogger(__name__)

HEARTBEAT = 10.0
"""Seconds of silence before a ping; aiohttp waits half of that for the pong, so dead TCP is seen in 15 s."""
MAX_FRAME_BYTES = 2 << 20
"""Above the protocol's own limit, so that a message somewhat too large still gets its error."""
SEND_BUFFER_BYTES = 128 * 1024
"""What the kernel may hold for a client that doesn't read; else it grows to megabytes."""
CLOSE_PATIENCE = 1.0
"""Seconds to get the last messages out, and then again for the client's side of the close."""


class WebSockets:
    """Every WebSocket of the server; the owner calls `close`."""

    def __init__(
        self,
        lobby: Lobby,
        counters: Counters,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_waiting_bytes: int = MAX_BYTES,
    ) -> None:
        self._lobby = lobby
        self._counters = counters
        self._clock = clock
        self._max_waiting_bytes = max_waiting_bytes
        self._open: dict[asyncio.Task[Any], Outbox] = {}
        self._closing = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one WebSocket until it ends: an aiohttp handler."""
        if self._closing:
            raise web.HTTPServiceUnavailable(text="The server is shutting down.\n")
        socket_ = web.WebSocketResponse(
            heartbeat=HEARTBEAT, timeout=CLOSE_PATIENCE, max_msg_size=MAX_FRAME_BYTES, compress=False
        )
        await socket_.prepare(request)
        outbox = Outbox(max_bytes=self._max_waiting_bytes)
        # A task of its own: aiohttp may cancel a handler when TCP ends, which would cut short the good end.
        task = asyncio.create_task(self._serve(socket_, outbox, request.transport))
        self._open[task] = outbox
        task.add_done_callback(self._open.pop)
        await asyncio.shield(task)
        return socket_

    async def close(self) -> None:
        """Say bye to everybody and wait until all are gone, at most twice CLOSE_PATIENCE; idempotent."""
        self._closing = True
        for outbox in list(self._open.values()):
            outbox.end(SHUTDOWN)
        if self._open:
            _, late = await asyncio.wait(set(self._open), timeout=2 * CLOSE_PATIENCE)
            await _stop(*late)

    async def _serve(
        self, socket_: web.WebSocketResponse, outbox: Outbox, transport: asyncio.Transport | None
    ) -> None:
        _bound_kernel_queue(transport)
        self._counters.connections += 1
        self._counters.connections_open += 1
        try:
            await _Connection(socket_, outbox, self._lobby, self._counters, self._clock).run()
        finally:
            self._counters.connections_open -= 1
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()  # Who doesn't read would keep it open for minutes.


class _Connection:
    """One client: its session, its place in a room, its tasks."""

    def __init__(
        self,
        socket_: web.WebSocketResponse,
        outbox: Outbox,
        lobby: Lobby,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._socket = socket_
        self._outbox = outbox
        self._lobby = lobby
        self._counters = counters
        self._clock = clock
        self._session = Session(clock())
        self._requests: asyncio.Queue[Work] = asyncio.Queue(MAX_PENDING)
        self._member: Member | None = None
        self._alarm: asyncio.Timeout | None = None

    async def run(self) -> None:
        reader = asyncio.create_task(self._guard(self._read()))
        worker = asyncio.create_task(self._guard(self._work()))
        writer = asyncio.create_task(self._guard(self._write()))
        try:
            ending = await self._outbox.ended()
            await _stop(worker)
            leaving = self._member and self._lobby.remove(self._member, ending.left)
            # Read on meanwhile: a client that is still sending could not read our last words otherwise.
            await asyncio.wait({writer}, timeout=CLOSE_PATIENCE)
            await _stop(reader, writer)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_PATIENCE):
                    await self._socket.close(code=ending.close_code)
            if leaving:
                await asyncio.shield(leaving)
        finally:
            await _stop(reader, worker, writer)
            if self._member:
                self._lobby.remove(self._member, "disconnected")

    async def _guard(self, part: Coroutine[Any, Any, None]) -> None:
        """Run one of the three tasks; however it ends, the connection ends."""
        try:
            await part
        except ConnectionError:
            pass
        except Exception:
            logger.exception("x a connection failed")
        finally:
            self._outbox.end(DISCONNECTED)

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(None) as self._alarm:
                    self._set_alarm()
                    frame = await self._socket.receive()
            except TimeoutError:
                await self._apply(self._session.tick(self._clock()))
                continue
            finally:
                self._alarm = None
            if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._note_end(frame)
                return
            self._counters.messages_in += 1
            await self._apply(self._session.receive(frame.data, self._clock()))

    def _set_alarm(self) -> None:
        """Wake the reader when the session wants its tick."""
        if self._alarm is not None and not self._alarm.expired():
            deadline = self._session.deadline()
            wait = None if deadline is None else max(0.0, deadline - self._clock())
            self._alarm.reschedule(None if wait is None else asyncio.get_running_loop().time() + wait)

    async def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    self._send(message)
                case Perform(request):
                    self._requests.put_nowait(request)
                    # Let the worker do what is quickly done, before the next of many frames is read.
                    await asyncio.sleep(0)
                case End(ending):
                    self._outbox.end(ending)
                case Pause(seconds):
                    await asyncio.sleep(seconds)

    def _note_end(self, frame: WSMessage) -> None:
        if frame.type is WSMsgType.CLOSE:
            self._outbox.end(LEFT)
        elif isinstance(self._socket.exception(), TimeoutError):
            self._outbox.end(TIMEOUT)
        elif isinstance(frame.data, WebSocketError) and frame.data.code == TOO_LARGE.close_code:
            self._counters.error("too-large")
            self._outbox.end(TOO_LARGE)
        else:
            self._outbox.end(DISCONNECTED)

    async def _work(self) -> None:
        while True:
            request = await self._requests.get()
            succeeded = await self._perform(request)
            max_silence = self._member.room.max_silence if self._member is not None else None
            self._session.finished(request, succeeded, self._clock(), max_silence)
            self._set_alarm()

    async def _perform(self, request: Work) -> bool:
        try:
            if isinstance(request, Join):
                self._member = self._lobby.join(request, self._outbox)
            else:
                assert self._member is not None
                await self._lobby.perform(self._member, request)
        except Exception as error:
            self._send(to_message(error, request.id))
            return False
        return True

    def _send(self, message: ServerMessage) -> None:
        if isinstance(message, Error):
            self._counters.error(message.code)
        self._outbox.put(encode(message))

    async def _write(self) -> None:
        while (text := await self._outbox.get()) is not None:
            await self._socket.send_str(text)
            self._counters.messages_out += 1
        assert self._outbox.ending is not None
        if self._outbox.ending.bye is not None and not self._socket.closed:
            await self._socket.send_str(encode(Bye(reason=self._outbox.ending.bye)))
            self._counters.messages_out += 1


async def _stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _bound_kernel_queue(transport: asyncio.Transport | None) -> None:
    raw = transport.get_extra_info("socket") if transport is not None else None
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
