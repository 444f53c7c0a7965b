"""A lossy network link in virtual time, seeded: the same seed and the same packets give the same fate.

Knows bytes and times. Does not know what the bytes mean, and never waits: the test moves `now`.
"""

from heapq import heappop, heappush
from random import Random


class Link:
    """One direction of a path.

    `loss` and `duplicate` are probabilities; `delay` is seconds, `jitter` seconds added at random up to that
    much (so packets overtake each other). With `rate_bps` packets leave one after the other at that rate, and
    those that would find more than `queue_limit` bytes waiting are dropped at the tail.
    """

    def __init__(
        self,
        seed: int,
        loss: float = 0.0,
        delay: float = 0.0,
        jitter: float = 0.0,
        duplicate: float = 0.0,
        rate_bps: float | None = None,
        queue_limit: int = 64_000,
    ) -> None:
        self.loss = loss  # may be changed on the way: an outage is loss = 1
        self.delay = delay
        self.jitter = jitter
        self.duplicate = duplicate
        self.rate_bps = rate_bps
        self.queue_limit = queue_limit
        self.sent = 0
        self.lost = 0
        self.overflowed = 0
        self.duplicated = 0
        self.delivered = 0
        self._random = Random(seed)
        self._idle_at = float("-inf")  # when the last accepted packet has left the queue
        self._order = 0
        self._flying: list[tuple[float, int, bytes]] = []

    def send(self, packet: bytes, now: float) -> None:
        """Put a packet on the link at `now`."""
        # Always the same number of draws, so that one setting does not change the fate under another.
        lose, double, first, second = (self._random.random() for _ in range(4))
        self.sent += 1
        leaves = now
        if self.rate_bps is not None:
            waiting = max(self._idle_at - now, 0.0) * self.rate_bps / 8
            if waiting > self.queue_limit:
                self.overflowed += 1
                return
            leaves = self._idle_at = max(self._idle_at, now) + len(packet) * 8 / self.rate_bps
        if lose < self.loss:
            self.lost += 1
            return
        self._fly(packet, leaves + self.delay + first * self.jitter)
        if double < self.duplicate:
            self.duplicated += 1
            self._fly(packet, leaves + self.delay + second * self.jitter)

    def deliver(self, now: float) -> list[bytes]:
        """The packets that have arrived by `now`, in order of arrival."""
        arrived: list[bytes] = []
        while self._flying and self._flying[0][0] <= now:
            arrived.append(heappop(self._flying)[2])
        self.delivered += len(arrived)
        return arrived

    def deadline(self) -> float | None:
        """When the next packet arrives; None if none is on its way."""
        return self._flying[0][0] if self._flying else None

    def _fly(self, packet: bytes, at: float) -> None:
        self._order += 1
        heappush(self._flying, (at, self._order, packet))
