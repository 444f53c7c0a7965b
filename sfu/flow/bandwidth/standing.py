"""How long packets wait in queues that never empty: the least delay of late above the least of the last seconds.

A minimum ignores jitter, bursts and key frames, which a slope does not. Knows one-way delays with an unknown
offset (two clocks that drift). Does not know rates.
"""

from collections import deque
from typing import Final

_WINDOW: Final = (
    10.0  # seconds; the base is the minimum of one to two of them, so drift and routes are forgotten
)
_KEPT: Final = 16  # feedbacks
_WEIGHT: Final = 0.05  # of one feedback's spread
_MOST_SPREAD: Final = 0.15  # seconds: more is a queue growing rather than jitter
_PER_BEND: Final = 0.86  # mean above the least, per second difference: both of independent even jitter


class StandingQueue:
    """Fed with the least one-way delay in each feedback."""

    __slots__ = ("_before", "_lows", "_since", "_spreads", "_window", "spread")

    def __init__(self) -> None:
        self._lows: deque[tuple[float, float, int]] = deque(maxlen=_KEPT)
        self._window = self._before = float("inf")
        self._since: float | None = None
        self._spreads = 0
        self.spread = 0.0
        """Seconds that the mean delay is above the least, smoothed: jitter."""

    def update(self, delays: list[float], now: float) -> None:
        """Arrival minus send time in seconds of packets told of at `now`, in the order they were sent."""
        low, count = min(delays), len(delays)
        if count > 1:  # few packets rarely have one that was as fast as can be
            spread = (sum(delays) / count - low) * (count + 1) / (count - 1)
            if count > 2:  # a queue that grows or shrinks is none; neighbours differ little in it
                bends = sum(
                    abs(a + c - b - b) for a, b, c in zip(delays, delays[1:], delays[2:], strict=False)
                )
                spread = min(spread, bends / (count - 2) * _PER_BEND)
            spread = min(spread, _MOST_SPREAD)
            self._spreads += 1
            self.spread += (spread - self.spread) * max(_WEIGHT, 1 / self._spreads)
        if self._since is None:
            self._since = now
        elif now - self._since >= _WINDOW:
            self._before = self._window
            self._window = low
            self._since = now
        if low < self._window:
            self._window = low
        self._lows.append((now, low, count))

    def delay(self, packets: int, seconds: float, now: float) -> float:
        """Seconds that none of the last `packets` did without; looks at `seconds` of feedback, at least one."""
        low = float("inf")
        for at, least, count in reversed(self._lows):
            if low != float("inf") and now - at > seconds:
                break
            low = min(low, least)
            packets -= count
            if packets <= 0:
                break
        return max(low - self.base, 0.0) if self._lows else 0.0

    @property
    def base(self) -> float:
        """The least delay, with the unknown offset; infinite before the first."""
        return min(self._window, self._before)

    def rebase(self) -> None:
        """What is waited now is not a queue that we can empty: it becomes the base."""
        if self._lows:
            self._window = self._lows[-1][1]
            self._before = float("inf")
