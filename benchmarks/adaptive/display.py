"""When pictures are on the screen, and for how long the screen stood still.

A browser holds pictures back by about as much as they were late lately, and shows them at an even pace; then it counts
a freeze (W3C webrtc-stats, totalFreezesDuration) when one stays for longer than max(3 d, d + 150 ms), d being the mean
of the last 30 intervals. Knows times only.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

CLOCK_RATE = 90_000
FORGET = 10.0  # seconds until a late picture is forgotten
MEAN_OF = 30
FREEZE_EXTRA = 0.150
BASE_AGE = 30.0  # seconds over which the earliest picture is looked for


class Shown(NamedTuple):
    """A picture on the screen. `encoding` and `temporal` are -1 where the frame does not tell."""

    at: float
    encoding: int
    temporal: int


class Freeze(NamedTuple):
    begin: float
    end: float


@dataclass(slots=True)
class Display:
    """`arrived` per whole frame, `picture` at its `due` time, `pause` and `resume` as the server says, `end` once."""

    shown: list[Shown] = field(default_factory=list)
    freezes: list[Freeze] = field(default_factory=list)
    pauses: list[Freeze] = field(default_factory=list)
    _ahead: deque[tuple[float, float]] = field(default_factory=deque)  # (when, earliness), ascending
    _late: float = 0.0
    _late_at: float = 0.0
    _intervals: deque[float] = field(default_factory=lambda: deque(maxlen=MEAN_OF))
    _last: float | None = None
    _paused_at: float | None = None

    def arrived(self, timestamp: int, at: float) -> None:
        """A frame is whole: how late it is decides how far the next ones are held back."""
        offset = at - timestamp / CLOCK_RATE
        while self._ahead and self._ahead[-1][1] >= offset:
            self._ahead.pop()
        self._ahead.append((at, offset))
        while self._ahead[0][0] < at - BASE_AGE:
            self._ahead.popleft()
        late = offset - self._ahead[0][1]
        self._late = max(late, self._late - self._late * min((at - self._late_at) / FORGET, 1.0))
        self._late_at = at

    def due(self, timestamp: int, whole_at: float) -> float:
        """When a picture is to be shown, at the earliest."""
        held = timestamp / CLOCK_RATE + self._ahead[0][1] + self._late if self._ahead else whole_at
        return max(held, whole_at, self.shown[-1].at if self.shown else whole_at)

    def picture(self, at: float, encoding: int, temporal: int) -> None:
        """A picture is on the screen."""
        self._interval(at)
        self.shown.append(Shown(at, encoding, temporal))

    def _interval(self, at: float) -> None:
        if self._last is not None:
            interval = at - self._last
            if self._paused_at is None and self._froze(interval):
                self.freezes.append(Freeze(self._last, at))
            self._intervals.append(interval)
        self._last = at

    def _froze(self, interval: float) -> bool:
        if not self._intervals:
            return False
        mean = sum(self._intervals) / len(self._intervals)
        return interval > max(3 * mean, mean + FREEZE_EXTRA)

    def pause(self, at: float) -> None:
        """The server has said that it sends no pictures: what is on its way is shown, then nothing is expected."""
        if self._paused_at is None:
            self._paused_at = at

    def resume(self, at: float) -> None:
        """The server has said that pictures come again: waiting for the first one counts from here."""
        if self._paused_at is not None:
            self.pauses.append(Freeze(self._paused_at, at))
            self._paused_at = None
            if self._last is not None:
                self._last = max(self._last, at)

    def end(self, at: float) -> None:
        """Nothing comes after this moment."""
        if self._paused_at is not None:
            self.resume(at)
        elif self._last is not None and self._froze(at - self._last):
            self.freezes.append(Freeze(self._last, at))
