"""VP8 over RTP with three temporal layers (RFC 7741), and what this benchmark writes into the frames.

Knows: the payload descriptor, the first bytes of a frame. Does not know: streams, repair, time.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_DESCRIPTOR = struct.Struct("!BBHBB")
_KEY = struct.Struct("<3B3sHH")
_CONTENT = struct.Struct("!IIBBd")
KEY_HEADER = 10  # RFC 7741 4.3: a key frame's payload header, with its size in pixels
DELTA_HEADER = 3


class Content(NamedTuple):
    """What a frame tells of itself behind its header; bytes that the server has no reason to look at."""

    number: int  # of its encoding
    reference: int  # the frame it can't be shown without; itself for a key frame
    encoding: int
    temporal: int
    filmed: float


class Descriptor(NamedTuple):
    """The payload descriptor, as far as it is used. `length` is where the frame's bytes begin."""

    begins: bool
    picture_id: int  # 15 bits, -1 = none
    tl0: int
    temporal: int
    sync: bool
    length: int


def descriptor(begins: bool, picture_id: int, tl0: int, temporal: int, sync: bool) -> bytes:
    """RFC 7741 4.2: X, N for the top layer, S; I, L, T, K; a picture id of 15 bits."""
    first = 0x80 | (0x20 if temporal == 2 else 0) | (0x10 if begins else 0)
    return _DESCRIPTOR.pack(first, 0xF0, 0x8000 | picture_id & 0x7FFF, tl0 & 0xFF, temporal << 6 | sync << 5)


def head(key: bool, width: int, height: int, content: Content) -> bytes:
    """The first bytes of a frame: the bitstream's own header, then the content."""
    start = _KEY.pack(0x10, 0, 0, b"\x9d\x01\x2a", width, height) if key else b"\x11\x00\x00"
    return start + _CONTENT.pack(*content)


def read_descriptor(payload: bytes) -> Descriptor | None:
    """Read any descriptor; None if it is cut short."""
    if not payload:
        return None
    first, length = payload[0], 1
    begins = first & 0x17 == 0x10
    picture_id, tl0, temporal, sync = -1, 0, 0, False
    try:
        if first & 0x80:
            flags, length = payload[1], 2
            if flags & 0x80:
                picture_id = payload[length]
                length += 1
                if picture_id & 0x80:
                    picture_id = (picture_id & 0x7F) << 8 | payload[length]
                    length += 1
            if flags & 0x40:
                tl0 = payload[length]
                length += 1
            if flags & 0x30:
                temporal, sync = payload[length] >> 6, bool(payload[length] & 0x20)
                length += 1
    except IndexError:
        return None
    return Descriptor(begins, picture_id, tl0, temporal, sync, length)


def read_head(frame: bytes) -> tuple[bool, Content | None]:
    """(is a key frame, content) of the first bytes of a frame."""
    key = bool(frame) and not frame[0] & 1
    start = KEY_HEADER if key else DELTA_HEADER
    return key, Content(*_CONTENT.unpack_from(frame, start)) if len(frame) >= start + _CONTENT.size else None
