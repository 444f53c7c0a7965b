"""A participant's uplink: a token bucket before the socket, with a bounded queue, where no namespace can be had.

Knows: rate, burst, the queue's bound; counts what was dropped.
Does not know: what the datagrams are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from benchmarks.topology.packets import UDP_IP

BURST = 16 * 1024  # bytes; as `tbf ... burst 16kb latency 100ms`, which shapes the links of namespaces
QUEUE_SECONDS = 0.1


class Shaper:
    """`pass_on(size, send)` calls `send` now, later, or never."""

    def __init__(self, rate_bps: int) -> None:
        self._rate = rate_bps / 8  # bytes a second
        self._tokens = float(BURST)
        self._filled_at = 0.0
        self._queue: deque[tuple[int, Callable[[], None]]] = deque()
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None
        self.dropped = 0

    def pass_on(self, size: int, send: Callable[[], None]) -> None:
        """Send one datagram of `size` bytes, UDP and IP headers not counted, as the link allows."""
        weight = size + UDP_IP
        if self._queued + weight > self._rate * QUEUE_SECONDS + BURST:
            self.dropped += 1
            return
        self._queue.append((weight, send))
        self._queued += weight
        if self._timer is None:
            self._drain()

    def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        while self._queue and self._queue[0][0] <= self._tokens:
            weight, send = self._queue.popleft()
            self._queued -= weight
            self._tokens -= weight
            send()
        if self._queue:
            wait = (self._queue[0][0] - self._tokens) / self._rate
            self._timer = loop.call_later(max(wait, 0.001), self._drain)

    def close(self) -> None:
        """Forget what is queued."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self._queued = 0
