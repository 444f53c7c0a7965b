"""Temporal layers of VP8 (RFC 7741): pictures out are numbered without a gap over drops and switches.

Receivers take a missing picture id for a missing picture and wait, so what is dropped must leave no trace.
"""

from dataclasses import dataclass
from typing import Final

from sfu.flow.layers.layer import ALL, PASS, Decided, Gaps, Layer, LayerReader, Numbers, Patch
from sfu.wire.codecs.vp8 import read_descriptor
from sfu.wire.rtp import RtpView

# More pictures missing at once than this are no loss: the encoder began its ids anew. At 60 a second, 2 s.
_MAX_GAP: Final = 128


@dataclass(slots=True)
class Vp8Layer(Layer):
    sync: bool
    bits: int
    """Of the picture id: 7 or 15."""
    tl0_index: int
    """-1 = not there."""


class Vp8Reader:
    """Reads the payload descriptors of one encoding; `without` reads packets that have no picture id."""

    __slots__ = ("_descriptor", "_layer", "_numbers", "_stop", "without")

    def __init__(self, without: LayerReader | None = None) -> None:
        self.without = without
        self._numbers = Numbers()
        # The descriptor read last, without its first byte, which may differ within a picture.
        self._descriptor = b"none"
        self._stop = 1
        self._layer: Vp8Layer | None = None

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        return self.without.sizes if self.without is not None else ()

    def read(self, view: RtpView, key_frame: bool = False) -> Layer | None:
        packet = view.packet
        start = view.payload_start
        stop = start + self._stop
        if packet[start + 1 : stop] == self._descriptor and packet[start] & 0x80 and stop <= view.payload_end:
            return self._layer
        found = read_descriptor(packet, start, view.payload_end)
        if found is None:
            return self.without.read(view, key_frame) if self.without is not None else None
        number = self._numbers.unwrap(found.picture_id, found.picture_id_bits, view.timestamp)
        layer = Vp8Layer(
            # Packets of another shape can't have the same answer.
            number << 2 | (found.picture_id_bits == 15) << 1 | (found.tl0_index >= 0),
            number,
            0,
            found.temporal,
            key_frame,
            found.sync,
            found.picture_id_bits,
            found.tl0_index,
        )
        self._stop = found.size
        self._descriptor = packet[start + 1 : start + found.size]
        self._layer = layer
        return layer


class Vp8Rule:
    """Down at once; up one layer at a time at a picture that depends on the base layer only, or at a key frame."""

    __slots__ = (
        "_aim",
        "_allowed",
        "_begun",
        "_highest",
        "_missing",
        "_newest_out",
        "_offset",
        "_tl0",
        "_tl0_offset",
        "_top",
    )

    def __init__(self) -> None:
        self._aim = ALL
        self._allowed = ALL
        self._top = 0  # highest temporal layer seen in this run
        self._begun = False
        self._highest = 0  # number of the newest picture decided on
        self._offset = 0  # out = number + offset, from the newest picture on
        self._newest_out = 0  # highest number out, unwrapped
        self._tl0 = -1  # TL0PICIDX out of the newest picture
        self._tl0_offset = 0
        # Offsets of pictures that were missing when a later one came.
        self._missing = Gaps[int]()

    @property
    def spatial(self) -> int:
        return 0

    @property
    def temporal(self) -> int:
        return min(self._allowed, self._top)

    @property
    def needs_key_frame(self) -> bool:
        return False

    def aim(self, spatial: int, temporal: int) -> None:
        self._aim = temporal

    def begin(self, layer: Layer) -> None:
        assert isinstance(layer, Vp8Layer)
        if self._begun:
            self._continue(layer)
        else:
            self._newest_out = layer.picture - 1
        self._begun = True
        self._highest = layer.picture - 1
        self._missing.clear()
        self._allowed = self._aim
        self._top = 0

    def _continue(self, layer: Vp8Layer) -> None:
        """The picture takes the number after the last one out, and the base layer's index goes on."""
        self._offset = self._newest_out + 1 - layer.picture
        if self._tl0 >= 0 and layer.tl0_index >= 0:
            self._tl0_offset = (self._tl0 + (layer.temporal == 0) - layer.tl0_index) & 0xFF

    def decide(self, layer: Layer, decided: Decided) -> Patch | None:
        assert isinstance(layer, Vp8Layer)
        number = layer.picture
        highest = self._highest
        if number <= highest:
            # Late, and nothing of it came in time. It has a number out, which would be missed: whatever its layer.
            offset = self._missing.find(number)
            patch = None if offset is None else self._forward(layer, offset)
            decided[layer.key] = patch
            return patch
        if number > highest + 1:
            self._jump(layer)
        self._highest = number
        if layer.temporal > self._top:
            self._top = layer.temporal
        if self._allowed != self._aim:
            self._move(layer)
        if layer.temporal > self._allowed:
            self._offset -= 1
            decided[layer.key] = None
            return None
        decided[layer.key] = patch = self._forward(layer, self._offset)
        if layer.tl0_index >= 0:
            self._tl0 = (layer.tl0_index + self._tl0_offset) & 0xFF
        return patch

    def _jump(self, layer: Vp8Layer) -> None:
        """Pictures are missing before this one: their numbers out stay free."""
        first = self._highest + 1
        if layer.picture - first > _MAX_GAP:
            self._continue(layer)
            return
        self._missing.add(first, layer.picture, self._offset)

    def _move(self, layer: Vp8Layer) -> None:
        allowed = self._allowed
        if self._aim < allowed or layer.key_frame:
            self._allowed = self._aim
        elif layer.sync and layer.temporal == allowed + 1:
            # One layer higher only: pictures of a layer that was not forwarded may be referred to later on.
            self._allowed = allowed + 1

    def _forward(self, layer: Vp8Layer, offset: int) -> Patch:
        bits = layer.bits
        number = layer.picture + offset
        if number > self._newest_out:
            self._newest_out = number
        if not offset & ((1 << bits) - 1) and not self._tl0_offset:
            return PASS
        data = (number & 0x7FFF | 0x8000).to_bytes(2, "big") if bits == 15 else bytes((number & 0x7F,))
        if layer.tl0_index >= 0:
            data += bytes(((layer.tl0_index + self._tl0_offset) & 0xFF,))
        return Patch(2, data, False)
