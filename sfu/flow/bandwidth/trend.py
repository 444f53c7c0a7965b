"""Whether packets take longer and longer: the slope of the one-way delay over the last packet groups.

draft-ietf-rmcat-gcc-02 section 5 (pre-filtering, arrival-time filter), with the straight line that later
implementations fit instead of the Kalman filter. Knows send and arrival times. Does not know rates.
"""

from collections import deque
from operator import mul
from typing import Final

from sfu.flow.bandwidth.overuse import OveruseDetector, Usage

_GROUP: Final = 0.005  # seconds: what is sent within this long is one group (section 5.2)
_LONGEST_BURST: Final = 0.1  # seconds that packets arriving back to back may go on as one group
_POINTS: Final = 20  # groups the line is fitted through
_SMOOTHING: Final = 0.9  # of the delay, per group
_GROUPS_PER_FIT: Final = 4  # a fit costs as much as several packets
_REBASE: Final = 1e6  # ms: sums of squares of larger times lose digits
# A jump of delay beyond this is a clock that was set, or a lie: the filter begins anew.
_IMPLAUSIBLE: Final = 10_000.0  # ms


class DelayTrend:
    """Fed with the send and arrival times that a feedback reports."""

    __slots__ = (
        "_delay_origin",
        "_delays",
        "_detector",
        "_first_arrival",
        "_first_send",
        "_groups",
        "_last_arrival",
        "_last_send",
        "_smoothed",
        "_time_origin",
        "_times",
        "slope",
    )

    def __init__(self) -> None:
        self.slope = 0.0
        """Of the last fit: seconds of delay gained per second."""
        self._detector = OveruseDetector()
        self._times: deque[float] = deque(maxlen=_POINTS)
        self._delays: deque[float] = deque(maxlen=_POINTS)
        self.reset()

    def reset(self) -> None:
        """Forget all groups; the detector's threshold stays."""
        self._times.clear()
        self._delays.clear()
        self._groups = 0
        self._smoothed = 0.0
        self._delay_origin = self._time_origin = 0.0
        self._first_send = self._last_send = -1.0
        self._first_arrival = self._last_arrival = 0.0
        self.slope = 0.0

    @property
    def threshold(self) -> float:
        """The detector's, as it has adapted."""
        return self._detector.threshold

    def update(self, sends: list[float], arrivals: list[float]) -> Usage:
        """Packets that arrived, in order of sending; what the link seems to be, with them."""
        first_send, last_send = self._first_send, self._last_send
        first_arrival, last_arrival = self._first_arrival, self._last_arrival
        usage: Usage | None = None
        fresh = 0
        for send, arrival in zip(sends, arrivals, strict=True):
            if send - first_send <= _GROUP:
                if send < first_send:
                    continue  # of a group that is closed
            elif first_send >= 0:
                gap = arrival - last_arrival
                if gap > _GROUP or gap >= send - last_send or arrival - first_arrival > _LONGEST_BURST:
                    self._close(last_send, last_arrival)
                    fresh += 1
                    if fresh == _GROUPS_PER_FIT:
                        fresh = 0
                        usage = self._fit(usage)
                    first_send, first_arrival, last_arrival = send, arrival, arrival
            else:
                first_send, first_arrival, last_arrival = send, arrival, arrival
            last_send = send
            if arrival > last_arrival:
                last_arrival = arrival
        self._first_send, self._last_send = first_send, last_send
        self._first_arrival, self._last_arrival = first_arrival, last_arrival
        if fresh:
            usage = self._fit(usage)
        return self._detector.usage if usage is None else usage

    def _close(self, send: float, arrival: float) -> None:
        """A group is complete; its delay becomes a point of the line."""
        delay = (arrival - send) * 1000 - self._delay_origin
        time = send * 1000 - self._time_origin
        if not self._times or abs(delay - self._smoothed) > _IMPLAUSIBLE:
            self._times.clear()
            self._delays.clear()
            self._delay_origin += delay
            self._time_origin += time
            self._groups = 0
            self._smoothed = delay = time = 0.0
        self._smoothed += (delay - self._smoothed) * (1 - _SMOOTHING)
        self._times.append(time)
        self._delays.append(self._smoothed)
        self._groups += 1

    def _fit(self, before: Usage | None) -> Usage:
        """Judge the line through the points; overuse that was seen in the same feedback stays, unless it ended."""
        times, delays = self._times, self._delays
        if times[-1] > _REBASE:
            self._rebase()
        count = len(times)
        if count < 2:
            return Usage.NORMAL
        time = sum(times) / count
        spread = sum(map(mul, times, times)) - count * time * time
        if spread > 1e-3:
            self.slope = (sum(map(mul, times, delays)) - time * sum(delays)) / spread
        usage = self._detector.judge(self.slope, self._groups, times[-1] + self._time_origin)
        if before is Usage.OVER and usage is not Usage.UNDER:
            return before
        return usage

    def _rebase(self) -> None:
        shift = self._times[0]
        self._time_origin += shift
        for index in range(len(self._times)):
            self._times[index] -= shift
