"""When to try for more than is known to pass, and how far.

As libwebrtc's probe controller in its aims: three times the start rate, then twice what passed as long as it passes;
later from time to time while more could be used, and soon after a drop that may have been a dip.
Knows estimates, wishes and results. Does not know packets.
"""

from dataclasses import dataclass
from typing import Final

from sfu.flow.bandwidth.cluster import Cluster
from sfu.flow.bandwidth.sent import PROBE_IDS

_FIRST: Final = 3.0  # times the start rate; nor is more tried at once after a drop
_AGAIN: Final = 2.0  # times what passed
_WORKED: Final = 0.7  # of a probe's rate passed: go on
_PERIOD: Final = 4.0  # seconds between probes that lead nowhere; a link that grew is found out within that
_FALSE: Final = 1.5  # seconds: a drop so soon after a raise shows that the raise was wrong
_RAISED: Final = 1.2  # times the estimate: so much more than was thought may be more still,
_ABSURD: Final = 0.8  # of what is sent without a queue: jitter that is not known yet, so it is tried again
_CONFIRM: Final = 1.0  # seconds: which is looked at so soon
_SATURATED: Final = 1.5  # times the estimate when that is used fully: there is no room that would drain more
_USED: Final = 0.8  # of the estimate is sent: it is used fully
_PADDING_FULL: Final = 0.6  # of the rate, at least, is padding where media fills the estimate
_PADDING: Final = 0.3  # of the rate, at least, is padding in a long cluster; the rest of it is media
_RECOVER_AFTER: Final = 1.0  # seconds after a drop
_RECOVERED: Final = 0.85  # of the rate before a drop is tried
_DEEP: Final = 0.66  # a drop to less than this may have been a dip
_BEYOND: Final = 1.1  # times the wish: passing the wish itself leaves no doubt about it
_WORTH: Final = 1.05  # times the estimate, at least
_LEAST_TRIED: Final = 150_000  # bit/s: what audio and the smallest picture need
_SECONDS: Final = 0.03  # that a cluster lasts; with timers of some ms, shorter ones are not spread
_JITTERS: Final = 5.0  # times the jitter: it would hide what a shorter one does to the queue
_SHORTEST_NOISY, _LONGEST_NOISY = 0.1, 0.25  # seconds, then
_FEWEST_BYTES: Final = 1200  # five packets of padding
_THOROUGH_BYTES: Final = 40_000  # of a cluster that is believed without media to confirm it
_LONGEST_THOROUGH: Final = 0.6  # seconds
_REFUTED: Final = 5.0  # seconds within which a drop shows that what was proven was none of the link's
_FALLEN: Final = 0.9  # of what was believed: such a drop
_SAME_LINK: Final = 0.7  # of the rate before: with less than that the link has changed
_MOST_REFUTED: Final = 3  # times that the pause between probes is doubled
_TIMEOUT: Final = 1.5  # seconds, beyond sending it, until a cluster is given up


@dataclass(frozen=True, slots=True)
class Probe:
    """A cluster to be sent now: `bytes` of padding, evenly at `rate_bps`, each numbered with `probe=id`.

    At least five packets. Media goes on in between and counts. A cluster sent as one burst measures buffers.
    """

    id: int
    rate_bps: int
    bytes: int


