"""Test pictures: moving texture with a frame counter and a time that a program can read back after any codec.

Knows: numpy, the I420 layout, the code strip (cells of 16 x 16 pixels, black or white, with a check byte).
Does not know: codecs, networks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 640, 360
CELL = 16  # pixels: large enough to survive any usable bit rate
PER_ROW = 36
BITS = 72  # 32 of counter, 32 of milliseconds, 8 of check
BLACK, WHITE = 20, 230
TEXTURE = 1024  # width of the texture that the pictures are windows of
GRAIN = 16  # levels of noise: gives the encoder something to spend its bits on

Plane = npt.NDArray[np.uint8]


class Pictures:
    """Pictures of one seed: `draw(counter, time_ms)` gives I420 as an array of (HEIGHT * 3 / 2, WIDTH)."""

    def __init__(self, seed: int) -> None:
        chosen = np.random.default_rng(seed)
        blocks = chosen.integers(40, 200, (HEIGHT // 8, TEXTURE // 8), np.uint8)
        self._texture: Plane = np.kron(blocks, np.ones((8, 8), np.uint8))
        self._grain: Plane = chosen.integers(0, GRAIN, self._texture.shape, np.uint8)
        self._chroma: Plane = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
        self._chroma[:, : WIDTH // 2] += (np.arange(HEIGHT // 2, dtype=np.uint8) // 4)[:, None]

    def draw(self, counter: int, time_ms: int) -> Plane:
        """One picture; equal arguments give equal pictures."""
        shift = 3 * counter % (TEXTURE - WIDTH)
        picture = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
        loose = (
            241 * counter % (TEXTURE - WIDTH)
        )  # grain that doesn't move along can't be predicted, as in a camera
        picture[:HEIGHT] = self._texture[:, shift : shift + WIDTH] + self._grain[:, loose : loose + WIDTH]
        picture[HEIGHT:] = self._chroma
        _write(picture, counter & 0xFFFFFFFF, time_ms & 0xFFFFFFFF)
        return picture


def _check(counter: int, time_ms: int) -> int:
    return sum((counter << 32 | time_ms).to_bytes(8, "big")) * 7 + 0x5A & 0xFF


def _write(picture: Plane, counter: int, time_ms: int) -> None:
    word = counter << 40 | time_ms << 8 | _check(counter, time_ms)
    bits = np.array([word >> (BITS - 1 - place) & 1 for place in range(BITS)], np.uint8)
    cells = (bits * (WHITE - BLACK) + BLACK).astype(np.uint8).reshape(-1, PER_ROW)
    strip = np.kron(cells, np.ones((CELL, CELL), np.uint8))
    picture[: strip.shape[0], : strip.shape[1]] = strip


def read(luma: Plane) -> tuple[int, int] | None:
    """(counter, time in ms) of a decoded luma plane of (HEIGHT, WIDTH) or more; None when the check fails."""
    rows = BITS // PER_ROW
    if luma.shape[0] < rows * CELL or luma.shape[1] < PER_ROW * CELL:
        return None
    cells = luma[: rows * CELL, : PER_ROW * CELL].reshape(rows, CELL, PER_ROW, CELL)
    middle = cells[:, 4:12, :, 4:12].mean(axis=(1, 3))
    word = 0
    for bit in (middle > (WHITE + BLACK) / 2).ravel():
        word = word << 1 | int(bit)
    counter, time_ms = word >> 40, word >> 8 & 0xFFFFFFFF
    return (counter, time_ms) if word & 0xFF == _check(counter, time_ms) else None
