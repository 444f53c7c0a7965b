"""VP8 in RTP (RFC 7741): the payload descriptor, key frames and their size."""

from dataclasses import dataclass


def is_keyframe(payload: bytes) -> bool:
    """Whether `payload` is the first packet of a key frame; False if it is malformed."""
    position = _key_frame_header(payload)
    return position is not None


def frame_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, from the first packet of a key frame; None for any other packet."""
    position = _key_frame_header(payload)
    # RFC 6386 section 9.1: a tag of three bytes, the start code, then 14 bits each (above them the scaling).
    if position is None or payload[position + 3 : position + 6] != b"\x9d\x01\x2a":
        return None
    fields = payload[position + 6 : position + 10]
    if len(fields) < 4:
        return None
    width, height = (fields[0] | fields[1] << 8) & 0x3FFF, (fields[2] | fields[3] << 8) & 0x3FFF
    return (width, height) if width and height else None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The extended payload descriptor of one packet (section 4.2)."""

    size: int
    """Bytes, the first one included."""
    picture_id: int
    picture_id_bits: int
    """7 or 15."""
    tl0_index: int
    """TL0PICIDX: 8 bits; -1 = not there. The picture id begins at byte 2, this follows it."""
    temporal: int
    """TID, 0 if not there."""
    sync: bool
    """Y: depends on nothing but the base layer's picture of the same TL0PICIDX."""


def read_descriptor(packet: bytes, start: int, end: int) -> Descriptor | None:
    """The descriptor of the payload in `packet[start:end]`; None if it has no picture id or is cut off."""
    if end - start < 3 or not packet[start] & 0x80:
        return None
    present = packet[start + 1]  # I L T K
    if not present & 0x80:
        return None
    position = start + 2
    picture_id, bits = packet[position], 7
    if picture_id & 0x80:
        if position + 1 >= end:
            return None
        picture_id, bits = (picture_id & 0x7F) << 8 | packet[position + 1], 15
        position += 1
    position += 1
    # Bits 4 to 6 of `present` add two bytes at most.
    needed = bool(present & 0x40) + bool(present & 0x30)
    if position + needed > end:
        return None
    tl0_index = -1
    temporal, sync = 0, False
    if present & 0x40:
        tl0_index = packet[position]
        position += 1
    if present & 0x30:  # one byte for both
        last = packet[position]
        position += 1
        if present & 0x20:
            temporal, sync = last >> 6, last & 0x20 != 0
    return Descriptor(position - start, picture_id, bits, tl0_index, temporal, sync)


def _key_frame_header(payload: bytes) -> int | None:
    """Where the frame tag of a key frame is; None if `payload` does not begin one."""
    size = len(payload)
    # Section 4.2: X R N S R PID. S and PID 0 together start a frame; only there is the payload header.
    if size < 2 or payload[0] & 0x17 != 0x10:
        return None
    position = 1
    if payload[0] & 0x80:
        present = payload[1]  # I L T K
        position = 2
        if present & 0x80:  # I: picture id of 7 bits, of 15 if its first bit is set
            if size <= position:
                return None
            position += 2 if payload[position] & 0x80 else 1
        if present & 0x40:  # L: TL0PICIDX
            position += 1
        if present & 0x30:  # T or K: one byte for both
            position += 1
    # section 4.3: P, the inverse key frame flag
    return position if size > position and not payload[position] & 0x01 else None
