"""RTP header extensions, one- and two-byte headers (RFC 8285): find, list, build; the URIs kept here.

Knows: the framing of elements inside the extension block, the 24-bit absolute send time, the audio level.
Does not know: which id a connection gave to which URI (that is negotiated), or what most elements mean.
"""

from collections.abc import Iterator, Sequence

from sfu.wire.rtp import RtpView

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
DEPENDENCY_DESCRIPTOR = (
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000
"""The lower four bits are application bits and must be ignored (RFC 8285 section 4.3)."""


def find(view: RtpView, wanted_id: int) -> tuple[int, int] | None:
    """Start and end of the data of the first element `wanted_id` in `view.packet`, or None.

    A malformed element ends the search, as it ends elements(). Called for every packet, so written out.
    """
    profile = view.extension_profile
    if not profile:
        return None
    packet = view.packet
    position = view.extension_start
    end = view.extension_end
    if profile == ONE_BYTE_PROFILE:
        while position < end:
            head = packet[position]
            position += 1
            if head > 15:
                if head > 0xEF:  # RFC 8285 section 4.2: id 15 ends the processing of the block
                    return None
                stop = position + (head & 15) + 1
                if head >> 4 == wanted_id:
                    return (position, stop) if stop <= end else None
                position = stop
            elif head:  # id 0 with a length is no padding and no element: nothing behind it can be trusted
                return None
    elif profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while position < end:
            element_id = packet[position]
            position += 1
            if element_id:  # section 4.3: a zero byte is padding and has no length
                if position == end:
                    return None
                stop = position + 1 + packet[position]
                if element_id == wanted_id:
                    return (position + 1, stop) if stop <= end else None
                position = stop
    return None


def elements(view: RtpView) -> Iterator[tuple[int, int, int]]:
    """Every element as (id, start, end of its data in `view.packet`); stops quietly at a malformed one."""
    profile = view.extension_profile
    packet = view.packet
    position = view.extension_start
    end = view.extension_end
    one_byte = profile == ONE_BYTE_PROFILE
    if not one_byte and profile & 0xFFF0 != TWO_BYTE_PROFILE:
        return
    while position < end:
        head = packet[position]
        position += 1
        if head == 0:
            continue
        if one_byte:
            element_id = head >> 4
            if element_id == 0 or element_id == 15:
                return
            stop = position + (head & 15) + 1
        else:
            if position == end:
                return
            element_id = head
            stop = position + 1 + packet[position]
            position += 1
        if stop > end:
            return
        yield element_id, position, stop
        position = stop


def build(elements: Sequence[tuple[int, bytes]], allow_two_byte: bool) -> bytes:
    """The whole extension block, profile and length included, padded to 32 bits; b"" when nothing is in it.

    Elements are (id 1..255, data of at most 255 bytes). One-byte headers are used when every element fits
    them (id 1..14, 1..16 bytes); else two-byte headers if the peer allows them (`a=extmap-allow-mixed`), else
    the elements that don't fit are left out.
    """
    fitting = [element for element in elements if element[0] <= 14 and 0 < len(element[1]) <= 16]
    two_byte = allow_two_byte and len(fitting) < len(elements)
    if not two_byte:
        elements = fitting
    if not elements:
        return b""
    body = bytearray(4)
    for element_id, data in elements:
        assert 0 < element_id < 256
        if two_byte:
            body.append(element_id)
            body.append(len(data))
        else:
            body.append(element_id << 4 | len(data) - 1)
        body += data
    body += bytes(-len(body) & 3)
    profile = TWO_BYTE_PROFILE if two_byte else ONE_BYTE_PROFILE
    body[:4] = (profile << 16 | (len(body) >> 2) - 1).to_bytes(4, "big")
    return bytes(body)


def abs_send_time(now: float) -> bytes:
    """`now` in seconds as three bytes of 6.18 fixed point: wraps every 64 s, in steps of 3.8 us."""
    return (int(now * 262144.0) & 0xFFFFFF).to_bytes(3, "big")


def audio_level(view: RtpView, level_id: int) -> tuple[int, bool] | None:
    """The client-to-mixer audio level (RFC 6464 section 3) and the voice flag (V) of a packet, or None.

    The level is 0 (as loud as can be) .. 127 (silence), in -dBov. A sender that doesn't detect voice may set V always
    or never.
    """
    found = find(view, level_id)
    if found is None or found[1] - found[0] != 1:
        return None
    value = view.packet[found[0]]
    return value & 0x7F, value > 0x7F
