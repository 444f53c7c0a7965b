"""A simulated subscriber: receives, asks for what is lost, reports arrivals each 100 ms, shows pictures.

Knows: RTP, RTCP of a receiver, its slots. Does not know: how packets travel, negotiation, rooms. Time is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.adaptive.descriptions import Received
from benchmarks.adaptive.display import Display
from benchmarks.adaptive.pictures import Decoder
from benchmarks.adaptive.publisher import AUDIO_TYPE, RTX_TYPE, TRANSPORT_WIDE_ID, VIDEO_TYPE
from benchmarks.adaptive.record import Record
from benchmarks.adaptive.repair import Nacks
from sfu.flow.feedback import TransportWideArrivals
from sfu.wire import extensions, rtcp, rtp
from sfu.wire.rtcp import Nack, PictureLoss, ReceiverReport, ReportBlock, SenderReport, TransportFeedback
from sfu.wire.seq import Unwrapper16
from sfu.wire.transport_feedback import write_fci

TICK = 0.010
FEEDBACK_INTERVAL = 0.100
REPORT_INTERVAL = 1.0
FIRST_WAIT = 0.200  # between requests for the key frame to begin with
STANDS = 0.3  # without a picture: what will never come was needed
WAIT = 3.0  # without a picture although packets come: ask again
OWN_SSRC = 1


@dataclass(slots=True)
class _Stream:
    """One slot."""

    received: Received
    display: Display = field(default_factory=Display)
    decoder: Decoder = field(default_factory=Decoder)
    nacks: Nacks = field(default_factory=Nacks)
    unwrap: Unwrapper16 = field(default_factory=Unwrapper16)
    highest: int = 0
    first: int | None = None
    packets: int = 0
    expected_before: int = 0
    packets_before: int = 0
    heard_at: float = 0.0
    pictured_at: float = float("-inf")
    asked_at: float = float("-inf")
    stuck: bool = True  # nothing to show without a key frame
    last_sr: int = 0
    last_sr_at: float = 0.0


class Subscriber:
    """Call `pulse` at `deadline`. `now` is of the clock of the run, `began` its beginning."""

    def __init__(
        self, received: Mapping[str, Received], record: Record,
        send_rtcp: Callable[[bytes, float], None], began: float,
    ) -> None:  # fmt: skip
        self._send_rtcp = send_rtcp
        self._record = record
        self._began = began
        self._streams = {mid: _Stream(entry) for mid, entry in received.items() if entry.kind == "video"}
        self._audio = {mid: _Stream(entry) for mid, entry in received.items() if entry.kind == "audio"}
        every = (*self._streams.values(), *self._audio.values())
        self._by_ssrc = {stream.received.ssrc: stream for stream in every}
        self._by_rtx = {stream.received.rtx_ssrc: stream for stream in every if stream.received.rtx_ssrc}
        self._wide = TransportWideArrivals()
        self._feedback_at = self._report_at = 0.0
        self._tick_at: float | None = None
        self.round_trip = 0.1
        record.displays = [stream.display for stream in self._streams.values()]

    def start(self, now: float) -> None:
        """The connection stands."""
        self._tick_at = self._feedback_at = now
        self._report_at = now + REPORT_INTERVAL

    def slot_changed(self, mid: str, state: str, now: float) -> None:
        """The server says what a slot shows."""
        if (stream := self._streams.get(mid)) is not None:
            if state == "paused":
                stream.display.pause(now - self._began)
            elif state == "active":
                stream.display.resume(now - self._began)

    # -- packets ---------------------------------------------------------------------------------------------

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """A packet has arrived."""
        view = rtp.parse(packet)
        if place := extensions.find(view, TRANSPORT_WIDE_ID):
            self._wide.receive(int.from_bytes(packet[place[0] : place[1]], "big"), now)
        payload = packet[view.payload_start : view.payload_end]
        if view.payload_type == VIDEO_TYPE and (stream := self._by_ssrc.get(view.ssrc)) is not None:
            seq = stream.unwrap.unwrap(view.seq16)
            self._count(stream, seq)
            if stream.nacks.arrived(seq, now):
                self._take(stream, seq, view.timestamp, view.marker, payload, now)
        elif view.payload_type == RTX_TYPE and (stream := self._by_rtx.get(view.ssrc)) is not None:
            if len(payload) > 2:
                seq = stream.unwrap.unwrap(int.from_bytes(payload[:2], "big"))
                if stream.nacks.arrived(seq, now, repaired=True):
                    self._take(stream, seq, view.timestamp, view.marker, payload[2:], now)
        elif view.payload_type == AUDIO_TYPE and (stream := self._by_ssrc.get(view.ssrc)) is not None:
            self._count(stream, stream.unwrap.unwrap(view.seq16))

    def _count(self, stream: _Stream, seq: int) -> None:
        stream.packets += 1
        stream.highest = max(stream.highest, seq)
        if stream.first is None:
            stream.first = seq

    def _take(
        self, stream: _Stream, seq: int, timestamp: int, marker: bool, payload: bytes, now: float
    ) -> None:
        stream.heard_at = now
        whole = stream.decoder.packet(seq, timestamp, marker, payload, now)
        if whole is not None:
            stream.display.arrived(whole, now - self._began)
            self._show(stream, now)

    def _show(self, stream: _Stream, now: float) -> None:
        """Show what is due by now."""
        while (picture := stream.decoder.next()) is not None:
            at = stream.display.due(picture.timestamp, picture.whole_at - self._began)
            if at > now - self._began:
                return
            stream.decoder.show(picture)
            stream.pictured_at = now
            stream.stuck = False
            self._record.key_frames += picture.key
            content = picture.content
            if content is not None:
                self._record.media_delay_ms.append((picture.whole_at - content.filmed) * 1000)
            encoding, temporal = (content.encoding, content.temporal) if content else (-1, -1)
            stream.display.picture(at, encoding, temporal)

    def receive_rtcp(self, compound: bytes, now: float) -> None:
        """Sender reports are remembered, for the round trip that the server measures."""
        for item in rtcp.parse(compound):
            if isinstance(item, SenderReport) and (stream := self._by_ssrc.get(item.ssrc)) is not None:
                stream.last_sr, stream.last_sr_at = item.ntp >> 16 & 0xFFFFFFFF, now

    # -- time ------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        return self._tick_at

    def pulse(self, now: float) -> None:
        """Send what is due."""
        if self._tick_at is None or now < self._tick_at:
            return
        self._tick_at = max(self._tick_at + TICK, now)
        for stream in self._streams.values():
            self._repair(stream, now)
        if now >= self._feedback_at:
            self._feedback_at = max(self._feedback_at + FEEDBACK_INTERVAL, now)
            media = next(iter(self._by_ssrc))
            for feedback in self._wide.build(now):
                self._send_rtcp(TransportFeedback(OWN_SSRC, media, write_fci(feedback)).write(), now)
        if now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL
            self._send_rtcp(ReceiverReport(OWN_SSRC, tuple(self._blocks(now))).write(), now)

    def _repair(self, stream: _Stream, now: float) -> None:
        self._show(stream, now)
        ssrc = stream.received.ssrc
        if lost := stream.nacks.due(now, self.round_trip):
            self._send_rtcp(Nack(OWN_SSRC, ssrc, tuple(seq & 0xFFFF for seq in lost)).write(), now)
        if (
            stream.nacks.given_up and now - stream.pictured_at > STANDS
        ):  # else it was a frame that nothing refers to
            stream.stuck = True
        stream.nacks.given_up = False
        hears = now - stream.heard_at < 1.0
        waits = hears and now - stream.pictured_at > WAIT
        if hears and (stream.stuck or waits) and now - stream.asked_at >= FIRST_WAIT:
            stream.asked_at = now
            self._record.key_frame_requests += 1
            self._send_rtcp(PictureLoss(OWN_SSRC, ssrc).write(), now)

    def _blocks(self, now: float) -> list[ReportBlock]:
        blocks = []
        for stream in self._by_ssrc.values():
            if stream.first is None:
                continue
            expected = stream.highest - stream.first + 1
            span, got = expected - stream.expected_before, stream.packets - stream.packets_before
            stream.expected_before, stream.packets_before = expected, stream.packets
            lost = max(0, min(255, (span - got) * 256 // span)) if span > 0 else 0
            total = max(-0x800000, min(expected - stream.packets, 0x7FFFFF))
            delay = round((now - stream.last_sr_at) * 65536) if stream.last_sr else 0
            highest = stream.highest & 0xFFFFFFFF
            blocks.append(
                ReportBlock(
                    stream.received.ssrc, lost, total, highest, 0, stream.last_sr, min(delay, 0xFFFFFFFF)
                )
            )
        return blocks[:31]  # RFC 3550 6.4.2: as many as a report counts

    def finish(self, now: float) -> None:
        """The run is over."""
        for stream in self._streams.values():
            stream.display.end(now - self._began)
        self._record.nacks = sum(stream.nacks.asked for stream in self._streams.values())
        self._record.broken = sum(stream.decoder.broken for stream in self._streams.values())
