"""A shaped link in virtual time, seeded: a bottleneck with a bounded queue, then loss, delay and jitter.

Knows: rates over time, sizes, times. Does not know: what a packet is, and never waits.
"""

from __future__ import annotations

import random

from benchmarks.adaptive.profiles import Shape

MTU_BITS = 12_000  # one packet is always let in, however small the queue


class ShapedLink:
    """`send` says when a packet arrives. Jitter is drawn for each packet, so that packets overtake each other."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self._rates = shape.rates
        self._shape = shape
        self._random = random.Random(seed)
        self._idle_at = 0.0
        self.overflowed = 0
        self.lost = 0
        self.waited = 0.0  # seconds that the latest packet let in will stand in the queue
        self.leaves = 0.0  # when it has left the bottleneck

    def send(self, size: int, now: float) -> float | None:
        """A packet of `size` bytes comes to the queue; when it is at the other end, or None if never."""
        lose, late = (
            self._random.random() * 100,
            self._random.random(),
        )  # both, whatever becomes of the packet
        rate = self._shape.rate_at(now)
        saved = self._shape.burst * 8 / rate  # seconds for which the bucket lets pass what comes
        start = max(self._idle_at, now - saved)
        queue = max(rate * self._shape.queue_ms / 1000, MTU_BITS)
        if start > now and self._bits(now, start) + size * 8 > queue:
            self.overflowed += 1
            return None
        self._idle_at = self._done(start, size * 8)
        self.waited = max(start - now, 0.0)
        self.leaves = max(self._idle_at, now)
        if lose < self._shape.loss:
            self.lost += 1
            return None
        return self.leaves + (self._shape.delay_ms + late * self._shape.jitter_ms) / 1000

    def _bits(self, begin: float, end: float) -> float:
        """What the bottleneck passes between two moments."""
        total = 0.0
        for place, (start, rate) in enumerate(self._rates):
            stop = self._rates[place + 1][0] if place + 1 < len(self._rates) else end
            low, high = max(begin, start), min(end, stop)
            if high > low:
                total += (high - low) * rate
        return total

    def _done(self, begin: float, bits: float) -> float:
        """When the bottleneck has passed so many bits, beginning at `begin`."""
        for place, (_, rate) in enumerate(self._rates):
            stop = self._rates[place + 1][0] if place + 1 < len(self._rates) else float("inf")
            if stop <= begin:
                continue
            if begin + bits / rate <= stop:
                return begin + bits / rate
            bits -= (stop - begin) * rate
            begin = stop
        raise AssertionError("the last rate has no end")
