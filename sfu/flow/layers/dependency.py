"""Layers by the dependency descriptor (AOM's "RTP Payload Format For AV1", appendix A): decode targets.

Made for AV1, and used for any codec whose packets bring the descriptor and no layers of their own: Chromium leaves
picture ids out of VP8 where the descriptor was negotiated.

Frame numbers keep their gaps when frames are dropped, since references count frames back. Only a switch shifts them.
"""

from dataclasses import dataclass
from typing import Final

from sfu.flow.layers.layer import ALL, MARK, PASS, Decided, Gaps, Layer, Numbers, Patch
from sfu.wire import extensions
from sfu.wire.dependency import NOT_PRESENT, SWITCH, DependencyError, Structure, read
from sfu.wire.rtp import RtpView

# More frames missing at once than this are no loss: the encoder began its numbers anew. At 180 a second, 2 s.
_MAX_GAP: Final = 384
# Keeps the keys apart from those of layers read from a payload descriptor.
_KEYS: Final = 1 << 48


@dataclass(slots=True)
class DependencyLayer(Layer):
    timestamp: int
    """Raw RTP timestamp: frames of one temporal unit share it."""
    structure: Structure | None
    """None = not known (yet) for this frame, which is forwarded then."""
    present: int
    """Bits of the decode targets that the frame belongs to, the first target lowest."""
    switch: int
    """Bits of those that can be switched to at this frame, if it can be decoded."""
    active: int
    """Bits of those that are being sent at all."""
    differences: tuple[int, ...]
    """How many frames back the references are."""
    patched: bool
    """Whether the descriptor travels on, so that its numbers matter."""


class DependencyReader:
    """Reads the descriptors of one encoding. `patched`: see DependencyLayer."""

    __slots__ = (
        "_active",
        "_active_since",
        "_former",
        "_id",
        "_inner",
        "_last",
        "_number",
        "_numbers",
        "_patched",
        "_since",
        "_structure",
    )

    def __init__(self, extension_id: int, patched: bool) -> None:
        self._id = extension_id
        self._patched = patched
        self._numbers = Numbers()
        self._structure: Structure | None = None
        self._since = 0  # the frame that brought it
        self._former: Structure | None = None
        self._active = 0
        self._active_since = 0  # the frame that told
        # What the frame read last says; of its last packet, `_last`.
        self._number = b""
        self._inner: DependencyLayer | None = None
        self._last: DependencyLayer | None = None

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        return self._structure.sizes if self._structure is not None else ()

    def read(self, view: RtpView, key_frame: bool = False) -> Layer | None:
        span = extensions.find(view, self._id)
        if span is None:
            return None
        packet = view.packet
        start, stop = span
        if packet[start + 1 : start + 3] == self._number and (
            stop == start + 3 or (stop > start + 3 and not packet[start + 3] & 0x80)
        ):
            return self._last if packet[start] & 0x40 else self._inner
        return self._read(packet[start:stop], view.timestamp, key_frame)

    def _read(self, data: bytes, timestamp: int, key_frame: bool) -> Layer | None:
        if len(data) < 3 or (self._structure is None and not (len(data) > 3 and data[3] & 0x80)):
            return None  # nothing can be known of it
        number = self._numbers.unwrap(data[1] << 8 | data[2], 16, timestamp)
        structure = self._structure if number >= self._since else self._former
        try:
            found = read(data, structure)
        except DependencyError:
            # Its number is known all the same. Not kept: the packet that explains it may come next.
            self._number = b""
            return DependencyLayer(
                _KEYS + number * 2 + (data[0] >> 6 & 1),
                number, 0, 0, key_frame, timestamp, None, 0, 0, 0, (), self._patched,
            )  # fmt: skip
        if found.new_structure:
            structure = self._adopt(found.structure, number)
        if found.active is not None and (number >= self._active_since or not self._active):
            self._active, self._active_since = found.active, number
        present = switch = 0
        for target, indication in enumerate(found.indications):
            if indication != NOT_PRESENT:
                present |= 1 << target
                if indication == SWITCH:
                    switch |= 1 << target
        self._number = data[1:3]
        self._inner, self._last = (
            DependencyLayer(
                _KEYS + number * 2 + ends,
                number,
                found.spatial,
                found.temporal,
                not found.differences and found.spatial == 0,
                timestamp,
                structure,
                present,
                switch,
                self._active,
                found.differences,
                self._patched,
            )
            for ends in (0, 1)
        )
        return self._last if found.mandatory.ends else self._inner

    def _adopt(self, structure: Structure, number: int) -> Structure:
        """The structure that the frame brings, as the object that is known for it if it is one."""
        for known in (self._structure, self._former):
            if structure == known:
                structure = known
        if number >= self._since or self._structure is None:
            if structure is not self._structure:
                self._former, self._structure = self._structure, structure
                self._since = number
        else:
            self._former = structure
        return structure


