"""The bandwidth estimate told to publishers that take REMB but give no transport-wide numbers.

Knows when to tell what; the estimator itself is aiortc's (draft-alvestrand-rmcat-remb-03, delay-based).
"""

from typing import Final

from aiortc.rate import RemoteBitrateEstimator

# Below it a browser would send next to nothing and the estimate could hardly recover.
LOWEST_BPS: Final = 100_000


class ReceiverEstimate:
    """Fed with the absolute send times of one publisher's packets; yields the values to send as REMB."""

    __slots__ = ("_estimator", "bitrate_bps")

    def __init__(self) -> None:
        self._estimator = RemoteBitrateEstimator()
        self.bitrate_bps: int | None = None

    def receive(self, send_time: int, size: int, now: float) -> int | None:
        """A packet with its 24-bit absolute send time; the estimate in bit/s when it is to be sent now."""
        # One SSRC for all: the estimator remembers every one it is told, for ever.
        result = self._estimator.add(
            arrival_time_ms=int(now * 1000), abs_send_time=send_time, payload_size=size, ssrc=0
        )
        if result is None:
            return None
        self.bitrate_bps = max(int(result[0]), LOWEST_BPS)
        return self.bitrate_bps
