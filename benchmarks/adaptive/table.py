"""The table in the terminal, a line for each subscriber; a mark where a goal is missed.

Knows: columns. Does not know: how figures came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.adaptive.figures import Result
from benchmarks.adaptive.goals import GOALS, name_of, verdicts

ORDER = ("q", "h", "f")


def _marked(place: int, digits: int, scale: float = 1.0) -> Callable[[Result], str]:
    goal = GOALS[place]

    def show(result: Result) -> str:
        value = goal.of(result)
        return "-" if value is None else f"{value * scale:.{digits}f}{'' if goal.met(result) else ' !'}"

    return show


def encodings(result: Result) -> str:
    """Shares of the time in per cent, such as `f 60 h 40`."""
    named = {"nothing": "none"}
    order = [*reversed(ORDER), "paused", "nothing"]
    shares = [(name, round(100 * result.encodings.get(name, 0.0))) for name in order]
    return " ".join(f"{named.get(name, name)} {share}" for name, share in shares if share)


COLUMNS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("profile", name_of),
    ("Mbit/s", lambda r: f"{r.received_bps / 1e6:.2f}"),
    ("used %", _marked(0, 0, 100)),
    ("queue p95 ms", _marked(1, 0)),
    ("down s", _marked(2, 1)),
    ("up s", _marked(3, 1)),
    ("frozen s", lambda r: f"{r.frozen_s:.1f}"),
    ("freezes", lambda r: f"{r.freezes}"),
    ("fps", lambda r: f"{r.frames_per_second:.1f}"),
    ("encodings, % of the time", encodings),
    ("dropped", lambda r: f"{r.overflowed}"),
    ("lost", lambda r: f"{r.lost}"),
    ("probes %", lambda r: f"{100 * r.padding_share:.1f}"),
)


def table(results: Sequence[Result]) -> str:
    """The figures, then what they say."""
    rows = [[title for title, _ in COLUMNS], *([show(result) for _, show in COLUMNS] for result in results)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    lines = [
        "  ".join(
            cell.ljust(width) if place in (0, 9) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    lines += ["", *(f"{'' if each.good else '! '}{each.sentence}" for each in verdicts(results))]
    lines += [f"! {name_of(result)}: {remark}" for result in results for remark in result.remarks]
    return "\n".join(lines)
