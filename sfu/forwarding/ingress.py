"""The receiving side of one connection: its packets to their encodings, and what their sender is told.

Knows one participant's publications, and the feedback that goes back to it: NACK, PLI, receiver reports, and
transport-wide feedback or REMB. Whose packet it is, `sources` tells. Gets decrypted packets and `now`; no socket.
"""

from collections.abc import Callable, Sequence

from sfu.flow.due import earliest
from sfu.flow.feedback import TransportWideArrivals
from sfu.flow.remb import ReceiverEstimate
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.outlet import Drop, Drops, Outlet
from sfu.forwarding.publication import Publication
from sfu.forwarding.sources import Sources
from sfu.forwarding.stream import random_ssrc
from sfu.wire import extensions, rtp
from sfu.wire.answer import Accepted
from sfu.wire.rtcp import FullIntra, Nack, PictureLoss, ReceiverReport, Remb, ReportBlock, TransportFeedback
from sfu.wire.seq import wrap16
from sfu.wire.transport_feedback import write_fci

# libwebrtc sends feedback every 50 to 250 ms by rate; 100 ms keeps its estimator quick for 10 packets a second. After
# a pause, what comes at once is told of together.
FEEDBACK_INTERVAL = 0.1
FEEDBACK_PATIENCE = 0.05
REPORT_INTERVAL = 1.0
# RFC 3550 6.4.2: the report count has five bits.
MAX_REPORTS = 31


AudioLevels = Callable[[Publication, int, bool | None, float], None]
"""Told the level of each audio packet that says it, whether it holds voice, and when it came."""


