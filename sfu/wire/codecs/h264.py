"""H.264 in RTP (RFC 6184, packetization modes 0 and 1): key frames and their size."""

from sfu.wire.codecs.bits import BitReader, BitsMissing

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


def frame_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, from a sequence parameter set; None if `payload` has none."""
    if len(payload) < 2:
        return None
    unit_type = payload[0] & 0x1F
    if unit_type == _SPS:
        return _parameter_size(payload[1:])
    if unit_type == _STAP_A:
        position, size = 1, len(payload)
        while position + 2 < size:
            start = position + 2
            position = start + (payload[position] << 8 | payload[position + 1])
            if position == start or position > size:
                return None
            if payload[start] & 0x1F == _SPS:
                return _parameter_size(payload[start + 1 : position])
    return None


def _parameter_size(unit: bytes) -> tuple[int, int] | None:
    """From a sequence parameter set without its first byte (H.264 section 7.3.2.1.1)."""
    # Section 7.4.1: a 3 behind two zero bytes is no data. The fields wanted are within the first bytes.
    bits = BitReader(unit[:256].replace(b"\0\0\3", b"\0\0"))
    try:
        return _read_size(bits)
    except BitsMissing:
        return None


# Profiles whose parameter set says more about colours and scaling (section 7.3.2.1.1).
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def _read_size(bits: BitReader) -> tuple[int, int] | None:
    profile = bits.take(8)
    bits.take(16)
    bits.exp_golomb()  # seq_parameter_set_id
    chroma = 1
    if profile in _HIGH_PROFILES:
        chroma = bits.exp_golomb()
        if chroma == 3 and bits.take(1):  # separate_colour_plane_flag
            chroma = 0
        bits.exp_golomb()
        bits.exp_golomb()
        bits.take(1)
        if bits.take(1):  # scaling lists: nobody sends them in real time
            return None
    bits.exp_golomb()  # log2_max_frame_num_minus4
    order = bits.exp_golomb()
    if order == 0:
        bits.exp_golomb()
    elif order == 1:
        bits.take(1)
        bits.exp_golomb()
        bits.exp_golomb()
        for _ in range(min(bits.exp_golomb(), 255)):
            bits.exp_golomb()
    bits.exp_golomb()  # max_num_ref_frames
    bits.take(1)
    width = (bits.exp_golomb() + 1) * 16
    map_height = (bits.exp_golomb() + 1) * 16
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    bits.take(1)  # direct_8x8_inference_flag
    height = map_height * (2 - frames_only)
    if bits.take(1):  # frame_cropping_flag; the unit is a chroma sample
        left, right, top, bottom = (bits.exp_golomb() for _ in range(4))
        across = 2 if chroma in (1, 2) else 1
        down = (2 if chroma == 1 else 1) * (2 - frames_only)
        width -= (left + right) * across
        height -= (top + bottom) * down
    return (width, height) if 0 < width < 65536 and 0 < height < 65536 else None


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
