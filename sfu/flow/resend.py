"""What a subscriber may have sent again.

Knows numbers, sizes and times. Does not know the packets (`flow.history`), nor what their numbers mean: one
budget belongs to one subscription, and the numbers are those its subscriber asks for.
"""

from typing import Final

from sfu.flow.rate import RateMeter

# Loss worth repairing is far below this; a subscriber that asks for more is congested or hostile.
SHARE: Final = 0.5
# Bytes a second on top, so that a key frame is repaired on a stream that was nearly silent before it.
BURST: Final = 50_000
# Shorter round trips (loopback, LAN) do not mean that repeated requests are worth answering.
_MIN_PAUSE: Final = 0.010
_REMEMBERED: Final = 1024  # as many numbers as a history holds packets


class ResendBudget:
    """In any second, bytes sent again stay within `share` of the bytes forwarded in it plus `burst`.

    And no packet is sent again while the last copy may still be on its way: for one round trip.
    """

    __slots__ = ("_burst", "_last", "_resent", "_share", "forwarded", "granted", "refused", "sent")

    def __init__(self, share: float = SHARE, burst: int = BURST) -> None:
        self.granted = 0
        self.refused = 0
        self._share = share
        self._burst = burst
        self.forwarded = RateMeter()
        self.sent = self.forwarded.add
        """`sent(size, now)`: `size` bytes were forwarded the first time; may be the sum of a batch."""
        self._resent = RateMeter()
        self._last: dict[int, float] = {}  # number -> when it was last sent again, oldest first

    def allow(self, seq: int, size: int, now: float, rtt: float) -> bool:
        """Whether packet `seq` of `size` bytes may be sent again now; True counts as sent.

        `rtt` is the subscriber's round trip in seconds.
        """
        last = self._last.get(seq)
        if last is not None and now < last + max(rtt, _MIN_PAUSE):
            self.refused += 1
            return False
        limit = self._share * self.forwarded.bytes(now) + self._burst
        if self._resent.bytes(now) + size > limit:
            self.refused += 1
            return False
        self._resent.add(size, now)
        self._last.pop(seq, None)  # so that it moves to the end
        self._last[seq] = now
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
        self.granted += 1
        return True
