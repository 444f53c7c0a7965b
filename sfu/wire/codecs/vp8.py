"""VP8 in RTP (RFC 7741): does this payload begin a key frame?"""


def is_keyframe(payload: bytes) -> bool:
    """Whether `payload` is the first packet of a key frame; False if it is malformed."""
    size = len(payload)
    # Section 4.2: X R N S R PID. S and PID 0 together start a frame; only there is the payload header.
    if size < 2 or payload[0] & 0x17 != 0x10:
        return False
    position = 1
    if payload[0] & 0x80:
        present = payload[1]  # I L T K
        position = 2
        if present & 0x80:  # I: picture id of 7 bits, of 15 if its first bit is set
            if size <= position:
                return False
            position += 2 if payload[position] & 0x80 else 1
        if present & 0x40:  # L: TL0PICIDX
            position += 1
        if present & 0x30:  # T or K: one byte for both
            position += 1
    return size > position and not payload[position] & 0x01  # section 4.3: P, the inverse key frame flag
