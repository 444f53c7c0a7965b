"""How often one server's cost per packet goes into another's, and into the floor's.

Knows: which of the floors is the one to compare with, formats.
Does not know: how the figures came about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.figures import Result

OWN = "aiosfu-"
FLOOR = "floor-"
FLOORS = ("floor-gso-srtp", "floor-sendmmsg-srtp", "floor-sendto-srtp")  # the first that was measured counts


@dataclass(frozen=True, slots=True)
class Ratio:
    """`server` takes `times` as much CPU per packet as `against` does, in the same shape."""

    shape: str
    n: int
    server: str
    against: str
    times: float


def ratios(results: Sequence[Result]) -> list[Ratio]:
    """Every server against the floor; this project's against every other server, too."""
    found = []
    for result in results:
        if result.server.startswith(FLOOR):
            continue
        others = [other for other in results if (other.shape, other.n) == (result.shape, result.n)]
        floor = next((name for name in FLOORS if any(other.server == name for other in others)), None)
        for other in others:
            own = result.server.startswith(OWN) and other.server != result.server
            peer = own and not other.server.startswith(FLOOR)
            if (other.server == floor or peer) and _sound(result) and _sound(other):
                times = result.cpu_us_per_packet / other.cpu_us_per_packet
                found.append(Ratio(result.shape, result.n, result.server, other.server, times))
    return found


def _sound(result: Result) -> bool:
    return math.isfinite(result.cpu_us_per_packet) and result.cpu_us_per_packet > 0


def table(results: Sequence[Result]) -> str:
    """One line for each server and shape, a column for what it is compared with; "" when there is nothing."""
    listed = ratios(results)
    if not listed:
        return ""
    against = list(dict.fromkeys(ratio.against for ratio in listed))
    against.sort(key=lambda name: not name.startswith(FLOOR))
    times = {(ratio.server, f"{ratio.shape}:{ratio.n}", ratio.against): ratio.times for ratio in listed}
    rows = [["times the CPU of", "shape", *against]]
    for server, shape in dict.fromkeys((server, shape) for server, shape, _ in times):
        rows.append([server, shape, *(_cell(times.get((server, shape, name))) for name in against)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _cell(times: float | None) -> str:
    return "-" if times is None else f"{times:.2f}" if times < 100 else f"{times:.0f}"
