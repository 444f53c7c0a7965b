"""Spatial and temporal layers of VP9 (RFC 9628): dropped from the top, the marker moved to what is last then.

Picture ids keep their gaps when pictures are dropped: references count pictures back, and receivers find a picture's
place in its group by its id. Only a switch shifts them.
"""

from dataclasses import dataclass
from typing import Final

from sfu.flow.layers.layer import ALL, MARK, PASS, Decided, Gaps, Layer, Numbers, Patch
from sfu.wire.codecs.vp9 import read_descriptor
from sfu.wire.rtp import RtpView

# More pictures missing at once than this are no loss: the encoder began its ids anew. At 60 a second, 2 s.
_MAX_GAP: Final = 128
# Pictures whose limits are known: for packets that come late, and for the other layers of the newest.
_MAX_PICTURES: Final = 256


@dataclass(slots=True)
class Vp9Layer(Layer):
    end: bool
    """Last packet of the layer frame."""
    up_switch: bool
    bits: int
    """Of the picture id: 7 or 15."""
    between: int
    """The byte between picture id and TL0PICIDX."""
    tl0_index: int
    """-1 = not there."""


class Vp9Reader:
    """Reads the payload descriptors of one encoding."""

    __slots__ = ("_descriptor", "_flags", "_inner", "_last", "_numbers", "_stop", "sizes")

    def __init__(self) -> None:
        self.sizes: tuple[tuple[int, int], ...] = ()
        self._numbers = Numbers()
        # The descriptor read last; the first byte without the bits for the ends of a layer frame.
        self._descriptor = b"none"
        self._flags = -1
        self._stop = 1
        self._inner: Vp9Layer | None = None
        self._last: Vp9Layer | None = None  # of the last packet of the layer frame

    @property
    def last(self) -> tuple[bytes, int, Layer] | None:
        """First bytes of payloads, which bits of the first one count, and the layer of packets that begin so.

        They don't end their layer frame.
        """
        return (
            (bytes((self._flags,)) + self._descriptor, 0xF7, self._inner) if self._inner is not None else None
        )

    def read(self, view: RtpView, key_frame: bool = False) -> Layer | None:
        packet = view.packet
        start = view.payload_start
        end = view.payload_end
        if packet[start + 1 : start + self._stop] == self._descriptor and start + self._stop <= end:
            flags = packet[start]
            if flags & 0xF3 == self._flags:
                return self._last if flags & 0x04 else self._inner
        found = read_descriptor(packet, start, end)
        if found is None:
            return None
        if found.sizes and found.spatial == 0:
            self.sizes = found.sizes
        number = self._numbers.unwrap(found.picture_id, found.picture_id_bits, view.timestamp)
        shape = (found.picture_id_bits == 15) << 2 | (found.tl0_index >= 0) << 1
        key = (number << 3 | found.spatial) << 3 | shape
        between = (
            found.temporal << 5 | found.up_switch << 4 | found.spatial << 1 | found.inter_layer
        )  # RFC 9628 section 4.2
        key_picture = found.spatial == 0 and not found.predicted
        self._inner, self._last = (
            Vp9Layer(
                key | ends,
                number,
                found.spatial,
                found.temporal,
                key_picture,
                bool(ends),
                found.up_switch,
                found.picture_id_bits,
                between,
                found.tl0_index,
            )
            for ends in (0, 1)
        )
        self._stop = found.size
        self._descriptor = packet[start + 1 : start + found.size]
        self._flags = packet[start] & 0xF3
        return self._last if found.ends else self._inner


