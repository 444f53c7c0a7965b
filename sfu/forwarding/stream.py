"""The stream to one subscriber that a slot sends: one SSRC, continuous numbers, and what is reported about it.

Knows how packets of an encoding become packets of this stream, and the clock that goes with them. Packets reach it
from an `Encoding`; it reads no clock and touches no socket. Does not know what is shown, or why.
"""

import math
import secrets
from typing import TYPE_CHECKING

from sfu.flow.layers import ALL, Layer, LayerFilter, Patch
from sfu.flow.layers.vp8 import Vp8Layer
from sfu.flow.renumber import Renumber
from sfu.flow.roundtrip import RoundTrip
from sfu.forwarding.egress import Egress
from sfu.forwarding.outlet import Drop, Drops
from sfu.forwarding.profile import SendProfile, Translation
from sfu.forwarding.resender import Resender
from sfu.wire.rtcp import ReportBlock, SenderReport, SourceDescription

if TYPE_CHECKING:
    from sfu.forwarding.encoding import Encoding

# RFC 3550 6.2 asks for 5 s at low rates; browsers send video reports each second, and lip sync wants them soon.
REPORT_INTERVAL = 1.0
# Reports of one connection leave together if they are due within so many seconds, and those of many in steps of these:
# a wake-up for each would cost more than the reports.
REPORT_EARLY = 0.3
REPORT_STEP = 0.05
_ROUNDING = 1e-6
# For `whole_until`: no unwrapped number is beyond.
NOTHING = -(1 << 62)
EVERYTHING = 1 << 62
_PASS = Patch(0, b"", False)


