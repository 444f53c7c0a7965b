"""The WebSocket to the server: requests with their answers, and everything the server says of its own accord.

Knows: signaling messages as they travel. Does not know: what they mean for media.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable

import aiohttp
import msgspec

from sfu.client.errors import ClientError
from signaling.fields import Request
from signaling.messages import (
    Announced,
    Answer,
    Bye,
    ClientMessage,
    Error,
    Leave,
    Ok,
    Ping,
    Pong,
    ServerMessage,
    Slot,
    Welcome,
    decode_server,
    encode,
)

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 15.0
HEARTBEAT_SECONDS = 0.7
"""Mesh and auto rooms drop a client that is silent for 2.5 s: three heartbeats fit in."""
GOODBYE_SECONDS = 1.0

Reply = Welcome | Answer | Slot | Announced | Ok | Pong


class Session:
    """One open WebSocket. `start` before the first request; `close` ends it."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._http = http
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._said: list[ServerMessage] = []
        self._listener: Callable[[ServerMessage], None] | None = None
        self._lost: Callable[[str], None] = lambda reason: None
        self._reason = "disconnected"
        self._tasks = [asyncio.create_task(self._read())]

    @classmethod
    async def open(cls, url: str, ssl: bool = True) -> "Session":
        """Connect to the server at `url` (http or https); raises ClientError("unreachable")."""
        http = aiohttp.ClientSession()
        try:
            # Answers hold SDP of any length: the limit is the server's.
            socket = await http.ws_connect(f"{url.rstrip('/')}/ws", max_msg_size=0, ssl=ssl)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await http.close()
            raise ClientError("unreachable", f"There is no aiosfu server at {url} ({error}).") from None
        except BaseException:
            await http.close()
            raise
        return cls(http, socket)

    def listen(self, listener: Callable[[ServerMessage], None], lost: Callable[[str], None]) -> None:
        """Call `listener` with all that the server says besides answers, from the first word on; `lost` at the end."""
        self._listener, self._lost = listener, lost
        for message in self._said:
            listener(message)
        self._said.clear()
        if self._socket.closed:
            lost(self._reason)

    def keep_alive(self) -> None:
        """Say something often enough that the server knows at once when this client vanishes."""
        self._tasks.append(asyncio.create_task(self._beat()))

    async def ask(self, request: ClientMessage) -> Reply:
        """Send a request and return its answer; raises ClientError, with the server's code if it refused."""
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self.tell(_numbered(request, number))
                return await future
        except TimeoutError:
            raise ClientError("timeout", f"The server did not answer in {REQUEST_SECONDS:.0f} s.") from None
        finally:
            del self._waiting[number]

    async def tell(self, message: ClientMessage) -> None:
        """Send a message that has no answer; raises ClientError("closed")."""
        if self._socket.closed:
            raise ClientError("closed", "The connection to the server has ended.")
        try:
            await self._socket.send_str(encode(message))
        except (ConnectionError, aiohttp.ClientError):
            raise ClientError("closed", "The connection to the server has ended.") from None

    async def close(self) -> None:
        """Leave and close; idempotent."""
        with contextlib.suppress(ClientError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.tell(Leave())
                # The server closes: so it knows of the leaving before media connections end.
                await asyncio.shield(self._tasks[0])
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._socket.close()
        await self._http.close()
        self._end()

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._receive(frame.data)
        except Exception:
            logger.exception("x a message of the server could not be dealt with")
            await self._socket.close()
        self._end()
        self._lost(self._reason)

    def _receive(self, text: str) -> None:
        try:
            message = decode_server(text)
        except msgspec.MsgspecError:
            return  # of a newer server: unknown types are ignored
        if isinstance(message, Bye):
            self._reason = message.reason
        future = self._waiting.get(getattr(message, "re", None) or 0)
        if future is not None and not future.done():
            if isinstance(message, Error):
                future.set_exception(ClientError(message.code, message.message))
            elif isinstance(message, Reply):
                future.set_result(message)
        elif self._listener is None:
            self._said.append(message)
        else:
            self._listener(message)

    async def _beat(self) -> None:
        with contextlib.suppress(ClientError):
            while True:
                await self.tell(Ping())
                await asyncio.sleep(HEARTBEAT_SECONDS)

    def _end(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ClientError("closed", "The connection to the server has ended."))


def _numbered(request: ClientMessage, number: int) -> ClientMessage:
    assert isinstance(request, Request)
    return msgspec.structs.replace(request, id=number)
