"""report.html: one file that needs nothing else, light or dark, to be looked at rather than read.

Knows: HTML and the order of things. Does not know: how charts are drawn, how figures came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.topology.drawings import drawing
from benchmarks.topology.findings import FAR, headlines, reasons
from benchmarks.topology.looks import DARK, LIGHT, NAMES, by_topology, variables
from benchmarks.topology.report import Figure, Report, Run
from benchmarks.topology.table import ALONE, COMPARED, Show

CAPTIONS = {
    "mesh": "Everybody connects to everybody: n-1 connections, encodes and copies sent, each.",
    "sfu": "Everybody sends once; the server forwards packets as they are, n(n-1) streams.",
    "sfu-media": "As SFU, but the server decodes each stream and encodes it again for every subscriber.",
    "tree": "Two leaves serve the participants; each stream passes the root once, whoever watches it.",
}
SWITCH = (
    "const r = document.documentElement;"
    "r.dataset.theme = (r.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'))"
    " === 'dark' ? 'light' : 'dark'"
)


def page(report: Report, charts: Sequence[tuple[str, str, str]]) -> str:
    """The document; `charts` are (title, unit, svg)."""
    runs = report.runs
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(_title(runs))}</title><style>{_style()}</style></head><body><main>",
            f'<button onclick="{escape(SWITCH)}">light / dark</button>',
            f"<h1>{escape(_title(runs))}</h1>",
            f'<p class="muted">{escape(_subtitle(runs))}</p>',
            _cards(runs),
            _rooms(runs),
            "<h2>Measured</h2>",
            _charts(charts),
            "<h2>Beside the formulas</h2>",
            _formulas_note(runs),
            _tables(runs),
            _remarks(report),
            _how(report),
            "</main></body></html>",
            "",
        ]
    )


def _style() -> str:
    def declared(theme: dict[str, str]) -> str:
        return " ".join(f"--{name}: {value};" for name, value in theme.items())

    text = (Path(__file__).parent / "page.css").read_text()
    return text.replace("LIGHT", declared(variables(LIGHT))).replace("DARK", declared(variables(DARK)))


def _title(runs: Sequence[Run]) -> str:
    count = len({run.topology for run in runs})
    words = {1: "one topology", 2: "two topologies", 3: "three topologies", 4: "four topologies"}
    return f"The same room in {words[count]}"


def _subtitle(runs: Sequence[Run]) -> str:
    first = runs[0]
    counts = ", ".join(str(count) for count in sorted({run.participants for run in runs}))
    b = sum(run.offered_bps for run in runs) / len(runs) / 1e6
    clients = {"python": "Python clients", "chromium": "Chromium pages"}[first.clients]
    limit = f" Uplinks shaped to {first.uplink_bps / 1e6:g} Mb/s." if first.uplink_bps else ""
    encoding = " Every client encodes for each of its connections." if first.encode else ""
    return (
        f"{counts} participants, real {clients}; everybody sends one camera stream, b = {b:.2f} Mb/s on the wire, "
        f"and watches all others; {first.seconds:.3g} s each.{limit}{encoding}"
    )


def _cards(runs: Sequence[Run]) -> str:
    cards = (
        f'<div class="card"><b>{escape(each.value)}</b><span>{escape(each.sentence)}</span></div>'
        for each in headlines(runs)
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _rooms(runs: Sequence[Run]) -> str:
    figures = (
        f"<figure>{drawing(topology)}<h3>{_dot(topology)}{escape(NAMES[topology])}</h3>"
        f"<figcaption>{escape(CAPTIONS[topology])}</figcaption></figure>"
        for topology in by_topology(runs)
    )
    return f'<h2>Who sends to whom</h2><div class="rooms">{"".join(figures)}</div>'


def _charts(charts: Sequence[tuple[str, str, str]]) -> str:
    if not charts:
        return '<p class="muted">Charts need matplotlib: pip install "aiosfu[bench]".</p>'
    figures = (
        f'<figure><h3>{escape(title)} <span class="unit">{escape(unit)}</span></h3>{svg}</figure>'
        for title, unit, svg in charts
    )
    return f'<div class="charts">{"".join(figures)}</div>'


def _formulas_note(runs: Sequence[Run]) -> str:
    values = [
        each.deviation_percent
        for run in runs
        for each in run.figures.values()
        if each.deviation_percent is not None
    ]
    close = sum(abs(value) <= FAR for value in values)
    return (
        f'<p class="muted">{close} of {len(values)} figures that have a formula lie within {FAR:.0f} % of it. '
        "Under each measured value: what the formula says, and the deviation.</p>"
    )


def _tables(runs: Sequence[Run]) -> str:
    heads = "".join(f"<th>{escape(title)}</th>" for title, _, _ in COMPARED)
    first = "".join(
        _row(run, "".join(_compared(run.figures[name], show) for _, name, show in COMPARED)) for run in runs
    )
    heads_alone = "".join(f"<th>{escape(title)}</th>" for title, _, _ in ALONE)
    second = "".join(
        _row(run, "".join(_alone(run.figures[name], show) for _, name, show in ALONE)) for run in runs
    )
    return (
        f'<div class="scroll"><table><tr><th>topology</th><th>n</th>{heads}</tr>{first}</table></div>'
        f'<div class="scroll"><table><tr><th>topology</th><th>n</th>{heads_alone}</tr>{second}</table></div>'
    )


def _row(run: Run, cells: str) -> str:
    name = f"{_dot(run.topology)}{escape(NAMES[run.topology])}"
    return f"<tr><td>{name}</td><td>{run.participants}</td>{cells}</tr>"


def _dot(topology: str) -> str:
    return f'<span class="dot" style="background: var(--{topology})"></span>'


def _compared(figure: Figure, show: Show) -> str:
    if figure.measured is None:
        return "<td>-</td>"
    under = ""
    if figure.formula is not None:
        deviation = "" if figure.deviation_percent is None else f" {figure.deviation_percent:+.1f} %"
        under = f'<br><small title="{escape(figure.text)}">{show(figure.formula)}{deviation}</small>'
    far = figure.deviation_percent is not None and abs(figure.deviation_percent) > FAR
    return f"<td{' class=far' if far else ''}>{show(figure.measured)}{under}</td>"


def _alone(figure: Figure, show: Show) -> str:
    return f"<td>{'-' if figure.measured is None else show(figure.measured)}</td>"


def _remarks(report: Report) -> str:
    explained = [sentence for run in report.runs for sentence in reasons(run)]
    said = [
        f"{NAMES[run.topology]}, {run.participants}: {each}" for run in report.runs for each in run.remarks
    ]
    return _list(f"Off by more than {FAR:.0f} %, and why", explained) + _list(
        "Remarks", [*report.skipped, *said]
    )


def _list(title: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<details><summary>{escape(title)} ({len(sentences)})</summary><ul>{items}</ul></details>"


def _how(report: Report) -> str:
    machine = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    facts = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, Python {machine['python']}",
        packages,
        f"load average at the end: {', '.join(f'{value:.1f}' for value in machine['load_average'])}",
        f"{machine['time']}, seed {report.seed}",
    ]
    items = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return (
        f"<details><summary>Machine and versions</summary><p><code>{escape(report.command)}</code></p>"
        f"<ul>{items}</ul><p>How each figure is measured stands in benchmarks/topology/README.md.</p></details>"
    )