class Vp9Rule:
    """Everything changes with a picture: down at once, temporal layers up at a switching point, all at a key picture.

    A spatial layer that was dropped comes back with a key picture only. It could in any picture where it is not
    predicted from earlier ones, but then the marker has gone out with the layer below.
    """

    __slots__ = (
        "_aim_spatial",
        "_aim_temporal",
        "_begun",
        "_highest",
        "_missing",
        "_offset",
        "_pictures",
        "_spatial",
        "_temporal",
        "_tl0",
        "_tl0_offset",
        "_top_spatial",
        "_top_temporal",
    )

    def __init__(self) -> None:
        self._aim_spatial = self._aim_temporal = ALL
        self._spatial = self._temporal = ALL  # what passes
        # What the source has sent since the last key picture.
        self._top_spatial = self._top_temporal = 0
        self._begun = False
        self._highest = 0  # number of the newest picture
        self._offset = 0  # out = number + offset
        self._tl0 = -1  # TL0PICIDX out of the newest picture
        self._tl0_offset = 0
        # Highest spatial and temporal layer of each picture that may pass, with the offset.
        self._pictures: dict[int, tuple[int, int, int]] = {}
        self._missing = Gaps[tuple[int, int, int]]()

    @property
    def spatial(self) -> int:
        return min(self._spatial, self._top_spatial)

    @property
    def temporal(self) -> int:
        return min(self._temporal, self._top_temporal)

    @property
    def needs_key_frame(self) -> bool:
        return self._spatial < min(self._aim_spatial, self._top_spatial)

    def aim(self, spatial: int, temporal: int) -> None:
        self._aim_spatial = spatial
        self._aim_temporal = temporal

    def begin(self, layer: Layer) -> None:
        assert isinstance(layer, Vp9Layer)
        if self._begun:
            self._continue(layer)
        self._begun = True
        self._highest = layer.picture - 1
        self._pictures.clear()
        self._missing.clear()
        self._restart()

    def _restart(self) -> None:
        """Nothing of before is needed any more."""
        self._spatial, self._temporal = self._aim_spatial, self._aim_temporal
        self._top_spatial = self._top_temporal = 0

    def _continue(self, layer: Vp9Layer) -> None:
        """The picture takes the number after the last one out, and the base layer's index goes on."""
        self._offset += self._highest + 1 - layer.picture
        if self._tl0 >= 0 and layer.tl0_index >= 0:
            self._tl0_offset = (self._tl0 + (layer.temporal == 0) - layer.tl0_index) & 0xFF

    def decide(self, layer: Layer, decided: Decided) -> Patch | None:
        assert isinstance(layer, Vp9Layer)
        if layer.picture > self._highest:
            self._next_picture(layer)
        if layer.picture == self._highest and layer.spatial > self._top_spatial:
            self._top_spatial = layer.spatial
        limits = self._pictures.get(layer.picture) or self._missing.find(layer.picture)
        if limits is None or layer.spatial > limits[0] or layer.temporal > limits[1]:
            decided[layer.key] = None  # too high, or from before the start
            return None
        patch = self._patch(layer, limits[2], layer.end and layer.spatial == limits[0])
        decided[layer.key] = patch
        return patch

    def _next_picture(self, layer: Vp9Layer) -> None:
        number = layer.picture
        first = self._highest + 1
        if number - first > _MAX_GAP:
            self._continue(layer)
        elif number > first:
            self._missing.add(first, number, (self._spatial, self._temporal, self._offset))
        self._highest = number
        if layer.key_frame:
            self._restart()
        if self._aim_spatial < self._spatial:
            self._spatial = self._aim_spatial
        if self._aim_temporal < self._temporal:
            self._temporal = self._aim_temporal
        if layer.temporal > self._top_temporal:
            self._top_temporal = layer.temporal
        pictures = self._pictures
        pictures[number] = (self._spatial, self._temporal, self._offset)
        while len(pictures) > _MAX_PICTURES:
            del pictures[next(iter(pictures))]
        if layer.temporal <= self._temporal:
            if layer.up_switch:  # from the next picture on
                self._temporal = self._aim_temporal
            if layer.tl0_index >= 0:
                self._tl0 = (layer.tl0_index + self._tl0_offset) & 0xFF

    def _patch(self, layer: Vp9Layer, offset: int, marker: bool) -> Patch:
        bits = layer.bits
        if not offset & ((1 << bits) - 1) and not (self._tl0_offset and layer.tl0_index >= 0):
            return MARK if marker else PASS
        number = layer.picture + offset
        data = (number & 0x7FFF | 0x8000).to_bytes(2, "big") if bits == 15 else bytes((number & 0x7F,))
        if layer.tl0_index >= 0:
            data += bytes((layer.between, (layer.tl0_index + self._tl0_offset) & 0xFF))
        return Patch(1, data, marker)
