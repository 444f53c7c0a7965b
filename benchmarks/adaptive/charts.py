"""A chart for each subscriber: rates, queueing delay and encodings shown, one above the other over the same time.

Knows: matplotlib. Does not know: pages, files' places, how figures came about.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks.adaptive.camera import ENCODINGS
from benchmarks.adaptive.figures import Result
from benchmarks.adaptive.goals import GOALS, name_of
from benchmarks.adaptive.looks import NAMES, PAGE
from benchmarks.topology.charts import SETTINGS, embedded
from benchmarks.topology.looks import Theme, inline

matplotlib.use("Agg")

SIZE = (7.2, 5.6)  # inches
HEIGHTS = (5, 2, 2)
LONGEST_TITLE = 60  # characters that fit above it
LINES: tuple[tuple[str, float, Any], ...] = (
    ("sent", 1.2, "-"),
    ("target", 1.2, "-"),
    ("estimate", 1.8, "-"),
    ("link", 1.8, (0, (4, 3))),
)


def file_name(result: Result) -> str:
    """Of the chart, without a suffix."""
    return re.sub(r"[^\w-]+", "-", name_of(result)).strip("-")


def render(result: Result, theme: Theme) -> tuple[bytes, bytes]:
    """(PNG, SVG)."""
    with matplotlib.rc_context(SETTINGS):
        drawing = _drawing(result, theme, titled=True)
        png, svg = io.BytesIO(), io.BytesIO()
        drawing.savefig(png, format="png", dpi=140)
        drawing.savefig(svg, format="svg", metadata={"Date": None})
    return png.getvalue(), svg.getvalue()


def for_page(result: Result) -> str:
    """The chart as an <svg> element that takes its colours and font from the page around it."""
    out = io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        drawing = _drawing(result, PAGE, titled=False)
        drawing.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    label = f"{name_of(result)}: rates, queueing delay, encodings over time"
    return inline(embedded(out.getvalue(), file_name(result), label), PAGE)


def _drawing(result: Result, theme: Theme, *, titled: bool) -> Drawing:
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    drawing = Drawing(figsize=SIZE, layout=layout, facecolor=theme.surface)
    rates, queue, shown = drawing.subplots(3, 1, sharex=True, height_ratios=HEIGHTS)
    for axes in (rates, queue, shown):
        _style(axes, theme)
    _rates(rates, result, theme)
    _queue(queue, result, theme)
    _shown(shown, result, theme)
    shown.set_xlabel("seconds", color=theme.muted)
    shown.set_xlim(0, result.seconds)
    if titled:
        title = f"{name_of(result)}: {result.text}"
        title = name_of(result) if len(title) > LONGEST_TITLE else title
        rates.set_title(title, loc="left", color=theme.ink, fontweight="bold", pad=24)
    return drawing


def _style(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.surface)
    axes.grid(axis="y", color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.grid)


def _rates(axes: Axes, result: Result, theme: Theme) -> None:
    series = result.series
    steps = [place * series.step for place in range(len(series.link))]
    curves: dict[str, tuple[list[float], list[float]]] = {
        "link": (steps, [bps / 1e6 for bps in series.link]),
        "sent": (steps, [bps / 1e6 for bps in series.sent]),
        "estimate": ([at for at, _ in series.estimate], [bps / 1e6 for _, bps in series.estimate]),
        "target": ([at for at, _ in series.target], [bps / 1e6 for _, bps in series.target]),
    }
    for name, width, style in LINES:
        places, values = curves[name]
        axes.plot(
            places, values, color=theme.series[name], linewidth=width, linestyle=style, label=NAMES[name],
            drawstyle="steps-post", zorder=2.5 if name != "sent" else 2,
        )  # fmt: skip
    sent = max(curves["sent"][1], default=0.0)
    axes.set_ylim(0, 1.08 * max(min(max(series.link, default=0) / 1e6 * 1.5, sent * 1.5), sent, 0.01))
    axes.set_ylabel("Mbit/s", color=theme.muted)
    axes.legend(
        frameon=False, labelcolor=theme.ink, fontsize=9, ncols=4, loc="lower left", bbox_to_anchor=(0, 1)
    )


def _queue(axes: Axes, result: Result, theme: Theme) -> None:
    points = result.series.queue_ms
    axes.plot(
        [at for at, _ in points], [wait for _, wait in points], color=theme.series["queue"], linewidth=1.2
    )
    goal = next(goal for goal in GOALS if goal.name == "queue_delay_ms_p95")
    axes.axhline(goal.most or 0.0, color=theme.muted, linewidth=0.9, linestyle=(0, (4, 4)))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("queue, ms", color=theme.muted)


def _shown(axes: Axes, result: Result, theme: Theme) -> None:
    """A band for each picture, in the colour of the encoding that is on the screen."""
    colours = {place: encoding.rid for place, encoding in enumerate(ENCODINGS)} | {-2: "paused"}
    tracks = result.series.shown
    for row, track in enumerate(tracks):
        for (begin, value), (end, _) in zip(track, [*track[1:], (result.seconds, -1)], strict=True):
            if value in colours and end > begin:
                axes.barh(row, end - begin, 0.7, left=begin, color=theme.series[colours[value]])
    axes.grid(visible=False)
    axes.set_ylim(len(tracks) - 0.4, -0.6)
    axes.set_yticks(range(len(tracks)), [f"camera {place + 1}" for place in range(len(tracks))], fontsize=8)
    for place, encoding in enumerate(reversed(ENCODINGS)):
        axes.annotate(
            f"{encoding.height}p", (1, 1), xytext=(-4 - 34 * place, 4), xycoords="axes fraction", ha="right",
            textcoords="offset points", color=theme.series[encoding.rid], fontsize=9, fontweight="bold",
        )  # fmt: skip
