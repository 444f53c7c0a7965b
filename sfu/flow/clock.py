"""The publisher's clock, as its sender reports tell it.

Knows one pair of NTP and RTP time and when it came. Does not know whose numbering goes out: the owner adds
the offset of `flow.renumber` to the RTP time.
"""


class SenderClock:
    """Extrapolates the last sender report of a source to any later moment.

    Both times are carried forward by the same local interval, so the pair stays on the publisher's own line
    whatever the delay of the report was: audio and video keep their lips together (RFC 3550 6.4.1).
    """

    __slots__ = ("_clock_rate", "_ntp", "_reported_at", "_rtp_timestamp")

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._ntp = 0
        self._rtp_timestamp = 0
        self._reported_at: float | None = None

    def report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """A sender report came: `ntp` 64 bits, `rtp_timestamp` 32 bits.

        NTP zero says the sender has no clock to report (RFC 3550 6.4.1); such a report is left aside.
        """
        if ntp == 0:
            return
        self._ntp = ntp
        self._rtp_timestamp = rtp_timestamp
        self._reported_at = now

    def at(self, now: float) -> tuple[int, int] | None:
        """(NTP time 64 bits, RTP time 32 bits) of the publisher at `now`; None before its first report."""
        if self._reported_at is None:
            return None
        elapsed = now - self._reported_at
        ntp = (self._ntp + round(elapsed * (1 << 32))) & 0xFFFFFFFFFFFFFFFF
        return ntp, (self._rtp_timestamp + round(elapsed * self._clock_rate)) & 0xFFFFFFFF
