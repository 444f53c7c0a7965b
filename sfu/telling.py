"""What is told to clients at times of its own: reports as often as they were asked for, speakers not too often.

Knows: timers. Does not know: what a report holds, or who is told.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from sfu.rooms.room import Room

SPEAKERS_INTERVAL = 0.25
"""Seconds between two messages about speakers; and how often it is looked whether somebody has become silent."""


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Call nothing any more."""


CallLater = Callable[[float, Callable[[], None]], Timer]


def _call_later(seconds: float, callback: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, callback)


class Reporter:
    """Calls `report` with the time, each so many seconds, on a grid that being late does not shift."""

    def __init__(
        self,
        report: Callable[[float], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        call_later: CallLater = _call_later,
    ) -> None:
        self._report = report
        self._clock = clock
        self._call_later = call_later
        self._seconds = 0.0
        self._due = 0.0
        self._timer: Timer | None = None

    def every(self, seconds: float) -> None:
        """So often from now on; 0: never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._seconds = seconds
        if seconds > 0:
            self._due = self._clock() + seconds
            self._timer = self._call_later(seconds, self._ring)

    def _ring(self) -> None:
        now = self._clock()
        # Whole periods that were slept through are left out: nobody gains by several reports at once.
        self._due += self._seconds * max(1.0, (now - self._due) // self._seconds + 1)
        self._timer = self._call_later(max(0.0, self._due - now), self._ring)
        self._report(now)


class SpeakerNews:
    """Watches who speaks in a room, and tells it on change; the timer runs only while somebody speaks."""

    def __init__(
        self,
        room: Room,
        tell: Callable[[tuple[str, ...]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        call_later: CallLater = _call_later,
    ) -> None:
        self._room = room
        self._tell = tell
        self._clock = clock
        self._call_later = call_later
        self._told: tuple[str, ...] = ()
        self._told_at = float("-inf")
        self._timer: Timer | None = None
        room.on_speakers = self._changed

    def close(self) -> None:
        """Tell nothing any more. Idempotent."""
        self._room.on_speakers = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _changed(self, active: tuple[str, ...]) -> None:
        if self._timer is None:
            wait = self._told_at + SPEAKERS_INTERVAL - self._clock()
            self._timer = self._call_later(max(0.0, wait), self._look)

    def _look(self) -> None:
        now = self._clock()
        self._room.pulse(now)
        self._timer = None
        active = self._room.speakers.active
        if active:
            self._timer = self._call_later(SPEAKERS_INTERVAL, self._look)
        if active != self._told:
            self._told, self._told_at = active, now
            self._tell(active)