class Ingress:
    """Takes one publisher's packets and keeps its feedback timers."""

    def __init__(self, outlet: Outlet, on_audio_level: AudioLevels | None = None) -> None:
        self._outlet = outlet
        self._on_audio_level = on_audio_level
        self._audio_level_id = 0
        self._ssrc = random_ssrc()
        self.drops: Drops = Drops()
        self._sources = Sources(self.drops)
        self._encodings: tuple[Encoding, ...] = ()
        self._head = b""
        self._transport_wide_id = 0
        self._send_time_id = 0
        self._feedback = TransportWideArrivals()
        self._feedback_at: float | None = None
        self._fed_back_at = float("-inf")
        self._feedback_ssrc = 0
        self._estimate: ReceiverEstimate | None = None
        self._report_at: float | None = None
        # Encodings whose arrivals or requests may have a deadline.
        self._touched: set[Encoding] = set()
        # Round trip to the publisher in seconds, as its participant measured it.
        self.round_trip = 0.1

    # -- negotiation -----------------------------------------------------------------------------------------

    def configure(self, published: Sequence[tuple[Publication, Accepted]], *, reduced_size: bool) -> None:
        """What the client sends from now on, after each offer."""
        self._sources.configure(published)
        self._encodings = tuple(
            encoding for publication, _ in published for encoding in publication.encodings
        )
        self._touched.intersection_update(self._encodings)
        self._transport_wide_id = self._send_time_id = self._audio_level_id = 0
        # RFC 5506: without a=rtcp-rsize every compound begins with a report.
        self._head = b"" if reduced_size else ReceiverReport(self._ssrc, ()).write()
        wants_remb = False
        for _, accepted in published:
            for codec in accepted.codecs:
                if "transport-cc" in codec.feedback and extensions.TRANSPORT_WIDE in accepted.extensions:
                    self._transport_wide_id = accepted.extensions[extensions.TRANSPORT_WIDE]
                wants_remb = wants_remb or "goog-remb" in codec.feedback
            self._send_time_id = accepted.extensions.get(extensions.ABS_SEND_TIME, self._send_time_id)
            self._audio_level_id = accepted.extensions.get(extensions.AUDIO_LEVEL, self._audio_level_id)
        if not (wants_remb and self._send_time_id) or self._transport_wide_id:
            self._estimate = None
        elif self._estimate is None:
            self._estimate = ReceiverEstimate()

    # -- packets ---------------------------------------------------------------------------------------------

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """One decrypted RTP packet of this client."""
        try:
            view = rtp.parse(packet)
        except rtp.RtpError:
            self.drops[Drop.MALFORMED] += 1
            return
        if self._transport_wide_id:
            self._note_transport_wide(view, now)
        source = self._sources.by_ssrc.get(view.ssrc) or self._sources.learn(view)
        if source is None:
            return
        publication, encoding, is_rtx = source
        if self._estimate is not None:
            self._estimate_rate(view, now)
        if is_rtx:
            original = self._unwrap(view, encoding)
            if original is None:
                return
            view = original
        if not publication.accepts(view.payload_type, now, repaired=is_rtx):
            self.drops[Drop.UNKNOWN_PAYLOAD_TYPE] += 1
            return
        if encoding.ssrc != view.ssrc and not encoding.change_source(view.ssrc, now):
            self.drops[Drop.UNKNOWN_SSRC] += 1
            return
        if self._audio_level_id and publication.kind == "audio" and self._on_audio_level is not None:
            level = extensions.audio_level(view, self._audio_level_id)
            if level is not None:
                self._on_audio_level(publication, *level, now)
        encoding.receive(view, now, repaired=is_rtx)
        self._touched.add(encoding)
        if self._report_at is None:
            self._report_at = now + REPORT_INTERVAL

    def _unwrap(self, view: rtp.RtpView, encoding: Encoding) -> rtp.RtpView | None:
        """The original packet inside an RTX packet (RFC 4588 4); None for probes and damage."""
        original_type = self._sources.original_types.get(view.payload_type)
        ssrc = encoding.ssrc
        start, end = view.payload_start, view.payload_end
        if start == end:
            self.drops[Drop.PADDING] += 1  # bandwidth probes of libwebrtc
            return None
        if original_type is None or ssrc is None or end - start < 2:
            self.drops[Drop.BAD_RTX] += 1
            return None
        packet = view.packet
        marker = 0x80 if view.marker else 0
        return rtp.parse(
            bytes((packet[0] & 0xDF, original_type | marker))
            + packet[start : start + 2]
            + packet[4:8]
            + ssrc.to_bytes(4, "big")
            + packet[12:start]
            + packet[start + 2 : end]
        )

    def _note_transport_wide(self, view: rtp.RtpView, now: float) -> None:
        span = extensions.find(view, self._transport_wide_id)
        if span is not None and span[1] - span[0] == 2:
            self._feedback.receive(int.from_bytes(view.packet[span[0] : span[1]], "big"), now)
            self._feedback_ssrc = view.ssrc
            if self._feedback_at is None:
                self._plan_feedback(now)

    def _plan_feedback(self, now: float) -> None:
        self._feedback_at = max(self._fed_back_at + FEEDBACK_INTERVAL, now + FEEDBACK_PATIENCE)

    def _estimate_rate(self, view: rtp.RtpView, now: float) -> None:
        assert self._estimate is not None
        span = extensions.find(view, self._send_time_id)
        if span is None or span[1] - span[0] != 3:
            return
        send_time = int.from_bytes(view.packet[span[0] : span[1]], "big")
        bitrate = self._estimate.receive(send_time, len(view.packet), now)
        if bitrate is not None:
            ssrcs = tuple(encoding.ssrc for encoding in self._encodings if encoding.ssrc is not None)
            self._send(Remb(self._ssrc, bitrate, ssrcs).write())

    def sender_report(self, ssrc: int, ntp: int, rtp_timestamp: int, now: float) -> None:
        """A sender report of this client."""
        source = self._sources.by_ssrc.get(ssrc)
        if source is not None and source.encoding.ssrc == ssrc:
            source.encoding.sender_report(ntp, rtp_timestamp, now)

    # -- feedback --------------------------------------------------------------------------------------------

    def ask_key_frame(self, encoding: Encoding) -> None:
        """Send PLI (RFC 4585 6.3.1), or FIR (RFC 5104 4.3.1) to a client that knows only that."""
        self._touched.add(encoding)
        if encoding.ssrc is None or not self._outlet.ready:
            return
        feedback = encoding.codec.feedback
        if "nack pli" in feedback:
            self._send(PictureLoss(self._ssrc, encoding.ssrc).write())
        elif "ccm fir" in feedback:
            number = encoding.key_frame_requests.sent & 0xFF
            self._send(FullIntra(self._ssrc, ((encoding.ssrc, number),)).write())

    def _send(self, packet: bytes) -> None:
        self._outlet.send_rtcp(self._head + packet)

    def deadline(self) -> float | None:
        """When `pulse` is to be called next; None while nothing is due."""
        at = earliest(self._report_at, self._feedback_at)
        for encoding in self._touched:
            at = earliest(at, encoding.arrivals.nack_deadline(), encoding.key_frame_requests.deadline())
        return at

    def pulse(self, now: float) -> None:
        """Send what is due: NACKs, repeated key-frame requests, transport-wide feedback, receiver reports."""
        for encoding in list(self._touched):
            arrivals = encoding.arrivals
            if encoding.ssrc is not None and (lost := arrivals.nacks(now, self.round_trip)):
                self._send(Nack(self._ssrc, encoding.ssrc, tuple(wrap16(seq) for seq in lost)).write())
            encoding.repeat_key_frame_request(now)
            if arrivals.nack_deadline() is None and encoding.key_frame_requests.deadline() is None:
                self._touched.discard(encoding)
        if self._feedback_at is not None and now >= self._feedback_at:
            self._feedback_at = None
            self._fed_back_at = now
            for feedback in self._feedback.build(now):
                self._send(TransportFeedback(self._ssrc, self._feedback_ssrc, write_fci(feedback)).write())
        if self._report_at is not None and now >= self._report_at:
            self._report(now)

    def _report(self, now: float) -> None:
        """Receiver reports on every stream that is alive; they also tell the browser to stop sending MID and RID.

        An encoding that is silent now is not spoken of (RFC 3550 6.4), and doesn't keep the timer running.
        """
        blocks: list[ReportBlock] = []
        alive = False
        for encoding in self._encodings:
            if encoding.ssrc is not None and encoding.arrivals.packets and encoding.rate.packets(now):
                blocks.append(encoding.arrivals.report(encoding.ssrc, now))
            encoding.history.drop_older(now)
            alive = alive or encoding.history.bytes_held > 0
        # When nothing comes any more the timer rests until the next packet.
        self._report_at = now + REPORT_INTERVAL if alive else None
        for start in range(0, len(blocks), MAX_REPORTS):
            self._outlet.send_rtcp(
                ReceiverReport(self._ssrc, tuple(blocks[start : start + MAX_REPORTS])).write()
            )

    @property
    def estimate_bps(self) -> int | None:
        """The rate told to the client by REMB; None where it estimates by transport-wide feedback itself."""
        return self._estimate.bitrate_bps if self._estimate else None
