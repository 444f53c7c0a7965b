"""What goes out beside a stream's media, under the numbers of its retransmissions: packets sent again, and probes.

Knows one subscriber's retransmission stream (RFC 4588) and what its subscriber may ask for. Doesn't know when to probe.
"""

import secrets
from typing import TYPE_CHECKING

from sfu.flow.layers import Patch
from sfu.flow.renumber import Origin
from sfu.flow.resend import ResendBudget
from sfu.forwarding.egress import Outgoing
from sfu.wire import extensions, rtp

if TYPE_CHECKING:
    from sfu.forwarding.encoding import Encoding
    from sfu.forwarding.profile import Translation
    from sfu.forwarding.stream import Stream


class Resender:
    """Of one stream."""

    __slots__ = ("_rtx_seq", "_stream", "budget", "missed", "resent", "resent_bytes")

    def __init__(self, stream: "Stream") -> None:
        self._stream = stream
        self._rtx_seq = secrets.randbelow(1 << 15)
        self.budget = ResendBudget()
        self.resent = 0
        self.resent_bytes = 0
        self.missed = 0

    def nack(self, lost: tuple[int, ...], now: float) -> None:
        """Resend what the subscriber misses: as RTX where it was negotiated (RFC 4588), else as it was."""
        stream = self._stream
        encoding = stream.encoding
        if encoding is None:
            return
        for seq16 in lost:
            origin = stream.renumber.origin(seq16)
            # Of an earlier run: its picture is gone from this slot, and its numbers may mean other packets now.
            known = origin is not None and origin.source is stream.run
            packet = encoding.history.get(origin.seq, now) if origin is not None and known else None
            if origin is None or packet is None:
                self.missed += 1
            elif self.budget.allow(seq16, len(packet), now, stream.round_trip.rtt):
                self._resend(encoding, packet, origin, seq16, now)

    def _resend(self, encoding: "Encoding", packet: bytes, origin: Origin, seq16: int, now: float) -> None:
        stream = self._stream
        view = rtp.parse(packet)
        patch: Patch | None = None
        whole = origin.seq <= stream.whole_until or view.payload_start == view.payload_end
        if not whole and encoding.layers is not None and (layer := encoding.layers.read(view)) is not None:
            if not stream.filter.knows(layer):  # too many pictures ago: how it went out is not known any more
                self.missed += 1
                return
            patch = stream.filter.again(layer)
            if patch is None:  # left out, but its number was missed: it went out empty
                view.payload_end = view.payload_start
                view.marker = False
        translation = stream.translation
        timestamp = (view.timestamp + origin.timestamp_offset) & 0xFFFFFFFF
        if translation.rtx_payload_type is None:
            if translation.stamp_at:
                self.missed += 1
                return
            # RFC 7714 8.4: two packets of one number must not differ in a bit, the send time included.
            first_sent = encoding.history.added_at(origin.seq)
            template = translation.template(view, extensions.abs_send_time(first_sent))
            ssrc = stream.ssrc
        else:
            send_time = extensions.abs_send_time(now)
            template = translation.rtx_template(view, translation.rtx_payload_type, seq16, send_time)
            self._rtx_seq = seq16 = (self._rtx_seq + 1) & 0xFFFF
            ssrc = stream.rtx_ssrc
        if patch is not None and patch.marker:
            template = encoding.marked(template)
        patch_at, data = 0, b""
        if patch is not None and patch.data and translation.patch_at:
            patch_at, data = translation.patch_at + patch.offset, patch.data
        packet_out = (
            template,
            seq16,
            timestamp,
            ssrc,
            translation.stamp_at,
            translation.send_time_at,
            patch_at,
            data,
        )
        if stream.egress.send_again(packet_out, now, paced=stream.paceable):
            self.resent += 1
            self.resent_bytes += len(template)

    def padding(self, translation: "Translation", size: int, now: float) -> Outgoing | None:
        """A packet of nothing but 1 to MAX_PADDING bytes of padding, to probe the link; None where there is no RTX."""
        if translation.rtx_payload_type is None:
            return None
        send_time = extensions.abs_send_time(now)
        template = translation.padding(translation.rtx_payload_type, size, send_time)
        self._rtx_seq = (self._rtx_seq + 1) & 0xFFFF
        timestamp = self._stream.renumber.last_timestamp
        return template, self._rtx_seq, timestamp, self._stream.rtx_ssrc, translation.stamp_at, 0, 0, b""
