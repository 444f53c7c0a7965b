"""What each layer of a stream takes: bits a second by spatial and temporal layer.

Knows sizes, times and layer numbers. Does not know codecs, or which layer needs which.
"""

import math
from typing import Final

_TEMPORAL: Final = 8  # RFC 9628 4.2, AV1 RTP A.8: three bits
_SPATIAL: Final = 8
_STEP: Final = 0.25  # seconds between two looks at the sums
_FIRST: Final = (
    1.0  # seconds until the first: a stream begins with a key frame, which says little of its rate
)
_MEMORY: Final = 1.0  # seconds: nor must a later one make a layer seem dear
_SILENT: Final = 2.0  # after so long a pause measuring begins anew
_FADED: Final = 1000  # bits a second: a layer below is not sent any more


class LayerRates:
    """Smoothed rates by (spatial, temporal). What was measured last stays known while nothing comes."""

    __slots__ = ("_bytes", "_cumulative", "_next", "_rates", "_rolled")

    def __init__(self) -> None:
        self._bytes = [0] * (_SPATIAL * _TEMPORAL)
        self._rates: dict[int, float] = {}
        self._cumulative: dict[tuple[int, int], int] | None = None
        self._rolled = self._next = float("-inf")

    def add(self, spatial: int, temporal: int, size: int, now: float) -> None:
        """A packet of `size` bytes came; layer numbers within three bits. Called for every packet."""
        if now >= self._next:
            self.roll(now)
        self._bytes[spatial << 3 | temporal] += size

    def resume(self) -> None:
        """The stream was switched off, and begins again: the time between says nothing of its rate."""
        self._next = self._rolled = float("-inf")

    def roll(self, now: float) -> None:
        """Look at the sums; `add` does it when it is time."""
        elapsed = now - self._rolled
        if elapsed > _SILENT:  # also the first packet
            self._next = now + _FIRST
        else:
            share = 1 - math.exp(-elapsed / _MEMORY)
            if not self._rates:
                share = 1.0
            for index, size in enumerate(self._bytes):
                if size or index in self._rates:
                    before = self._rates.get(index, 0.0)
                    self._rates[index] = before + (size * 8 / elapsed - before) * share
            self._cumulative = None
            self._next = now + _STEP
        self._bytes = [0] * (_SPATIAL * _TEMPORAL)
        self._rolled = now

    def cumulative(self) -> dict[tuple[int, int], int]:
        """For every layer that is sent: (spatial, temporal) to the bits a second of it and of all it may need.

        Empty until a second was measured. Ascending, not to be changed: it is made once for all who ask,
        and anew when the rates have been.
        """
        if self._cumulative is None:
            self._cumulative = self._sums()
        return self._cumulative

    def _sums(self) -> dict[tuple[int, int], int]:
        sums: dict[tuple[int, int], int] = {}
        below = [0.0] * _TEMPORAL  # of the spatial layers up to this one, by temporal layer
        for spatial in range(_SPATIAL):
            total = 0.0
            for temporal in range(_TEMPORAL):
                rate = self._rates.get(spatial << 3 | temporal, 0.0)
                if rate >= _FADED:
                    below[temporal] += rate
                total += below[temporal]
                if rate >= _FADED:
                    sums[spatial, temporal] = round(total)
        return sums
