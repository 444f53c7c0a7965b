"""The sending side of one connection: how much may leave, and when.

Knows the estimate of the way to one client, the queue of what waits for it, and the probes that explore it. Every RTP
packet of the connection's slots leaves through here. Does not know what the slots show, nor how a budget is shared.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from sfu.flow.bandwidth import BandwidthEstimator, Probe, Source
from sfu.flow.due import earliest
from sfu.flow.pacing import Pacer
from sfu.forwarding.outlet import Outlet
from sfu.wire import extensions
from sfu.wire.transport_feedback import Feedback

# By REMB not below this, bits a second: that of some clients is no more than what they received.
LEAST_BY_REMB: Final = 1_000_000
# Seconds of packets waiting at which the rest of a frame is left out, and at which a new key frame may begin.
CLOGGED: Final = 2.0
CLEARED: Final = 0.5
# Seconds from the beginning for which pictures are paced although no report has come.
PATIENCE: Final = 0.5
# RFC 3550 5.1: the last byte of padding counts it.
MAX_PADDING: Final = 255
# While no video may be sent, a packet of so many bytes of padding leaves every so many seconds: without any packet
# there is no report, and without reports the estimate can't recover.
ALIVE_BYTES: Final = 100
ALIVE_STEP: Final = 0.25
# Seconds between two packets of a probe, or two bursts of them: what timers of the event loop are good for.
PROBE_STEP: Final = 0.002
# REMB is a number of a client's choice: 2**63 is beyond any link, and it can say up to 2**81.
_MOST_BPS: Final = 1 << 63

Outgoing = tuple[bytes, int, int, int, int, int, int, bytes]
"""A packet to be sent: template, number, timestamp, SSRC, where the transport-wide number stands, where the send
time, where the patch, and the patch."""


class Padder(Protocol):
    """What can make a packet of padding: a slot with RTX."""

    def padding(self, size: int, now: float) -> Outgoing | None: ...


class Pacable(Protocol):
    """A stream, as far as it is told whether its packets wait."""

    paceable: bool
    slow: bool


class Egress:
    """`outlet` with an estimate before it. `paced` and `clogged` are read for every packet."""

    __slots__ = (
        "_alive_at", "_least_bps", "_patient_until", "_probe", "_probe_at", "_probe_began", "_probe_sent", "_send",
        "_sent", "clogged", "estimator", "on_change", "outlet", "paced", "pacer", "reports_at", "running", "send_plain",
        "transport_wide",
    )  # fmt: skip

    def __init__(self, outlet: Outlet, estimator: BandwidthEstimator | None = None) -> None:
        self.outlet = outlet
        self.estimator = BandwidthEstimator() if estimator is None else estimator
        self.pacer: Pacer[Outgoing] = Pacer(self.estimator.pacing_bps)
        self._send = self.send_plain = outlet.send_rtp
        self._sent = self.estimator.sent
        # Whether the client reports on transport-wide numbers.
        self.transport_wide = False
        # Whether video leaves at a rate: where reports are promised, and where there are some.
        self.paced = False
        # The streams that are being sent.
        self.running: set[Pacable] = set()
        # Whether so much waits that frames are cut off.
        self.clogged = False
        # Told when the estimate has changed, or what there is to choose from.
        self.on_change: Callable[[float], None] = lambda now: None
        # Not after the first sender report of a slot is due; None while none is.
        self.reports_at: float | None = None
        # While all video is held back: when the next packet leaves to watch the link by.
        self._alive_at: float | None = None
        # Until then the first report is waited for.
        self._patient_until: float | None = None
        self._least_bps: float = LEAST_BY_REMB
        self._probe: Probe | None = None
        self._probe_began = self._probe_at = 0.0
        self._probe_sent = 0

    @property
    def ready(self) -> bool:
        """Whether the handshake is done; before that nothing can be sent."""
        return self.outlet.ready

    @property
    def available_bps(self) -> int | None:
        """What may leave, by the client's reports; None where it gives none."""
        return self.estimator.target_bps if self.estimator.source is not Source.NONE else None

    def expect_reports(self, expected: bool, now: float) -> None:
        """Whether the client is to report on transport-wide numbers, as was negotiated."""
        began = expected and not self.transport_wide
        self.transport_wide = expected
        if began:
            self.await_report(now)

    def await_report(self, now: float) -> None:
        """Video may begin: the first pictures are paced, as their key frames at once would fill a slow link."""
        if self.transport_wide and self.estimator.source is Source.NONE:
            self._pace(True)
            self.pacer.rate_bps = self.estimator.pacing_bps
            self._patient_until = now + PATIENCE

    def pace_at_least(self, bps: float) -> None:
        """By REMB so much leaves, whatever that says."""
        self._least_bps = max(bps, LEAST_BY_REMB)
        self.pacer.rate_bps = max(self.estimator.pacing_bps, self._least_bps)

    def _unpace(self) -> None:
        """The client was to report, and has not."""
        self._patient_until = None
        if self.estimator.source is Source.NONE:
            self._pace(False)
            self.pacer.rate_bps = _MOST_BPS

    def _pace(self, paced: bool) -> None:
        if paced != self.paced:
            self.paced = paced
            for stream in self.running:
                stream.slow = paced and stream.paceable

    @property
    def _rate_bps(self) -> float:
        """What leaves of what waits; a little less does for the moment in which a queue of the link is emptied."""
        return max(self.pacer.rate_bps, self.estimator.target_bps)

    def report_by(self, at: float) -> None:
        """A slot's sender report is due at that time; what led to it came from a publisher, which wakes others."""
        if self.reports_at is None or at < self.reports_at:
            self.reports_at = at
        self.outlet.schedule()

    def wish(self, bps: int, now: float, *, starved: bool) -> None:
        """How much the slots could use; `starved`: there is so little that no video is sent."""
        self.estimator.wish(bps, now)
        if not starved:
            self._alive_at = None
        elif self._alive_at is None:
            self._alive_at = now + ALIVE_STEP

    def reallocate(self, now: float) -> None:
        """What the slots of this connection could get has changed."""
        self.on_change(now)

    # -- packets ---------------------------------------------------------------------------------------------

    def send(
        self,
        template: bytes,
        seq16: int,
        timestamp: int,
        ssrc: int,
        stamp_at: int,
        patch_at: int,
        patch: bytes,
        now: float,
    ) -> bool:
        """Send a packet at once; False if it could not be. What is paced waits the longer for it."""
        stamp = 0
        if stamp_at:
            size = len(template)
            stamp = self._sent(size, now)
            if self.paced:
                self.pacer.spend(size, now)
        return self._send(template, seq16, timestamp, ssrc, stamp_at, stamp, patch_at, patch)

    def send_paced(self, packet: Outgoing, now: float, *, first: bool = False) -> bool:
        """Send a packet as soon as the rate allows; `first` before what else waits. False if it could not be."""
        template, seq16, timestamp, ssrc, stamp_at, _, patch_at, patch = packet
        size = len(template)
        pacer = self.pacer
        if pacer.admit(size, now):
            stamp = self._sent(size, now) if stamp_at else 0
            return self._send(template, seq16, timestamp, ssrc, stamp_at, stamp, patch_at, patch)
        idle = not len(pacer)
        if not pacer.push(packet, size, now, first=first):
            if not first:  # one that is not sent again now is asked for once more, and cuts no frame off
                self.clogged = True
            return False
        if pacer.queued_bytes * 8 > CLOGGED * self._rate_bps:
            self.clogged = True
        if idle:
            # What led here came from a publisher: this connection has no wake-up of its own.
            self.outlet.schedule()
        return True

    def send_again(self, packet: Outgoing, now: float, *, paced: bool) -> bool:
        """Send a retransmission; False if it could not be."""
        if paced and self.paced:
            return self.send_paced(packet, now, first=True)
        return self._leave(packet, now)

    def _leave(self, packet: Outgoing, now: float, probe: int = 0) -> bool:
        template, seq16, timestamp, ssrc, stamp_at, _, patch_at, patch = packet
        stamp = self._sent(len(template), now, probe) if stamp_at else 0
        return self._send(template, seq16, timestamp, ssrc, stamp_at, stamp, patch_at, patch)

    # -- reports -----------------------------------------------------------------------------------------------

    def feedback(self, feedback: Feedback, now: float) -> None:
        """A transport-wide report of the client."""
        self._estimated(self.estimator.feedback(feedback, now), now)

    def remb(self, bitrate_bps: int, now: float) -> None:
        """The client's own estimate."""
        self._estimated(self.estimator.remb(min(bitrate_bps, _MOST_BPS), now), now)

    def _estimated(self, changed: bool, now: float) -> None:
        rate = self.estimator.pacing_bps
        self.pacer.rate_bps = max(rate, self._least_bps) if self.estimator.source is Source.REMB else rate
        self._pace(self.paced or self.estimator.source is not Source.NONE)
        if changed:
            self.on_change(now)

    # -- time ------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When `pulse` is due; None while nothing is."""
        at = earliest(self.pacer.deadline(), self.reports_at, self._patient_until)
        if not self.transport_wide:
            return at
        explore_at = self._probe_at if self._probe is not None else self.estimator.deadline()
        return earliest(at, explore_at, self._alive_at)

    def pulse(self, now: float, padders: Iterable[Padder]) -> bool:
        """Send what is due: what waits, and probes made by `padders`. True when the queue has cleared."""
        if self._patient_until is not None and now >= self._patient_until:
            self._unpace()
        if len(self.pacer):
            send_time = extensions.abs_send_time(now)
            for packet in self.pacer.due(now):
                at = packet[5]
                if at:
                    template = packet[0]
                    packet = (template[:at] + send_time + template[at + 3 :], *packet[1:])
                self._leave(packet, now)
        if self.transport_wide:
            self._explore(now, padders)
            if self._alive_at is not None and now >= self._alive_at:
                self._alive_at = now + ALIVE_STEP
                self._pad(padders, ALIVE_BYTES, now)
        if self.clogged and self.pacer.queued_bytes * 8 < CLEARED * self._rate_bps:
            self.clogged = False
            return True
        return False

    def _explore(self, now: float, padders: Iterable[Padder]) -> None:
        """Begin a probe if one is due, and send as much of it as its rate allows by now."""
        probe = self._probe
        if probe is None:
            before = self.estimator.target_bps
            probe = self._probe = self.estimator.probe(now)
            if self.estimator.target_bps != before:  # nothing is heard of the client any more
                self._estimated(changed=True, now=now)
            if probe is None:
                return
            self._probe_began, self._probe_sent = now, 0
        elif not self.estimator.wants(probe.id):
            self._probe = None
            return
        due = min(probe.bytes, round((now + PROBE_STEP - self._probe_began) * probe.rate_bps / 8))
        while self._probe_sent < due:
            size = self._pad(padders, MAX_PADDING, now, probe.id)
            if not size:
                self._probe = None  # nothing to send it with; the estimator sees that it did not come
                return
            self._probe_sent += size
        if self._probe_sent >= probe.bytes:
            self._probe = None
        else:
            self._probe_at = now + PROBE_STEP

    def _pad(self, padders: Iterable[Padder], size: int, now: float, probe: int = 0) -> int:
        """Send one packet of padding; its whole size, 0 if none could be."""
        made = (padder.padding(size, now) for padder in padders)
        packet = next((one for one in made if one is not None), None)
        return len(packet[0]) if packet is not None and self._leave(packet, now, probe) else 0
