"""A sender with an estimator, a bottleneck and a receiver that gives feedback, in virtual time.

The same seed gives the same run. A tick is a millisecond.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from sfu.flow.bandwidth import BandwidthEstimator
from sfu.flow.feedback import TransportWideArrivals
from sfu.wire.transport_feedback import Feedback

UNBOUNDED = 100_000_000
PACKET = 1200
PADDING = 250


@dataclass(slots=True)
class Figures:
    """What a run shows; times in seconds."""

    targets: list[tuple[float, int]] = field(default_factory=list)  # each 10 ms
    queued: list[tuple[float, float]] = field(
        default_factory=list
    )  # when a packet left the bottleneck: waited
    delivered: list[tuple[float, int]] = field(default_factory=list)  # at the receiver: bytes
    sent: list[tuple[float, int]] = field(default_factory=list)
    lost: int = 0
    overflowed: int = 0
    probes: int = 0

    def delivered_bps(self, since: float, until: float) -> float:
        return sum(size for at, size in self.delivered if since <= at < until) * 8 / (until - since)

    def sent_bps(self, since: float, until: float) -> float:
        return sum(size for at, size in self.sent if since <= at < until) * 8 / (until - since)

    def queue_p95(self, since: float, until: float) -> float:
        waits = sorted(wait for at, wait in self.queued if since <= at < until)
        return waits[int(len(waits) * 0.95)] if waits else 0.0

    def target(self, at: float) -> int:
        return next(bps for when, bps in reversed(self.targets) if when <= at)

    def lowest(self, since: float, until: float) -> int:
        return min(bps for when, bps in self.targets if since <= when < until)

    def highest(self, since: float, until: float) -> int:
        return max(bps for when, bps in self.targets if since <= when < until)

    def reached(self, bps: float, since: float = 0.0) -> float:
        """Seconds after `since` until the target is `bps`."""
        return next((when for when, value in self.targets if when >= since and value >= bps), 1e9) - since


@dataclass(slots=True, kw_only=True)
class Path:
    """`rate` and `cross` are bit/s as functions of the time; `queue` is seconds at the rate of the moment."""

    rate: Callable[[float], float]
    seconds: float
    seed: int = 1
    round_trip: float = 0.05
    queue: float = 0.3
    loss: float = 0.0
    loss_after: bool = False  # behind the bottleneck instead of before it
    jitter: float = 0.0
    cross: Callable[[float], float] = lambda now: 0.0
    wish: Callable[[float], float] = lambda now: UNBOUNDED
    media: Callable[[float], float] | None = None  # what is sent at most; None = the wish
    drift: float = 0.0
    feedback_every: float = 0.1
    feedback_loss: float = 0.0
    duplicate_feedback: bool = False
    outage: tuple[float, float] = (0.0, 0.0)
    key_frames: float = 0.0  # seconds between frames of ten times the size; 0 = none
    timer: float = 0.001  # how often the sender wakes
    bucket: int = 0  # bytes that pass at once after a pause: a token bucket, as shapers of providers have
    sender_stops: Callable[[float], bool] = lambda now: False  # a starved machine: nothing is sent or read
    receiver_stops: Callable[[float], bool] = lambda now: (
        False
    )  # packets are read, and timed, when it goes on
    start_bps: int = 300_000

    def run(self, estimator: BandwidthEstimator | None = None) -> Figures:
        return _Run(self, estimator or BandwidthEstimator(start_bps=self.start_bps)).run()


class _Run:
    def __init__(self, path: Path, estimator: BandwidthEstimator) -> None:
        self.path = path
        self.estimator = estimator
        self.random = Random(path.seed)
        self.figures = Figures()
        self.backlog = 0.0  # bytes of media waiting to be sent
        self.budget = 0.0
        self.padding: tuple[int, float, float, float] | None = None  # id, bit/s, bytes left, begun
        self.padded = 0.0
        self.queue: deque[tuple[float, int, int]] = deque()  # entered, size, seq16 (-1: cross traffic)
        self.queued = 0
        self.free_at = self.rate = 0.0
        self.flying: list[tuple[float, int, int, int]] = []
        self.order = 0
        self.arrivals = TransportWideArrivals()
        self.returning: deque[tuple[float, Feedback]] = deque()
        self.crossing = 0.0

    def run(self) -> Figures:
        path, estimator = self.path, self.estimator
        estimator.round_trip = path.round_trip
        next_frame, next_feedback, frames = 0.0, path.feedback_every, 0
        wake = 0.0
        for tick in range(int(path.seconds * 1000)):
            now = tick / 1000
            if path.sender_stops(now):
                self.bottleneck(now)
                self.receive(now)
                next_feedback = self.feedback_due(next_feedback, now)
                continue
            while self.returning and self.returning[0][0] <= now:
                estimator.feedback(self.returning.popleft()[1], now)
            if now >= next_frame:
                next_frame += 1 / 30
                frames += 1
                self.frame(now, frames)
            self.cross(now)
            if now >= wake:
                wake += path.timer
                estimator.wish(int(path.wish(now)), now)
                deadline = estimator.deadline()
                if deadline is not None and deadline <= now and self.padding is None:
                    probe = estimator.probe(now)
                    if probe is not None:
                        self.figures.probes += 1
                        self.padding = (probe.id, probe.rate_bps, probe.bytes, now)
                        self.padded = 0.0
                self.send(now)
            self.bottleneck(now)
            self.receive(now)
            next_feedback = self.feedback_due(next_feedback, now)
            if tick % 10 == 0:
                self.figures.targets.append((now, estimator.target_bps))
        return self.figures

    def feedback_due(self, due: float, now: float) -> float:
        if now < due or self.path.receiver_stops(now):
            return due
        self.report(now)
        return due + self.path.feedback_every

    def frame(self, now: float, number: int) -> None:
        path = self.path
        bps = min(self.estimator.target_bps, (path.media or path.wish)(now))
        size = bps / 8 / 30 * self.random.uniform(0.85, 1.15)
        if path.key_frames:
            every = max(int(path.key_frames * 30), 1)
            size *= 10 * every / (every + 9) if number % every == 0 else every / (every + 9)
        # A sender that is held back drops frames rather than to queue them for ever.
        if self.backlog < self.estimator.target_bps / 8 * 0.5 + PACKET:
            self.backlog += size

    def send(self, now: float) -> None:
        path = self.path
        step = self.estimator.pacing_bps / 8 * path.timer
        self.budget = min(self.budget + step, max(2.0 * PACKET, step))
        while self.budget > 0 and self.backlog >= 200:
            size = int(min(self.backlog, PACKET))
            self.backlog -= size
            self.budget -= size
            self.put(size, now, 0)
        if self.padding is not None and not self.estimator.wants(self.padding[0]):
            self.padding = None
        if self.padding is not None:
            probe, bps, goal, begun = self.padding
            due = min((now + path.timer - begun) * bps / 8, goal)
            while self.padded < due:
                self.padded += PADDING
                self.put(PADDING, now, probe)
            if self.padded >= goal:
                self.padding = None

    def put(self, size: int, now: float, probe: int) -> None:
        path = self.path
        seq16 = self.estimator.sent(size, now, probe)
        self.figures.sent.append((now, size))
        if path.outage[0] <= now < path.outage[1]:
            return
        if not path.loss_after and self.random.random() < path.loss:
            self.figures.lost += 1
            return
        self.enter(size, seq16, now)

    def enter(self, size: int, seq16: int, now: float) -> None:
        if self.queued > 1500 + self.path.rate(now) * self.path.queue / 8:
            self.figures.overflowed += seq16 >= 0
            return
        self.queue.append((now, size, seq16))
        self.queued += size

    def cross(self, now: float) -> None:
        self.crossing += self.path.cross(now) / 8 / 1000
        while self.crossing >= PACKET:
            self.crossing -= PACKET
            self.enter(PACKET, -1, now)

    def bottleneck(self, now: float) -> None:
        path = self.path
        rate = path.rate(now)
        if rate != self.rate:  # what was not sent at the old one is sent at the new one from now on
            self.rate = rate
            self.free_at = max(self.free_at, now - 0.001)
        while self.queue:
            entered, size, seq16 = self.queue[0]
            free_at = max(self.free_at, entered - path.bucket * 8 / rate) + size * 8 / rate
            leaves = max(free_at, entered)
            if leaves > now:
                return
            self.queue.popleft()
            self.queued -= size
            self.free_at = free_at
            if seq16 < 0:
                continue
            self.figures.queued.append((now, leaves - entered))
            if path.loss_after and self.random.random() < path.loss:
                self.figures.lost += 1
                continue
            self.order += 1
            arrives = leaves + path.round_trip / 2 + self.random.random() * path.jitter
            heappush(self.flying, (arrives, self.order, seq16, size))

    def receive(self, now: float) -> None:
        if self.path.receiver_stops(now):
            return
        while self.flying and self.flying[0][0] <= now:
            at, _, seq16, size = heappop(self.flying)
            self.figures.delivered.append((at, size))
            read = now if now - at > 0.002 else at
            self.arrivals.receive(seq16, 5000.0 + read * (1 + self.path.drift))

    def report(self, now: float) -> None:
        path = self.path
        for feedback in self.arrivals.build(now):
            if self.random.random() >= path.feedback_loss:
                self.returning.append((now + path.round_trip / 2, feedback))
                if path.duplicate_feedback:
                    self.returning.append((now + path.round_trip / 2, feedback))
