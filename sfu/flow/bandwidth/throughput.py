"""How much arrives: the rate of acknowledged bytes, and the rate that the same bytes were sent at.

Knows sums of bytes with their send and arrival times. Does not know what a link can carry.
"""

from bisect import bisect_right
from collections import deque
from math import inf
from typing import Final

_SHORT, _LONG = 0.2, 0.6  # seconds at least that a rate is taken over
_STEP: Final = 0.02  # seconds: marks nearer than this are one
_KEPT: Final = 64  # marks: beyond 600 ms even when they are 20 ms apart


class Throughput:
    """Fed once per feedback. Rates in bit/s are 0 until enough was told."""

    __slots__ = ("_marks", "_sent", "_total", "long_bps", "sent_bps", "short_bps")

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float, int, int]] = deque(maxlen=_KEPT)
        """Arrival, send, bytes that arrived and bytes that were sent until then."""
        self._total = self._sent = 0
        self.short_bps = 0.0
        """Over the last 200 ms."""
        self.long_bps = 0.0
        """Over the last 600 ms."""
        self.sent_bps = 0.0
        """What these bytes were sent at, with those that got lost among them."""

    def update(self, size: int, lost: int, send: float, arrival: float) -> None:
        """`size` more bytes are known to have arrived, and `lost` not to.

        The last that arrived was sent at `send` and came at `arrival`.
        """
        marks = self._marks
        self._total += size
        self._sent += size + lost
        total = self._total
        if marks:
            last_arrival, last_send, _, _ = marks[-1]
            if abs(arrival - last_arrival) > 60:  # seconds: a clock that was set, or a lie
                marks.clear()
            else:
                arrival, send = max(arrival, last_arrival), max(send, last_send)
                if len(marks) > 1 and arrival - marks[-2][0] < _STEP:
                    marks.pop()
        marks.append((arrival, send, total, self._sent))
        if (mark := self._mark_before(arrival - _SHORT)) is None:
            return
        since, send_since, before, sent_before = mark
        self.short_bps = self.long_bps = (total - before) * 8 / (arrival - since)
        self.sent_bps = (self._sent - sent_before) * 8 / max(send - send_since, 0.001)
        if (mark := self._mark_before(arrival - _LONG)) is not None:
            since, _, before, _ = mark
            self.long_bps = (total - before) * 8 / (arrival - since)

    def _mark_before(self, at: float) -> tuple[float, float, int, int] | None:
        """The newest mark that is no later; None if all are."""
        place = bisect_right(self._marks, (at, inf, 0, 0))
        return self._marks[place - 1] if place else None