class Stream:
    """What goes out under one SSRC. `encoding` is what is forwarded now; None while nothing is."""

    translation: Translation
    """From `encoding` to the profile; set while something is forwarded."""

    __slots__ = (
        "_count", "_observe_at", "_report_at", "_send_plain", "_unfiltered", "cname", "drops", "egress", "encoding",
        "filter", "fraction_lost", "jitter", "kind", "mid", "octets", "paceable", "packets_lost", "profile",
        "renumber", "resender", "round_trip", "rtx_ssrc", "run", "slow", "spatial", "ssrc", "temporal", "translation",
        "whole_until",
    )  # fmt: skip

    def __init__(self, mid: str, kind: str, profile: SendProfile, egress: Egress, cname: str) -> None:
        self.mid = mid
        self.kind = kind
        self.profile = profile
        self.egress = egress
        self.cname = cname
        self.ssrc = random_ssrc()
        self.rtx_ssrc = random_ssrc()
        self.encoding: Encoding | None = None
        # The highest layers wanted.
        self.spatial = self.temporal = ALL
        self.filter = LayerFilter()
        # Packets up to this number pass as they are: the filter doesn't know them. Without it until first needed.
        self.whole_until = NOTHING
        self._unfiltered = True
        # RFC 3711 3.3.1: a first number in the lower half lets a receiver guess the roll-over counter.
        self.renumber = Renumber(secrets.randbelow(1 << 15), secrets.randbits(32))
        self._observe_at = 0.0
        # Stands for what was sent since the last start: only that can be sent again. None while waiting.
        self.run: object | None = None
        self.resender = Resender(self)
        # Called for every packet.
        self._count = self.resender.budget.sent
        self._send_plain = egress.send_plain
        # Whether its packets may wait: video that is sent again as RTX. Another's send time must stay as it was.
        self.paceable = False
        self.slow = False  # whether they do: set by the egress when there is a rate
        self._report_at: float | None = None
        self.round_trip = RoundTrip()
        self.octets = 0  # RTP payload, as in sender reports (RFC 3550 6.4.1)
        self.fraction_lost = 0.0
        self.packets_lost = 0
        self.jitter = 0
        self.drops: Drops = Drops()

    def _end_run(self) -> None:
        """No reports until the next start, and nothing of before is sent again."""
        self._engage()
        self.egress.running.discard(self)
        self.encoding = None
        self.run = None
        self._report_at = None

    # -- packets out -----------------------------------------------------------------------------------------

    def may_start(self) -> bool:
        """Whether a key frame that comes now could be sent."""
        return self.egress.ready and not self.egress.clogged

    def start(self, encoding: "Encoding", seq: int, timestamp: int, layer: Layer | None, now: float) -> None:
        """The first packet of what is shown from now on is about to be forwarded."""
        continued = self._continued(encoding, timestamp, now)
        self._engage()
        self.encoding = encoding
        self.run = object()
        self.translation = encoding.translation(self.profile)
        self.paceable = self.kind == "video" and self.translation.rtx_payload_type is not None
        self.slow = self.paceable and self.egress.paced
        self.egress.running.add(self)
        self.renumber.start(self.run, seq, timestamp, encoding.codec.clock_rate, now, continued)
        if self._unfiltered and self.spatial == ALL and self.temporal == ALL and isinstance(layer, Vp8Layer):
            self.whole_until = EVERYTHING
        else:
            self.whole_until = NOTHING
            self.filter.aim(self.spatial, self.temporal)
            self.filter.start(layer)
        self._unfiltered = False
        self._observe_at = now + REPORT_INTERVAL
        self.report_soon(now)

    def limit(self, spatial: int, temporal: int) -> None:
        """Forward no more than these layers from now on."""
        if spatial != ALL or temporal != ALL:
            self._engage()
        if self.whole_until != EVERYTHING:
            self.filter.aim(spatial, temporal)

    def _engage(self) -> None:
        """From here on the filter decides; its numbers continue those of the source, which have passed as they were."""
        if self.whole_until != EVERYTHING:
            return
        encoding = self.encoding
        self.whole_until = NOTHING
        if encoding is not None and encoding.last_layer is not None:
            self.whole_until = encoding.highest
            self.filter.aim(ALL, ALL)
            self.filter.start(encoding.last_layer)
            self.filter.take(encoding.last_layer)

    def _continued(self, encoding: "Encoding", timestamp: int, now: float) -> int | None:
        """The timestamp out where both encodings are of one camera whose clock their sender reports tell."""
        previous = self.encoding
        if previous is None or previous.codec.clock_rate != encoding.codec.clock_rate:
            return None
        before, after = previous.clock.at(now), encoding.clock.at(now)
        if before is None or after is None:
            return None
        apart = ((after[0] - before[0] + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)  # NTP, 1/2**32 s
        ticks = apart * encoding.codec.clock_rate >> 32
        return (timestamp - after[1] + ticks + before[1] + self.renumber.timestamp_offset) & 0xFFFFFFFF

    def send(
        self, template: bytes, seq: int, timestamp: int, payload_size: int, stamp_at: int, now: float
    ) -> None:
        """Send one packet of the encoding, already translated to this slot's profile. Called for every packet."""
        if self.slow:
            self._send_slowly(template, seq, timestamp, payload_size, stamp_at, now, 0, b"")
            return
        numbers = self.renumber.forward(seq, timestamp)
        if numbers is None:
            self.drops[Drop.BEFORE_START] += 1
            return
        if now >= self._observe_at:
            self._observe_at = now + REPORT_INTERVAL
            self.renumber.observe(now)
        if stamp_at:
            sent = self.egress.send(template, numbers[0], numbers[1], self.ssrc, stamp_at, 0, b"", now)
        else:
            sent = self._send_plain(template, numbers[0], numbers[1], self.ssrc)
        if sent:
            self.octets += payload_size
            self._count(len(template), now)
        else:
            self.drops[Drop.SEND_FAILED] += 1

    def send_layer(
        self,
        template: bytes,
        seq: int,
        timestamp: int,
        payload_size: int,
        stamp_at: int,
        now: float,
        layer: Layer,
        patch_at: int,
    ) -> None:
        """As `send`, for a packet whose layer is known: left out if the slot doesn't take it, else patched."""
        patch = self.filter.take(layer)
        if patch is None:
            self.drops[Drop.LAYER] += 1
            if seq > self.renumber.highest:
                self.renumber.drop(seq)
                return
            # It came late, and its number is a gap: it goes out without its payload, or it would be missed for ever.
            template = _emptied(template, payload_size)
            payload_size = 0
            patch = _PASS
        elif patch.marker:
            assert self.encoding is not None
            template = self.encoding.marked(template)
        data = patch.data if patch_at else b""
        patch_at += patch.offset
        if self.slow:
            self._send_slowly(template, seq, timestamp, payload_size, stamp_at, now, patch_at, data)
            return
        if not data:
            self.send(template, seq, timestamp, payload_size, stamp_at, now)
            return
        numbers = self._numbers(seq, timestamp, now)
        if numbers is None:
            return
        if self.egress.send(template, numbers[0], numbers[1], self.ssrc, stamp_at, patch_at, data, now):
            self.octets += payload_size
            self._count(len(template), now)
        else:
            self.drops[Drop.SEND_FAILED] += 1

    def _send_slowly(
        self,
        template: bytes,
        seq: int,
        timestamp: int,
        payload_size: int,
        stamp_at: int,
        now: float,
        patch_at: int,
        patch: bytes,
    ) -> None:
        """Send a packet that may have to wait."""
        if self.egress.clogged:
            self.choke()
            return
        numbers = self._numbers(seq, timestamp, now)
        if numbers is None:
            return
        send_time_at = self.translation.send_time_at
        packet = (template, numbers[0], numbers[1], self.ssrc, stamp_at, send_time_at, patch_at, patch)
        if self.egress.send_paced(packet, now):
            self.octets += payload_size
            self._count(len(template), now)
        else:
            self.drops[Drop.SEND_FAILED] += 1

    def _numbers(self, seq: int, timestamp: int, now: float) -> tuple[int, int] | None:
        """Number and timestamp out; None for a packet that has none any more."""
        numbers = self.renumber.forward(seq, timestamp)
        if numbers is None:
            self.drops[Drop.BEFORE_START] += 1
        elif now >= self._observe_at:
            self._observe_at = now + REPORT_INTERVAL
            self.renumber.observe(now)
        return numbers

    @property
    def packets(self) -> int:
        """Packets forwarded."""
        return self.resender.budget.forwarded.total_packets

    @property
    def bytes_sent(self) -> int:
        """Bytes of all that was forwarded and sent again."""
        return self.resender.budget.forwarded.total_bytes + self.resender.resent_bytes

    def choke(self) -> None:
        """Too much waits for this slow link: leave out the rest of the frame."""
        raise NotImplementedError

    # -- reports ---------------------------------------------------------------------------------------------

    @property
    def report_deadline(self) -> float | None:
        return self._report_at

    def report_soon(self, now: float) -> None:
        """The publisher's clock became known: tell the subscriber at once, for lip sync."""
        if self.run is not None:
            self._report_at = now
            self.egress.report_by(now)

    def sender_report(self, now: float, early: float = 0.0) -> bytes:
        """SR and SDES with the publisher's clock (RFC 3550 6.4.1), if due and the clock is known; else b"".

        It is due `early` seconds before its time.
        """
        if self._report_at is None or now < self._report_at - early or self.encoding is None:
            return b""
        clock = self.encoding.clock.at(now)
        if clock is None:
            self._report_at = None  # `report_soon` is called when it is known
            return b""
        self._report_at = math.ceil((now + REPORT_INTERVAL) / REPORT_STEP - _ROUNDING) * REPORT_STEP
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


def _emptied(template: bytes, payload_size: int) -> bytes:
    """The same packet without payload and marker."""
    return b"%c%c%b" % (template[0], template[1] & 0x7F, template[2 : len(template) - payload_size])


def random_ssrc() -> int:
    """RFC 3550 8: random; zero is left to mean none."""
    return 1 + secrets.randbelow(0xFFFFFFFF)
