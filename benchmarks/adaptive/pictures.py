"""From the packets of one received stream to pictures that can be shown, as a browser's receiver decides it.

Knows: when a VP8 frame is whole (RFC 7741), which frames it waits for by picture id, TL0PICIDX and temporal layer, and
what the frame itself says of its references, which proves that decision. Does not know: repair, time, display.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.adaptive import vp8
from benchmarks.adaptive.vp8 import Content, Descriptor
from sfu.wire.seq import Unwrapper32

MAX_OPEN = 60  # frames that are not whole, or wait for others: two seconds
TEMPORAL_LAYERS = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole frame. `timestamp` is unwrapped, 90 kHz; `whole_at` is when its last packet came."""

    timestamp: int
    whole_at: float
    id: int
    key: bool
    descriptor: Descriptor
    content: Content | None


@dataclass(slots=True)
class _Open:
    timestamp: int
    first: int | None = None
    last: int | None = None
    count: int = 0
    descriptor: Descriptor | None = None
    start: bytes = b""

    @property
    def whole(self) -> bool:
        return self.first is not None and self.last is not None and self.count == self.last - self.first + 1


@dataclass(slots=True)
class Decoder:
    """`packet` per packet, each once; `next` is the picture to show next, `show` says that it is shown.

    `broken` counts pictures that the receiver took for complete and whose own reference was not shown before.
    """

    broken: int = 0
    skipped: int = 0  # whole frames that came too late or never found what they refer to
    _open: dict[int, _Open] = field(default_factory=dict)
    _stash: dict[int, Picture] = field(default_factory=dict)  # by unwrapped picture id
    _seen: dict[int, None] = field(default_factory=dict)  # picture ids of whole frames, the latest
    _shown: int = -1  # picture id
    _layers: dict[int, list[int]] = field(
        default_factory=dict
    )  # unwrapped TL0PICIDX: picture id of each layer
    _tl0: int = -1
    _picture: int = -1
    _numbers: dict[tuple[int, int], None] = field(
        default_factory=dict
    )  # (encoding, number) of what was shown
    _unwrap: Unwrapper32 = field(default_factory=Unwrapper32)

    def packet(self, seq: int, timestamp: int, marker: bool, payload: bytes, now: float) -> int | None:
        """Take one packet by its unwrapped number. The unwrapped timestamp of the frame that is whole with it."""
        descriptor = vp8.read_descriptor(payload)
        if descriptor is None or len(payload) <= descriptor.length:
            return None
        stamp = self._unwrap.unwrap(timestamp)
        frame = self._open.get(stamp)
        if frame is None:
            frame = self._open[stamp] = _Open(stamp)
            if len(self._open) > MAX_OPEN:
                del self._open[min(self._open)]
                self.skipped += 1
        frame.count += 1
        if descriptor.begins:
            frame.first, frame.descriptor = seq, descriptor
            frame.start = payload[descriptor.length : descriptor.length + 48]
        if marker:
            frame.last = seq
        if not frame.whole or frame.descriptor is None:
            return None
        self._open.pop(stamp, None)
        self._add(frame, frame.descriptor, now)
        return stamp

    def _add(self, frame: _Open, descriptor: Descriptor, now: float) -> None:
        id = descriptor.picture_id + 0x8000
        if self._picture >= 0:
            id = self._picture + (descriptor.picture_id - self._picture + 0x4000 & 0x7FFF) - 0x4000
        self._picture = max(self._picture, id)
        key, content = vp8.read_head(frame.start)
        if id <= self._shown:
            self.skipped += 1
            return
        self._stash[id] = Picture(frame.timestamp, now, id, key, descriptor, content)
        self._seen[id] = None
        for kept in (self._stash, self._seen):
            while len(kept) > MAX_OPEN:
                del kept[min(kept)]

    def next(self) -> Picture | None:
        """The earliest whole picture that can be shown; until it is, an earlier one may become whole."""
        if not self._stash:
            return None
        return next((self._stash[id] for id in sorted(self._stash) if self._can_show(self._stash[id])), None)

    def _can_show(self, whole: Picture) -> bool:
        if whole.key:
            return True
        if self._tl0 < 0:
            return False
        tl0 = self._tl0_of(whole)
        temporal = whole.descriptor.temporal
        if temporal == 0:
            return tl0 - 1 in self._layers
        layers = self._layers.get(tl0)
        if layers is None:
            return False
        if whole.descriptor.sync:
            return True
        # It may refer to any layer up to its own: nothing may be missing since the oldest of them.
        oldest = min(layers[: temporal + 1])
        return all(number in self._seen for number in range(oldest + 1, whole.id))

    def _tl0_of(self, whole: Picture) -> int:
        return self._tl0 + (whole.descriptor.tl0 - self._tl0 + 0x80 & 0xFF) - 0x80

    def show(self, whole: Picture) -> None:
        """It is on the screen; what comes before it is of no more use."""
        for id in [id for id in self._stash if id <= whole.id]:
            del self._stash[id]
            self.skipped += id != whole.id
        temporal = whole.descriptor.temporal
        if whole.key:
            self._tl0 = whole.descriptor.tl0 + 0x100 if self._tl0 < 0 else self._tl0_of(whole)
            self._layers = {self._tl0: [whole.id] * TEMPORAL_LAYERS}
        elif temporal == 0:
            # The layers above may still refer to what was before.
            tl0 = self._tl0 = self._tl0_of(whole)
            self._layers[tl0] = [whole.id, *self._layers[tl0 - 1][1:]]
            self._layers.pop(tl0 - 4, None)
        else:
            self._layers[self._tl0_of(whole)][temporal] = whole.id
        self._shown = whole.id
        if whole.content is not None:
            self._prove(whole.content, whole.key)

    def _prove(self, content: Content, key: bool) -> None:
        if not key and (content.encoding, content.reference) not in self._numbers:
            self.broken += 1
        self._numbers[content.encoding, content.number] = None
        while len(self._numbers) > MAX_OPEN:
            del self._numbers[next(iter(self._numbers))]
