"""What is asked of the figures, and what the figures say to that, in words.

Knows: the goals. Does not know: how figures came about, tables, pages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.adaptive.figures import Result

# By how much a fast subscriber may differ with a slow one beside it: the noise of another run.
SAME_RATE = 0.05
SAME_FROZEN = 0.2  # seconds
SAME_KEY_FRAMES = 4  # one for each camera
WAIT = 2.0  # seconds until a picture: more is worth a sentence


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure's goal: `least` or `most`."""

    name: str
    words: str
    unit: str
    of: Callable[[Result], float | None]
    least: float | None = None
    most: float | None = None
    scale: float = 1.0

    def met(self, result: Result) -> bool | None:
        """Whether it is met; None where the figure does not apply."""
        value = self.of(result)
        if value is None:
            return None
        if self.name in result.never:
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def limit(self) -> str:
        value = self.least if self.least is not None else self.most
        assert value is not None
        return f"{'at least' if self.least is not None else 'at most'} {value * self.scale:g} {self.unit}"

    def shown(self, result: Result) -> str:
        value = self.of(result)
        if value is None:
            return "-"
        return f"{'more than ' if self.name in result.never else ''}{value * self.scale:.3g} {self.unit}"


GOALS = (
    Goal("utilisation", "utilisation of a stable link", "%", lambda r: r.utilisation, least=0.85, scale=100),
    Goal("queue_delay_ms_p95", "queueing delay, 95 %", "ms", lambda r: r.queue_delay_ms_p95, most=100),
    Goal("converge_down_s", "down to a link that shrank", "s", lambda r: r.converge_down_s, most=2),
    Goal("converge_up_s", "up to a link that is there", "s", lambda r: r.converge_up_s, most=10),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence; `good` is None where nothing was asked."""

    good: bool | None
    sentence: str


def name_of(result: Result) -> str:
    return f"{result.profile} ({result.subscriber})" if result.subscriber else result.profile


def verdicts(results: Sequence[Result]) -> list[Verdict]:
    """Every goal that is not met, pictures that were wrong, and what the slow subscriber cost the fast one."""
    found: list[Verdict] = []
    judged = met = 0
    for result in results:
        for goal in GOALS:
            fine = goal.met(result)
            if fine is None:
                continue
            judged += 1
            met += fine
            if not fine:
                found.append(
                    Verdict(
                        False,
                        f"{name_of(result)}: {goal.words} is {goal.shown(result)}, asked is {goal.limit}",
                    )
                )
        if result.waiting_s > WAIT * len(result.series.shown):
            waited = result.waiting_s / len(result.series.shown)
            found.append(
                Verdict(False, f"{name_of(result)}: {waited:.1f} s go by until a camera is seen, on average")
            )
        if result.broken:
            found.append(
                Verdict(False, f"{name_of(result)}: {result.broken} pictures lack what they refer to")
            )
    found.insert(0, Verdict(met == judged, f"{met} of {judged} goals are met"))
    return found + _slow_and_fast(results)


def _slow_and_fast(results: Sequence[Result]) -> list[Verdict]:
    by = {result.subscriber: result for result in results if result.profile == "slow-and-fast"}
    fast, alone = by.get("fast"), by.get("fast alone")
    if fast is None or alone is None:
        return []
    rate = fast.received_bps / alone.received_bps - 1 if alone.received_bps else 0.0
    good = (
        rate >= -SAME_RATE
        and fast.frozen_s <= alone.frozen_s + SAME_FROZEN
        and fast.key_frames <= alone.key_frames + SAME_KEY_FRAMES
    )
    words = "costs nothing" if good else "costs something"
    pairs = (
        ("gets", fast.received_bps / 1e6, alone.received_bps / 1e6, "Mbit/s"),
        ("shows", fast.frames_per_second, alone.frames_per_second, "pictures a second"),
        ("is frozen for", fast.frozen_s, alone.frozen_s, "s"),
        ("is shown", fast.key_frames, alone.key_frames, "key frames"),
    )
    told = ", ".join(f"{verb} {a:.3g} {unit} (alone {b:.3g})" for verb, a, b, unit in pairs)
    return [
        Verdict(
            good,
            f"slow-and-fast: the slow subscriber {words}: the fast one {told}",
        )
    ]
