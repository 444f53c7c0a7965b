"""How good an encoding is and what it takes: heights and rates by layer, measured or assumed.

Knows one encoding's figures. Does not know who takes it.
"""

import operator
from collections.abc import Mapping
from dataclasses import replace

from sfu.flow.allocation import Option
from sfu.flow.layer_rates import LayerRates

# Bits a second of a picture element at 30 frames a second, and what even the smallest picture takes: what is assumed
# of an encoding that has not been measured. 1280x720 is 1.5 Mbit/s, 320x180 is 140 kbit/s.
_BPS_PER_PIXEL = 1.6
_LEAST_BPS = 50_000
# Width by height, as of most cameras.
WIDE = 16 / 9
# The temporal layer of an option that is the whole encoding.
WHOLE = 7
# Of the largest encoding, in pixels, until a key frame tells it; each one below is half as high.
ASSUMED_HEIGHT = 720


class Quality:
    """Of one encoding. Heights are the shorter side of the picture, in pixels."""

    __slots__ = ("_heights", "_known", "_options", "assumed_height", "key_bytes", "rates", "rid")

    def __init__(self, rid: str) -> None:
        self.rid = rid
        self.rates = LayerRates()
        self.key_bytes = 0  # of the last key frame, as far as it has come; 0: none has
        self.assumed_height = ASSUMED_HEIGHT
        self._heights: tuple[int, ...] = ()
        self._known: tuple[object, ...] | None = None  # what the options were made of
        self._options: list[Option] = []

    def sizes(self, sizes: tuple[tuple[int, int], ...]) -> None:
        """Width and height by spatial layer, lowest first, as a key frame told them."""
        self._heights = tuple(min(size) for size in sizes)  # a phone held upright has the larger side up

    @property
    def measured(self) -> bool:
        """Whether a key frame has told the height."""
        return bool(self._heights)

    @property
    def height(self) -> int:
        """Of the largest picture."""
        return self._heights[-1] if self._heights else self.assumed_height

    def options(self, rank: int = 0) -> list[Option]:
        """What may be taken of it, ascending in rate: as measured last, or as it is assumed to be.

        `rank`: its place among the encodings of its publication.
        """
        measured = self.rates.cumulative()
        known = (measured, self._heights, self.assumed_height, rank)
        if self._known is not None and all(map(operator.is_, known, self._known)):
            return self._options
        self._known = known
        self._options = self._find_options(measured, rank)
        return self._options

    def _find_options(self, measured: Mapping[tuple[int, int], int], rank: int) -> list[Option]:
        if not measured:
            height = self.height
            bps = round(_LEAST_BPS + _BPS_PER_PIXEL * WIDE * height * height)
            return [Option(self.rid, max(len(self._heights) - 1, 0), WHOLE, bps, height, rank)]
        found = [
            Option(self.rid, spatial, temporal, bps, self.layer_height(spatial), rank)
            for (spatial, temporal), bps in measured.items()
        ]
        found.sort(key=lambda option: (option.bps, option.spatial, option.temporal))
        # The best is called the same whatever is known of layers, so that who takes it goes on with it.
        found[-1] = replace(found[-1], temporal=WHOLE)
        return found

    def layer_height(self, spatial: int) -> int:
        """Of one spatial layer."""
        if spatial < len(self._heights) and len(self._heights) > 1:
            return self._heights[spatial]
        top, _ = next(reversed(self.rates.cumulative()), (0, 0))
        return max(self.height >> max(top - spatial, 0), 1)  # 2:1, as in all modes of browsers without an "h"
