"""What readers say of a packet and filters answer, and the numbers both count pictures by.

Knows no codec: the rules are in the file of each.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from sfu.wire.rtp import RtpView

ALL: Final = 1 << 20
"""As an aim: every layer there is."""

# A timestamp that lies back by more than this (in ticks of 90 kHz: 10 s) is a clock that began anew. A packet kept
# for retransmission is 2 s old at most.
_STEP_BACK: Final = 900_000


@dataclass(slots=True)
class Layer:
    """Which layer of which picture a packet belongs to. One object is shared by packets that don't differ in it."""

    key: int
    """Names the answer: one per layer frame; its last packet has one of its own if it may need the marker."""
    picture: int
    """Unwrapped number of the picture (VP8, VP9: picture id; AV1: frame number), for one reader."""
    spatial: int
    temporal: int
    key_frame: bool
    """Nothing before it is needed. May be unset for a key frame whose first packet has not been seen."""


@dataclass(frozen=True, slots=True)
class Patch:
    """What to overwrite in one forwarded packet; shared by the packets of a layer frame."""

    offset: int
    """Bytes from the payload's start (VP8, VP9) or from the dependency descriptor's data (AV1)."""
    data: bytes
    """Takes the place of as many bytes; b"" = nothing changes."""
    marker: bool
    """Set the RTP marker: what followed in this picture is not forwarded."""


PASS: Final = Patch(0, b"", False)
MARK: Final = Patch(0, b"", True)

Decided = dict[int, Patch | None]
"""Answers by `Layer.key`: None = not forwarded."""


class LayerReader(Protocol):
    """Reads the packets of one encoding; a source that begins anew (another SSRC) needs a new one."""

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height by spatial layer, lowest first; () where the source does not tell."""
        ...

    def read(self, view: RtpView, key_frame: bool = False) -> Layer | None:
        """The layer of a packet; None if it says nothing about it, and then it is forwarded whole.

        `key_frame` is whether the packet begins a key frame. Packets may come in any order and again, such
        as those of the history.
        """
        ...


class Rule(Protocol):
    """How one codec's layers are dropped for one slot."""

    @property
    def spatial(self) -> int: ...
    @property
    def temporal(self) -> int: ...
    @property
    def needs_key_frame(self) -> bool: ...

    def aim(self, spatial: int, temporal: int) -> None: ...

    def begin(self, layer: Layer) -> None:
        """A run starts at this picture; its numbers continue those of the run before."""
        ...

    def decide(self, layer: Layer, decided: Decided) -> Patch | None:
        """The answer for `layer.key`, which has none yet; it is entered, too."""
        ...


T = TypeVar("T")

# Gaps that are remembered: at 30 a second, 4 s.
_MAX_GAPS: Final = 128


class Gaps(Generic[T]):
    """Numbers that were missing when a later one came, with what held for them then.

    A gap is kept as one however wide it is, as a sender may leave gaps with every packet.
    """

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        self._gaps: deque[tuple[int, int, T]] = deque(maxlen=_MAX_GAPS)  # first, stop; ascending

    def add(self, first: int, stop: int, held: T) -> None:
        """The numbers from `first` up to but not `stop` are missing; all are above those of before."""
        self._gaps.append((first, stop, held))

    def find(self, number: int) -> T | None:
        """What held for `number`; None if it was not missing, or is forgotten."""
        for first, stop, held in reversed(self._gaps):
            if number >= stop:
                return None
            if number >= first:
                return held
        return None

    def clear(self) -> None:
        """Forget all."""
        self._gaps.clear()


class Numbers:
    """Unwraps picture numbers of a few bits, with the RTP timestamp to tell a late one from one that began anew.

    Encoders may restart their picture ids in the middle of a stream. A newer timestamp always gets a higher number.
    """

    __slots__ = ("_highest", "_started", "_timestamp")

    def __init__(self) -> None:
        self._highest = 0
        self._timestamp = 0
        self._started = False

    def unwrap(self, raw: int, bits: int, timestamp: int) -> int:
        """The integer equal to `raw` modulo 2**bits that fits; `timestamp` is raw too, 32 bits of 90 kHz."""
        if not self._started:
            self._started = True
            self._highest = raw
            self._timestamp = timestamp
            return raw
        cycle = 1 << bits
        ahead = (raw - self._highest) & (cycle - 1)
        age = (self._timestamp - timestamp) & 0xFFFFFFFF
        if age == 0:  # the same picture, or another layer of it
            if ahead >= cycle >> 1:
                ahead -= cycle
        elif age <= _STEP_BACK:
            return self._highest + (ahead - cycle if ahead else 0)
        elif ahead == 0:
            ahead = cycle
        if ahead > 0:
            self._highest += ahead
            self._timestamp = timestamp
            return self._highest
        return self._highest + ahead
