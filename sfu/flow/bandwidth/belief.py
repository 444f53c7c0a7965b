"""What a probe is taken for: buffers and buckets of tokens pass a short one at any rate, so media has to confirm it.

Knows what passes, what the link was seen to be full with, and results of probes. Does not know delays or packets.
"""

from typing import Final

from sfu.flow.bandwidth.aimd import RateControl
from sfu.flow.bandwidth.probing import Probing

_BELIEVED: Final = 2.5  # times what passes, and no more, is believed until media passes at that rate
_DOUBTED: Final = 1.25  # times the rate, where the link was seen to be full with less
_SMALL: Final = 200_000  # bit/s that may be tried without much ado: sound and the smallest picture
_PROMISE: Final = 5.0  # seconds for which the rest of it may still be believed
_UNUSED: Final = 1.0  # seconds after which a longer probe takes the place of media that there is not
_CONFIRMED: Final = 0.9  # of what was proven passes: it is true
_HABIT: Final = 0.05  # weight of a feedback in what usually passes
_FORGET: Final = 0.998  # of the most that passed, per feedback
_WORTH: Final = 1.03  # times the rate: less is no news


class Belief:
    """Raises `rate` by results of `probing`."""

    __slots__ = ("_habit", "_most", "_probing", "_promise", "_promised_at", "_rate", "_start")

    def __init__(self, rate: RateControl, probing: Probing, start_bps: float) -> None:
        self._rate = rate
        self._probing = probing
        self._start = start_bps
        self._promise = 0.0  # what a probe has shown beyond what was believed of it
        self._promised_at = float("-inf")
        self._habit = self._most = 0.0  # what passes for seconds, and the most of it of late

    def result(self, shown_bps: float, passes_bps: float, now: float, *, thorough: bool) -> None:
        """A probe has shown more than the rate, while `passes_bps` of packets passed."""
        before = self._rate.rate_bps
        believed = shown_bps if thorough else self._believed(shown_bps, passes_bps)
        self._promise, self._promised_at = (shown_bps if believed < shown_bps else 0.0), now
        unlimited = self._rate.capacity_bps is None
        self._probing.believed(before, believed, wholly=not self._promise, unlimited=unlimited, now=now)
        self._rate.prove(believed, now)

    def _believed(self, shown: float, passes: float) -> float:
        before, capacity = self._rate.rate_bps, self._rate.capacity_bps
        if self._probing.refuted:
            return min(shown, max(max(passes, capacity or 0.0) * _DOUBTED, before))
        if capacity is not None and shown > capacity * _DOUBTED:
            return min(shown, max(max(passes, capacity) * _DOUBTED, self._most, before, _SMALL))
        return min(shown, max(passes * _BELIEVED, self._start, before))

    def passed(self, passes_bps: float, now: float) -> None:
        """The link is calm with so much: of what was promised more is believed."""
        probing, rate = self._probing, self._rate
        self._habit += (passes_bps - self._habit) * _HABIT
        self._most = max(self._most * _FORGET, self._habit)
        if self._habit > probing.raised_bps * _CONFIRMED:
            probing.confirmed(now)
        if not self._promise:
            return
        if now - self._promised_at > _PROMISE:
            self._promise = 0.0
        elif not probing.refuted and (
            rate.capacity_bps is None or self._promise < rate.capacity_bps * _DOUBTED
        ):
            believed = min(self._promise, max(passes_bps * _BELIEVED, self._start))
            if believed > rate.rate_bps * _WORTH:
                wholly = believed == self._promise
                unlimited = rate.capacity_bps is None
                probing.believed(rate.rate_bps, believed, wholly=wholly, unlimited=unlimited, now=now)
                rate.prove(believed, now)
                if wholly:
                    self._promise = 0.0
                    probing.go_on(now)

    def restore(self, rate_bps: float, now: float) -> None:
        """So much was right before nothing was heard for a while."""
        self._promise, self._promised_at = rate_bps, now

    def dropped(self) -> None:
        """The link is full: what was promised was wrong."""
        self._promise = 0.0

    def thorough(self, passes_bps: float, now: float) -> bool:
        """Whether a probe has to tell alone, as there is no media that could confirm a short one."""
        rate = self._rate
        return (
            self._promise > rate.rate_bps
            and now - self._promised_at >= _UNUSED
            and passes_bps < rate.rate_bps * _CONFIRMED
            and not self._probing.refuted
        )
