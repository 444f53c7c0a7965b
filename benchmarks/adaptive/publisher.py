"""A simulated publisher: a camera in three encodings with retransmission, and a microphone, as RTP packets.

Knows: RTP, RTCP about its own streams, what the server says of its encodings.
Does not know: how packets travel, negotiation, rooms. Time is handed in.
"""

from __future__ import annotations

import random
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping

from benchmarks.adaptive import vp8
from benchmarks.adaptive.camera import ENCODINGS, FPS, Encoder, Frame
from sfu.wire import extensions, rtcp
from sfu.wire.rtcp import FullIntra, Nack, PictureLoss, ReceiverReport, SenderReport

AUDIO_LEVEL_ID, ABS_SEND_TIME_ID, TRANSPORT_WIDE_ID, MID_ID, RID_ID, REPAIRED_RID_ID = 1, 2, 3, 4, 10, 11
VIDEO_TYPE, RTX_TYPE, AUDIO_TYPE = 96, 97, 111
CHUNK = 1100  # bytes of a frame in one packet, at most
HISTORY = 1000  # packets of an encoding that can be sent again: more than a second of the largest
REPORT_INTERVAL = 1.0
AUDIO_INTERVAL = 0.020
AUDIO_BYTES, QUIET_BYTES = 80, 3  # 32 kbit/s while speaking; Opus DTX: a little now and then while not
QUIET_INTERVAL = 0.4
TURN = 5.0  # seconds that one of them speaks, then the next
SYLLABLE = (0.15, 0.35)  # seconds of loudness, and
PAUSE = (0.04, 0.12)  # of the quiet between
NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_HEADER = struct.Struct("!BBHII")
_FILLER = bytes(CHUNK)


class _Sent:
    """One SSRC and its numbers; what it has sent is kept for retransmission."""

    def __init__(self, chosen: random.Random, payload_type: int) -> None:
        self.ssrc = chosen.randrange(1, 1 << 32)
        self.payload_type = payload_type
        self.seq16 = chosen.randrange(1 << 15)
        self.offset = chosen.randrange(1 << 32)  # of timestamps
        self.packets = 0
        self.octets = 0
        self.acknowledged = False  # the server has reported on it: no more MID and RID
        self.kept: OrderedDict[int, tuple[int, bytes]] = (
            OrderedDict()
        )  # number: (marker and timestamp), payload

    def stamp(self, now: float, clock_rate: int) -> int:
        return round(now * clock_rate) + self.offset & 0xFFFFFFFF


