"""The estimate of one connection's outgoing link: what its parts say, put together.

The delay is the main signal (`trend`, believed when a queue is `standing` as well), loss is tried out (`loss`), more is
proven by probes (`probing`). What the link carries is measured while packets wait for it (`busy`). After a drop less
leaves until the queue is empty, which changes the pace but not the estimate. Where only REMB comes, that is the
estimate. Does not know what is sent, to whom, or how probes are made.
"""

from enum import StrEnum
from operator import sub
from typing import Final

from sfu.flow.bandwidth.aimd import RateControl
from sfu.flow.bandwidth.busy import BusyRate
from sfu.flow.bandwidth.loss import LossTest
from sfu.flow.bandwidth.overuse import Usage
from sfu.flow.bandwidth.probing import Probe, Probing
from sfu.flow.bandwidth.sent import SentPackets
from sfu.flow.bandwidth.standing import StandingQueue
from sfu.flow.bandwidth.throughput import Throughput
from sfu.flow.bandwidth.trend import DelayTrend
from sfu.wire.transport_feedback import Feedback

_INITIAL_ROUND_TRIP: Final = 0.1  # seconds, until measured
_NOTICEABLE: Final = 0.03  # of the target
_QUICK: Final = (8, 0.2)  # packets and seconds of feedback that show a queue beginning
_SURE: Final = (20, 0.5)  # the same where jitter must not be mistaken for one
_IDLE: Final = 0.5  # of the estimate is sent, no more: then a stall must not cost what was proven
_REAL: Final = 0.02  # seconds that a queue stands at when growing delay is believed to be one
_FULL: Final = 0.05  # seconds that a queue stands at when it is too long whatever the slope
_EMPTY: Final = 0.015  # seconds that are as good as none
_JITTER: Final = 0.4  # of the jitter, that a least delay may be above the true one
_NOISY: Final = 0.018  # seconds of jitter that single arrivals say nothing at
_NOISY_PROBE: Final = 0.15  # seconds of queue that a probe may make there
_QUARTER_PACKET: Final = 2400  # bits
_DRAIN: Final = 0.4  # seconds of queue for which least is sent, to empty it
_LEAST_DRAIN: Final = 0.4  # of the rate: what is held back waits as well
_LONG: Final = 0.15  # seconds that a queue stands at when a few packets are enough to believe it
_PATIENCE: Final = 1.5  # times as long as draining should take: then it is not our queue
_SILENCE: Final = 1.0  # seconds without feedback on what was sent
_SILENT_STEP: Final = 0.5  # seconds between reductions then
_SILENT: Final = 0.7  # of the rate stays at each
_AFTERMATH: Final = 0.3  # seconds that delay grows, or seems to, for a probe that was told of
_SOON: Final = 0.1  # seconds until one looks again
_LATELY: Final = 0.35  # seconds that what was measured in a queue says what the link carries
_CARRIED: Final = 0.95  # of that is sent from then on
_STUBBORN: Final = 0.97  # of the rate, where that is no less and there is a queue yet
_LEAST: Final = 0.7  # of the rate stays when one does not know what the link carries
_PACE: Final = (
    1.5  # times the target leave at most: a key frame is spread over the time that it takes anyway,
)
_FULL_PACE: Final = 1.1  # and so many where that would be more than the link is known to carry,
_CAPACITY_PACE: Final = 1.05  # times that
_START_PACE: Final = 600_000  # bit/s for the first pictures, as long as nothing is known
_BELIEVED: Final = (
    2.5  # times what passes, and no more, is believed of a probe until media passes at that rate;
)
_DOUBTED: Final = 1.25  # times the rate where the link was seen to be full with less,
_PROMISE: Final = 5.0  # seconds for which the rest of it may still be believed
_UNUSED: Final = 1.0  # seconds after which a longer probe takes the place of media that there is not
_HABIT: Final = 0.05  # weight of a feedback in what usually passes
_FORGET: Final = 0.998  # of the most that passed, per feedback
_CONFIRMED: Final = 0.9  # of what was proven passes: it is true
_NOT_OURS: Final = 4.0  # seconds that a queue has stood although nothing grows: it is no queue


