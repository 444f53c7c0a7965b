"""Round-trip time from our sender reports and the peer's receiver reports (RFC 3550 6.4.1).

Knows when each of our last reports left. Does not know RTCP.
"""

from typing import Final

INITIAL: Final = 0.1  # seconds, until measured: a usual figure between a home and a server of its continent
_KEPT: Final = 16  # a peer answers one of the last few reports, or none
_WEIGHT: Final = 1 / 8  # of a new sample, as TCP's smoothed RTT (RFC 6298 2.3)
_ROUNDING: Final = 0.001  # a result below zero by no more than this is rounding; by more it is not true


class RoundTrip:
    """`rtt` is the smoothed round trip in seconds, `INITIAL` until the first sample."""

    __slots__ = ("_measured", "_sent", "rtt")

    def __init__(self) -> None:
        self.rtt = INITIAL
        self._measured = False
        self._sent: dict[int, float] = {}

    def sent(self, ntp_mid32: int, now: float) -> None:
        """A sender report left at `now`; `ntp_mid32` is the middle 32 of the 64 bits of its NTP time."""
        self._sent.pop(ntp_mid32, None)
        self._sent[ntp_mid32] = now
        if len(self._sent) > _KEPT:
            del self._sent[next(iter(self._sent))]

    def received(self, last_sr: int, delay_since_last_sr: int, now: float) -> float | None:
        """A report block came; the sample in seconds, or None if it answers no report we remember.

        `delay_since_last_sr` in 1/65536 s. Impossible delays (more than has passed) give None.
        """
        sent_at = self._sent.get(last_sr)
        if sent_at is None or last_sr == 0:  # RFC 3550 6.4.1: zero when no report was received
            return None
        sample = now - sent_at - delay_since_last_sr / 65536
        if sample < -_ROUNDING:
            return None
        sample = max(sample, 0.0)
        self.rtt = self.rtt + (sample - self.rtt) * _WEIGHT if self._measured else sample
        self._measured = True
        return sample
