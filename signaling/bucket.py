"""A token bucket: so many events a second, and so many at once.

Knows: arithmetic of rates. Does not know: what the events are, or what time it is (`now` is passed in).
"""


class TokenBucket:
    """Grants `rate` events a second on average, `burst` of them at once; starts full."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        assert rate > 0, rate
        assert burst >= 1, burst
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def take(self, now: float) -> bool:
        """Return whether one more event is granted, and count it if so."""
        elapsed = max(0.0, now - self._updated)
        self._updated = max(now, self._updated)
        self._tokens = min(self._burst, self._tokens + elapsed * self._rate)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
