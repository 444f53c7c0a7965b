"""H.264 in RTP (RFC 6184, packetization modes 0 and 1): does this payload begin a key frame?"""

_IDR, _SPS, _STAP_A, _FU_A = 5, 7, 24, 28


def is_keyframe(payload: bytes) -> bool:
    """Whether `payload` carries a sequence parameter set or the first slice of an IDR picture.

    A key frame sent in several packets may be True for more than one of them, the parameter set first.
    A malformed payload is False.
    """
    if len(payload) < 2:
        return False
    head = payload[0]
    if head & 0x80:  # section 1.3: the forbidden bit
        return False
    unit_type = head & 0x1F
    if unit_type == _STAP_A:
        return _aggregate_has_key(payload)
    if unit_type == _FU_A:  # section 5.8: S marks the first fragment; the type is in the second byte
        return payload[1] & 0x80 != 0 and _is_key(payload[1] & 0x1F, payload, 2, len(payload))
    return _is_key(unit_type, payload, 1, len(payload))


def _aggregate_has_key(payload: bytes) -> bool:
    """Section 5.7.1: units, each behind 16 bits of size."""
    position, size = 1, len(payload)
    while position + 2 < size:
        start = position + 2
        position = start + (payload[position] << 8 | payload[position + 1])
        if position == start or position > size:
            return False
        if _is_key(payload[start] & 0x1F, payload, start + 1, position):
            return True
    return False


def _is_key(unit_type: int, payload: bytes, start: int, end: int) -> bool:
    if unit_type == _SPS:
        return True
    # H.264 section 7.3.3: a slice header opens with first_mb_in_slice as ue(v), whose 0 is the single bit 1.
    # Later slices of the same picture are no place to begin.
    return unit_type == _IDR and start < end and payload[start] & 0x80 != 0
