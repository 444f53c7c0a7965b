"""VP8 frames to RTP packets and back (RFC 3550, RFC 7741), and what these weigh on the wire.

Knows: headers, how a frame is split, when a received frame is whole and whether it can be shown.
Does not know: encryption, sockets, who the sender is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from benchmarks.load.media import payload_of
from benchmarks.topology.clip import Frame
from sfu.wire.seq import Unwrapper16

PAYLOAD_TYPE = 96
CLOCK_RATE = 90_000
RTP_HEADER = 12
DESCRIPTOR = 4
CHUNK = 1200 - RTP_HEADER - DESCRIPTOR  # bytes of a frame in one packet, at most
SRTP_TAG = 16  # AEAD_AES_128_GCM and AEAD_AES_256_GCM, RFC 7714
UDP_IP = 28  # 8 bytes of UDP, 20 of IPv4
OPEN_FRAMES = 8  # frames of a stream that may be incomplete at once; the oldest is given up beyond
HEADER = struct.Struct("!BBHII")


def packet_count(frame_bytes: int) -> int:
    """How many packets a frame makes."""
    return -(-frame_bytes // CHUNK)


def wire_bytes(frame_bytes: int) -> int:
    """Bytes on the wire for one frame, sent once: with RTP, SRTP, UDP and IP."""
    return frame_bytes + packet_count(frame_bytes) * (RTP_HEADER + DESCRIPTOR + SRTP_TAG + UDP_IP)


@dataclass(slots=True)
class Packetizer:
    """The RTP side of one sent stream."""

    ssrc: int
    seq16: int
    picture_id: int = 0
    packets: int = 0
    octets: int = 0

    def packets_of(self, frame: Frame, timestamp: int) -> Iterator[bytes]:
        """The packets of a frame, of about equal size; the marker ends it."""
        count = packet_count(len(frame.data))
        size = -(-len(frame.data) // count)
        self.picture_id = self.picture_id + 1 & 0x7FFF
        for place in range(count):
            marker = 0x80 if place == count - 1 else 0
            header = HEADER.pack(0x80, marker | PAYLOAD_TYPE, self.seq16, timestamp & 0xFFFFFFFF, self.ssrc)
            # RFC 7741 4.2: X; S on the first packet; I: a picture id of 15 bits
            start = 0x90 if place == 0 else 0x80
            descriptor = struct.pack("!BBH", start, 0x80, 0x8000 | self.picture_id)
            piece = frame.data[place * size : (place + 1) * size]
            self.seq16 = self.seq16 + 1 & 0xFFFF
            self.packets += 1
            self.octets += len(piece) + DESCRIPTOR
            yield header + descriptor + piece


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame of which something was received. Times are of the monotonic clock, in seconds."""

    timestamp: int
    first: float
    last: float
    packets: int
    whole: bool
    shown: bool  # whole, and so is everything it refers to
    crc: int
    data: bytes = b""  # of shown frames, if the assembler keeps them

    def without_data(self) -> Arrived:
        return replace(self, data=b"")


@dataclass(slots=True)
class _Open:
    first: float
    last: float
    begins: int | None = None
    ends: int | None = None
    pieces: dict[int, bytes] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return (
            self.begins is not None
            and self.ends is not None
            and len(self.pieces) == self.ends - self.begins + 1
        )


@dataclass(slots=True)
class Assembler:
    """The receiving side of one stream. A frame can be shown if it is a key frame, or follows the last shown one.

    `broken` turns true when a gap was seen, until the next whole key frame: a key frame is wanted.
    """

    keep: bool = False
    arrived: list[Arrived] = field(default_factory=list)
    broken: bool = False
    first_shown: float | None = None
    _next: int | None = None  # the sequence number that the frame after the last shown one begins with
    _open: dict[int, _Open] = field(default_factory=dict)
    _unwrap: Unwrapper16 = field(default_factory=Unwrapper16)

    def receive(self, packet: bytes, now: float) -> None:
        """Take one decrypted RTP packet."""
        _, second, seq16, timestamp, _ = HEADER.unpack_from(packet)
        payload = payload_of(packet)
        start = descriptor_length(payload)
        if len(payload) <= start:
            return  # padding only
        seq = self._unwrap.unwrap(seq16)
        frame = self._open.get(timestamp)
        if frame is None:
            frame = self._open[timestamp] = _Open(now, now)
            if len(self._open) > OPEN_FRAMES:
                self._give_up(next(iter(self._open)))
        frame.last = now
        frame.pieces[seq] = payload[start:]
        if payload[0] & 0x17 == 0x10:  # S, and partition 0
            frame.begins = seq
        if second & 0x80:
            frame.ends = seq
        if frame.whole:
            self._complete(timestamp, frame)

    def _complete(self, timestamp: int, frame: _Open) -> None:
        assert frame.begins is not None
        assert frame.ends is not None
        data = b"".join(frame.pieces[seq] for seq in range(frame.begins, frame.ends + 1))
        key = not data[0] & 1
        shown = key or (frame.begins == self._next and not self.broken)
        if shown:
            self._next = frame.ends + 1
            self.broken = False
            self.first_shown = frame.last if self.first_shown is None else self.first_shown
        else:
            self.broken = True
        self.arrived.append(
            Arrived(
                timestamp,
                frame.first,
                frame.last,
                len(frame.pieces),
                True,
                shown,
                zlib.crc32(data),
                data if shown and self.keep else b"",
            )
        )
        del self._open[timestamp]

    def _give_up(self, timestamp: int) -> None:
        frame = self._open.pop(timestamp)
        self.broken = True
        self.arrived.append(Arrived(timestamp, frame.first, frame.last, len(frame.pieces), False, False, 0))

    def finish(self) -> list[Arrived]:
        """Everything that arrived, incomplete frames included."""
        for timestamp in list(self._open):
            self._give_up(timestamp)
        return self.arrived


def descriptor_length(payload: bytes) -> int:
    """Length of the VP8 payload descriptor (RFC 7741 4.2); beyond the payload if that is cut short."""
    if not payload:
        return 1
    if not payload[0] & 0x80:
        return 1
    if len(payload) < 2:
        return 3
    length, extended = 2, payload[1]
    if extended & 0x80:
        length += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
    if extended & 0x40:
        length += 1
    if extended & 0x30:
        length += 1
    return length
