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
from sfu.flow.bandwidth.belief import Belief
from sfu.flow.bandwidth.busy import BusyRate
from sfu.flow.bandwidth.drain import EMPTY, Drain
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
_JITTER: Final = 0.4  # of the jitter, that a least delay may be above the true one
_NOISY: Final = 0.018  # seconds of jitter that single arrivals say nothing at
_NOISY_PROBE: Final = 0.15  # seconds of queue that a probe may make there
_QUARTER_PACKET: Final = 2400  # bits
_LONG: Final = 0.15  # seconds that a queue stands at when a few packets are enough to believe it
_NEWEST: Final = 5  # packets that all waited so long, while a probe is sent, are enough to end it
_SILENCE: Final = 1.0  # seconds without feedback on what was sent
_SILENT_STEP: Final = 0.5  # seconds between reductions then
_RESTORED: Final = 0.85  # of the rate before comes back when something is heard again
_SILENT: Final = 0.7  # of the rate stays at each
_AFTERMATH: Final = 0.3  # seconds that delay grows, or seems to, for a probe that was told of
_SOON: Final = 0.1  # seconds until one looks again
_LATELY: Final = 0.35  # seconds that what was measured in a queue says what the link carries
_CARRIED: Final = 0.95  # of that is sent from then on
_LITTLE, _ALIKE = 0.7, 0.05  # of the rate, and the difference of what is sent and what comes: no limit is met
_STUBBORN: Final = 0.97  # of the rate, where that is no less and there is a queue yet
_LEAST: Final = 0.7  # of the rate stays when one does not know what the link carries,
_LEAST_NOISY: Final = 0.85  # and where one hardly knows that there is a queue
_PACE: Final = 1.5  # times the target leave at most: a key frame takes its time on the link anyway,
_FULL_PACE: Final = 1.05  # and so many where that would be more than the link is known to carry,
_CAPACITY_PACE: Final = 1.05  # times that
_START_PACE: Final = 600_000  # bit/s for the first pictures, as long as nothing is known


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
        "_backed_off", "_belief", "_busy", "_ceiling", "_drain", "_floor", "_heard_bps", "_last_feedback", "_look_at",
        "_loss", "_noticed", "_packets", "_probed_until", "_probing", "_rate", "_silent_at", "_standing", "_throughput",
        "_trend", "_usage", "_wish", "pacing_bps", "round_trip", "source", "target_bps",
    )  # fmt: skip

    def __init__(
        self,
        packets: SentPackets | None = None,
        *,
        start_bps: int = 300_000,
        floor_bps: int = 30_000,
        ceiling_bps: int = 50_000_000,
    ) -> None:
        assert 0 < floor_bps <= start_bps <= ceiling_bps
        self.target_bps = start_bps
        self.pacing_bps = max(round(_PACE * start_bps), _START_PACE)
        self.source = Source.NONE
        self.round_trip = _INITIAL_ROUND_TRIP
        """Seconds; set by the owner when reports say more."""
        self._floor, self._ceiling = floor_bps, ceiling_bps
        self._packets = SentPackets() if packets is None else packets
        self._trend = DelayTrend()
        self._standing = StandingQueue()
        self._throughput = Throughput()
        self._busy = BusyRate()
        self._rate = RateControl(float(start_bps))
        self._loss = LossTest()
        self._probing = Probing()
        self._belief = Belief(self._rate, self._probing, float(start_bps))
        self._drain = Drain()
        self._usage = Usage.NORMAL
        self._wish = 0.0
        self._noticed = start_bps  # the target that the owner was told of last
        self._backed_off = float("-inf")
        self._last_feedback = float("-inf")
        self._heard_bps = 0.0  # the rate before nothing was heard; 0 while something is
        self._silent_at = float("-inf")  # the last reduction for silence
        self._probed_until = float("-inf")  # growing delay is the work of a probe
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
        cluster = self._probing.cluster
        told = cluster is not None and cluster.read(packets, feedback)
        receipt = packets.match(feedback)
        sends, arrivals = receipt.sends, receipt.arrivals
        if not sends:
            return False
        if self.source is not Source.TRANSPORT_CC:
            self.source = Source.TRANSPORT_CC
            self._rate.rate_bps = float(self.target_bps)
        if self._heard_bps:  # what was lost in the meantime says nothing of the rate
            self._belief.restore(self._heard_bps * _RESTORED, now)
            self._loss.skip(now)
            self._heard_bps = 0.0
        self._last_feedback = now
        self._throughput.update(receipt.bytes, receipt.lost_bytes, sends[-1], max(arrivals))
        if self._rate.passed(receipt.bytes, max(arrivals)):
            self._probing.confirmed(now)
        if receipt.late:
            sends, arrivals = sends[receipt.late :], arrivals[receipt.late :]
            del receipt.sizes[: receipt.late]
        if not sends:  # what came late says nothing of a queue
            self._loss.update(receipt.lost, receipt.received, receipt.recovered, receipt.sends[-1], now)
            return False
        delays = list(map(sub, arrivals, sends))
        self._standing.update(delays, now)
        if cluster is not None and not self._noisy():
            queue = min(delays[-_NEWEST:]) - self._standing.base
            if queue > _FULL + self._standing.spread * _JITTER:
                cluster.cut()
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
        thorough = self._belief.thorough(self._passes(), now)
        sent = self._throughput.sent_bps
        probe = self._probing.begin(target, self._wish, sent, jitter, now, thorough=thorough)
        if probe is not None:
            self._probed_until = now + probe.bytes * 8 / probe.rate_bps + self.round_trip + _AFTERMATH
        return probe

    def wants(self, probe: int) -> bool:
        """Whether the rest of this probe is still to be sent: not once a queue shows that the link is full."""
        cluster = self._probing.cluster
        return cluster is not None and cluster.id == probe and not cluster.complete

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
        idle = self._throughput.sent_bps < rate.rate_bps * _IDLE
        if throughput:
            carried = self._loss.judge(self._throughput.long_bps, now, idle=idle)
            if carried is not None and carried < rate.rate_bps:
                rate.learn(carried)
                rate.rate_bps = carried
                self._probing.dropped(before, carried, now, full=False)
        standing = self._standing
        noisy = self._noisy()
        if noisy:
            throughput = self._throughput.long_bps / share
        jitter = standing.spread * _JITTER
        queue = standing.delay(*(_SURE if noisy or idle else _QUICK), now)
        if self._drain.on:
            rate.hold(now)
            self._correct()
            if self._drain.update(queue, now):
                standing.rebase()
        probed = now <= self._probed_until
        over = self._usage is Usage.OVER and queue > _REAL + jitter and not probed
        if not over and not self._drain.on:
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
            and not self._drain.on
        ):
            rate.grow(max(throughput, self._throughput.long_bps / share), self.round_trip, now)
            self._belief.passed(self._passes(), now)
        else:
            rate.hold(now)

    def _back_off(self, throughput: float, queue: float, now: float) -> None:
        rate = self._rate
        before = rate.rate_bps
        self._backed_off, self._drain.before_bps = now, before
        carried = self._carried(now - _LATELY)
        if not carried:
            rate.back_off(throughput, self._throughput.sent_bps, now)
            rate.rate_bps = max(rate.rate_bps, before * (_LEAST_NOISY if self._noisy() else _LEAST))
        elif carried < before:
            rate.learn(carried / _CARRIED)
            rate.rate_bps = carried
        elif queue > _FULL:
            rate.rate_bps = before * _STUBBORN
        rate.hold(now)
        self._probing.dropped(before, rate.rate_bps, now, full=not self._noisy())
        self._belief.dropped()
        self._loss.skip(now)  # what the queue had no room for
        self._drain.begin(queue, self.round_trip, now)

    def _carried(self, since: float) -> float:
        """What the link carries, as measured after `since`; 0: not measured."""
        if self._noisy() or not self._busy.fresh(since):
            return 0.0
        carried = self._busy.rate_bps * _CARRIED / (1 - self._loss.inherent)
        sent, came = self._throughput.sent_bps, self._throughput.short_bps
        if carried < self._rate.rate_bps * _LITTLE and abs(came - sent) < sent * _ALIKE:
            return 0.0  # so little is sent, and all of it passes: that is no limit
        return carried

    def _correct(self) -> None:
        """While the queue stands that a drop was for, what it should have dropped to becomes clear."""
        carried, before = self._carried(self._backed_off), self._drain.before_bps
        if carried and before:
            self._rate.learn(carried / _CARRIED)
            self._rate.rate_bps = min(before, carried)

    def _noisy(self) -> bool:
        """Whether delays differ by more than packets that wait for each other explain."""
        return self._standing.spread > _NOISY + _QUARTER_PACKET / self.target_bps

    def _proven(self, now: float) -> None:
        """A probe was told of."""
        cluster = self._probing.cluster
        rate = self._probing.result(self._loss.inherent, self._rate.rate_bps, now, self._busy.usual)
        self._probed_until = now + _AFTERMATH
        if rate is None or cluster is None or self._loss.trying:
            return
        if self._drain.on and not cluster.noisy:
            return
        if rate > self._rate.rate_bps:
            self._loss.skip(now)
            self._belief.result(rate, self._passes(), now, thorough=cluster.thorough)
        if cluster.limited:
            if rate > self._rate.rate_bps * 0.9 and not self._noisy():
                self._rate.learn(rate)
            queue = self._standing.delay(*_QUICK, now)
            if queue > EMPTY:
                self._drain.begin(queue, self.round_trip, now)

    def _passes(self) -> float:
        return self._throughput.long_bps / (1 - self._loss.inherent)

    def _calm(self, now: float) -> bool:
        """Whether more may be tried."""
        return (
            self._usage is Usage.NORMAL
            and not self._drain.on
            and not self._loss.trying
            and now - self._last_feedback < 0.5
            and self._standing.delay(*_SURE, now) < EMPTY + 0.01
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
            self._heard_bps = self._heard_bps or before
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
        if self._drain.on:
            pace = min(pace, target) * self._drain.share(self._standing.delay(*_QUICK, now))
        self.pacing_bps = max(round(pace), self._floor)
        if abs(target - self._noticed) > self._noticed * _NOTICEABLE:
            self._noticed = target
            return True
        return False
