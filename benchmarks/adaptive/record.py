"""What one subscriber's run leaves behind, for figures and charts. Seconds count from the beginning of the run.

Knows values only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.adaptive.display import Display
from benchmarks.adaptive.profiles import Shape

BIN = 0.1  # seconds of each bin of `Bins`


@dataclass(slots=True)
class Bins:
    """Bytes over time."""

    values: list[int] = field(default_factory=list)

    def add(self, at: float, size: int) -> None:
        place = int(at / BIN)
        if place >= len(self.values):
            self.values += [0] * (place + 1 - len(self.values))
        self.values[max(place, 0)] += size

    def total(self, begin: float, end: float) -> int:
        """Bytes of the whole bins between two moments."""
        return sum(self.values[round(begin / BIN) : round(end / BIN)])


@dataclass(slots=True)
class Opinion:
    """What the server thinks at a moment: its estimate of the link, what it has given away, what leaves; bit/s."""

    at: float
    estimate_bps: int
    target_bps: int
    sent_bps: int
    source: str = ""
    limits: tuple[str, ...] = ()


@dataclass(slots=True)
class Record:
    """Sizes are those of the link: with SRTP, UDP and IP."""

    subscriber: str
    shape: Shape
    seconds: float
    sent: Bins = field(
        default_factory=Bins
    )  # put on the link by the server; of a real link: what came out of it
    passed: Bins = field(default_factory=Bins)  # left the bottleneck
    media: Bins = field(default_factory=Bins)  # of that: everything but padding
    queue: list[tuple[float, float]] = field(default_factory=list)  # (when, ms over the least)
    media_delay_ms: list[float] = field(default_factory=list)  # from the camera to the arrival of a packet
    opinions: list[Opinion] = field(default_factory=list)
    displays: list[Display] = field(default_factory=list)
    demand_bps: int = 0  # what the best encodings of everything would take
    packets: int = 0
    overflowed: int = 0
    lost: int = 0
    retransmitted: int = 0
    padding_bytes: int = 0
    nacks: int = 0
    key_frame_requests: int = 0
    key_frames: int = 0  # shown
    broken: int = 0
    changed: list[float] = field(default_factory=list)  # when a real link had its next rate
    late_s: float = 0.0  # that the client got no processor when it should have: real links only
    remarks: list[str] = field(default_factory=list)