class DependencyRule:
    """Follows one decode target; goes over to a better one with a temporal unit in which that is possible.

    A target is intact while every frame of it was forwarded since a frame at which it could be switched to.
    """

    __slots__ = (
        "_active",
        "_aim_spatial",
        "_aim_temporal",
        "_begun",
        "_broken",
        "_highest",
        "_intact",
        "_missing",
        "_offset",
        "_order",
        "_structure",
        "_target",
        "_timestamp",
        "_top_spatial",
        "_top_temporal",
    )

    def __init__(self) -> None:
        self._aim_spatial = self._aim_temporal = ALL
        self._begun = False
        self._highest = 0
        self._offset = 0  # out = number + offset
        self._structure: Structure | None = None
        # Targets by preference: those within the aim, best first, then the others, smallest first.
        self._order: tuple[int, ...] = ()
        self._target: int | None = None  # None = everything passes
        # Bits of targets. One that is neither may lack a frame that has not come yet.
        self._intact = 0
        self._broken = 0
        self._active = 0
        self._timestamp = -1  # of the newest temporal unit
        # What the source has sent since the last key frame.
        self._top_spatial = self._top_temporal = 0
        # Frames that were missing when a later one came: the target then, its structure, and the offset.
        self._missing = Gaps[tuple[int | None, Structure | None, int]]()

    # -- state -------------------------------------------------------------------------------------------------

    def _limit(self) -> tuple[int, int]:
        if self._target is None or self._structure is None:
            return ALL, ALL
        return self._structure.targets[self._target]

    @property
    def spatial(self) -> int:
        return min(self._limit()[0], self._top_spatial)

    @property
    def temporal(self) -> int:
        return min(self._limit()[1], self._top_temporal)

    @property
    def needs_key_frame(self) -> bool:
        if self._structure is None:
            return False
        wanted = next((target for target in self._order if self._active >> target & 1), self._order[0])
        # Temporal layers come back by themselves.
        spatial = self._structure.targets[wanted][0]
        return spatial != self._limit()[0] and self._broken >> wanted & 1 == 1

    def aim(self, spatial: int, temporal: int) -> None:
        self._aim_spatial = spatial
        self._aim_temporal = temporal
        self._prefer()

    def _prefer(self) -> None:
        if self._structure is None:
            return
        layers = self._structure.targets
        best_first = sorted(range(len(layers)), key=lambda target: layers[target], reverse=True)
        within = [
            target
            for target in best_first
            if layers[target][0] <= self._aim_spatial and layers[target][1] <= self._aim_temporal
        ]
        self._order = (*within, *(target for target in reversed(best_first) if target not in within))

    def begin(self, layer: Layer) -> None:
        assert isinstance(layer, DependencyLayer)
        if self._begun:
            self._continue(layer)
        self._begun = True
        self._highest = layer.picture - 1
        self._missing.clear()
        self._timestamp = -1
        self._forget()

    def _continue(self, layer: DependencyLayer) -> None:
        """The frame takes the number after the last one out."""
        self._offset += self._highest + 1 - layer.picture

    def _forget(self) -> None:
        self._structure = self._target = None
        self._intact = self._broken = 0

    # -- frames ------------------------------------------------------------------------------------------------

    def decide(self, layer: Layer, decided: Decided) -> Patch | None:
        assert isinstance(layer, DependencyLayer)
        if layer.picture <= self._highest:
            self._late(layer, decided)
        else:
            self._next_frame(layer)
            if layer.structure is None:
                self._answer(layer, decided, True, None, self._offset)
            else:
                self._in_time(layer, decided)
        return decided[layer.key]

    def _in_time(self, layer: DependencyLayer, decided: Decided) -> None:
        if layer.structure is not self._structure:
            self._forget()
            self._structure = layer.structure
            self._prefer()
            self._timestamp = -1
        if layer.key_frame:
            self._top_spatial = self._top_temporal = 0
        if layer.spatial > self._top_spatial:
            self._top_spatial = layer.spatial
        if layer.temporal > self._top_temporal:
            self._top_temporal = layer.temporal

        gained = layer.switch & ~self._intact
        if gained and not all(_forwarded(decided, layer.picture - back) for back in layer.differences):
            gained = 0
        if layer.timestamp != self._timestamp:  # within a temporal unit, the marker may be out already
            self._timestamp = layer.timestamp
            self._active = layer.active
            # What is not sent is whole for ever, and has no picture.
            self._choose((self._intact | gained) & layer.active)
        passes = self._target is None or layer.present >> self._target & 1 == 1
        if passes:
            self._intact |= gained
            self._broken &= ~gained
        else:
            self._intact &= ~layer.present
            self._broken |= layer.present
        self._answer(layer, decided, passes, self._target, self._offset)

    def _choose(self, usable: int) -> None:
        for target in self._order:
            if usable >> target & 1:
                self._target = target
                return
        self._target = None

    def _next_frame(self, layer: DependencyLayer) -> None:
        first = self._highest + 1
        if layer.picture - first > _MAX_GAP:
            self._continue(layer)
        elif layer.picture > first:
            # Any target but the one followed may lack them, until it can be switched to anew.
            self._intact &= 1 << self._target if self._target is not None else 0
            self._missing.add(first, layer.picture, (self._target, self._structure, self._offset))
        self._highest = layer.picture

    def _late(self, layer: DependencyLayer, decided: Decided) -> None:
        """Nothing of the frame came in time: what held then holds for it."""
        found = self._missing.find(layer.picture)
        if found is None:
            self._answer(layer, decided, False, None, 0)  # from before the start, or forgotten
            return
        target, structure, offset = found
        if layer.structure is not structure:
            target = None
        passes = target is None or layer.present >> target & 1 == 1
        if not passes and structure is self._structure:
            self._broken |= layer.present & ~self._intact
        self._answer(layer, decided, passes, target, offset)

    def _answer(
        self, layer: DependencyLayer, decided: Decided, passes: bool, target: int | None, offset: int
    ) -> None:
        """For all packets of the frame."""
        inner = last = None
        if passes:
            data = b""
            if layer.patched and offset & 0xFFFF:
                data = (layer.picture + offset & 0xFFFF).to_bytes(2, "big")
            marker = (
                target is not None
                and layer.structure is not None
                and layer.spatial == layer.structure.targets[target][0]
                and layer.spatial < layer.structure.templates[-1].spatial
            )
            inner = Patch(1, data, False) if data else PASS
            last = (Patch(1, data, True) if data else MARK) if marker else inner
        key = _KEYS + layer.picture * 2
        decided[key], decided[key + 1] = inner, last


def _forwarded(decided: Decided, number: int) -> bool:
    return decided.get(_KEYS + number * 2) is not None
