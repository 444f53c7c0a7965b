"""What test clients send and receive: video of one colour, and slots that count frames and know colours."""

import asyncio
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver, RTCRtpTransceiver
from av import VideoFrame

from signaling.fields import Source

Colour = tuple[int, int, int]

RED: Colour = (220, 20, 20)
GREEN: Colour = (20, 200, 20)
BLUE: Colour = (20, 20, 220)
COLOURS = (RED, GREEN, BLUE)

FRAMES_PER_SECOND = 20


class FlatVideo(MediaStreamTrack):
    """Video of one colour, small and cheap to encode; `noise` makes its frames several packets large."""

    kind = "video"

    def __init__(self, colour: Colour, size: tuple[int, int] = (96, 64), *, noise: bool = False) -> None:
        super().__init__()
        self._picture = np.full((size[1], size[0], 3), colour, dtype=np.uint8)
        self._random = np.random.default_rng(1) if noise else None
        self._began: float | None = None
        self._count = 0

    async def recv(self) -> VideoFrame:
        if self._began is None:
            self._began = time.monotonic()
        due = self._began + self._count / FRAMES_PER_SECOND
        await asyncio.sleep(due - time.monotonic())
        picture = self._picture
        if self._random is not None:
            picture = picture + self._random.integers(0, 32, picture.shape, dtype=np.uint8)
        frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts = self._count * 90_000 // FRAMES_PER_SECOND
        frame.time_base = Fraction(1, 90_000)
        self._count += 1
        return frame


class Slot:
    """One receiving m-line: what it shows by the server's word, and what arrives on it."""

    def __init__(self, kind: str, transceiver: RTCRtpTransceiver) -> None:
        self.kind = kind
        self.transceiver = transceiver
        self.wanted: str | None = None
        self.state = "empty"
        self.message: str | None = None
        self.frames = 0
        self.first_frame_at: float | None = None
        self._last: Any = None

    @property
    def mid(self) -> str:
        assert self.transceiver.mid is not None
        return self.transceiver.mid

    def only(self, mime_type: str) -> None:
        """Offer one codec (and what goes with it) alone."""
        capabilities = RTCRtpReceiver.getCapabilities(self.kind)
        assert capabilities is not None
        wanted = [codec for codec in capabilities.codecs if codec.mimeType == mime_type]
        self.transceiver.setCodecPreferences(wanted)

    def take(self, frame: Any) -> None:
        self.frames += 1
        if self.first_frame_at is None:
            self.first_frame_at = time.monotonic()
        self._last = frame

    def shows(self, colour: Colour) -> bool:
        """Whether the newest picture is (about) of this colour."""
        if self._last is None:
            return False
        mean = self._last.to_ndarray(format="rgb24").mean(axis=(0, 1))
        return bool(np.abs(mean - np.array(colour)).max() < 40)


@dataclass
class Sending:
    """One sending m-line."""

    transceiver: RTCRtpTransceiver
    source: Source
    muted: bool = False
    publication: str | None = None

    @property
    def mid(self) -> str:
        assert self.transceiver.mid is not None
        return self.transceiver.mid
