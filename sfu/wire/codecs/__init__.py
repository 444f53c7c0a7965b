"""Peeks into RTP payloads, one file per codec: where a key frame begins, its size, and which layer this is.

Knows: payload descriptors and the first bytes of the bit stream, of one packet at a time.
Does not know: frames over several packets, decoding, or which payload type is which codec.
"""

from collections.abc import Callable

from sfu.wire.codecs import av1, h264, vp8, vp9


def keyframe_test(codec_name: str) -> Callable[[bytes], bool] | None:
    """The test whether an RTP payload begins a key frame, by the codec's SDP name in any case.

    None for a codec without known key frames: audio, and video not known here. The test never raises: a
    malformed payload is False.
    """
    match codec_name.lower():
        case "vp8":
            return vp8.is_keyframe
        case "vp9":
            return vp9.is_keyframe
        case "h264":
            return h264.is_keyframe
        case "av1":
            return av1.is_keyframe
    return None


def frame_size(codec_name: str, payload: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, from a packet that begins a key frame, by the codec's SDP name in any case.

    None for any other packet, and where it isn't told. With spatial layers it is the size of the highest, as far
    as the packet tells. Never raises.
    """
    match codec_name.lower():
        case "vp8":
            return vp8.frame_size(payload)
        case "vp9":
            return vp9.frame_size(payload)
        case "h264":
            return h264.frame_size(payload)
        case "av1":
            return av1.frame_size(payload)
    return None
