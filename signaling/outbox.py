"""The bounded queue of one client's outgoing messages, and the ways its connection can end.

Knows: how much may wait for a client that reads slowly, and what is told to whom when a connection ends.
Does not know: sockets, rooms, what the messages say.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from signaling.fields import ByeReason, LeftReason

MAX_MESSAGES = 1024
"""A client that joins a room of 100 gets some 400 messages if all the others join at that moment."""
MAX_BYTES = 2 << 20
"""In characters of JSON; the largest single message is a signal of 1 MiB, which still fits beside the reserve."""
RESERVE = 1 / 4
"""The part of an outbox that what other clients send may not fill: it is left to what the server has to say."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ends: the reason the others get, the last word to the client, the close code.

    Close codes: RFC 6455 section 7.4.1.
    """

    left: LeftReason
    bye: ByeReason | None
    close_code: int


LEFT = Ending("left", None, 1000)
DISCONNECTED = Ending("disconnected", None, 1000)
TIMEOUT = Ending("timeout", "timeout", 1008)
REPLACED = Ending("replaced", "replaced", 1000)
TOO_SLOW = Ending("too-slow", "too-slow", 1008)
TOO_LARGE = Ending("disconnected", None, 1009)
SHUTDOWN = Ending("shutdown", "shutdown", 1001)


class Outbox:
    """JSON texts on their way to one client, in order; full means that the client is too slow."""

    __slots__ = ("_bytes", "_ended", "_max_bytes", "_max_messages", "_number", "_texts", "_wake", "ending")

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        # By number, or by what they are the latest of.
        self._texts: OrderedDict[int | str, str] = OrderedDict()
        self._number = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self.ending: Ending | None = None

    def put(self, text: str) -> None:
        """Queue a message; one too many ends the connection instead. After the end nothing is queued."""
        self._number += 1
        self._put(self._number, text)

    def put_latest(self, what: str, text: str) -> None:
        """Queue a message that makes an earlier one of the same `what` needless: if that still waits, it goes.

        So a client that reads slowly gets fewer of them, and is not dropped because of them.
        """
        if self.ending is None and what in self._texts:
            self._bytes -= len(self._texts.pop(what))
        self._put(what, text)

    def _put(self, key: int | str, text: str) -> None:
        if self.ending is not None:
            return
        if len(self._texts) >= self._max_messages or self._bytes + len(text) > self._max_bytes:
            self._texts.clear()
            self._bytes = 0
            self.end(TOO_SLOW)
            return
        self._texts[key] = text
        self._bytes += len(text)
        self._wake.set()

    def put_if_room(self, text: str) -> bool:
        """Queue what another client sent; False if too much waits already, and then nothing is queued."""
        share = 1 - RESERVE
        if (
            len(self._texts) >= share * self._max_messages
            or self._bytes + len(text) > share * self._max_bytes
        ):  # fmt: skip
            return self.ending is not None
        self.put(text)
        return True

    def end(self, ending: Ending) -> None:
        """End the connection once what is queued has been sent; the first ending is the one that counts."""
        if self.ending is None:
            self.ending = ending
            self._wake.set()
            self._ended.set()

    async def get(self) -> str | None:
        """Wait for the next message; None when there will be no more. For one reader."""
        while not self._texts:
            if self.ending is not None:
                return None
            self._wake.clear()
            await self._wake.wait()
        _, text = self._texts.popitem(last=False)
        self._bytes -= len(text)
        return text

    async def ended(self) -> Ending:
        """Wait until the connection is to end, which may be before all messages are sent."""
        await self._ended.wait()
        assert self.ending is not None
        return self.ending
