"""Costly pieces of work of many connections, one in each turn of the event loop: media goes on between them.

When a meeting starts, hundreds shake hands and offer at once, at up to a millisecond each. Knows no connection.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

# Handshakes have some six datagrams; this is the half of a thousand clients, at 2 KiB each.
MOST_WAITING = 4096


class Turns:
    """First come, first served."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: deque[Callable[[], object]] = deque()
        self._due = False

    def put(self, work: Callable[[], object]) -> bool:
        """Have it done when its turn comes; False if too much is waiting already."""
        if len(self._waiting) >= self._most:
            return False
        self._append(work)
        return True

    async def come(self) -> None:
        """Wait for one's turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._append(lambda: _grant(turn))
        await turn

    def _append(self, work: Callable[[], object]) -> None:
        self._waiting.append(work)
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        try:
            self._waiting.popleft()()
        except Exception:
            logger.exception("a piece of work failed")
        self._due = bool(self._waiting)
        if self._due:
            asyncio.get_running_loop().call_soon(self._next)


def _grant(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
