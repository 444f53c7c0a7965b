"""A clock and timers that stand still until they are told to go on.

Knows: `time.monotonic` and `loop.call_later` by their shape. Does not know: asyncio.
"""

from collections.abc import Callable


class Alarm:
    """One timer."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Call nothing any more."""
        self.cancelled = True


class Clock:
    """Seconds since it was made; `forward` lets time pass and calls what is due."""

    def __init__(self) -> None:
        self.now = 0.0
        self.alarms: list[Alarm] = []

    def __call__(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(self.now + seconds, callback)
        self.alarms.append(alarm)
        return alarm

    def forward(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [alarm for alarm in self.pending() if alarm.at <= until]:
            alarm = min(due, key=lambda alarm: alarm.at)
            self.alarms.remove(alarm)
            self.now = max(self.now, alarm.at)
            alarm.callback()
        self.now = until

    def pending(self) -> list[Alarm]:
        """Return the timers that will ring."""
        return [alarm for alarm in self.alarms if not alarm.cancelled]
