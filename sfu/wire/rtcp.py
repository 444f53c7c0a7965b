"""RTCP packets: bytes to values and back, one compound datagram at a time.

Knows: sender and receiver reports, SDES (CNAME only), BYE (RFC 3550 section 6); generic NACK and PLI
(RFC 4585); FIR (RFC 5104); REMB (draft-alvestrand-rmcat-remb-03); that transport-wide feedback exists.
Reduced-size RTCP is accepted (RFC 5506): a datagram may begin with any type.
Does not know: the inside of transport-wide feedback (transport_feedback.py), when to send what, or any clock.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

_SR = 200
_RR = 201
_SDES = 202
_BYE = 203
_NACK = (205, 1)  # RFC 4585 section 6.1: packet type and format
_TRANSPORT_WIDE = (205, 15)
_PLI = (206, 1)
_FIR = (206, 4)
_APPLICATION = (206, 15)
_CNAME = 1  # RFC 3550 section 6.5.1
_HEADER = struct.Struct("!BBH")
_PAIR = struct.Struct("!II")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_FIR_ENTRY = struct.Struct("!IB3x")


class RtcpError(ValueError):
    """The peer sent bytes that are not RTCP."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one SSRC (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """0..255, in 1/256 since the previous report."""
    packets_lost: int
    """Since the beginning; signed 24 bits, clamped when written."""
    highest_seq: int
    """32 bits: cycles and the highest sequence number."""
    jitter: int
    """In clock units of the stream."""
    last_sr: int
    """Middle 32 bits of the NTP time of the last sender report, 0 if none came."""
    delay_since_last_sr: int
    """In 1/65536 s."""

    def write(self) -> bytes:
        """The 24 bytes of the block."""
        lost = max(-0x800000, min(self.packets_lost, 0x7FFFFF)) & 0xFFFFFF
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | lost,
            self.highest_seq,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """RFC 3550 section 6.4.1. `ntp` is the 64-bit NTP timestamp as one integer."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()

    def write(self) -> bytes:
        body = _SENDER.pack(self.ssrc, self.ntp, self.rtp_timestamp, self.packet_count, self.octet_count)
        return _packet(_SR, len(self.reports), body + b"".join([block.write() for block in self.reports]))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RFC 3550 section 6.4.2."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def write(self) -> bytes:
        body = self.ssrc.to_bytes(4, "big") + b"".join([block.write() for block in self.reports])
        return _packet(_RR, len(self.reports), body)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """One SDES chunk (RFC 3550 section 6.5); `cname` is "" when the chunk had none.

    Bytes that are not UTF-8 are left out when read.
    """

    ssrc: int
    cname: str

    def write(self) -> bytes:
        name = self.cname.encode()
        assert len(name) <= 255
        chunk = self.ssrc.to_bytes(4, "big") + bytes((_CNAME, len(name))) + name
        # Section 6.5: one or more zero bytes end the items and pad the chunk to 32 bits.
        return _packet(_SDES, 1, chunk + bytes(4 - len(chunk) % 4))


