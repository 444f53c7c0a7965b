"""Overuse or not: the slope of the delay against a threshold that adapts.

draft-ietf-rmcat-gcc-02 sections 5.4 and 5.5. Knows slopes and times. Does not know how slopes are made.
"""

from enum import Enum
from typing import Final

_GAIN: Final = 4.0  # of the slope; with the count of groups it becomes ms, which the draft's figures are in
_MOST_GROUPS: Final = 60  # that make the slope weigh more
_INITIAL: Final = 12.5  # ms, section 5.4
_LOWEST, _HIGHEST = 6.0, 600.0  # ms
_UP, _DOWN = 0.0087, 0.039  # per ms and ms of difference: how fast it follows
_SPIKE: Final = 15.0  # ms above the threshold: a spike that it does not follow
_LONGEST_STEP: Final = 100.0  # ms that count as passed between two judgements
_OVERUSE: Final = 10.0  # ms that the slope is above before it counts


class Usage(Enum):
    """What the delay says of the link."""

    NORMAL = "normal"
    OVER = "over"
    UNDER = "under"


class OveruseDetector:
    """Judges slopes, one after the other."""

    __slots__ = ("_above", "_at", "_previous", "_times", "threshold", "usage")

    def __init__(self) -> None:
        self.threshold = _INITIAL
        self.usage = Usage.NORMAL
        self._above = 0.0  # ms that the slope has been above the threshold
        self._times = 0  # judgements in a row that found it above
        self._previous = 0.0
        self._at: float | None = None

    def judge(self, slope: float, groups: int, at_ms: float) -> Usage:
        """`slope` over the last groups, of `groups` in all, at the time `at_ms` (of sending)."""
        passed = 0.0 if self._at is None else min(max(at_ms - self._at, 0.0), _LONGEST_STEP)
        self._at = at_ms
        trend = min(groups, _MOST_GROUPS) * slope * _GAIN
        if trend > self.threshold:
            self._above += passed if self._times else passed / 2  # it began somewhere between
            self._times += 1
            if self._above > _OVERUSE and self._times > 1 and slope >= self._previous:
                self._above = 0.0
                self._times = 0
                self.usage = Usage.OVER
        else:
            self._above = 0.0
            self._times = 0
            self.usage = Usage.UNDER if trend < -self.threshold else Usage.NORMAL
        self._previous = slope
        self._adapt(abs(trend), passed)
        return self.usage

    def _adapt(self, size: float, passed: float) -> None:
        if size > self.threshold + _SPIKE:
            return
        speed = _DOWN if size < self.threshold else _UP
        self.threshold += speed * (size - self.threshold) * passed
        self.threshold = min(max(self.threshold, _LOWEST), _HIGHEST)
