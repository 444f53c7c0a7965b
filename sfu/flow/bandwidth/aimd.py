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
_HASTE: Final = 3.0  # seconds without a queue, after which it is twice as fast, and so on
_CLOSE: Final = 0.97  # of the capacity: beyond it nothing grows
_USED: Final = 0.9  # that is used less than this
_REPORTING: Final = 0.1  # seconds a feedback takes, beside the round trip
_LONGEST_STEP: Final = 0.5  # seconds that growth is counted for at once
_SLACK, _SLACK_BPS = 1.5, 10_000  # times the throughput, and more: further it does not grow unproven
_UNPROVEN: Final = 0.95  # what arrives at less than this share of the sending rate shows the link's limit
_ABOVE, _BELOW = 1.1, 0.8  # of the capacity: a sample beyond these makes it another link
_EXCESS, _EXCESS_SECONDS = (
    30_000,
    0.1,
)  # bytes more than it carries, and seconds at it: more than a bucket of tokens holds
_LEARN: Final = 0.3  # weight of a new sample of the capacity


class RateControl:
    """`rate_bps` is the estimate."""

    __slots__ = ("_at", "_excess", "_held_at", "_passed_at", "capacity_bps", "rate_bps")

    def __init__(self, start_bps: float) -> None:
        self.rate_bps = start_bps
        self.capacity_bps: float | None = None
        """What passed when the link was full; None while it is not known."""
        self._at: float | None = None
        self._held_at: float = 0.0  # the last time that it was not to grow
        self._excess = 0.0  # bytes that passed lately beyond what the capacity explains
        self._passed_at: float | None = None

    def passed(self, size: int, arrival: float) -> bool:
        """`size` bytes came, the last of them at `arrival`; True when they show that the link carries more."""
        since = self._passed_at
        if since is not None and since - 1 < arrival < since:
            arrival = since  # others have overtaken it
        self._passed_at = arrival
        capacity = self.capacity_bps
        if capacity is None or since is None or not 0 <= arrival - since < 1:
            self._excess = 0.0
            return False
        self._excess = max(self._excess + size - capacity / 8 * (arrival - since), 0.0)
        if self._excess <= max(_EXCESS, capacity / 8 * _EXCESS_SECONDS):
            return False
        self.capacity_bps = None
        return True

    def grow(self, throughput_bps: float, round_trip: float, now: float) -> None:
        """The link is calm: `throughput_bps` of late passes, so a little more may."""
        passed = 0.0 if self._at is None else min(max(now - self._at, 0.0), _LONGEST_STEP)
        self._at = now
        capacity = self.capacity_bps
        rate = self.rate_bps
        more = rate * _PER_SECOND
        if capacity is not None:
            near = max(_PACKET_BITS / (2 * (round_trip + _REPORTING)), rate * _NEAR_PER_SECOND)
            if not self._held_at:
                self._held_at = now
            near = min(near, rate * _MOST_PER_SECOND)
            more = min(more, near * (1 + max(now - self._held_at, 0.0) / _HASTE))
            if rate > capacity * _CLOSE and throughput_bps < rate * _USED:
                more = 0.0
        most = max(throughput_bps * _SLACK + _SLACK_BPS, rate)
        self.rate_bps = min(rate + more * passed, most)

    def hold(self, now: float) -> None:
        """No growth until `now`."""
        self._at = self._held_at = now

    def back_off(self, throughput_bps: float, sent_bps: float, now: float) -> None:
        """The link is too full: `throughput_bps` arrived of what was sent at `sent_bps`."""
        self._at = now
        if throughput_bps < sent_bps * _UNPROVEN or throughput_bps > self.rate_bps:
            rate = BACKOFF * throughput_bps
            self.learn(throughput_bps)
        else:  # what is sent passes, so the limit is between that and the estimate
            rate = BACKOFF * max(self.rate_bps, throughput_bps)
        self.rate_bps = min(rate, self.rate_bps)

    def learn(self, throughput_bps: float) -> None:
        """The link was full with this much."""
        capacity = self.capacity_bps
        self._excess = 0.0
        if capacity is None or not capacity * _BELOW < throughput_bps < capacity * _ABOVE:
            self.capacity_bps = throughput_bps
        else:
            self.capacity_bps = capacity + (throughput_bps - capacity) * _LEARN

    def prove(self, rate_bps: float, now: float) -> None:
        """This much passed for a moment."""
        if rate_bps > self.rate_bps:
            self._at = now
            self.rate_bps = rate_bps