@dataclass(frozen=True, slots=True)
class Goodbye:
    """RFC 3550 section 6.6; a reason is read over and never sent."""

    ssrcs: tuple[int, ...]

    def write(self) -> bytes:
        return _packet(_BYE, len(self.ssrcs), _words(self.ssrcs))


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 section 6.2.1). `lost` holds at least one raw 16-bit number, oldest first."""

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]

    def write(self) -> bytes:
        assert self.lost
        body = bytearray(_PAIR.pack(self.sender_ssrc, self.media_ssrc))
        first, mask = self.lost[0], 0
        for seq16 in self.lost[1:]:
            bit = (seq16 - first - 1) & 0xFFFF
            if bit < 16:
                mask |= 1 << bit
            else:
                body += (first << 16 | mask).to_bytes(4, "big")
                first, mask = seq16, 0
        body += (first << 16 | mask).to_bytes(4, "big")
        return _packet(*_NACK, bytes(body))


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """Transport-wide feedback, its FCI still in bytes: see transport_feedback.parse_fci() and write_fci()."""

    sender_ssrc: int
    media_ssrc: int
    fci: bytes

    def write(self) -> bytes:
        body = _PAIR.pack(self.sender_ssrc, self.media_ssrc) + self.fci
        return _packet(*_TRANSPORT_WIDE, body)


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """PLI (RFC 4585 section 6.3.1)."""

    sender_ssrc: int
    media_ssrc: int

    def write(self) -> bytes:
        return _packet(*_PLI, _PAIR.pack(self.sender_ssrc, self.media_ssrc))


@dataclass(frozen=True, slots=True)
class FullIntra:
    """FIR (RFC 5104 section 4.3.1): `entries` are (ssrc, command sequence number 0..255), at least one."""

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]

    def write(self) -> bytes:
        assert self.entries
        body = _PAIR.pack(self.sender_ssrc, 0)  # section 4.3.1.2: the media source is 0
        return _packet(*_FIR, body + b"".join([_FIR_ENTRY.pack(*e) for e in self.entries]))


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 section 2.2).

    Written with 18 bits of precision, rounded down; a rate beyond the format is clamped to its largest.
    """

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]

    def write(self) -> bytes:
        assert len(self.ssrcs) <= 255
        exponent = max(0, self.bitrate_bps.bit_length() - 18)
        mantissa = self.bitrate_bps >> exponent
        if exponent > 63:
            exponent, mantissa = 63, 0x3FFFF
        head = b"REMB" + (len(self.ssrcs) << 24 | exponent << 18 | mantissa).to_bytes(4, "big")
        return _packet(*_APPLICATION, _PAIR.pack(self.sender_ssrc, 0) + head + _words(self.ssrcs))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A packet of a type or format that is not read here; `body` is without header and padding."""

    packet_type: int
    fmt: int
    """The five bits of count or format."""
    body: bytes

    def write(self) -> bytes:
        return _packet(self.packet_type, self.fmt, self.body)


RtcpPacket: TypeAlias = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | Nack
    | TransportFeedback
    | PictureLoss
    | FullIntra
    | Remb
    | Unknown
)


def parse(data: bytes) -> list[RtcpPacket]:
    """Every packet of one datagram, in order; an SDES packet gives one SourceDescription per chunk.

    Raises RtcpError if anything in it is malformed: then nothing of it is used.
    """
    if not data:
        raise RtcpError("RTCP datagram is empty")
    packets: list[RtcpPacket] = []
    position, size = 0, len(data)
    while position < size:
        if position + 4 > size:
            raise RtcpError("RTCP header is truncated")
        flags, packet_type, words = _HEADER.unpack_from(data, position)
        if flags & 0xC0 != 0x80:
            raise RtcpError("RTCP version is not 2")
        start = position + 4
        position = end = start + words * 4
        if end > size:
            raise RtcpError("RTCP packet is truncated")
        if flags & 0x20:
            # RFC 3550 section 6.4.1: the last byte counts the padding. Browsers pad transport-wide feedback
            # by 1..3 bytes, anywhere in a compound: so neither "multiple of four" nor "last only" is asked.
            padding = data[end - 1] if words else 0
            if padding == 0 or padding > end - start:
                raise RtcpError("RTCP padding length is invalid")
            end -= padding
        _parse_body(packets, packet_type, flags & 0x1F, data[start:end])
    return packets


def _parse_body(packets: list[RtcpPacket], packet_type: int, count: int, body: bytes) -> None:
    if packet_type == _SR:
        _need(body, 24 + 24 * count, "sender report")  # what is behind the blocks is profile-specific (6.4.3)
        ssrc, ntp, timestamp, sent, octets = _SENDER.unpack_from(body)
        packets.append(SenderReport(ssrc, ntp, timestamp, sent, octets, _blocks(body, 24, count)))
    elif packet_type == _RR:
        _need(body, 4 + 24 * count, "receiver report")
        packets.append(ReceiverReport(int.from_bytes(body[:4], "big"), _blocks(body, 4, count)))
    elif packet_type == _SDES:
        packets.extend(_chunks(body, count))
    elif packet_type == _BYE:
        packets.append(_goodbye(body, count))
    elif packet_type in (205, 206):
        packets.append(_feedback(packet_type, count, body))
    else:
        packets.append(Unknown(packet_type, count, body))


def _feedback(packet_type: int, fmt: int, body: bytes) -> RtcpPacket:
    """RFC 4585 section 6.1: every feedback message begins with the sender's and the media's SSRC."""
    _need(body, 8, "feedback")
    sender, media = _PAIR.unpack_from(body)
    kind = (packet_type, fmt)
    if kind == _NACK:
        return Nack(sender, media, _lost(body))
    if kind == _TRANSPORT_WIDE:
        return TransportFeedback(sender, media, body[8:])
    if kind == _PLI:
        return PictureLoss(sender, media)
    if kind == _FIR:
        return FullIntra(sender, _intra_entries(body))
    if kind == _APPLICATION and body[8:12] == b"REMB":
        return _remb(sender, body)
    return Unknown(packet_type, fmt, body)


def _need(body: bytes, size: int, what: str) -> None:
    if len(body) < size:
        raise RtcpError(f"RTCP {what} is too short")


def _blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for offset in range(start, start + 24 * count, 24):
        ssrc, loss, highest_seq, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
        lost = ((loss & 0xFFFFFF) ^ 0x800000) - 0x800000  # RFC 3550 section 6.4.1: signed, 24 bits
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest_seq, jitter, last_sr, delay))
    return tuple(blocks)


def _chunks(body: bytes, count: int) -> list[SourceDescription]:
    """RFC 3550 section 6.5: each chunk ends with one or more zero bytes, up to the next 32-bit boundary."""
    chunks = []
    position = 0
    for _ in range(count):
        _need(body, position + 4, "source description")
        ssrc = int.from_bytes(body[position : position + 4], "big")
        position += 4
        cname = ""
        while True:
            _need(body, position + 1, "source description")
            item = body[position]
            if item == 0:
                break
            _need(body, position + 2, "source description")
            end = position + 2 + body[position + 1]
            _need(body, end, "source description")
            if item == _CNAME:
                cname = body[position + 2 : end].decode("utf-8", "ignore")
            position = end
        position = (position + 4) & ~3
        chunks.append(SourceDescription(ssrc, cname))
    return chunks


def _goodbye(body: bytes, count: int) -> Goodbye:
    end = 4 * count
    _need(body, end, "goodbye")
    if len(body) > end:
        _need(body, end + 1 + body[end], "goodbye")
    return Goodbye(struct.unpack_from(f"!{count}I", body))


def _lost(body: bytes) -> tuple[int, ...]:
    """RFC 4585 section 6.2.1: a packet id and a mask of the 16 that follow it, one or more times."""
    if len(body) < 12 or len(body) % 4:
        raise RtcpError("RTCP NACK has an invalid length")
    lost = []
    for offset in range(8, len(body), 4):
        first, mask = struct.unpack_from("!HH", body, offset)
        lost.append(first)
        while mask:
            first += 1
            if mask & 1:
                lost.append(first & 0xFFFF)
            mask >>= 1
    return tuple(lost)


def _intra_entries(body: bytes) -> tuple[tuple[int, int], ...]:
    if len(body) < 16 or len(body) % 8:
        raise RtcpError("RTCP FIR has an invalid length")
    return tuple([_FIR_ENTRY.unpack_from(body, offset) for offset in range(8, len(body), 8)])


def _remb(sender: int, body: bytes) -> Remb:
    _need(body, 16, "REMB")
    fields = int.from_bytes(body[12:16], "big")
    count = fields >> 24
    _need(body, 16 + 4 * count, "REMB")
    bitrate_bps = (fields & 0x3FFFF) << (fields >> 18 & 0x3F)
    return Remb(sender, bitrate_bps, struct.unpack_from(f"!{count}I", body, 16))


def _words(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"!{len(values)}I", *values)


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    """Header and body; a body that is no multiple of four gets padding and the P bit, as browsers do."""
    assert count <= 31
    flags = 0x80 | count
    padding = -len(body) & 3
    if padding:
        flags |= 0x20
        body += bytes(padding - 1) + bytes((padding,))
    return _HEADER.pack(flags, packet_type, len(body) >> 2) + body
