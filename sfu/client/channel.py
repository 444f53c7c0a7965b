"""A data channel that can be waited for: until it is open, and until what was sent has left.

Knows: aiortc's data channels. Does not know: what is said over them.
"""

import asyncio
import time
from collections.abc import Callable

from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError

from sfu.client.errors import ClientError

HIGH_BYTES = 512 * 1024
"""More than this is not handed over at once: enough for the fastest link, little to wait behind."""
LOW_BYTES = 256 * 1024
OPEN_SECONDS = 15.0
LINGER_SECONDS = 0.2
"""What was handed to SCTP takes so long to arrive, at least most of the time; nobody tells that it has."""


class Channel:
    """One end of a data channel; `received` is called with every message."""

    def __init__(self, channel: RTCDataChannel, received: Callable[[str | bytes], None]) -> None:
        self.label = channel.label
        self._channel = channel
        self._changed = asyncio.Event()
        self._ended = False
        self._sent_at = 0.0
        channel.bufferedAmountLowThreshold = LOW_BYTES
        channel.on("message", received)
        channel.on("open", self._changed.set)
        channel.on("bufferedamountlow", self._changed.set)
        channel.on("close", self.end)

    @property
    def open(self) -> bool:
        return not self._ended and self._channel.readyState == "open"

    @property
    def quiet(self) -> bool:
        """Whether what was sent has left, and had time to arrive."""
        if not self.open:
            return True
        return self._channel.bufferedAmount == 0 and time.monotonic() - self._sent_at > LINGER_SECONDS

    def end(self) -> None:
        """The connection is over: whoever waits gets ClientError("closed")."""
        self._ended = True
        self._changed.set()

    def post(self, data: str | bytes) -> bool:
        """Send now; False if the channel is not open."""
        if not self.open:
            return False
        try:
            self._channel.send(data)
        except (InvalidStateError, ConnectionError):
            return False
        self._sent_at = time.monotonic()
        return True

    async def send(self, data: str | bytes) -> None:
        """Send as soon as the channel is open and has room; raises ClientError."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._until(lambda: self._channel.readyState == "open")
        except TimeoutError:
            raise ClientError("timeout", f"The channel did not open in {OPEN_SECONDS:.0f} s.") from None
        await self._until(lambda: self._channel.bufferedAmount < HIGH_BYTES)
        if not self.post(data):
            raise ClientError("closed", "The connection has ended.")

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self._ended:
                raise ClientError("closed", "The connection has ended.")
            self._changed.clear()
            await self._changed.wait()
