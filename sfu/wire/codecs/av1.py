"""AV1 in RTP (AOM's "RTP Payload Format For AV1", version 1.0): does this payload begin a key frame?"""

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
    elements = payload[0] >> 4 & 3  # W: 0 = each has a length; else their number, the last one without length
    position, index = 1, 1
    while position < size:
        start, end = position, size
        if index != elements:
            start, length = _leb128(payload, position)
            end = start + length
        if start >= end or end > size or payload[start] & 0x80:
            return False
        unit_type = payload[start] >> 3 & 0x0F  # AV1 section 5.3.2
        if unit_type != _TEMPORAL_DELIMITER:  # section 5 wants it removed, but it is harmless
            return unit_type == _SEQUENCE_HEADER
        position, index = end, index + 1
    return False


def _leb128(payload: bytes, position: int) -> tuple[int, int]:
    """The offset behind the number at `position`, and the number (AV1 section 4.10.5); one cut off is 0."""
    value = 0
    for index, byte in enumerate(payload[position : position + 8]):
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return position + index + 1, value
    return position, 0