class Publisher:
    """Call `pulse` at `deadline`; packets go to `send_rtp` and `send_rtcp`, RTCP comes to `receive_rtcp`.

    `place` of `count` publishers decides whose turn it is to speak.
    """

    def __init__(
        self, place: int, count: int, seed: int,
        send_rtp: Callable[[bytes, float], None], send_rtcp: Callable[[bytes, float], None],
    ) -> None:  # fmt: skip
        chosen = random.Random(f"{seed} publisher {place}")
        self._place, self._count = place, count
        self._send_rtp, self._send_rtcp = send_rtp, send_rtcp
        self.encoders = [Encoder(encoding, chosen) for encoding in ENCODINGS]
        self._video = [_Sent(chosen, VIDEO_TYPE) for _ in ENCODINGS]
        self._rtx = [_Sent(chosen, RTX_TYPE) for _ in ENCODINGS]
        self._audio = _Sent(chosen, AUDIO_TYPE)
        self._picture = [chosen.randrange(1 << 15) for _ in ENCODINGS]
        self._tl0 = [chosen.randrange(1 << 8) for _ in ENCODINGS]
        self._by_ssrc = {stream.ssrc: place for place, stream in enumerate(self._video)}
        self._wide = chosen.randrange(1 << 15)
        self._frame_at = 0.0
        self._phase = chosen.random() / FPS
        self._audio_at = 0.0
        self._report_at = 0.0
        self._begun = False
        self._chosen = chosen
        self._loud, self._loud_until = False, 0.0
        self.resent = 0

    def start(self, now: float) -> None:
        """The connection stands: film from now on."""
        self._begun = True
        self._frame_at = now + self._phase
        self._audio_at = self._report_at = now

    def encodings(self, active: Mapping[str, bool]) -> None:
        """The server says which rids anybody takes."""
        for encoder in self.encoders:
            encoder.activate(active.get(encoder.encoding.rid, encoder.active))

    @property
    def key_frames(self) -> int:
        return sum(encoder.key_frames for encoder in self.encoders)

    # -- time ------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        return min(self._frame_at, self._audio_at, self._report_at) if self._begun else None

    def pulse(self, now: float) -> None:
        """Send what is due by `now`."""
        while self._frame_at <= now:
            for place, encoder in enumerate(self.encoders):
                if encoder.active:
                    self._film(place, encoder.frame(now), now)
            self._frame_at += 1 / FPS
        if self._audio_at <= now:
            self._speak(now)
        if self._report_at <= now:
            self._report_at = now + REPORT_INTERVAL
            self._report(now)

    def _film(self, place: int, frame: Frame, now: float) -> None:
        stream, encoding = self._video[place], ENCODINGS[place]
        picture = self._picture[place] = self._picture[place] + 1 & 0x7FFF
        if frame.temporal == 0:
            self._tl0[place] = self._tl0[place] + 1 & 0xFF
        content = vp8.Content(frame.number, frame.reference, place, frame.temporal, now)
        begin = vp8.head(frame.key, encoding.width, encoding.height, content)
        size = max(frame.size, len(begin))
        count = -(-size // CHUNK)
        for part in range(count):
            length = size * (part + 1) // count - size * part // count
            head = vp8.descriptor(part == 0, picture, self._tl0[place], frame.temporal, frame.sync)
            body = begin + _FILLER[: length - len(begin)] if part == 0 else _FILLER[:length]
            marked = 0x80 if part == count - 1 else 0
            self._send(stream, head + body, marked, stream.stamp(now, 90_000), RID_ID, encoding.rid, now)

    def _speak(self, now: float) -> None:
        speaks = int(now / TURN) % self._count == self._place
        self._audio_at += AUDIO_INTERVAL if speaks else QUIET_INTERVAL
        payload = b"\x78" + _FILLER[: (AUDIO_BYTES if speaks else QUIET_BYTES) - 1]
        if now >= self._loud_until:
            self._loud = not self._loud
            self._loud_until = now + self._chosen.uniform(*(SYLLABLE if self._loud else PAUSE))
        loud = speaks and self._loud
        level = bytes(
            (0x80 | self._chosen.randrange(25, 40) if loud else 65,)
        )  # RFC 6464: -dBov, and the voice flag
        self._send(self._audio, payload, 0, self._audio.stamp(now, 48_000), 0, "", now, level)

    def _send(
        self, stream: _Sent, payload: bytes, marked: int, stamp: int, rid_id: int, rid: str, now: float,
        level: bytes = b"",
    ) -> None:  # fmt: skip
        stream.seq16 = stream.seq16 + 1 & 0xFFFF
        self._wide = self._wide + 1 & 0xFFFF
        elements = [(TRANSPORT_WIDE_ID, self._wide.to_bytes(2, "big"))]
        if level:
            elements.append((AUDIO_LEVEL_ID, level))
        if not stream.acknowledged:
            elements.append((MID_ID, b"v" if rid else b"a"))
            if rid:
                elements.append((rid_id, rid.encode()))
        block = extensions.build(elements, allow_two_byte=False)
        header = _HEADER.pack(0x90, marked | stream.payload_type, stream.seq16, stamp, stream.ssrc)
        stream.packets += 1
        stream.octets += len(payload)
        if rid_id == RID_ID:
            stream.kept[stream.seq16] = (marked << 32 | stamp, payload)
            if len(stream.kept) > HISTORY:
                stream.kept.popitem(last=False)
        self._send_rtp(header + block + payload, now)

    def _report(self, now: float) -> None:
        for stream in (*self._video, self._audio):
            if stream.packets:
                rate = 48_000 if stream is self._audio else 90_000
                ntp = int((now + NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
                report = SenderReport(
                    stream.ssrc, ntp, stream.stamp(now, rate), stream.packets, stream.octets
                )
                self._send_rtcp(report.write(), now)

    # -- feedback --------------------------------------------------------------------------------------------

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """A publisher receives no media."""

    def receive_rtcp(self, compound: bytes, now: float) -> None:
        """Key frames and retransmissions are what is asked for; bandwidth feedback is not obeyed."""
        for item in rtcp.parse(compound):
            if isinstance(item, PictureLoss):
                self._want_key(item.media_ssrc)
            elif isinstance(item, FullIntra):
                for ssrc, _ in item.entries:
                    self._want_key(ssrc)
            elif isinstance(item, Nack) and item.media_ssrc in self._by_ssrc:
                self._send_again(self._by_ssrc[item.media_ssrc], item.lost, now)
            elif isinstance(item, ReceiverReport):
                for block in item.reports:
                    for stream in (*self._video, self._audio):
                        stream.acknowledged |= stream.ssrc == block.ssrc

    def _want_key(self, ssrc: int) -> None:
        if (place := self._by_ssrc.get(ssrc)) is not None:
            self.encoders[place].want_key()

    def _send_again(self, place: int, lost: tuple[int, ...], now: float) -> None:
        stream, rtx = self._video[place], self._rtx[place]
        for seq16 in lost:
            if seq16 in stream.kept:
                marked_stamp, payload = stream.kept[seq16]
                payload = seq16.to_bytes(2, "big") + payload
                self.resent += 1
                marked, stamp = marked_stamp >> 32, marked_stamp & 0xFFFFFFFF
                self._send(rtx, payload, marked, stamp, REPAIRED_RID_ID, ENCODINGS[place].rid, now)
