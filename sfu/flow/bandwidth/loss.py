"""Whether loss is the link's nature or the price of sending too much: sending a little less tells.

A radio link loses 5 % at any rate, and sending less does not help; a full queue stops losing when less is sent.
So a rise of the loss is tried out: for a moment a little less than what passes is sent. If the loss stays it is the
link's own and is put up with; if it goes, the rate was too high. Chance must not decide: nothing is concluded from few
lost packets. Knows counts and throughput. Does not know delay.
"""

from collections import deque
from math import sqrt
from typing import Final

_WINDOW: Final = 0.5  # seconds, at least, and
_FEWEST: Final = 30  # packets, for a verdict on whether the loss has risen
_LONGEST: Final = 3.0  # seconds: then fewer do
_EVIDENCE: Final = 8  # lost packets, for the same: of three, two may be chance
_TOLERATED: Final = 0.02  # above the link's own
_SIGMAS: Final = 3.0  # of chance that are tolerated as well
_MOST: Final = 0.25  # a loss above this is never taken for the link's own
_LEARN: Final = 0.05  # weight of a window that is within the tolerance
_LESS: Final = 0.9  # of what arrives: sent while trying
_CARRIED: Final = 0.97  # of what arrived before: what the link carries, if the loss went
_EXPECTED: Final = 14.0  # packets that would be lost too many while trying, if sending less did not help,
_SOME: Final = 6.0  # and so many at least, for it to have helped
_GONE: Final = 0.3  # of the first, that may still be lost when the loss has gone,
_ALL_GONE: Final = 0.15  # and of fewer
_PATIENCE: Final = 8.0  # seconds until the loss is put up with, when too little is sent to tell
_PLAUSIBLE: Final = 0.2  # a loss up to this is the link's own where less is sent than it carries
_HELD: Final = 0.2  # seconds that a missing packet may be late yet
_MOST_HELD: Final = 256  # feedbacks
_INFINITE: Final = float("inf")


class LossTest:
    """Fed with counts; `cap_bps` limits the rate while trying."""

    __slots__ = (
        "_before",
        "_excess",
        "_held",
        "_lost",
        "_received",
        "_settled",
        "_since",
        "cap_bps",
        "inherent",
        "raised",
        "ratio",
    )

    def __init__(self) -> None:
        self.inherent = 0.0
        """The share that is lost at any rate."""
        self.ratio = 0.0
        """The share that was lost of late."""
        self.raised = False
        """More than usual was lost of late: no time to send more."""
        self.cap_bps = _INFINITE
        self._lost = self._received = 0
        self._since: float | None = None
        self._settled = 0.0  # packets sent before do not count
        self._excess = 0.0  # what is tried out
        self._before = 0, 1  # lost packets of how many led to that
        self._held: deque[list[float]] = deque(maxlen=_MOST_HELD)  # when told, lost, received, sent at

    @property
    def trying(self) -> bool:
        """Less than could be is sent, to see what becomes of the loss."""
        return self.cap_bps != _INFINITE

    def update(self, lost: int, received: int, recovered: int, sent_at: float, now: float) -> None:
        """Counts of one feedback, whose last packet was sent at `sent_at`.

        `recovered` were counted as lost before, and arrived after all.
        """
        held = self._held
        for entry in held:
            found = min(entry[1], recovered)
            entry[1] -= found
            entry[2] += found
            recovered -= int(found)
        held.append([now, lost, received, sent_at])
        while held and now - held[0][0] >= _HELD:
            _, lost_then, received_then, sent_then = held.popleft()
            if sent_then >= self._settled:
                if self._since is None:
                    self._since = now
                self._lost += int(lost_then)
                self._received += int(received_then)

    def skip(self, until: float) -> None:
        """Forget the window; what was sent before `until` doesn't count."""
        self._lost = self._received = 0
        self._since = None
        self._settled = until

    def judge(self, arriving_bps: float, now: float, *, idle: bool = False) -> float | None:
        """At the end of a window. A rate in bit/s means: this much is what the link carries.

        `arriving_bps` is what arrives of late; `idle`: far less is sent than was thought to pass.
        """
        count = self._lost + self._received
        if self._since is None or count <= 0:
            return None
        passed = now - self._since
        if self.trying:
            return self._conclude(max(self._lost, 0), count, passed, now)
        if passed < _WINDOW or (count < _FEWEST and passed < _LONGEST):
            return None
        ratio = max(self._lost, 0) / count
        own = self.inherent
        chance = _chance(max(own, 0.01), count)
        self.raised = ratio > own + _TOLERATED + chance
        if ratio <= own + _TOLERATED + _SIGMAS * chance:
            self.inherent = min(own + (ratio - own) * _LEARN, _MOST)
        elif self._lost < _EVIDENCE and passed < _LONGEST:
            return None
        elif idle and ratio <= _PLAUSIBLE + _SIGMAS * _chance(_PLAUSIBLE, count):
            self.inherent = min(ratio, _PLAUSIBLE)
            self.raised = False
        else:
            self._excess = ratio - own
            self.cap_bps = arriving_bps * _LESS
            self._before = self._lost, count
        self.ratio = ratio
        self.skip(now if self.trying else 0.0)
        return None

    def _conclude(self, lost: int, count: int, passed: float, now: float) -> float | None:
        """Sooner where it is clear."""
        expected = count * self._excess
        excess = lost - count * self.inherent
        ratio = lost / count
        stays = excess > _EXPECTED * _GONE and ratio <= _MOST
        if not stays and expected < _EXPECTED and passed < (_LONGEST if expected >= _SOME else _PATIENCE):
            return None
        if not stays and ratio <= _MOST:
            stays = expected < _SOME or (expected < _EXPECTED and excess > expected * _ALL_GONE)
        cap = self.cap_bps
        self.cap_bps = _INFINITE
        self.skip(now)
        self.ratio = ratio
        self.raised = False
        if not stays:
            self.inherent = min(self.inherent, ratio)
            return cap / _LESS * _CARRIED / (1 - self.inherent)
        lost_before, count_before = self._before
        self.inherent = min((lost_before + lost) / (count_before + count), _MOST)
        return None


def _chance(share: float, count: int) -> float:
    """Standard deviation of the share that is seen of `count` packets."""
    return sqrt(share * (1 - share) / count)
