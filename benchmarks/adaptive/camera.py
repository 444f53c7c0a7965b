"""How large a camera's encoded frames are: three encodings of it, three temporal layers in each, key frames on request.

Knows: rates, layers, the shape of sizes. Does not know: packets, who watches.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

FPS = 30
KEY_INTERVAL_MIN = 0.3  # seconds between key frames on request, as Chromium's encoders keep
# Base, top, middle, top: temporal layer, size over the mean, how many frames back it refers to, only to the base
CYCLE = ((0, 1.6, 4, False), (2, 0.8, 1, True), (1, 0.8, 2, True), (2, 0.8, 1, False))
NOISE = 0.12  # of the logarithm of a frame's size
WANDER_STEP = 0.02  # of a random walk beside it, 0.1 wide over some 50 frames: quiet and lively scenes
PAYBACK = 0.12  # share of a frame that pays back what a key frame took too much


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a simulcast encoding is made of; `bps` is of the encoded frames alone."""

    rid: str
    width: int
    height: int
    bps: int


# 720p as Chromium divides it; the largest at a rate that lets four of them exceed every link here
ENCODINGS = (
    Encoding("q", 320, 180, 150_000),
    Encoding("h", 640, 360, 500_000),
    Encoding("f", 1280, 720, 1_700_000),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded frame. `reference` is the number of the frame it needs, its own for a key frame."""

    number: int
    size: int
    temporal: int
    key: bool
    reference: int
    sync: bool  # refers to nothing but the base layer


class Encoder:
    """One encoding's frames, in the order they are filmed."""

    def __init__(self, encoding: Encoding, chosen: random.Random) -> None:
        self.encoding = encoding
        self.active = True
        self.key_frames = 0
        self._chosen = chosen
        self._number = 0
        self._place = 0
        self._debt = 0.0  # bytes
        self._wander = 0.0
        self._key_wanted = True
        self._key_at = -math.inf

    def want_key(self) -> None:
        self._key_wanted = True

    def activate(self, active: bool) -> None:
        """Switch the encoding on or off; it begins again with a key frame."""
        if active and not self.active:
            self._key_wanted = True
        self.active = active

    def frame(self, now: float) -> Frame:
        """The next frame."""
        number = self._number = self._number + 1
        mean = self.encoding.bps / FPS / 8
        self._wander += WANDER_STEP * (self._chosen.gauss(0, 1) - self._wander)
        spread = self._chosen.gauss(0, NOISE) + self._wander
        if self._key_wanted and now - self._key_at >= KEY_INTERVAL_MIN:
            self._key_wanted, self._key_at, self._place = False, now, 1
            self.key_frames += 1
            size = mean * self._chosen.uniform(6, 8)
            self._debt += size - mean
            return Frame(number, max(int(size), 60), 0, True, number, True)
        temporal, share, back, sync = CYCLE[self._place]
        self._place = (self._place + 1) % len(CYCLE)
        size = mean * share * math.exp(spread)
        paid = min(self._debt, size * PAYBACK)
        self._debt -= paid
        return Frame(number, max(int(size - paid), 60), temporal, False, number - back, sync)
