"""VP9 in RTP (RFC 9628): the payload descriptor, key frames and their size."""

from dataclasses import dataclass

from sfu.wire.codecs.bits import BitReader, BitsMissing


def is_keyframe(payload: bytes) -> bool:
    """Whether `payload` begins a key picture, in its lowest spatial layer; False if it is malformed."""
    size = len(payload)
    # Section 4.2: I P L F B E V Z. B: a layer frame begins here; P: it is predicted from an earlier picture.
    if size < 2 or payload[0] & 0x48 != 0x08:
        return False
    position = 1
    if payload[0] & 0x80:  # I: picture id of 7 bits, of 15 if its first bit is set
        position += 2 if payload[1] & 0x80 else 1
    if payload[0] & 0x20:  # L: TID U SID D, and TL0PICIDX unless F
        if (
            size <= position or payload[position] & 0x0E
        ):  # a higher spatial layer is not where a receiver begins
            return False
        position += 1 if payload[0] & 0x10 else 2
    return size > position


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The payload descriptor of one packet (section 4.2)."""

    size: int
    """Bytes."""
    ends: bool
    """E: last packet of its layer frame."""
    predicted: bool
    """P: refers to an earlier picture."""
    picture_id: int
    picture_id_bits: int
    """7 or 15; the picture id begins at byte 1."""
    temporal: int
    """This and the three below: 0 without L."""
    up_switch: bool
    """U: no later picture of a higher temporal layer refers to one of such a layer before this picture."""
    spatial: int
    inter_layer: bool
    """D: refers to the spatial layer below, in the same picture."""
    tl0_index: int
    """TL0PICIDX, the second byte behind the picture id; -1 = not there."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each spatial layer, lowest first; () without a scalability structure that has them."""


def read_descriptor(packet: bytes, start: int, end: int) -> Descriptor | None:
    """The descriptor of the payload in `packet[start:end]`; None if it has no picture id or is cut off."""
    if end - start < 2:
        return None
    flags = packet[start]
    if not flags & 0x80:
        return None
    position = start + 1
    picture_id, bits = packet[position], 7
    position += 1
    if picture_id & 0x80:
        if position >= end:
            return None
        picture_id, bits = (picture_id & 0x7F) << 8 | packet[position], 15
        position += 1
    flexible = flags & 0x10 != 0
    layer, tl0_index = 0, -1
    if flags & 0x20:
        needed = 1 if flexible else 2
        if position + needed > end:
            return None
        layer = packet[position]
        if not flexible:
            tl0_index = packet[position + 1]
        position += needed
    if flags & 0x50 == 0x50:
        behind = _behind_references(packet, position, end)
        if behind is None:
            return None
        position = behind
    sizes: tuple[tuple[int, int], ...] = ()
    if flags & 0x02:
        structure = _structure(packet, position, end)
        if structure is None:
            return None
        position, sizes = structure
    return Descriptor(
        size=position - start,
        ends=flags & 0x04 != 0,
        predicted=flags & 0x40 != 0,
        picture_id=picture_id,
        picture_id_bits=bits,
        temporal=layer >> 5,
        up_switch=layer & 0x10 != 0,
        spatial=layer >> 1 & 0x07,
        inter_layer=layer & 0x01 != 0,
        tl0_index=tl0_index,
        sizes=sizes,
    )


def frame_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, from the first packet of a key picture; None for any other packet.

    Of the highest spatial layer, if the packet tells; else of the lowest, from the frame itself.
    """
    if not is_keyframe(payload):
        return None
    found = read_descriptor(payload, 0, len(payload))
    if found is None:
        return None
    if found.sizes:
        return found.sizes[-1]
    return _coded_size(payload[found.size : found.size + 16])


def _behind_references(packet: bytes, position: int, end: int) -> int | None:
    """The offset behind P_DIFF and N, one byte each time; None if cut off, or beyond the three of section 4.2."""
    for at in range(position, min(position + 3, end)):
        if not packet[at] & 1:
            return at + 1
    return None


def _structure(packet: bytes, position: int, end: int) -> tuple[int, tuple[tuple[int, int], ...]] | None:
    """The scalability structure (section 4.2.1): the offset behind it and the sizes in it; None if cut off."""
    if position >= end:
        return None
    head = packet[position]  # N_S Y G
    position += 1
    sizes: list[tuple[int, int]] = []
    if head & 0x10:
        for _ in range((head >> 5) + 1):
            if position + 4 > end:
                return None
            width = packet[position] << 8 | packet[position + 1]
            height = packet[position + 2] << 8 | packet[position + 3]
            sizes.append((width, height))
            position += 4
    if head & 0x08:
        if position >= end:
            return None
        pictures = packet[position]
        position += 1
        for _ in range(pictures):
            if position >= end:
                return None
            position += 1 + (packet[position] >> 2 & 0x03)  # R references, one byte each
    if position > end:
        return None
    return position, tuple(sizes) if all(width and height for width, height in sizes) else ()


def _coded_size(header: bytes) -> tuple[int, int] | None:
    """From the uncompressed header of a key frame (VP9 bitstream section 6.2)."""
    try:
        return _read_size(BitReader(header))
    except BitsMissing:
        return None


def _read_size(bits: BitReader) -> tuple[int, int] | None:
    if bits.take(2) != 2:  # frame_marker
        return None
    profile = bits.take(1) | bits.take(1) << 1
    if profile == 3:
        bits.take(1)
    if bits.take(1) or bits.take(1):  # show_existing_frame; frame_type: 0 is a key frame
        return None
    bits.take(2)  # show_frame, error_resilient_mode
    if bits.take(24) != 0x498342:
        return None
    if profile >= 2:
        bits.take(1)  # 10 or 12 bits
    if bits.take(3) == 7:  # color_space RGB
        if profile & 1:
            bits.take(1)
    else:
        bits.take(1)  # color_range
        if profile & 1:
            bits.take(3)
    return bits.take(16) + 1, bits.take(16) + 1
