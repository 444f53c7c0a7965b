"""Which encodings of a publication go on, judged by each other: one that is silent while others send is stopped.

A browser stops the largest when its own link is slow, and starts it again. A camera that is off stops all of them,
which says nothing of any. Knows when packets came and frames ended. Knows no subscriber.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sfu.forwarding.encoding import Encoding

# Silent for so many seconds, and for so many frames of another one (a screen may have one frame a second, and after a
# large key frame the rate control of an encoder leaves out frames for a second).
_SILENT: Final = 0.6
_FRAMES: Final = 10
# Rates of encodings of one height that differ by less are the same picture on another day.
_SURELY: Final = 1.5


class Siblings:
    """The encodings of one publication, ascending in quality."""

    __slots__ = ("_encodings", "_frames", "_heights", "_seen")

    def __init__(self, encodings: Sequence["Encoding"]) -> None:
        self._encodings = tuple(encodings)
        self._seen = [encoding.last_at for encoding in self._encodings]
        self._frames = [self._count()] * len(self._encodings)  # when the last packet of each was seen
        self._heights = [0] * len(self._encodings)  # as measured

    def look(self, now: float) -> bool:
        """Set `stopped` of each, and what is assumed of heights; True when something has changed.

        Called some times a second while any packet comes.
        """
        encodings = self._encodings
        frames = self._count()
        changed = False
        for index, encoding in enumerate(encodings):
            if encoding.last_at != self._seen[index]:
                self._seen[index] = encoding.last_at
                self._frames[index] = frames
                stopped = False
            else:
                missed = max(
                    count - before for count, before in zip(frames, self._frames[index], strict=True)
                )
                silent = now - encoding.last_at > _SILENT and missed >= _FRAMES
                stopped = encoding.stopped or silent
            if stopped != encoding.stopped:
                encoding.stopped = stopped
                changed = True
        heights = [encoding.height if encoding.quality.measured else 0 for encoding in encodings]
        if heights != self._heights:
            self._heights = heights
            self._assume_heights()
            changed = True
        return changed

    def _count(self) -> tuple[int, ...]:
        return tuple(encoding.frames for encoding in self._encodings)

    def ascending(self) -> tuple["Encoding", ...]:
        """The encodings by height, those of one height by rate; as far as both is measured, else as they are ordered.

        What a client names first in a=simulcast may be the largest as well as the smallest.
        """
        order = list(self._encodings)
        for low in range(len(order)):
            for high in range(low + 1, len(order)):
                if _is_better(order[low], order[high]):
                    order[low], order[high] = order[high], order[low]
        return tuple(order)

    def _assume_heights(self) -> None:
        """An encoding without a key frame yet is half or twice as high as its neighbour, as browsers' are."""
        measured = [(i, one.height) for i, one in enumerate(self._encodings) if one.quality.measured]
        if not measured:
            return
        for index, encoding in enumerate(self._encodings):
            nearest, height = min(measured, key=lambda entry: abs(entry[0] - index))
            steps = index - nearest
            encoding.quality.assumed_height = height << steps if steps > 0 else max(height >> -steps, 1)


def _is_better(one: "Encoding", other: "Encoding") -> bool:
    """Whether `one` is surely of higher quality."""
    if not (one.quality.measured and other.quality.measured):
        return False
    if one.height != other.height:
        return one.height > other.height
    less = max(other.quality.rates.cumulative().values(), default=0)
    return 0 < _SURELY * less < max(one.quality.rates.cumulative().values(), default=0)