class Source(StrEnum):
    """Which kind of report the estimate comes from."""

    NONE = "none"
    REMB = "remb"
    TRANSPORT_CC = "transport-cc"


class BandwidthEstimator:
    """All RTP of one connection passes `sent`, all of its reports `feedback` or `remb`.

    `target_bps` may be sent now. It is `start_bps` until the first report. `pacing_bps` may leave at any moment.
    """

    __slots__ = (
        "_backed_off",
        "_before",
        "_busy",
        "_calm_at",
        "_ceiling",
        "_drain_until",
        "_floor",
        "_habit",
        "_last_feedback",
        "_look_at",
        "_loss",
        "_most",
        "_noticed",
        "_packets",
        "_probed_until",
        "_probing",
        "_promise",
        "_promised_at",
        "_rate",
        "_silent_at",
        "_standing",
        "_start",
        "_throughput",
        "_trend",
        "_usage",
        "_wish",
        "pacing_bps",
        "round_trip",
        "source",
        "target_bps",
    )

    def __init__(
        self, *, start_bps: int = 300_000, floor_bps: int = 30_000, ceiling_bps: int = 50_000_000
    ) -> None:
        assert 0 < floor_bps <= start_bps <= ceiling_bps
        self.target_bps = start_bps
        self.pacing_bps = max(_PACE * start_bps, _START_PACE)
        self.source = Source.NONE
        self.round_trip = _INITIAL_ROUND_TRIP
        """Seconds; set by the owner when reports say more."""
        self._floor, self._ceiling = floor_bps, ceiling_bps
        self._packets = SentPackets()
        self._trend = DelayTrend()
        self._standing = StandingQueue()
        self._throughput = Throughput()
        self._busy = BusyRate()
        self._rate = RateControl(float(start_bps))
        self._loss = LossTest()
        self._probing = Probing()
        self._usage = Usage.NORMAL
        self._wish = 0.0
        self._noticed = start_bps  # the target that the owner was told of last
        self._backed_off = float("-inf")
        self._before = 0.0  # the rate before that, while its queue is emptied
        self._calm_at = float("-inf")  # when there was no queue
        self._drain_until: float | None = None  # a queue is being emptied, at most until then
        self._last_feedback = float("-inf")
        self._silent_at = float("-inf")  # the last reduction for silence
        self._probed_until = float("-inf")  # growing delay is the work of a probe
        self._promise = 0.0  # what a probe has shown beyond what was believed of it
        self._promised_at = float("-inf")
        self._start = float(start_bps)
        self._habit = self._most = 0.0  # what passes for seconds, and the most of it of late
        self._look_at = float("-inf")  # not before it, whether to probe is asked again

    @property
    def limited(self) -> bool:
        """Whether the link's limit has been met: until then the target is a guess."""
        return self._rate.capacity_bps is not None

    def sent(self, size: int, now: float, probe: int = 0) -> int:
        """A packet of `size` bytes (RTP, below 65536) leaves at `now`; its transport-wide `seq16`.

        `probe`: the id of the probe that it is padding of.
        """
        seq = self._packets.sent(size, now, probe)
        if probe:
            cluster = self._probing.cluster
            if cluster is not None and cluster.id == probe:
                cluster.sent(seq, size)
        return seq & 0xFFFF

    def wish(self, bps: int, now: float) -> None:
        """The most that could be used now; probing goes this far and hardly further."""
        del now
        self._wish = min(float(bps), float(self._ceiling))

    def feedback(self, feedback: Feedback, now: float) -> bool:
        """Transport-wide feedback came; True when the target changed noticeably."""
        packets = self._packets
        told = self._probing.cluster is not None and self._probing.cluster.read(packets, feedback)
        receipt = packets.match(feedback)
        sends, arrivals = receipt.sends, receipt.arrivals
        if not sends:
            return False
        if self.source is not Source.TRANSPORT_CC:
            self.source = Source.TRANSPORT_CC
            self._rate.rate_bps = float(self.target_bps)
        self._last_feedback = now
        self._throughput.update(receipt.bytes, receipt.lost_bytes, sends[-1], max(arrivals))
        delays = list(map(sub, arrivals, sends))
        self._standing.update(delays, now)
        if receipt.gap:
            self._busy = BusyRate()
        self._busy.update(sends, arrivals, receipt.sizes, self._standing.base, now)
        self._usage = self._trend.update(sends, arrivals)
        self._loss.update(receipt.lost, receipt.received, receipt.recovered, sends[-1], now)
        self._decide(now)
        if told:
            self._proven(now)
        return self._settle(now)

    def remb(self, bitrate_bps: int, now: float) -> bool:
        """A receiver's own estimate came (draft-alvestrand-rmcat-remb-03); True as in `feedback`."""
        if self.source is Source.TRANSPORT_CC or bitrate_bps <= 0:
            return False
        self.source = Source.REMB
        self._rate.rate_bps = float(bitrate_bps)
        return self._settle(now)

    def probe(self, now: float) -> Probe | None:
        """Work that is due by time: a cluster to be sent now, if any; the target may have fallen for silence."""
        if self.source is not Source.TRANSPORT_CC:
            return None
        self._look_at = now + _SOON
        self._probing.expire(self.round_trip, now)
        if self._silent(now) or not self._calm(now):
            return None
        target = self.target_bps
        jitter = self._standing.spread if self._noisy() else 0.0
        waited = now - self._promised_at >= _UNUSED
        thorough = self._promise > target and waited and self._throughput.long_bps < target * _CONFIRMED
        sent = self._throughput.sent_bps
        probe = self._probing.begin(target, self._wish, sent, jitter, now, thorough=thorough)
        if probe is not None:
            self._probed_until = now + probe.bytes * 8 / probe.rate_bps + self.round_trip + _AFTERMATH
        return probe

    def deadline(self) -> float | None:
        """When to call `probe`; None if there is nothing to wait for. Later than the last call."""
        if self.source is not Source.TRANSPORT_CC:
            return None
        due = float("inf")
        if self._packets.unreported_since() is not None:
            due = max(self._last_feedback + _SILENCE, self._silent_at + _SILENT_STEP)
        if self._wish > self.target_bps or self._probing.cluster is not None:
            due = min(due, self._probing.deadline())
        return max(due, self._look_at) if due != float("inf") else None

    def stats(self, now: float) -> dict[str, object]:
        """Figures for statistics and logs."""
        capacity = self._rate.capacity_bps
        return {
            "target_bps": self.target_bps,
            "source": str(self.source),
            "usage": self._usage.value,
            "acknowledged_bps": round(self._throughput.long_bps),
            "capacity_bps": None if capacity is None else round(capacity),
            "wish_bps": round(self._wish),
            "queue_ms": round(self._standing.delay(*_QUICK, now) * 1000, 1),
            "loss": round(self._loss.ratio, 4),
            "loss_inherent": round(self._loss.inherent, 4),
            "round_trip_ms": round(self.round_trip * 1000, 1),
            "threshold_ms": round(self._trend.threshold, 1),
            "probes_succeeded": self._probing.succeeded,
            "probes_failed": self._probing.failed,
        }

    def _decide(self, now: float) -> None:
        """Up, down or neither, by delay and loss."""
        share = 1 - self._loss.inherent
        throughput = self._throughput.short_bps / share
        rate = self._rate
        before = rate.rate_bps
        if throughput:
            carried = self._loss.judge(self._throughput.short_bps, now)
            if carried is not None and carried < rate.rate_bps:
                rate.learn(carried)
                rate.rate_bps = carried
                self._probing.dropped(before, carried, now, full=False)
        standing = self._standing
        noisy = self._noisy()
        if noisy:
            throughput = self._throughput.long_bps / share
        jitter = standing.spread * _JITTER
        idle = self._throughput.sent_bps < rate.rate_bps * _IDLE
        queue = standing.delay(*(_SURE if noisy or idle else _QUICK), now)
        self._drained(queue, now)
        if self._drain_until is not None:
            self._correct()
        probed = now <= self._probed_until
        over = self._usage is Usage.OVER and queue > _REAL + jitter and not probed
        if not over and self._drain_until is None:
            full = _FULL + jitter + (_NOISY_PROBE if noisy and probed else 0.0)
            over = standing.delay(*_SURE, now) > full
            if not over and queue > _LONG + jitter:
                over = 0 < self._carried(now - _LATELY) < rate.rate_bps
        if over and throughput:
            if now - self._backed_off >= min(max(self.round_trip, 0.01), 0.2) + 0.05:
                self._back_off(throughput, queue, now)
        elif (
            self._usage is Usage.NORMAL
            and not self._loss.raised
            and queue < _FULL + jitter
            and self._drain_until is None
        ):
            rate.grow(max(throughput, self._throughput.long_bps / share), self.round_trip, now)
            self._redeem(self._passes(), now)
        else:
            rate.hold(now)

    def _back_off(self, throughput: float, queue: float, now: float) -> None:
        rate = self._rate
        before = rate.rate_bps
        self._backed_off, self._before = now, before
        carried = self._carried(now - _LATELY)
        if not carried:
            rate.back_off(throughput, self._throughput.sent_bps, now)
            rate.rate_bps = max(rate.rate_bps, before * _LEAST)
        elif carried < before:
            rate.learn(carried / _CARRIED)
            rate.rate_bps = carried
        elif queue > _FULL:
            rate.rate_bps = before * _STUBBORN
        rate.hold(now)
        self._probing.dropped(before, rate.rate_bps, now, full=True)
        self._promise = 0.0
        self._loss.skip(now)  # what the queue had no room for
        self._drain(queue, now)

    def _carried(self, since: float) -> float:
        """What the link carries, as measured after `since`; 0: not measured."""
        if self._noisy() or not self._busy.fresh(since):
            return 0.0
        return self._busy.rate_bps * _CARRIED / (1 - self._loss.inherent)

    def _correct(self) -> None:
        """While the queue stands that a drop was for, what it should have dropped to becomes clear."""
        carried = self._carried(self._backed_off)
        if carried and self._before:
            self._rate.learn(carried / _CARRIED)
            self._rate.rate_bps = min(self._before, carried)

    def _drain(self, queue: float, now: float) -> None:
        """Send less until the queue is empty, at most as long as that can take."""
        takes = queue / (1 - 0.85 * self._draining(queue)) + self.round_trip + 0.2
        self._drain_until = now + takes * _PATIENCE

    def _noisy(self) -> bool:
        """Whether delays differ by more than packets that wait for each other explain."""
        return self._standing.spread > _NOISY + _QUARTER_PACKET / self.target_bps

    def _drained(self, queue: float, now: float) -> None:
        """See whether the queue that was to be emptied is; if not in time, it is not ours."""
        if self._drain_until is None:
            return
        self._rate.hold(now)
        if queue >= _EMPTY and now <= self._drain_until:
            return
        if queue >= _EMPTY:
            self._standing.rebase()
        self._drain_until = None
        self._before = 0.0

    def _draining(self, queue: float) -> float:
        """The share of the rate that is sent while `queue` seconds are to be emptied."""
        return max(1 - max(queue - _EMPTY, 0.0) / _DRAIN, _LEAST_DRAIN)

    def _proven(self, now: float) -> None:
        """A probe was told of."""
        cluster = self._probing.cluster
        rate = self._probing.result(self._loss.inherent, self._rate.rate_bps, now, self._busy.usual)
        self._probed_until = now + _AFTERMATH
        if rate is None or cluster is None or self._loss.trying:
            return
        if self._drain_until is not None and not cluster.noisy:
            return
        before = self._rate.rate_bps
        if rate > before:
            self._loss.skip(now)
            believed = self._believe(rate, thorough=cluster.thorough)
            self._promise, self._promised_at = (rate, now) if believed < rate else (0.0, now)
            self._probing.believed(believed, wholly=believed == rate, now=now)
            self._rate.prove(believed, now)
        if cluster.limited:
            if rate > self._rate.rate_bps * 0.9:
                self._rate.learn(rate)
            queue = self._standing.delay(*_QUICK, now)
            if queue > _EMPTY:
                self._drain(queue, now)

    def _believe(self, rate: float, *, thorough: bool) -> float:
        """What a probe that passed at `rate` is taken for: buffers and buckets of tokens pass a short one at any rate."""
        before, capacity = self._rate.rate_bps, self._rate.capacity_bps
        if thorough:
            return rate
        if self._probing.refuted or (capacity is not None and rate > capacity * _DOUBTED):
            known = 0.0 if self._probing.refuted else self._most
            return min(rate, max(before * _DOUBTED, known))
        return min(rate, max(self._passes() * _BELIEVED, self._start, before))

    def _passes(self) -> float:
        return self._throughput.long_bps / (1 - self._loss.inherent)

    def _redeem(self, throughput: float, now: float) -> None:
        """Media passes: of what was promised more is believed."""
        probing, rate = self._probing, self._rate
        self._habit += (throughput - self._habit) * _HABIT
        self._most = max(self._most * _FORGET, self._habit)
        if throughput > probing.raised_bps * _CONFIRMED:
            probing.confirmed(now)
        if not self._promise:
            return
        if now - self._promised_at > _PROMISE:
            self._promise = 0.0
        elif rate.capacity_bps is None and not probing.refuted:
            believed = min(self._promise, throughput * _BELIEVED)
            if believed > rate.rate_bps * (1 + _NOTICEABLE):
                rate.prove(believed, now)
                probing.believed(believed, wholly=believed == self._promise, now=now)
                self._promise = 0.0 if believed == self._promise else self._promise

    def _calm(self, now: float) -> bool:
        """Whether more may be tried."""
        return (
            self._usage is Usage.NORMAL
            and self._drain_until is None
            and not self._loss.trying
            and now - self._last_feedback < 0.5
            and self._standing.delay(*_SURE, now) < _EMPTY + 0.01
        )

    def _silent(self, now: float) -> bool:
        """Nothing was told for long of what was sent: less is sent, again and again."""
        since, last = self._packets.unreported_since(), self._packets.last_sent()
        if since is None or last is None or now - last > _SILENCE:  # nor is anything sent any more
            return False
        if now - max(since, self._last_feedback) < _SILENCE + self.round_trip:
            return False
        if now - self._silent_at >= _SILENT_STEP:
            self._silent_at = now
            before = self._rate.rate_bps
            self._rate.rate_bps = max(before * _SILENT, self._floor)
            self._probing.dropped(before, self._rate.rate_bps, now, full=False)
            self._settle(now)
        return True

    def _settle(self, now: float) -> bool:
        """The target from all there is."""
        self._rate.rate_bps = min(max(self._rate.rate_bps, self._floor), self._ceiling)
        rate = min(self._rate.rate_bps, self._loss.cap_bps)
        self.target_bps = target = max(round(rate), self._floor)
        pace = target * _PACE
        capacity = self._rate.capacity_bps
        if capacity is not None:
            pace = min(pace, max(target * _FULL_PACE, capacity * _CAPACITY_PACE))
        if self._drain_until is not None:
            pace = min(pace, target) * self._draining(self._standing.delay(*_QUICK, now))
        self.pacing_bps = max(round(pace), self._floor)
        if abs(target - self._noticed) > self._noticed * _NOTICEABLE:
            self._noticed = target
            return True
        return False
