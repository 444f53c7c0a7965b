"""What the link passes while packets wait for it: then, and only then, what arrives is what it carries.

Knows sizes, send and arrival times, and the least delay there is. A packet that was sent before the one ahead of it had
arrived found the link busy. Does not know verdicts, or where the limit is while nothing waits.
"""

from typing import Final

_MARGIN: Final = 0.002  # seconds: feedback has a grain of 250 us, timers more
_SPAN: Final = 0.1  # seconds of waiting that make one sample,
_LEAST_SPAN: Final = 0.04  # or so many where the queue ended sooner,
_FEWEST: Final = 4  # and so many packets
_WEIGHT: Final = 0.5  # of a further sample of the same queue
AROUND: Final = 44  # bytes of IP, UDP and SRTP that the link carries with each packet
_KEPT: Final = 0.98  # of what is remembered of the usual sizes, per feedback


class BusyRate:
    """Fed with each feedback. `rate_bps` is of the last queue, 0 before the first; `at` is when it was known.

    It is of packets of the usual sizes: in a queue of small ones headers take more of the link than they do later.
    """

    __slots__ = (
        "_bytes",
        "_count",
        "_last",
        "_since",
        "_start",
        "_usual_bytes",
        "_usual_count",
        "at",
        "rate_bps",
    )

    def __init__(self) -> None:
        self.rate_bps = 0.0
        self.at = float("-inf")
        self._last = float("-inf")  # the latest arrival
        self._start = 0.0  # an arrival: what came after it is counted
        self._bytes = self._count = 0
        self._usual_bytes = self._usual_count = 0.0
        self._since: float | None = None  # when this queue gave its first sample

    def update(
        self, sends: list[float], arrivals: list[float], sizes: list[int], base: float, now: float
    ) -> None:
        """Packets that arrived, in order of sending; `base` is the least delay, seconds."""
        last = self._last
        base += _MARGIN
        self._usual_bytes = self._usual_bytes * _KEPT + sum(sizes)
        self._usual_count = self._usual_count * _KEPT + len(sizes)
        for send, arrival, size in zip(sends, arrivals, sizes, strict=True):
            if last - send > base:
                self._bytes += size
                self._count += 1
                if arrival > last:
                    last = arrival
                    if last - self._start >= _SPAN and self._count >= _FEWEST:
                        self._sample(last, now)
                continue
            if last - self._start >= _LEAST_SPAN and self._count >= _FEWEST:
                self._sample(last, now)
            self._since = None
            self._start = last = max(arrival, last) if abs(arrival - last) < 1 else arrival
            self._bytes = self._count = 0
        self._last = last

    @property
    def usual(self) -> float:
        """The share of RTP in what packets of the usual sizes take of the link."""
        return self._usual_bytes / (self._usual_bytes + self._usual_count * AROUND or 1)

    def fresh(self, since: float) -> bool:
        """Whether the rate was measured after `since`."""
        return self.at > since

    def _sample(self, last: float, now: float) -> None:
        rate = (self._bytes + self._count * AROUND) * 8 / (last - self._start) * self.usual
        if self._since is None:
            self._since = now
            self.rate_bps = rate
        else:
            self.rate_bps += (rate - self.rate_bps) * _WEIGHT
        self.at = now
        self._start = last
        self._bytes = self._count = 0
