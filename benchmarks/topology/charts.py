"""The charts: measured values as marks and lines, formulas as dashed lines, over the number of participants.

Knows: matplotlib. Does not know: pages, files' places, how figures came about.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from benchmarks.topology.looks import MARKS, NAMES, Theme, by_topology, inline
from benchmarks.topology.report import Run

matplotlib.use("Agg")

SIZE = (6.4, 3.9)  # inches
DASHES = (0, (4, 4))  # of formulas
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aiosfu",
    "font.size": 10,
    "font.family": "DejaVu Sans",
}
Draw = Callable[[Axes, Sequence[Run], Theme, "Tips"], None]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: `name` of its files, a title that says what is seen, the unit, and how it is drawn."""

    name: str
    title: str
    unit: str
    draw: Draw


class Tips:
    """What a mark says when it is pointed at; only pages show it."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, text: str) -> str:
        """Return the id to give to the mark."""
        name = f"tip-{len(self.texts)}"
        self.texts[name] = text
        return name


def charts(runs: Sequence[Run]) -> list[Chart]:
    """The charts that these runs can fill."""
    found = [
        Chart("uplink", "What each participant sends", "Mb/s", _lines("uplink_bps_per_participant", 1e-6)),
        Chart(
            "downlink", "What each participant receives", "Mb/s", _lines("downlink_bps_per_participant", 1e-6)
        ),
        Chart("server-out", "What the server sends", "Mb/s", _lines("server_out_bps", 1e-6)),
        Chart("cpu", "CPU of the whole room", "cores", _cpu),
        Chart("latency", "From camera to screen, without decoding: median, 95 %, 99 %", "ms", _latency),
    ]
    if any(run.clients == "chromium" for run in runs):
        found = [chart for chart in found if chart.name != "latency"]
    if any(run.uplink_bps for run in runs):
        found = [chart for chart in found if chart.name != "server-out"]
        found += [
            Chart("loss", "Packets lost", "%", _lines("loss", 100)),
            Chart("frozen", "Time that the picture stands", "% of the time", _frozen),
        ]
    else:
        found.append(
            Chart("encodes", "Streams each participant encodes", "", _lines("encodes_per_participant", 1))
        )
    return found


def render(chart: Chart, runs: Sequence[Run], theme: Theme) -> tuple[bytes, bytes]:
    """(PNG, SVG) of a chart."""
    with matplotlib.rc_context(SETTINGS):
        drawing = _drawing(chart, runs, theme, Tips(), titled=True)
        png, svg = io.BytesIO(), io.BytesIO()
        drawing.savefig(png, format="png", dpi=160)
        drawing.savefig(svg, format="svg", metadata={"Date": None})
    return png.getvalue(), svg.getvalue()


def for_page(chart: Chart, runs: Sequence[Run], theme: Theme) -> str:
    """The chart as an <svg> element that takes its colours and font from the page around it."""
    tips, out = Tips(), io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        _drawing(chart, runs, theme, tips, titled=False).savefig(
            out, format="svg", transparent=True, metadata={"Date": None}
        )
    svg = embedded(out.getvalue(), chart.name, f"{chart.title}, {chart.unit}")
    for name, text in tips.texts.items():
        svg = svg.replace(f'<g id="{name}">', f'<g class="tip"><title>{escape(text)}</title>', 1)
    return inline(svg)


def embedded(svg: str, name: str, label: str) -> str:
    """A drawing as an element of a page: without a size and fonts of its own, ids told apart by `name`."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1; font-family: inherit", svg)
    svg = re.sub(r'\bid="(?!tip-)', f'id="{name}-', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label, quote=True)}" ', 1)


def _drawing(chart: Chart, runs: Sequence[Run], theme: Theme, tips: Tips, *, titled: bool) -> Drawing:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    drawing = Drawing(figsize=SIZE, layout=layout, facecolor=theme.surface)
    axes = drawing.add_subplot()
    _style(axes, theme)
    chart.draw(axes, runs, theme, tips)
    axes.set_xlabel("participants", color=theme.muted)
    axes.set_ylabel(chart.unit, color=theme.muted)
    if titled:
        axes.set_title(chart.title, loc="left", color=theme.ink, fontweight="bold", pad=26)
    if chart.draw not in (_cpu, _latency, _frozen):
        axes.annotate(
            "dashed: formula", (0, 1), xytext=(0, 6), xycoords="axes fraction", textcoords="offset points",
            color=theme.muted, fontsize=9,
        )  # fmt: skip
    return drawing


def _style(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.surface)
    axes.grid(axis="y", color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.grid)


def _lines(figure: str, scale: float) -> Draw:
    """A line for each topology; its formula dashed behind it."""

    def draw(axes: Axes, runs: Sequence[Run], theme: Theme, tips: Tips) -> None:
        ends: list[tuple[float, float, str]] = []
        for topology, group in by_topology(runs).items():
            colour = theme.series[topology]
            pairs = [(run.participants, run.figures[figure]) for run in group]
            known = [(n, each.measured * scale) for n, each in pairs if each.measured is not None]
            expected = [(n, each.formula * scale) for n, each in pairs if each.formula is not None]
            if not known:
                continue
            axes.plot(*zip(*known, strict=True), color=colour, linewidth=2.4)
            if expected:
                axes.plot(
                    *zip(*expected, strict=True), color=theme.ink, linewidth=0.9, linestyle=DASHES, zorder=2.5
                )
            for (n, value), (_, each) in zip(known, pairs, strict=True):
                formula = "" if each.formula is None else f", formula {each.formula * scale:.3g}"
                tip = tips.add(f"{NAMES[topology]}, {n} participants: {value:.3g}{formula}")
                _mark(axes, n, value, topology, theme, tip)
            ends.append((known[-1][0], known[-1][1], topology))
        axes.set_ylim(bottom=0)
        _count_axis(axes, runs)
        _label_ends(axes, ends, theme)

    return draw


