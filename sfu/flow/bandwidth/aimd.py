"""The rate that the delay allows: up by shares of itself, near the link's capacity by a packet at a time; down to 0.85.

draft-ietf-rmcat-gcc-02 section 5.5 (rate control). Knows throughput and verdicts. Does not know where they come from.
"""

from typing import Final

BACKOFF: Final = 0.85  # of the throughput
_PER_SECOND: Final = 0.08  # growth, while nothing is known of the capacity
_NEAR_PER_SECOND: Final = (
    0.01  # growth close to it, at least: else 20 Mbit/s take a minute for what a backoff took
)
_MOST_PER_SECOND: Final = 0.03  # growth close to it, at most: one packet is much on a slow link
_PACKET_BITS: Final = 9600  # more per two response times, close to the capacity
_CLOSE: Final = 0.97  # of the capacity: beyond it nothing grows
_USED: Final = 0.9  # that is used less than this
_REPORTING: Final = 0.1  # seconds a feedback takes, beside the round trip
_LONGEST_STEP: Final = 0.5  # seconds that growth is counted for at once
_SLACK, _SLACK_BPS = 1.5, 10_000  # times the throughput, and more: further it does not grow unproven
_UNPROVEN: Final = 0.95  # what arrives at less than this share of the sending rate shows the link's limit
_ABOVE, _BELOW = 1.1, 0.8  # of the capacity: throughput beyond these makes it another link
_LEARN: Final = 0.3  # weight of a new sample of the capacity


class RateControl:
    """`rate_bps` is the estimate."""

    __slots__ = ("_at", "capacity_bps", "rate_bps")

    def __init__(self, start_bps: float) -> None:
        self.rate_bps = start_bps
        self.capacity_bps: float | None = None
        """What passed when the link was full; None while it is not known."""
        self._at: float | None = None

    def grow(self, throughput_bps: float, round_trip: float, now: float) -> None:
        """The link is calm: `throughput_bps` of late passes, so a little more may."""
        passed = 0.0 if self._at is None else min(max(now - self._at, 0.0), _LONGEST_STEP)
        self._at = now
        capacity = self.capacity_bps
        if capacity is not None and throughput_bps > capacity * _ABOVE:
            self.capacity_bps = capacity = None
        rate = self.rate_bps
        more = rate * _PER_SECOND
        if capacity is not None:
            near = max(_PACKET_BITS / (2 * (round_trip + _REPORTING)), rate * _NEAR_PER_SECOND)
            more = min(more, near, rate * _MOST_PER_SECOND)
            if rate > capacity * _CLOSE and throughput_bps < rate * _USED:
                more = 0.0
        most = max(throughput_bps * _SLACK + _SLACK_BPS, rate)
        self.rate_bps = min(rate + more * passed, most)

    def hold(self, now: float) -> None:
        """No growth until `now`."""
        self._at = now

    def back_off(self, throughput_bps: float, sent_bps: float, now: float) -> None:
        """The link is too full: `throughput_bps` arrived of what was sent at `sent_bps`."""
        self._at = now
        if throughput_bps < sent_bps * _UNPROVEN or throughput_bps > self.rate_bps:
            rate = BACKOFF * throughput_bps
        else:  # what is sent passes, so the limit is between that and the estimate
            rate = BACKOFF * max(self.rate_bps, throughput_bps)
        self.learn(throughput_bps)
        self.rate_bps = min(rate, self.rate_bps)

    def learn(self, throughput_bps: float) -> None:
        """The link was full with this much."""
        capacity = self.capacity_bps
        if capacity is None or not capacity * _BELOW < throughput_bps < capacity * _ABOVE:
            self.capacity_bps = throughput_bps
        else:
            self.capacity_bps = capacity + (throughput_bps - capacity) * _LEARN

    def prove(self, rate_bps: float, now: float) -> None:
        """This much passed for a moment."""
        if rate_bps > self.rate_bps:
            self._at = now
            self.rate_bps = rate_bps
            if self.capacity_bps is not None and rate_bps > self.capacity_bps * _ABOVE:
                self.capacity_bps = None
