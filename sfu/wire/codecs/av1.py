"""AV1 in RTP (AOM's "RTP Payload Format For AV1", version 1.0): key frames and their size."""

from collections.abc import Iterator

from sfu.wire.codecs.bits import BitReader, BitsMissing

_SEQUENCE_HEADER, _TEMPORAL_DELIMITER = 1, 2


def is_keyframe(payload: bytes) -> bool:
    """Whether `payload` begins a coded video sequence; False if it is malformed.

    By the N bit, or by a sequence header as the first unit, for senders that leave N out.
    """
    size = len(payload)
    # Section 4.4: aggregation header Z Y WW N ---. Z: begins within a unit, so nothing starts here.
    if size < 2 or payload[0] & 0x80:
        return False
    if payload[0] & 0x08:
        return True
    for start, _ in _units(payload):
        unit_type = payload[start] >> 3 & 0x0F  # AV1 section 5.3.2
        if unit_type != _TEMPORAL_DELIMITER:  # section 5 wants it removed, but it is harmless
            return unit_type == _SEQUENCE_HEADER
    return False


def frame_size(payload: bytes) -> tuple[int, int] | None:
    """Greatest width and height in pixels, from a sequence header; None if `payload` has none."""
    if len(payload) < 2 or payload[0] & 0x80:
        return None
    for start, end in _units(payload):
        if payload[start] >> 3 & 0x0F != _SEQUENCE_HEADER:
            continue
        position = start + 1 + (payload[start] >> 2 & 1)  # obu_extension_flag
        if payload[start] & 0x02:  # obu_has_size_field
            position, length = _leb128(payload, position)
            end = min(end, position + length)
        try:
            return _sequence_size(BitReader(payload[position : min(end, position + 256)]))
        except BitsMissing:
            return None
    return None


def _units(payload: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each unit in a payload that begins with one; stops at what is malformed."""
    elements = payload[0] >> 4 & 3  # W: 0 = each has a length; else their number, the last one without length
    position, index, size = 1, 1, len(payload)
    while position < size:
        start, end = position, size
        if index != elements:
            start, length = _leb128(payload, position)
            end = start + length
        if start >= end or end > size or payload[start] & 0x80:
            return
        yield start, end
        position, index = end, index + 1


def _sequence_size(bits: BitReader) -> tuple[int, int]:
    """AV1 section 5.5.1, up to max_frame_height_minus_1."""
    bits.take(3 + 1)  # seq_profile, still_picture
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        model = delay_bits = 0
        if bits.take(1):  # timing_info_present_flag
            bits.take(32 + 32)
            if bits.take(1):  # equal_picture_interval
                bits.exp_golomb()
            model = bits.take(1)
            if model:
                delay_bits = bits.take(5) + 1
                bits.take(32 + 5 + 5)
        display_delay = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:  # seq_level_idx; above 7 the tier is told
                bits.take(1)
            if model and bits.take(1):
                bits.take(2 * delay_bits + 1)
            if display_delay and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _leb128(payload: bytes, position: int) -> tuple[int, int]:
    """The offset behind the number at `position`, and the number (AV1 section 4.10.5); one cut off is 0."""
    value = 0
    for index, byte in enumerate(payload[position : position + 8]):
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return position + index + 1, value
    return position, 0
