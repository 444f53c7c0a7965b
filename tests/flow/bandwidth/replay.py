"""A recording of a real link told to a fresh estimator, in virtual time, and what that makes of it.

The loop is open: what was sent and reported stays as it was, whatever the estimator says this time. Probes have to meet
that as well. The estimator is asked for one whenever that of the recording was. What was padding then belongs to the
probe that it has begun last, and this is never larger than what the recorded one took: so an estimator that would try
more is told what the lesser trial showed. A probe without a counterpart fails for want of packets, as it does where
there is nothing to make them of.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from benchmarks.adaptive.recording import Asked, Recording, Reported, RoundTrip, Sent, Wished
from sfu.flow.bandwidth import BandwidthEstimator
from sfu.flow.bandwidth.sent import PROBE_IDS

_FILLED = 0.85  # of the link that was sent in the last second: then its queue can tell that more is too much
_NOBODYS = PROBE_IDS - 1  # the padding of probes that the estimator has not asked for


@dataclass(slots=True)
class Replay:
    """What the estimator said, beside what the link could carry. Times in seconds of the recording, rates of RTP."""

    recording: Recording
    targets: list[tuple[float, int]] = field(default_factory=list)  # each time that it was told something
    _sent: list[tuple[float, int]] = field(init=False)  # when, and the bytes up to then

    def __post_init__(self) -> None:
        sent = [event for event in self.recording.events if isinstance(event, Sent)]
        totals = accumulate(event.size for event in sent)
        self._sent = [(event.at, total) for event, total in zip(sent, totals, strict=True)]

    def share(self, since: float, until: float) -> float:
        """The share of RTP in what the link counted of these packets: the rest is headers around it."""
        sizes = [e.size for e in self.recording.events if isinstance(e, Sent) and since <= e.at < until]
        return sum(sizes) / (sum(sizes) + len(sizes) * self.recording.overhead)

    def link_bps(self, since: float, until: float) -> float:
        """What the link carries of RTP in packets like those that were sent; it has one rate in that time."""
        (rate,) = {self.recording.shape.rate_at(at) for at in (since, until - 1e-6)}
        return rate * self.share(since, until)

    def target(self, at: float) -> int:
        """The last one that was said by then; the first one before it."""
        return self.targets[max(bisect_right(self.targets, (at, 1 << 62)) - 1, 0)][1]

    def mean(self, since: float, until: float) -> float:
        """The target, by the time that it stood."""
        return sum(bps * span for bps, span in self._spans(since, until)) / (until - since)

    def longest_above(self, times: float, link_bps: float, since: float, until: float) -> float:
        """Seconds for which the target stayed above so many times the link, while the link was being filled."""
        longest = lasted = 0.0
        at = since
        for target, span in self._spans(since, until):
            if target <= times * link_bps:
                lasted = 0.0
            elif self.sent_bps(at - 1.0, at) >= _FILLED * link_bps:
                lasted += span
            longest = max(longest, lasted)
            at += span
        return longest

    def sent_bps(self, since: float, until: float) -> float:
        """Of what was sent while it was recorded."""
        first, last = (bisect_left(self._sent, (at, 0)) for at in (since, until))
        return (self._total(last) - self._total(first)) * 8 / (until - since)

    def _total(self, count: int) -> int:
        return self._sent[count - 1][1] if count else 0

    def lowest(self, since: float, until: float) -> int:
        return min(bps for bps, _ in self._spans(since, until))

    def first(self, low: float, high: float, since: float) -> float:
        """Seconds after `since` until the target is between these; infinite if never."""
        later = [(since, self.target(since)), *(each for each in self.targets if each[0] > since)]
        return next((at - since for at, bps in later if low <= bps <= high), float("inf"))

    def _spans(self, since: float, until: float) -> list[tuple[int, float]]:
        ends = pairwise([*self.targets, (self.recording.seconds, 0)])
        cut = [(bps, min(end, until) - max(at, since)) for (at, bps), (end, _) in ends]
        return [(bps, span) for bps, span in cut if span > 0]


def replay(recording: Recording, estimator: BandwidthEstimator | None = None) -> Replay:
    """Tell the estimator (a new one) all of it."""
    estimator = estimator or BandwidthEstimator()
    result = Replay(recording)
    own = _NOBODYS
    for event in recording.events:
        match event:
            case Sent(at, size, probe):
                estimator.sent(size, at, own if probe else 0)
            case Reported(at, feedback):
                estimator.feedback(feedback, at)
            case Wished(at, bps):
                estimator.wish(bps, at)
            case RoundTrip(_, seconds):
                estimator.round_trip = seconds
            case Asked(at, recorded):
                began = estimator.probe(at)
                own = own if began is None else began.id
                cluster = estimator._probing.cluster
                if recorded is not None and cluster is not None:
                    cluster.goal = min(cluster.goal, recorded.bytes)
        result.targets.append((event.at, estimator.target_bps))
    return result
