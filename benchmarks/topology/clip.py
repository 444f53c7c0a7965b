"""The media of a run, made once: pictures encoded to VP8 frames that every participant sends.

Knows: the encoder's settings, reading counters back from encoded frames.
Does not know: RTP, who sends what to whom.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from benchmarks.topology.pictures import HEIGHT, WIDTH, Pictures, Plane, read

FPS = 30
KEY_INTERVAL = 2 * FPS  # frames
CLIP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded frame. `counter` is the number drawn in the picture, `crc` the CRC-32 of `data`."""

    data: bytes
    counter: int
    key: bool
    crc: int


class Encoder:
    """VP8 with the settings of a video call: real time, constant bit rate, key frames when asked for."""

    def __init__(self, bitrate_bps: int) -> None:
        context = av.CodecContext.create("libvpx", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context.bit_rate = bitrate_bps
        context.time_base = Fraction(1, FPS)
        context.framerate = Fraction(FPS)
        context.gop_size = 10_000  # only those that are asked for
        context.thread_count = 1
        rate = str(bitrate_bps)
        context.options = {
            "deadline": "realtime",
            "cpu-used": "-6",
            "lag-in-frames": "0",
            "minrate": rate,
            "maxrate": rate,
            "bufsize": rate,
            "undershoot-pct": "100",
            "overshoot-pct": "15",
            "max-intra-rate": "400",  # per cent of a frame's share: key frames must pass in time
            "qmin": "2",
            "qmax": "56",
        }
        self._context = context
        self._count = 0

    def encode(self, picture: Plane, counter: int, key: bool) -> Frame | None:
        """Encode one picture (shape of `Pictures.draw`); None when the encoder dropped it to hold the rate."""
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = self._count, Fraction(1, FPS)
        frame.pict_type = av.video.frame.PictureType.I if key else av.video.frame.PictureType.NONE
        self._count += 1
        data = b"".join(bytes(packet) for packet in self._context.encode(frame))
        if not data:
            return None
        return Frame(data, counter, is_key(data), zlib.crc32(data))


def is_key(data: bytes) -> bool:
    """RFC 6386 9.1: the first bit of a frame's tag is 0 for a key frame."""
    return not data[0] & 1


def make_clip(bitrate_bps: int, seed: int, seconds: int = CLIP_SECONDS) -> list[Frame]:
    """The frames that everybody sends, in a loop; the first is a key frame, and one every two seconds."""
    pictures, encoder = Pictures(seed), Encoder(bitrate_bps)
    made = (
        encoder.encode(pictures.draw(number, number * 1000 // FPS), number, key=number % KEY_INTERVAL == 0)
        for number in range(seconds * FPS)
    )
    return [frame for frame in made if frame is not None]


def read_counters(frames: Iterable[bytes]) -> list[int | None]:
    """Decode consecutive frames of one stream, from a key frame on; the counter seen in each, or None."""
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, VideoCodecContext)
    found: list[int | None] = []
    for data in frames:
        counter = None
        try:
            for picture in decoder.decode(av.Packet(data)):
                seen = read(picture.to_ndarray()[: picture.height].astype(np.uint8, copy=False))
                counter = seen[0] if seen else None
        except av.FFmpegError:
            counter = None
        found.append(counter)
    return found
