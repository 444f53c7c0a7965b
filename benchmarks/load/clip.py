"""A real VP8 stream, 640x480 at 30 frames a second, for servers that decode what they get.

Knows: how it is encoded (once, before anything is measured) and cut into RTP packets.
Does not know: sockets, encryption, servers. Packets carry no stamp: what a server encodes anew can't be recognised.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from aiortc.codecs import get_encoder
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from benchmarks.load.media import Frame, Outgoing, Stream, Timing, extension_block, frames

WIDTH, HEIGHT, FPS = 640, 480, 30
SECONDS = 4.0  # of pictures, after which they begin again with a key frame
KIND = "video"


@dataclass(frozen=True, slots=True)
class Clip:
    """The RTP payloads of each encoded frame, VP8 descriptor and all; the first frame is a key frame."""

    frames: Sequence[Sequence[bytes]]

    def of(self, number: int) -> Sequence[bytes]:
        """The payloads of the `number`-th frame sent."""
        return self.frames[number % len(self.frames)]

    def listed(self, timing: Timing, phase: float) -> list[Frame]:
        """The frames of one stream over a whole run, warm-up and window, at their own rate."""
        found: list[Frame] = []
        packet = number = 0
        spans = ((0.0, timing.warm_up, False), (timing.window_start, timing.window, True))
        for start, length, measured in spans:
            for place in range(max(1, round(length * FPS))):
                due = start + (place + phase) / FPS
                count = len(self.of(number))
                found.append(Frame(due, packet, count, number % len(self.frames) == 0, due < 1.0, measured))
                packet += count
                number += 1
        return found

    def listings(self, outgoing: Sequence[Outgoing], timing: Timing) -> list[list[Frame]]:
        """The frames of each stream; audio is as it always is."""
        return [
            self.listed(timing, place / len(outgoing))
            if out.stream.kind == KIND
            else list(frames(out.stream.profile, timing, place / len(outgoing)))
            for place, out in enumerate(outgoing)
        ]


def make_clip(seconds: float = SECONDS) -> Clip:
    """Encode moving shapes and a little noise, as a camera has it."""
    encoder = get_encoder(RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=96))
    encoded = []
    for number in range(round(seconds * FPS)):
        picture = av.VideoFrame.from_ndarray(_picture(number), format="yuv420p")
        picture.pts, picture.time_base = number, Fraction(1, FPS)
        payloads, _ = encoder.encode(picture, force_keyframe=number == 0)
        encoded.append(payloads)
    return Clip([frame for frame in encoded if frame])


def _picture(number: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Planes of 4:2:0 under each other, as PyAV takes them: a grey ramp that moves, a box that runs, noise."""
    noise = np.random.default_rng(number).integers(0, 6, (HEIGHT, WIDTH), np.uint8)
    ramp = ((np.arange(WIDTH) // 4 + 2 * number) % 160).astype(np.uint8)
    luma = np.broadcast_to(ramp, (HEIGHT, WIDTH)) + 40 + noise
    left, top = (7 * number) % (WIDTH - 120), (5 * number) % (HEIGHT - 120)
    luma[top : top + 120, left : left + 120] = 220
    chroma = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    return np.concatenate([luma.astype(np.uint8), chroma])


@dataclass(slots=True)
class Sender:
    """Makes the packets of one stream of a clip, frame after frame."""

    clip: Clip
    _frame: int = 0

    def packets(self, stream: Stream, frame: Frame) -> Iterator[bytes]:
        """The unencrypted RTP packets of the next frame (RFC 3550 5.1); its marker ends it."""
        extensions = extension_block(stream, frame.at, frame.with_mid)
        payloads = self.clip.of(self._frame)
        self._frame += 1
        timestamp = (int(frame.due * 90_000) + random.Random(stream.number).getrandbits(31)) & 0xFFFFFFFF
        for position, payload in enumerate(payloads):
            marker = 0x80 if position == len(payloads) - 1 else 0
            seq16 = (stream.first_seq16 + frame.first + position) & 0xFFFF
            yield (
                struct.pack("!BBHII", 0x90, marker | 96, seq16, timestamp, stream.ssrc) + extensions + payload
            )
