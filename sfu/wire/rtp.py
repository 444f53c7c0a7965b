"""The RTP fixed header: one packet to a view of offsets into it; telling RTP from RTCP.

Knows: RFC 3550 sections 5.1 and 5.3.1, and the RTP/RTCP demultiplexing of RFC 5761.
Does not know: header extensions (extensions.py), payload formats (codecs), streams or sequence state.
"""

import struct
from dataclasses import dataclass

_FIXED = struct.Struct("!BBHII").unpack_from
_EXTENSION = struct.Struct("!HH").unpack_from


class RtpError(ValueError):
    """The peer sent bytes that are not an RTP packet."""


@dataclass(slots=True)
class RtpView:
    """Where things are in one RTP packet. Offsets are bytes into `packet`; nothing is copied.

    Without a header extension `extension_profile` is 0 and both extension offsets are where the payload
    begins.
    `payload_end` excludes padding; `payload_start == payload_end` is an empty or padding-only packet.
    """

    packet: bytes
    marker: bool
    payload_type: int
    seq16: int
    timestamp: int
    """Raw, 32 bits."""
    ssrc: int
    extension_profile: int
    extension_start: int
    """First byte of the extension block's body, behind its profile and length."""
    extension_end: int
    payload_start: int
    payload_end: int


def parse(packet: bytes) -> RtpView:
    """Read the header of one decrypted RTP packet. Raises RtpError.

    Called for every packet: one tuple and one view are all it makes.
    """
    end = len(packet)
    if end < 12:
        raise RtpError("RTP packet is shorter than its fixed header")
    flags, marker_type, seq16, timestamp, ssrc = _FIXED(packet)
    if flags & 0xC0 != 0x80:
        raise RtpError("RTP version is not 2")
    start = 12 + ((flags & 0x0F) << 2)  # RFC 3550 section 5.1: CC contributing sources of 32 bits
    profile = 0
    extension_start = start
    if flags & 0x10:  # section 5.3.1: 16 bits of profile, length in 32-bit words without these four bytes
        extension_start = start + 4
        if extension_start > end:
            raise RtpError("RTP header extension is truncated")
        profile, words = _EXTENSION(packet, start)
        start = extension_start + (words << 2)
    if start > end:
        raise RtpError("RTP header is truncated")
    if flags & 0x20:  # section 5.1: the last byte counts the padding, itself included
        padding = packet[-1]
        if padding == 0 or padding > end - start:
            raise RtpError("RTP padding length is invalid")
        end -= padding
    return RtpView(
        packet,
        marker_type > 0x7F,
        marker_type & 0x7F,
        seq16,
        timestamp,
        ssrc,
        profile,
        extension_start,
        start,  # with or without an extension, the payload begins where the block ends
        start,
        end,
    )


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram of the RTP/RTCP port is RTCP: second byte 192..223 (RFC 5761 section 4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223
