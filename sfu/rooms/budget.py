"""What one participant's slots may take together: the estimate of its link, or what stands for it where there is none.

Knows which reports the client gives. Does not know what is done with the budget.
"""

from collections.abc import Mapping
from typing import Final

from sfu.flow.bandwidth import Source
from sfu.forwarding.egress import Egress
from sfu.forwarding.slot import Slot

# Seconds from the first report of the client in which the estimate may still be a guess.
SETTLING: Final = 2.0
# A client that has not reported on transport-wide numbers for so long after the first video never will, seconds.
DEAF: Final = 6.0
# Of an estimate by REMB: who sends more than this share meets the limit of the link, not that of what is sent.
USED: Final = 0.8
# One that rises by this share and more in INTERVAL seconds although more than it is sent lags behind, and so much more
# in a second is tried.
ROSE: Final = 1.04
INTERVAL: Final = 2.0
TRIED: Final = 0.15
# An estimate so low, bits a second, is of a still picture; no link that carries sound is so slow.
STILL: Final = 50_000
# Times what is shared by REMB that leaves at once.
PACE: Final = 1.5
# By REMB no less than this is shared, bits a second: estimates of aiortc begin with a still picture's few kbit/s.
LEAST_SHARED_BY_REMB: Final = 300_000
# What is shared where nothing is known of the link.
UNLIMITED_BPS: Final = 1 << 40


class Budget:
    """Of one participant; `slots` are its own, by mid."""

    __slots__ = (
        "_began", "_counted", "_counted_at", "_egress", "_estimate_bps", "_flow_bps", "_known", "_lags", "_looked_at",
        "_shared_bps", "_slots", "limited",
    )  # fmt: skip

    def __init__(self, egress: Egress, slots: Mapping[str, Slot]) -> None:
        self._egress = egress
        self._slots = slots
        self.limited = True  # whether there is a budget at all
        self._began: float | None = None  # when there was video to share first
        self._known: float | None = None  # when the client had reported first
        # What was sent, for clients whose own estimate depends on it, that estimate then, and what is shared.
        self._counted = self._flow_bps = self._estimate_bps = 0
        self._counted_at = self._looked_at = float("-inf")
        self._lags = False  # it only follows what is sent
        self._shared_bps = 0.0

    def settling(self, now: float) -> bool:
        """Whether the budget is too doubtful to stop a video for it."""
        estimator = self._egress.estimator
        if self._known is None or (now < self._known + SETTLING and not estimator.limited):
            return True
        # Such an estimate can't grow while nothing is sent, as it can't be probed.
        return estimator.source is Source.REMB

    def video_bps(self, now: float) -> int:
        """What all video may take; audio goes first."""
        bps = self._bps(now)
        self.limited = bps < UNLIMITED_BPS
        return max(bps - self.audio_bps(now), 0) if self.limited else bps

    def audio_bps(self, now: float) -> int:
        """What audio takes, by what its publishers send."""
        encodings = (slot.encoding for slot in self._slots.values() if slot.kind == "audio")
        return sum(encoding.rate.bps(now) for encoding in encodings if encoding is not None)

    def _bps(self, now: float) -> int:
        egress = self._egress
        if self._began is None and egress.ready:
            self._began = now
        known = egress.available_bps
        if known is not None:
            if self._known is None:
                self._known = now
            return known if egress.estimator.source is Source.TRANSPORT_CC else self._by_remb(known, now)
        if egress.transport_wide and (self._began is None or now < self._began + DEAF):
            return egress.estimator.target_bps  # where it starts from; reports are about to come
        return UNLIMITED_BPS

    def _by_remb(self, estimate_bps: int, now: float) -> int:
        """A receiver's own estimate follows what it receives, and hardly goes beyond it.

        So it says little while less is sent than it allows, or while it rises below what is sent: more is tried, and
        taken back if the estimate does not follow.
        """
        if now > self._counted_at + INTERVAL:
            sent = sum(slot.bytes_sent for slot in self._slots.values())
            self._flow_bps = round(max(sent - self._counted, 0) * 8 / (now - self._counted_at))
            rises = estimate_bps > self._estimate_bps * ROSE or estimate_bps < STILL
            self._lags = rises and estimate_bps < self._flow_bps
            self._counted, self._counted_at, self._estimate_bps = sent, now, estimate_bps
        tried = self._shared_bps * (1 + TRIED * min(now - self._looked_at, 1.0)) if self._lags else 0.0
        self._looked_at = now
        if self._flow_bps < USED * estimate_bps:
            estimate_bps *= 2
        self._shared_bps = min(max(estimate_bps, LEAST_SHARED_BY_REMB, tried), UNLIMITED_BPS)
        self._egress.pace_at_least(self._shared_bps * PACE)
        return round(self._shared_bps)
