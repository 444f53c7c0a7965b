"""The layers that one slot forwards: the answer for each picture is found once and kept.

Knows how long answers are kept. Does not know what they depend on: that is the codec's rule.
"""

from typing import Final

from sfu.flow.layers.layer import ALL, Decided, Layer, Patch, Rule
from sfu.flow.layers.vp8 import Vp8Layer, Vp8Rule

# 8 s of VP8 at 60 pictures a second, 3 s of three spatial layers at 30: longer than a packet is kept for
# retransmission.
REMEMBERED: Final = 512


class LayerFilter:
    """Of one slot, for as long as it lives: over switches of encodings, of publications and of codecs.

    Until `start` the first layer seen begins a run.
    """

    __slots__ = ("_aim_spatial", "_aim_temporal", "_decided", "_rule", "_started")

    def __init__(self) -> None:
        self._decided: Decided = {}
        self._rule: Rule | None = None
        self._started = False
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
        self._started = layer is not None
        if layer is None:
            return
        rule = self._rule
        if rule is None or not _fits(rule, layer):
            rule = self._rule = _rule_for(layer)
        rule.aim(self._aim_spatial, self._aim_temporal)
        rule.begin(layer)

    def take(self, layer: Layer) -> Patch | None:
        """What to change in a packet of this layer, or None if it is not to be forwarded. Called for every packet."""
        try:
            return self._decided[layer.key]
        except KeyError:
            return self._decide(layer)

    def again(self, layer: Layer) -> Patch | None:
        """As `take` answered for this layer; None for one it was never asked about, or has forgotten."""
        return self._decided.get(layer.key)

    def _decide(self, layer: Layer) -> Patch | None:
        if not self._started or self._rule is None or not _fits(self._rule, layer):
            self.start(layer)
        assert self._rule is not None
        decided = self._decided
        self._rule.decide(layer, decided)
        while len(decided) > REMEMBERED:
            del decided[next(iter(decided))]
        return decided[layer.key]


def _fits(rule: Rule, layer: Layer) -> bool:
    return isinstance(rule, Vp8Rule) and isinstance(layer, Vp8Layer)


def _rule_for(layer: Layer) -> Rule:
    assert isinstance(layer, Vp8Layer)
    return Vp8Rule()
