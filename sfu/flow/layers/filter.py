"""The layers that one slot forwards: the answer for each picture is found once and kept.

Knows how long answers are kept. Does not know what they depend on: that is the codec's rule.
"""

from typing import Final

from sfu.flow.layers.dependency import DependencyLayer, DependencyRule
from sfu.flow.layers.layer import ALL, Decided, Layer, Patch, Rule
from sfu.flow.layers.vp8 import Vp8Layer, Vp8Rule
from sfu.flow.layers.vp9 import Vp9Layer, Vp9Rule

# 8 s of VP8 at 60 pictures a second, 3 s of three spatial layers at 30: longer than a packet is kept for
# retransmission.
REMEMBERED: Final = 512
_UNDECIDED: Final = Patch(0, b"", False)


class LayerFilter:
    """Of one slot, for as long as it lives: over switches of encodings, of publications and of codecs.

    Until `start` the first layer seen begins a run.
    """

    __slots__ = ("_aim_spatial", "_aim_temporal", "_decided", "_rule", "_run")

    def __init__(self) -> None:
        self._decided: Decided = {}
        self._rule: Rule | None = None
        self._run: type[Layer] | None = None  # what is read since the start
        self._aim_spatial = ALL
        self._aim_temporal = ALL

    # -- what is wanted ----------------------------------------------------------------------------------------

    def aim(self, spatial: int, temporal: int) -> None:
        """The highest layers wanted from the next picture on; ALL = whatever there is."""
        self._aim_spatial = spatial
        self._aim_temporal = temporal
        if self._rule is not None:
            self._rule.aim(spatial, temporal)

    @property
    def spatial(self) -> int:
        """The highest spatial layer that passes now; never above what the source has sent."""
        return self._rule.spatial if self._rule is not None else 0

    @property
    def temporal(self) -> int:
        """The highest temporal layer that passes now; never above what the source has sent."""
        return self._rule.temporal if self._rule is not None else 0

    @property
    def needs_key_frame(self) -> bool:
        """Whether the aim can be reached at a key frame only, which is to be asked for."""
        return self._rule is not None and self._rule.needs_key_frame

    # -- packets -----------------------------------------------------------------------------------------------

    def start(self, layer: Layer | None) -> None:
        """The slot begins, or goes over to another encoding, at this key frame (None: its layer is unknown).

        The numbers out continue those before; the first start keeps the source's own. Nothing of before is
        remembered.
        """
        self._decided.clear()
        if layer is None:
            self._run = None
            return
        self._run = type(layer)
        rule = self._rule
        if type(rule) is not (wanted := _rule_type(layer)):
            rule = self._rule = wanted()
        rule.aim(self._aim_spatial, self._aim_temporal)
        rule.begin(layer)

    def take(self, layer: Layer) -> Patch | None:
        """What to change in a packet of this layer, or None if it is not to be forwarded. Called for every packet."""
        patch = self._decided.get(layer.key, _UNDECIDED)
        return self._decide(layer) if patch is _UNDECIDED else patch

    def knows(self, layer: Layer) -> bool:
        """Whether `take` was asked about this layer, and the answer is not forgotten."""
        return layer.key in self._decided

    def again(self, layer: Layer) -> Patch | None:
        """As `take` answered for this layer; None for one that it doesn't know, too."""
        return self._decided.get(layer.key)

    def _decide(self, layer: Layer) -> Patch | None:
        if type(layer) is not self._run:
            self.start(layer)
        assert self._rule is not None
        decided = self._decided
        patch = self._rule.decide(layer, decided)
        while len(decided) > REMEMBERED:
            del decided[next(iter(decided))]
        return patch


def _rule_type(layer: Layer) -> type[Vp8Rule] | type[Vp9Rule] | type[DependencyRule]:
    if isinstance(layer, Vp8Layer):
        return Vp8Rule
    if isinstance(layer, Vp9Layer):
        return Vp9Rule
    assert isinstance(layer, DependencyLayer)
    return DependencyRule
