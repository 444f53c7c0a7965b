"""A slot: one receive m-line of a subscriber, with a constant SSRC, that can be pointed at any publication.

Knows its numbers, what it shows, and what the subscriber reports about it. Packets reach it from an `Encoding`;
it reads no clock and touches no socket.
"""

import enum
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from sfu.flow.renumber import Origin, Renumber
from sfu.flow.resend import ResendBudget
from sfu.flow.roundtrip import RoundTrip
from sfu.forwarding.outlet import Drop, Drops, Outlet, drop_stats
from sfu.forwarding.profile import SendProfile
from sfu.wire import extensions, rtp
from sfu.wire.rtcp import ReportBlock, SenderReport, SourceDescription

if TYPE_CHECKING:
    from sfu.forwarding.encoding import Encoding
    from sfu.forwarding.publication import Publication

# RFC 3550 6.2 asks for 5 s at low rates; browsers send video reports each second, and lip sync wants them soon.
REPORT_INTERVAL = 1.0


class SlotState(enum.Enum):
    EMPTY = "empty"
    ACTIVE = "active"
    UNSUPPORTED_CODEC = "unsupported-codec"


class Slot:
    """A subscriber's stream of one kind of media."""

    __slots__ = (
        "_budget",
        "_observe_at",
        "_on_change",
        "_report_at",
        "_rtx_seq",
        "_run",
        "bytes",
        "cname",
        "drops",
        "encoding",
        "fraction_lost",
        "jitter",
        "kind",
        "mid",
        "nacks",
        "octets",
        "outlet",
        "packets",
        "packets_lost",
        "plis",
        "profile",
        "publication",
        "renumber",
        "resend_missed",
        "resent",
        "round_trip",
        "rtx_ssrc",
        "ssrc",
        "state",
        "stream",
        "waiting",
    )  # fmt: skip

    def __init__(
        self,
        mid: str,
        kind: str,
        profile: SendProfile,
        outlet: Outlet,
        stream: str,
        on_change: Callable[["Slot"], None],
    ) -> None:
        self.mid = mid
        self.kind = kind
        self.profile = profile
        self.outlet = outlet
        self.stream = stream
        self.cname = stream
        self._on_change = on_change
        self.ssrc = random_ssrc()
        self.rtx_ssrc = random_ssrc()
        self.state = SlotState.EMPTY
        self.publication: Publication | None = None
        self.encoding: Encoding | None = None
        # Video starts (and starts again after a switch) on a key frame.
        self.waiting = False
        # RFC 3711 3.3.1: a first number in the lower half lets a receiver guess the roll-over counter.
        self.renumber = Renumber(secrets.randbelow(1 << 15), secrets.randbits(32))
        self._observe_at = 0.0
        # Stands for what was sent since the last start: only that can be sent again. None while waiting.
        self._run: object | None = None
        self._rtx_seq = secrets.randbelow(1 << 15)
        self._budget = ResendBudget()
        self._report_at: float | None = None
        self.round_trip = RoundTrip()
        self.packets = 0
        self.octets = 0  # RTP payload, as in sender reports (RFC 3550 6.4.1)
        self.bytes = 0
        self.nacks = 0
        self.plis = 0
        self.resent = 0
        self.resend_missed = 0
        self.fraction_lost = 0.0
        self.packets_lost = 0
        self.jitter = 0
        self.drops: Drops = Drops()

    # -- what it shows ---------------------------------------------------------------------------------------

    def point(self, publication: "Publication | None", now: float) -> None:
        """Show `publication` (or nothing) from now on; the stream goes on with the same SSRC and numbers."""
        if publication is self.publication and publication is not None:
            return
        self._detach()
        self.publication = publication
        if publication is None:
            self.state = SlotState.EMPTY
            return
        publication.add(self)
        self.attach(now)

    def attach(self, now: float) -> None:
        """Join the publication's encoding, if this subscriber can receive its codec."""
        publication = self.publication
        assert publication is not None
        if self.profile.payload_type(publication.codec) is None:
            self.state = SlotState.UNSUPPORTED_CODEC
            return
        self.state = SlotState.ACTIVE
        self.encoding = publication.encoding
        self.hold()
        self.encoding.add(self)
        if self.outlet.ready:
            self.encoding.request_key_frame(now)

    def _detach(self) -> None:
        if self.encoding is not None:
            self.encoding.remove(self)
            self.encoding = None
        if self.publication is not None:
            self.publication.remove(self)
            self.publication = None
        self._end_run()

    def hold(self) -> None:
        """Wait for the next key frame; until then nothing is sent."""
        self._end_run()
        self.waiting = True

    def _end_run(self) -> None:
        """No reports until the next start, and nothing of before is sent again."""
        self.waiting = False
        self._run = None
        self._report_at = None

    def renegotiated(self, profile: SendProfile, now: float) -> None:
        """The client's payload types or extension ids changed in a new offer."""
        if profile == self.profile:
            return
        self.profile = profile
        if self.publication is not None:
            self.codec_changed(now)

    def codec_changed(self, now: float) -> None:
        """The publisher sends another codec, or this side's profile changed: join again."""
        before = self.state
        if self.encoding is not None:
            self.encoding.remove(self)
            self.encoding = None
        self._end_run()
        self.attach(now)
        if self.state is not before:
            self._on_change(self)

    def ended(self) -> None:
        """The publication is gone; called by it."""
        self._detach()
        self.state = SlotState.EMPTY

    def close(self) -> None:
        """The m-line or its connection is gone."""
        self._detach()
        self.state = SlotState.EMPTY

    # -- packets out -----------------------------------------------------------------------------------------

    def start(self, encoding: "Encoding", seq: int, timestamp: int, now: float) -> None:
        """The first packet of what is shown now is about to be forwarded."""
        self._run = object()
        self.renumber.start(self._run, seq, timestamp, encoding.codec.clock_rate, now)
        self._observe_at = now + REPORT_INTERVAL
        self.waiting = False
        self.report_soon(now)

    def send(self, template: bytes, seq: int, timestamp: int, payload_size: int, now: float) -> None:
        """Send one packet of the encoding, already translated to this slot's profile."""
        numbers = self.renumber.forward(seq, timestamp)
        if numbers is None:
            self.drops[Drop.BEFORE_START] += 1
            return
        if now >= self._observe_at:
            self._observe_at = now + REPORT_INTERVAL
            self.renumber.observe(now)
        if not self.outlet.send_rtp(template, numbers[0], numbers[1], self.ssrc):
            self.drops[Drop.SEND_FAILED] += 1
            return
        size = len(template)
        self.packets += 1
        self.octets += payload_size
        self.bytes += size
        self._budget.sent(size, now)

    # -- reports ---------------------------------------------------------------------------------------------

    @property
    def report_deadline(self) -> float | None:
        return self._report_at

    def report_soon(self, now: float) -> None:
        """The publisher's clock became known: tell the subscriber at once, for lip sync."""
        if self._run is not None:
            self._report_at = now
            # The packet that led here came from the publisher: this connection has no wake-up of its own.
            self.outlet.schedule()

    def sender_report(self, now: float) -> bytes:
        """SR and SDES with the publisher's clock (RFC 3550 6.4.1), if due and the clock is known; else b""."""
        if self._report_at is None or now < self._report_at or self.encoding is None:
            return b""
        self._report_at = now + REPORT_INTERVAL
        clock = self.encoding.clock.at(now)
        if clock is None:
            return b""
        ntp, timestamp = clock
        self.round_trip.sent((ntp >> 16) & 0xFFFFFFFF, now)
        report = SenderReport(
            ssrc=self.ssrc,
            ntp=ntp,
            rtp_timestamp=(timestamp + self.renumber.timestamp_offset) & 0xFFFFFFFF,
            packet_count=self.packets & 0xFFFFFFFF,
            octet_count=self.octets & 0xFFFFFFFF,
        )
        return report.write() + SourceDescription(self.ssrc, self.cname).write()

    def reported(self, block: ReportBlock, now: float) -> None:
        """A receiver report on this slot (RFC 3550 6.4.2)."""
        self.fraction_lost = block.fraction_lost / 256
        self.packets_lost = block.packets_lost
        self.jitter = block.jitter
        if block.last_sr:
            self.round_trip.received(block.last_sr, block.delay_since_last_sr, now)

    # -- what the subscriber asks for --------------------------------------------------------------------------

    def wants_key_frame(self, now: float) -> None:
        """PLI or FIR from the subscriber."""
        self.plis += 1
        if self.encoding is not None:
            self.encoding.request_key_frame(now)

    def nack(self, lost: tuple[int, ...], now: float) -> None:
        """Resend what the subscriber misses: as RTX where it was negotiated (RFC 4588), else as it was."""
        encoding = self.encoding
        self.nacks += len(lost)
        if encoding is None:
            return
        send_time = extensions.abs_send_time(now)
        for seq16 in lost:
            origin = self.renumber.origin(seq16)
            # Of an earlier run: its picture is gone from this slot, and its numbers may mean other packets now.
            known = origin is not None and origin.source is self._run
            packet = encoding.history.get(origin.seq, now) if origin is not None and known else None
            if origin is None or packet is None:
                self.resend_missed += 1
                continue
            if self._budget.allow(seq16, len(packet), now, self.round_trip.rtt):
                self._resend(encoding, packet, origin, seq16, send_time)

    def _resend(
        self, encoding: "Encoding", packet: bytes, origin: Origin, seq16: int, send_time: bytes
    ) -> None:
        view = rtp.parse(packet)
        translation = encoding.translation(self.profile)
        timestamp = (view.timestamp + origin.timestamp_offset) & 0xFFFFFFFF
        if translation.rtx_payload_type is None:
            # RFC 7714 8.4: two packets of one number must not differ in a bit, the send time included.
            first_sent = encoding.history.added_at(origin.seq)
            template = translation.template(view, extensions.abs_send_time(first_sent))
            sent = self.outlet.send_rtp(template, seq16, timestamp, self.ssrc)
        else:
            template = translation.rtx_template(view, translation.rtx_payload_type, seq16, send_time)
            self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
            sent = self.outlet.send_rtp(template, self._rtx_seq, timestamp, self.rtx_ssrc)
        if sent:
            self.resent += 1
            self.bytes += len(template)

    def stats(self) -> dict[str, object]:
        return {
            "mid": self.mid,
            "kind": self.kind,
            "ssrc": self.ssrc,
            "publication": self.publication.id if self.publication else None,
            "state": self.state.value,
            "waiting_for_key_frame": self.waiting,
            "packets": self.packets,
            "bytes": self.bytes,
            "nacks": self.nacks,
            "plis": self.plis,
            "resent": self.resent,
            "resend_missed": self.resend_missed,
            "resend_refused": self._budget.refused,
            "fraction_lost": round(self.fraction_lost, 4),
            "packets_lost": self.packets_lost,
            "round_trip_ms": round(self.round_trip.rtt * 1000, 1),
            "drops": drop_stats(self.drops),
        }


def random_ssrc() -> int:
    """RFC 3550 8: random; zero is left to mean none."""
    return 1 + secrets.randbelow(0xFFFFFFFF)