def _mark(axes: Axes, x: float, y: float, topology: str, theme: Theme, tip: str) -> None:
    axes.scatter(
        [x], [y], s=42, color=theme.series[topology], marker=MARKS[topology],
        edgecolors=theme.surface, linewidths=1, zorder=3, gid=tip, clip_on=False,
    )  # fmt: skip


def _count_axis(axes: Axes, runs: Sequence[Run]) -> None:
    counts = sorted({run.participants for run in runs})
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlim(counts[0] - 0.3, counts[-1] + 0.3)


def _label_ends(axes: Axes, ends: list[tuple[float, float, str]], theme: Theme) -> None:
    """Write names beside the last marks; names of lines that end together share a line of text."""
    low, high = axes.get_ylim()
    groups: list[list[tuple[float, float, str]]] = []
    for end in sorted(ends, key=lambda each: each[1]):
        if groups and end[1] - groups[-1][-1][1] < 0.07 * (high - low):
            groups[-1].append(end)
        else:
            groups.append([end])
    for group in groups:
        middle = sum(y for _, y, _ in group) / len(group)
        for place, (x, _, topology) in enumerate(reversed(group)):
            axes.annotate(
                NAMES[topology], (x, middle), xytext=(10, 11 * ((len(group) - 1) / 2 - place)),
                textcoords="offset points", va="center", color=theme.series[topology],
                fontweight="bold", annotation_clip=False, fontsize=9,
            )  # fmt: skip


def _bars(runs: Sequence[Run]) -> tuple[dict[str, list[Run]], dict[int, int], float]:
    """(groups, place of each number of participants, width of a bar)."""
    groups = by_topology(runs)
    counts = sorted({run.participants for run in runs})
    return groups, {count: place for place, count in enumerate(counts)}, 0.8 / len(groups)


def _cpu(axes: Axes, runs: Sequence[Run], theme: Theme, tips: Tips) -> None:
    """Bars: the server's CPU, and on top, paler, that of all participants."""
    groups, places, width = _bars(runs)
    for number, (topology, group) in enumerate(groups.items()):
        for run in group:
            x = places[run.participants] + (number - (len(groups) - 1) / 2) * width
            server = (run.figures["server_cpu_seconds"].measured or 0) / run.seconds
            clients = (run.figures["participant_cpu_seconds"].measured or 0) / run.seconds * run.participants
            head = f"{NAMES[topology]}, {run.participants} participants"
            tip = f"{head}: server {server:.2f}, clients {clients:.2f} cores"
            colour = theme.series[topology]
            for bottom, height, alpha in ((0.0, server, 1.0), (server, clients, 0.35)):
                bars = axes.bar(x, height, width * 0.9, bottom=bottom, color=colour, alpha=alpha)
                bars[0].set_gid(tips.add(tip))
    axes.set_xticks(list(places.values()), [str(count) for count in places])
    handles: list[Any] = [Patch(color=theme.series[name], label=NAMES[name]) for name in groups]
    handles.append(Patch(color=theme.muted, alpha=0.35, label="paler: all clients"))
    axes.legend(handles=handles, frameon=False, labelcolor=theme.ink, fontsize=9, loc="upper left")


def _latency(axes: Axes, runs: Sequence[Run], theme: Theme, tips: Tips) -> None:
    """A mark at the median, a line from there to the 95th and, thinner, to the 99th percentile."""
    groups, places, width = _bars(runs)
    for number, (topology, group) in enumerate(groups.items()):
        colour = theme.series[topology]
        for run in group:
            values = [run.figures[f"frame_latency_ms_p{percent}"].measured for percent in (50, 95, 99)]
            median, high, highest = (value or 0.0 for value in values)
            if not median:
                continue
            x = places[run.participants] + (number - (len(groups) - 1) / 2) * width
            axes.plot([x, x], [median, high], color=colour, linewidth=4, alpha=0.5, solid_capstyle="butt")
            axes.plot([x, x], [high, highest], color=colour, linewidth=1.3)
            head = f"{NAMES[topology]}, {run.participants} participants"
            tip = f"{head}: median {median:.1f}, 95 % {high:.1f}, 99 % {highest:.1f} ms"
            _mark(axes, x, median, topology, theme, tips.add(tip))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    axes.set_xticks(list(places.values()), [str(count) for count in places])
    handles: list[Any] = [Patch(color=theme.series[name], label=NAMES[name]) for name in groups]
    axes.legend(
        handles=handles, frameon=False, labelcolor=theme.ink, fontsize=9, ncols=len(groups),
        loc="lower left", bbox_to_anchor=(0, 1),
    )  # fmt: skip


def _frozen(axes: Axes, runs: Sequence[Run], theme: Theme, tips: Tips) -> None:
    """Frozen time as a share of the window."""
    ends: list[tuple[float, float, str]] = []
    for topology, group in by_topology(runs).items():
        points = [
            (run.participants, 100 * (run.figures["frozen_seconds"].measured or 0) / run.seconds)
            for run in group
        ]
        axes.plot(*zip(*points, strict=True), color=theme.series[topology], linewidth=2)
        for n, value in points:
            tip = tips.add(f"{NAMES[topology]}, {n} participants: {value:.1f} % of the time")
            _mark(axes, n, value, topology, theme, tip)
        ends.append((*points[-1], topology))
    axes.set_ylim(0, 100)
    _count_axis(axes, runs)
    _label_ends(axes, ends, theme)
