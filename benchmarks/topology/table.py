"""The table in the terminal: measured values, beside them what arithmetic says and how far off that is.

Knows: columns and how numbers are written. Does not know: how they came about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.topology.report import Figure, Run

Show = Callable[[float], str]


def plain(digits: int) -> Show:
    return lambda value: f"{value:.{digits}f}"


def megabits(value: float) -> str:
    return f"{value / 1e6:.2f}"


def mebibytes(value: float) -> str:
    return f"{value / (1 << 20):.0f}"


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


# title, figure, how its numbers are written
COMPARED: tuple[tuple[str, str, Show], ...] = (
    ("conns", "connections_per_participant", plain(0)),
    ("uplink Mb/s", "uplink_bps_per_participant", megabits),
    ("downlink Mb/s", "downlink_bps_per_participant", megabits),
    ("encodes", "encodes_per_participant", plain(1)),
    ("server in Mb/s", "server_in_bps", megabits),
    ("server out Mb/s", "server_out_bps", megabits),
    ("loss %", "loss", percent),
)
ALONE: tuple[tuple[str, str, Show], ...] = (
    ("CPU s each", "participant_cpu_seconds", plain(2)),
    ("CPU s server", "server_cpu_seconds", plain(2)),
    ("MiB each", "participant_memory_bytes", mebibytes),
    ("MiB server", "server_memory_bytes", mebibytes),
    ("first ms", "time_to_first_frame_ms", plain(0)),
    ("p50 ms", "frame_latency_ms_p50", plain(1)),
    ("p95", "frame_latency_ms_p95", plain(1)),
    ("p99", "frame_latency_ms_p99", plain(1)),
    ("fps", "frames_per_second_shown", plain(1)),
    ("frozen s", "frozen_seconds", plain(1)),
)


def compared(figure: Figure, show: Show) -> str:
    """`7.51 =7.50 +0.1%`; without a per cent where the formula is zero and met."""
    if figure.measured is None:
        return "-"
    text = show(figure.measured)
    if figure.formula is None:
        return text
    text += f" ={show(figure.formula)}"
    if figure.deviation_percent is not None:
        text += f" {figure.deviation_percent:+.1f}%"
    return text


def alone(figure: Figure, show: Show) -> str:
    return "-" if figure.measured is None else show(figure.measured)


def table(runs: Sequence[Run]) -> str:
    """Two tables under each other: what formulas speak of, and what only measuring tells; then remarks."""
    heads = [(run.topology, str(run.participants)) for run in runs]
    first = [("topology", "n", *(title for title, _, _ in COMPARED))]
    first += [
        (*head, *(compared(run.figures[name], show) for _, name, show in COMPARED))
        for head, run in zip(heads, runs, strict=True)
    ]
    second = [("topology", "n", *(title for title, _, _ in ALONE))]
    second += [
        (*head, *(alone(run.figures[name], show) for _, name, show in ALONE))
        for head, run in zip(heads, runs, strict=True)
    ]
    lines = ["measured =formula deviation", *_align(first), "", *_align(second)]
    lines += [f"! {run.topology} {run.participants}: {remark}" for run in runs for remark in run.remarks]
    return "\n".join(lines)


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