class Probing:
    """One cluster at a time."""

    __slots__ = (
        "_begun",
        "_doubtful",
        "_due",
        "_follow",
        "_id",
        "_limited_at",
        "_more",
        "_raised_at",
        "_raised_from",
        "_recover",
        "_until",
        "cluster",
        "failed",
        "raised_bps",
        "refuted",
        "succeeded",
    )

    def __init__(self) -> None:
        self.cluster: Cluster | None = None
        self.succeeded = self.failed = 0
        self.refuted = 0
        """Of late: what was proven turned out to be wrong as soon as it was used."""
        self._raised_at = float("-inf")  # when a probe was believed last
        self._raised_from = 0.0
        self._more = False  # a probe has shown more than was believed of it
        self.raised_bps = 0.0
        """What was believed of it."""
        self._id = 0
        self._until = 0.0  # the cluster is given up then
        self._begun = False
        self._due = 0.0
        self._follow = 0.0  # rate to be tried next, 0 = none
        self._recover = 0.0  # the same after a drop
        self._limited_at = float("-inf")  # the last time that a probe filled the link and was believed
        # And that was wrong: others fill the link as well, and a probe takes more than its share.
        self._doubtful = False

    def dropped(self, before_bps: float, after_bps: float, now: float, *, full: bool) -> None:
        """The estimate fell, as the link was `full` if so; nothing is tried until that has had its effect."""
        self._follow = 0.0
        self._doubtful = now - self._limited_at < _FALSE
        self._due = max(self._due, now + _PERIOD / 2)
        lied = self._raised_from * _SAME_LINK < after_bps < self.raised_bps * _FALLEN
        if full and lied and now - self._raised_at < _REFUTED:
            self.refuted = min(self.refuted + 1, _MOST_REFUTED)
            self._raised_at = float("-inf")
            self._due = now + self._period
        if after_bps < before_bps * _DEEP or self._recover:
            self._recover = max(self._recover, before_bps * _RECOVERED)
            self._due = now + _RECOVER_AFTER

    def believed(
        self, before_bps: float, rate_bps: float, *, wholly: bool, unlimited: bool, now: float
    ) -> None:
        """A probe raised the estimate from `before_bps`; not `wholly` if media has to confirm it first.

        `unlimited`: the link was never seen to be full.
        """
        self._raised_at, self._raised_from = now, before_bps
        self.raised_bps, self._more = rate_bps, not wholly
        if not wholly:
            self._follow = 0.0
            useful = not self.refuted and (unlimited or rate_bps > before_bps * _WORTH)
            self._due = now + (_CONFIRM if useful else self._period)

    def confirmed(self, now: float) -> None:
        """Media has passed at a rate that was proven: there may be more."""
        if self._raised_at != float("-inf"):
            self.refuted = 0
            if self._more or self._limited_at < self._raised_at:
                self._due = min(self._due, now)
            self._raised_at = float("-inf")

    def go_on(self, now: float) -> None:
        """All that the last probe has shown is believed by now: there may be more."""
        if self._limited_at < self._raised_at:
            self._due = min(self._due, now)

    @property
    def _period(self) -> float:
        return _PERIOD * (1 << self.refuted)

    def begin(
        self,
        estimate_bps: float,
        wish_bps: float,
        sent_bps: float,
        jitter: float,
        now: float,
        *,
        thorough: bool = False,
    ) -> Probe | None:
        """The cluster to be sent now, if any: the link is calm, but for `jitter` seconds of noise (0: little).

        `thorough`: a short one has been seen to pass, and there is no media to confirm it.
        """
        if self.cluster is not None or now < self._due or wish_bps < estimate_bps * _WORTH:
            return None
        saturated = sent_bps > estimate_bps * _USED
        factor = _FIRST if not self._begun else _SATURATED if saturated else _AGAIN
        rate = self._follow or min(self._recover, estimate_bps * _FIRST) or estimate_bps * factor
        rate = min(max(rate, _LEAST_TRIED), wish_bps * _BEYOND)
        self._follow = self._recover = 0.0
        if rate < estimate_bps * _WORTH:
            return None
        self._begun = True
        self._id = self._id % (PROBE_IDS - 1) + 1
        padding, seconds = rate, _SECONDS
        if jitter:  # long enough for media to be in it
            padding = max(rate - sent_bps, rate * _PADDING)
            seconds = min(max(jitter * _JITTERS, _SHORTEST_NOISY), _LONGEST_NOISY)
        elif saturated or thorough:
            padding = max(rate - sent_bps, rate * _PADDING_FULL)
        goal = max(int(padding * seconds / 8), _FEWEST_BYTES)
        if thorough:
            longest = int(padding * _LONGEST_THOROUGH / 8)
            goal = max(goal, min(_THOROUGH_BYTES, longest))
        self.cluster = Cluster(self._id, rate, goal, goal * 8 / padding, jitter > 0)
        self._until = now + goal * 8 / padding + _TIMEOUT
        return Probe(self._id, round(padding), goal)

    def expire(self, round_trip: float, now: float) -> None:
        """Give up a cluster of which too little was sent or told."""
        if self.cluster is not None and now >= self._until + round_trip:
            self._end(now)

    def result(self, loss: float, estimate_bps: float, now: float, usual: float = 1.0) -> float | None:
        """The cluster was told of; the rate in bit/s that it showed, None if nothing. See `Cluster.result`."""
        cluster = self.cluster
        assert cluster is not None
        rate = cluster.result(loss, usual)
        if rate is None or rate < cluster.rate_bps * _WORKED:
            self._end(now)
            if rate is not None and rate < estimate_bps * _ABSURD and not cluster.noisy:
                self._due = now + _CONFIRM
        else:
            self.cluster = None
            self.succeeded += 1
            if not cluster.limited or (rate >= cluster.rate_bps and not self._doubtful):
                self._follow = rate * _AGAIN
                self._due = now
            else:
                self._due = now + self._period
        if cluster.limited and rate is not None and rate > estimate_bps:
            self._limited_at = now
            if self._doubtful:
                return (rate + estimate_bps) / 2
        if rate is not None and rate > estimate_bps * _RAISED and not cluster.noisy:
            self._due = min(self._due, now + _CONFIRM)
        return rate

    def deadline(self) -> float:
        """When there may be something to do."""
        return self._due if self.cluster is None else self._until

    def _end(self, now: float) -> None:
        self.cluster = None
        self.failed += 1
        self._follow = 0.0
        self._due = now + self._period
