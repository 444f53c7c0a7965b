"""Both directions of media over one connection: what comes in by SSRC, what goes out by slot, and the RTCP of both.

Knows the ingress and the slots of a connection, whoever made them (a participant's offers, a pipe between nodes).
Gets decrypted packets and `now`; knows no socket, no room and no SDP.
"""

from sfu.flow.due import earliest
from sfu.forwarding.egress import Egress
from sfu.forwarding.ingress import AudioLevels, Ingress
from sfu.forwarding.outlet import Drop, Outlet
from sfu.forwarding.slot import Slot
from sfu.forwarding.stream import REPORT_EARLY
from sfu.wire import rtcp
from sfu.wire.transport_feedback import parse_fci, status_count

# RFC 3550 has no bound; a browser's compound is well below this many packets.
MAX_RTCP_PER_COMPOUND = 64
# Sender reports with SDES of about 80 bytes: ten fit a datagram with room for the SRTCP trailer.
REPORTS_PER_DATAGRAM = 10
# Packets that transport-wide feedback may speak of, a second and at once: twice what the fastest estimate sends. A
# datagram can claim to speak of two million, which takes a second to read.
STATUSES_PER_SECOND = 10_000
STATUSES_AT_ONCE = 8_192


class MediaLink:
    """Implements `sfu.transport.connection.Sink` over an `Outlet`."""

    def __init__(self, outlet: Outlet, on_audio_level: AudioLevels | None = None) -> None:
        self.outlet = outlet
        self.ingress: Ingress = outlet.engine.ingress(outlet, on_audio_level)
        self.egress: Egress = outlet.engine.egress(outlet)
        self._slots: dict[int, Slot] = {}
        self._statuses = float(STATUSES_AT_ONCE)
        self._statuses_at = float("-inf")

    def add(self, slot: Slot) -> None:
        """RTCP about this slot's SSRC is for it from now on."""
        self._slots[slot.ssrc] = slot

    def remove(self, slot: Slot) -> None:
        """Close a slot and forget it."""
        self._slots.pop(slot.ssrc, None)
        slot.close()

    def connected(self, now: float) -> None:
        """The handshake is done: slots that wait ask for their key frames."""
        self.egress.await_report(now)
        self._ask_for_key_frames(now)

    def _ask_for_key_frames(self, now: float) -> None:
        for slot in self._slots.values():
            if slot.candidate is not None:
                slot.candidate.request_key_frame(now)

    # -- packets ---------------------------------------------------------------------------------------------

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """One decrypted RTP packet."""
        self.ingress.receive_rtp(packet, now)

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        """One decrypted RTCP compound; a malformed one is dropped whole, and counted."""
        try:
            packets = rtcp.parse(packet)
        except rtcp.RtcpError:
            self.ingress.drops[Drop.MALFORMED_RTCP] += 1
            return
        for item in packets[:MAX_RTCP_PER_COMPOUND]:
            self._handle_rtcp(item, now)

    def _handle_rtcp(self, item: rtcp.RtcpPacket, now: float) -> None:
        match item:
            case rtcp.SenderReport():
                self.ingress.sender_report(item.ssrc, item.ntp, item.rtp_timestamp, now)
                self._reported(item.reports, now)
            case rtcp.ReceiverReport():
                self._reported(item.reports, now)
            case rtcp.Nack():
                if (slot := self._own_slot(item.media_ssrc)) is not None:
                    slot.nack(item.lost, now)
            case rtcp.PictureLoss():
                if (slot := self._own_slot(item.media_ssrc)) is not None:
                    slot.wants_key_frame(now)
            case rtcp.FullIntra():
                for ssrc, _ in item.entries:
                    if (slot := self._own_slot(ssrc)) is not None:
                        slot.wants_key_frame(now)
            case rtcp.Remb():
                self.egress.remb(item.bitrate_bps, now)
            case rtcp.TransportFeedback():
                self._transport_feedback(item, now)

    def _transport_feedback(self, item: rtcp.TransportFeedback, now: float) -> None:
        self._statuses += (now - self._statuses_at) * STATUSES_PER_SECOND
        self._statuses = min(self._statuses, STATUSES_AT_ONCE) - status_count(item.fci)
        self._statuses_at = now
        if self._statuses < 0:
            self._statuses = 0.0
            self.ingress.drops[Drop.EXCESSIVE_RTCP] += 1
            return
        try:
            feedback = parse_fci(item.fci)
        except rtcp.RtcpError:
            self.ingress.drops[Drop.MALFORMED_RTCP] += 1
            return
        self.egress.feedback(feedback, now)

    def _own_slot(self, ssrc: int) -> Slot | None:
        slot = self._slots.get(ssrc)
        if slot is None:
            self.ingress.drops[Drop.FOREIGN_RTCP] += 1
        return slot

    def _reported(self, blocks: tuple[rtcp.ReportBlock, ...], now: float) -> None:
        for block in blocks:
            slot = self._slots.get(block.ssrc)
            if slot is not None:
                slot.reported(block, now)
                # The same path serves both directions: NACKs to this publisher are paced by it.
                self.ingress.round_trip = self.egress.estimator.round_trip = slot.round_trip.rtt

    # -- time ------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When `pulse` is due; None while nothing is."""
        if not self.outlet.ready:
            return None
        return earliest(self.egress.deadline(), self.ingress.deadline())

    def pulse(self, now: float) -> None:
        """Send what is due: feedback to the other side's streams, what waits for ours, sender reports of ours."""
        self.ingress.pulse(now)
        egress = self.egress
        if egress.pulse(now, self._slots.values()):
            self._ask_for_key_frames(now)
        if egress.reports_at is None or now < egress.reports_at:
            return
        slots = self._slots.values()
        reports = [report for slot in slots if (report := slot.sender_report(now, REPORT_EARLY))]
        for start in range(0, len(reports), REPORTS_PER_DATAGRAM):
            self.outlet.send_rtcp(b"".join(reports[start : start + REPORTS_PER_DATAGRAM]))
        egress.reports_at = earliest(*(slot.report_deadline for slot in slots))

    def pacing_stats(self) -> dict[str, int]:
        """What waits before this link, and what had to."""
        pacer = self.egress.pacer
        return {"queued_bytes": pacer.queued_bytes, "waited": pacer.paced, "refused": pacer.refused}

    def close(self) -> None:
        """Close every slot, and take nothing more in. Idempotent."""
        for slot in list(self._slots.values()):
            self.remove(slot)
        self.ingress.configure((), reduced_size=True)
