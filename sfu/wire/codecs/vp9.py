"""VP9 in RTP (RFC 9628): does this payload begin a key frame?"""


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
