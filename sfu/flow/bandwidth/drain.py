"""How a queue is emptied that has grown in the link: less leaves until it is short.

Knows how long packets wait. Does not know rates.
"""

from typing import Final

EMPTY: Final = 0.015  # seconds that are as good as none
_LONG: Final = 0.4  # seconds of queue for which least is sent
_LEAST: Final = 0.4  # of the rate: what is held back waits as well
_PATIENCE: Final = 1.5  # times as long as it should take: then it is not our queue


class Drain:
    """`on` while a queue is being emptied. `before_bps` is the rate that made it; 0: a probe did."""

    __slots__ = ("_until", "before_bps", "on")

    def __init__(self) -> None:
        self.on = False
        self.before_bps = 0.0
        self._until = 0.0

    def begin(self, queue: float, round_trip: float, now: float) -> None:
        """A queue of so many seconds is there."""
        self.on = True
        takes = queue / (1 - 0.85 * self.share(queue)) + round_trip + 0.2
        self._until = now + takes * _PATIENCE

    def share(self, queue: float) -> float:
        """The share of the rate that leaves while `queue` seconds are there."""
        return max(1 - max(queue - EMPTY, 0.0) / _LONG, _LEAST)

    def update(self, queue: float, now: float) -> bool:
        """See whether it is over; True when there is a queue yet that can't be ours."""
        if queue >= EMPTY and now <= self._until:
            return False
        self.on = False
        self.before_bps = 0.0
        return queue >= EMPTY
