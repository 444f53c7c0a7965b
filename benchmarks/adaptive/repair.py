"""When a receiver asks for a lost packet: at once, unless packets have been overtaking each other lately.

Knows unwrapped numbers and times. Does not know packets.
"""

from __future__ import annotations

from collections import deque

MAX_TRIES = 10
MAX_AGE = 1.5  # seconds: later a key frame is cheaper
MAX_MISSING = 500
LATE_KEPT = 64  # overtaken packets that the patience is computed of
LATE_FOR = 5.0  # seconds that each of them counts
MIN_REPEAT = 0.030


class Nacks:
    """`arrived` per packet, `due` now and then. `given_up` turns true when something will never come."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: dict[int, list[float]] = {}  # number: [noticed at, asked at, tries]
        self._late: deque[tuple[float, float]] = deque(maxlen=LATE_KEPT)  # (when, how late)
        self.given_up = False
        self.asked = 0

    def arrived(self, seq: int, now: float, *, repaired: bool = False) -> bool:
        """Whether the packet is new."""
        highest = self._highest
        if highest is None:
            self._highest = seq
            return True
        if seq > highest:
            if seq - highest > MAX_MISSING:
                self._missing.clear()
                self.given_up = True
            else:
                for lost in range(highest + 1, seq):
                    self._missing[lost] = [now, -1.0, 0]
            self._highest = seq
            return True
        noticed = self._missing.pop(seq, None)
        if noticed is None:
            return False
        if not repaired:
            self._late.append((now, now - noticed[0]))
        return True

    def due(self, now: float, round_trip: float) -> list[int]:
        """The numbers to ask for now."""
        patience, repeat = self._patience(now), max(round_trip * 1.2, MIN_REPEAT)
        wanted: list[int] = []
        for seq, state in list(self._missing.items()):
            noticed, asked, tries = state
            if tries >= MAX_TRIES or now - noticed > MAX_AGE:
                del self._missing[seq]
                self.given_up = True
            elif now >= (noticed + patience if asked < 0 else asked + repeat):
                state[1], state[2] = now, tries + 1
                wanted.append(seq)
        self.asked += len(wanted)
        return wanted

    def _patience(self, now: float) -> float:
        """How long a packet overtaken by others usually still takes: the median of the latest ones."""
        late = sorted(lateness for at, lateness in self._late if now - at < LATE_FOR)
        return late[len(late) // 2] if late else 0.0
