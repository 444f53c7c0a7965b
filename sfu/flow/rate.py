"""How much passed during the last second.

Knows sizes and times. Does not know what passed, or what a rate is used for.
"""

from typing import Final

_BUCKETS: Final = 10  # a rate is at most a tenth of a window behind


class RateMeter:
    """Bytes and packets over a sliding window of `window` seconds, in tenths of it.

    The ring holds the running totals as they were when each bucket began, so adding is two sums, and what
    the window holds is one difference. `now` must not go back.
    """

    __slots__ = ("_byte_marks", "_end", "_newest", "_packet_marks", "_step", "total_bytes", "total_packets")

    def __init__(self, window: float = 1.0) -> None:
        assert window > 0
        self.total_bytes = 0  # since the meter was made
        self.total_packets = 0
        self._step = window / _BUCKETS
        self._byte_marks = [0] * (_BUCKETS + 1)
        self._packet_marks = [0] * (_BUCKETS + 1)
        self._newest = 0  # ring index of the running bucket; the one after it is the oldest
        self._end = float("-inf")  # when the running bucket ends

    def add(self, size: int, now: float) -> None:
        """One packet of `size` bytes passed."""
        if now >= self._end:
            self._roll(now)
        self.total_bytes += size
        self.total_packets += 1

    def bytes(self, now: float) -> int:
        """Bytes of the last window (and up to a tenth of a window more)."""
        if now >= self._end:
            self._roll(now)
        return self.total_bytes - self._byte_marks[(self._newest + 1) % (_BUCKETS + 1)]

    def packets(self, now: float) -> int:
        """Packets of the last window (and up to a tenth of a window more)."""
        if now >= self._end:
            self._roll(now)
        return self.total_packets - self._packet_marks[(self._newest + 1) % (_BUCKETS + 1)]

    def bps(self, now: float) -> int:
        """Bits a second over the last window; a meter younger than its window reads low, not high."""
        return round(self.bytes(now) * 8 / self._span(now))

    def _span(self, now: float) -> float:
        return now - self._end + (_BUCKETS + 1) * self._step

    def _roll(self, now: float) -> None:
        steps = (now - self._end) / self._step
        if steps > _BUCKETS:  # also the first packet: nothing of before is within the window
            steps = _BUCKETS
            self._end = now - _BUCKETS * self._step
        for _ in range(int(steps) + 1):
            self._newest = (self._newest + 1) % (_BUCKETS + 1)
            self._byte_marks[self._newest] = self.total_bytes
            self._packet_marks[self._newest] = self.total_packets
            self._end += self._step
        if self._end <= now:  # rounding
            self._end = now + self._step
