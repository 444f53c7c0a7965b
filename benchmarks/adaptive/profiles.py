"""The links that subscribers stand behind, by the name of their profile.

Knows: rates over time, loss, jitter, queues, what of it which kind of link can do.
Does not know: how a link is made, media, figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

DELAY_MS = 20.0  # one way, of every virtual link
QUEUE_MS = 500  # what the bottleneck holds at its rate before it drops, as a home router would
STEP_LENGTH = 1.4  # the step needs time for three links in one run,
STEP_LEAST = 36.0  # and each of them more than the 10 s that climbing may take


@dataclass(frozen=True, slots=True)
class Shape:
    """One subscriber's downlink. `rates` are (from second, bit/s), UDP and IP headers included; loss in per cent."""

    rates: tuple[tuple[float, int], ...]
    loss: float = 0.0
    jitter_ms: float = 0.0
    queue_ms: int = QUEUE_MS
    burst: int = 0  # bytes that pass at once after a pause: a token bucket
    delay_ms: float = DELAY_MS

    def rate_at(self, second: float) -> int:
        """The link's rate at a moment of the run, bit/s."""
        return next(rate for start, rate in reversed(self.rates) if second >= start or start == 0)


@dataclass(frozen=True, slots=True)
class Profile:
    """`shapes` by the name of the subscriber; "" when there is one only."""

    name: str
    text: str
    seconds: float
    shapes: dict[str, Shape]

    @property
    def jitter(self) -> bool:
        return any(shape.jitter_ms for shape in self.shapes.values())


def _stable(bps: int, loss: float = 0.0, jitter_ms: float = 0.0) -> Callable[[float], dict[str, Shape]]:
    return lambda seconds: {"": Shape(((0.0, bps),), loss, jitter_ms)}


def _bucket(seconds: float) -> dict[str, Shape]:
    return {"": Shape(((0.0, 400_000),), burst=16_000)}


def _step(seconds: float) -> dict[str, Shape]:
    part = seconds / 3
    return {"": Shape(((0.0, 3_000_000), (part, 500_000), (2 * part, 3_000_000)))}


def _slow_and_fast(seconds: float) -> dict[str, Shape]:
    return {"slow": Shape(((0.0, 400_000),)), "fast": Shape(((0.0, 20_000_000),))}


_MADE: dict[str, tuple[str, Callable[[float], dict[str, Shape]]]] = {
    "5M": ("5 Mbit/s", _stable(5_000_000)),
    "1M": ("1 Mbit/s", _stable(1_000_000)),
    "300k": ("300 kbit/s", _stable(300_000)),
    "step": ("3 Mbit/s, then 500 kbit/s, then 3 Mbit/s", _step),
    "loss5": ("3 Mbit/s that lose 5 % of the packets", _stable(3_000_000, loss=5)),
    "loss10": ("3 Mbit/s that lose 10 % of the packets", _stable(3_000_000, loss=10)),
    "jitter200": ("3 Mbit/s, each packet up to 200 ms later", _stable(3_000_000, jitter_ms=200)),
    "bucket": ("400 kbit/s behind a token bucket of 16 kB, as providers shape", _bucket),
    "slow-and-fast": ("a subscriber at 400 kbit/s and one at 20 Mbit/s in one room", _slow_and_fast),
}
PROFILES = tuple(_MADE)


def profile(name: str, seconds: float) -> Profile:
    """The profile of this name; `seconds` is for a link that doesn't change. Raises KeyError."""
    text, shapes = _MADE[name]
    length = max(seconds * STEP_LENGTH, STEP_LEAST) if name == "step" else seconds
    return Profile(name, text, length, shapes(length))


def alone(whole: Profile, subscriber: str) -> Profile:
    """The same room with only one of its subscribers, to see what the others cost it."""
    return Profile(whole.name, whole.text, whole.seconds, {subscriber: whole.shapes[subscriber]})
