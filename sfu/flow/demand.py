"""Which encodings of one publication are taken by anybody, and when its publisher is to be told.

Knows names of encodings and times. Does not know who takes them, or how a publisher is told.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

# A tile scrolled by, or a switch of encodings that waits for a key frame, is over within this; a publisher that
# switches an encoding on again begins with a key frame and a slow start.
_HOLD: Final = 1.5


class EncodingDemand:
    """What a publisher should send of `rids` ("" for one without simulcast).

    It sends all of them until told otherwise, or none if it is not `sending`. On is told at once, off after `hold`
    seconds in which nobody took the encoding. Nothing is switched off before the first call of `want`.
    """

    __slots__ = ("_change_at", "_hold", "_told")

    def __init__(self, rids: Iterable[str], hold: float = _HOLD, *, sending: bool = True) -> None:
        self._hold = hold
        self._told = dict.fromkeys(rids, sending)
        self._change_at: dict[str, float] = {}  # of those that are to be told otherwise

    def want(self, rids: AbstractSet[str], now: float) -> None:
        """These encodings are taken now, or are waited for, and no others. Unknown names are passed over."""
        for rid, told in self._told.items():
            if (rid in rids) == told:
                self._change_at.pop(rid, None)
            else:
                self._change_at.setdefault(rid, now + self._hold if told else now)

    def deadline(self) -> float | None:
        """When `take` has something; None when nothing is to change."""
        return min(self._change_at.values(), default=None)

    def take(self, now: float) -> dict[str, bool] | None:
        """What the publisher is to be told, every encoding with whether to send it; None if nothing changed."""
        due = [rid for rid, at in self._change_at.items() if at <= now]
        if not due:
            return None
        for rid in due:
            del self._change_at[rid]
            self._told[rid] = not self._told[rid]
        return dict(self._told)
