"""Charts of the results: one line for each server over the number of subscribers or participants.

Knows: matplotlib, which figures are drawn, how servers are told apart.
Does not know: how the figures came about.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.load.figures import Result

matplotlib.use("Agg")

SIZE = (6.8, 4.2)  # inches
INK, MUTED, GRID, SURFACE = "#1b1f24", "#5d6670", "#e2e6ea", "#ffffff"
LOOKS: Mapping[str, tuple[str, str, str]] = {  # colour, mark, dashes
    "aiosfu-native": ("#1767c9", "o", "-"),
    "aiosfu-python": ("#1767c9", "s", "-"),
    "aiosfu-mediarelay": ("#9433b0", "^", "-"),
    "aiosfu-clip": ("#9433b0", "o", ":"),
    "janus": ("#d0460b", "o", "-"),
    "janus-tuned": ("#d0460b", "s", "-"),
    "pion": ("#21803a", "D", "-"),
    "livekit": ("#8a6d00", "v", "-"),
    "galene": ("#5d6670", "P", "-"),
    "mediasoup": ("#0b8a8f", "X", "-"),
    "floor-gso-srtp": ("#1b1f24", "", "--"),
    "floor-sendmmsg-srtp": ("#5d6670", "", ":"),
}
ABSCISSAE = {
    "fanout": "subscribers of one publisher",
    "party": "participants of a room, all to all",
    "rooms": "rooms of four, all to all",
}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aiosfu",
    "font.size": 10,
    "font.family": "DejaVu Sans",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: the name of its files, what is seen, in which shape, and the figure."""

    name: str
    title: str
    shape: str
    value: Callable[[Result], float | None]
    logarithmic: bool = False


def charts(results: Sequence[Result]) -> list[Chart]:
    """The charts that these results can fill: a line needs two numbers of participants."""
    found = []
    for shape in ABSCISSAE:
        numbers = {result.n for result in results if result.shape == shape}
        if len(numbers) < 2:
            continue
        found += [
            Chart(f"cpu-{shape}", "CPU per forwarded packet, µs", shape, lambda r: r.cpu_us_per_packet, True),
            Chart(f"latency-{shape}", "Added latency, 99 %, ms", shape, lambda r: r.latency_ms_p99, True),
            Chart(
                f"memory-{shape}", "Memory per subscriber, KiB", shape, lambda r: r.kib_per_subscriber, True
            ),
        ]
    return [chart for chart in found if lines(chart, results)]


def lines(chart: Chart, results: Sequence[Result]) -> dict[str, list[tuple[int, float]]]:
    """Server -> its points, from few participants to many. Of the floors, only those with a look of their own."""
    found: dict[str, list[tuple[int, float]]] = {}
    for result in sorted(results, key=lambda each: each.n):
        if result.shape != chart.shape or result.server not in LOOKS:
            continue
        value = chart.value(result)
        if value is not None and 0 < value < float("inf"):
            found.setdefault(result.server, []).append((result.n, value))
    return {server: found[server] for server in LOOKS if server in found}


def bars(results: Sequence[Result]) -> list[tuple[str, float, str]]:
    """(server and shape, packets a second of one core, how it reads) of those that were saturated.

    A lower bound, when something else than the server was the limit, reads so.
    """
    return [
        (
            f"{result.server}\n{result.shape}:{result.n}",
            result.saturation_packets_per_second,
            f"{'' if result.saturation_limit in ('core', 'loss') else '≥ '}"
            f"{result.saturation_packets_per_second:,.0f}",
        )
        for result in results
        if result.saturation_packets_per_second is not None
    ]


def write(folder: Path, results: Sequence[Result]) -> list[Path]:
    """Draw everything into `folder`, each chart as PNG and SVG; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with matplotlib.rc_context(SETTINGS):
        for chart in charts(results):
            written += _save(folder / f"forwarding-{chart.name}", _line_chart(chart, results))
        if saturated := bars(results):
            written += _save(folder / "forwarding-saturation", _bar_chart(saturated))
    return written


def _save(stem: Path, figure: Figure) -> list[Path]:
    paths = []
    for kind, more in (("png", {"dpi": 160}), ("svg", {"metadata": {"Date": None}})):
        out = io.BytesIO()
        figure.savefig(out, format=kind, **more)
        paths.append(stem.with_suffix(f".{kind}"))
        paths[-1].write_bytes(out.getvalue())
    return paths


def _axes(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained", facecolor=SURFACE)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.grid(True, axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _line_chart(chart: Chart, results: Sequence[Result]) -> Figure:
    figure, axes = _axes(chart.title)
    for server, points in lines(chart, results).items():
        colour, mark, dashes = LOOKS[server]
        numbers, values = zip(*points, strict=True)
        axes.plot(numbers, values, label=server, color=colour, marker=mark or None, linestyle=dashes)
    axes.set_xlabel(ABSCISSAE[chart.shape], color=MUTED)
    ticks = sorted({result.n for result in results if result.shape == chart.shape})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    if chart.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(bottom=0)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def _bar_chart(saturated: Sequence[tuple[str, float, str]]) -> Figure:
    figure, axes = _axes("Packets a second that one core forwards")
    names = [name for name, _, _ in saturated]
    colours = [LOOKS.get(name.split("\n")[0], (MUTED,))[0] for name in names]
    places = range(len(names))
    axes.barh(places, [value for _, value, _ in saturated], color=colours)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.grid(True, axis="x", color=GRID)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    for place, (_, value, text) in enumerate(saturated):
        axes.annotate(f" {text}", (value, place), va="center", fontsize=8, color=INK)
    axes.margins(x=0.15)
    return figure
