"""report.html: one file that needs nothing else, light or dark.

Knows: HTML and the order of things. Does not know: how charts are drawn, how figures came about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from benchmarks.adaptive.figures import Result
from benchmarks.adaptive.goals import GOALS, name_of, verdicts
from benchmarks.adaptive.looks import DARK, LIGHT
from benchmarks.adaptive.report import Report
from benchmarks.adaptive.table import COLUMNS, encodings
from benchmarks.topology import page as topology
from benchmarks.topology.looks import variables

LINKS = {
    "virtual": "Links in virtual time, the server's own code without sockets.",
    "netns": "Links in network namespaces, the daemon as users start it.",
}


def page(report: Report, charts: Mapping[str, str]) -> str:
    """The document; `charts` are SVG elements by the name of the result."""
    results = report.results
    title = "What each subscriber gets of its link"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_style()}</style></head><body><main>",
            f'<button onclick="{escape(topology.SWITCH)}">light / dark</button>',
            f"<h1>{title}</h1>",
            f'<p class="muted">{escape(_subtitle(report))}</p>',
            _cards(results),
            "<h2>Figures</h2>",
            _table(results),
            _verdicts(results),
            _list("Not measured", report.skipped),
            "<h2>Over time</h2>",
            _charts(results, charts),
            _how(report),
            "</main></body></html>",
            "",
        ]
    )


def _style() -> str:
    def declared(theme: dict[str, str]) -> str:
        return " ".join(f"--{name}: {value};" for name, value in theme.items())

    text = (Path(topology.__file__).parent / "page.css").read_text()
    text = text.replace("LIGHT", declared(variables(LIGHT))).replace("DARK", declared(variables(DARK)))
    return (
        text.replace("var(--mesh)", "var(--bad)")
        + ".bad { color: var(--bad); } .good { color: var(--good); }"
    )


def _subtitle(report: Report) -> str:
    cameras = max((len(result.series.shown) for result in report.results), default=0)
    return (
        f"{cameras} cameras, each in three encodings of three temporal layers, and one of them speaks; subscribers "
        f"behind links that are smaller than that, change, lose or jitter. {LINKS[report.link]}"
    )


def _cards(results: Sequence[Result]) -> str:
    """The worst of each goal."""
    cards = []
    for goal in GOALS:
        judged = [result for result in results if goal.of(result) is not None]
        if not judged:
            continue
        pick = min if goal.least is not None else max
        worst = pick(judged, key=lambda result: goal.of(result) or 0.0)
        met = sum(bool(goal.met(result)) for result in judged)
        tone = "good" if met == len(judged) else "bad"
        text = f"{goal.words}, the worst ({name_of(worst)}); asked is {goal.limit}, met by {met} of {len(judged)}"
        cards.append(
            f'<div class="card"><b class="{tone}">{escape(goal.shown(worst))}</b><span>{escape(text)}</span></div>'
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _table(results: Sequence[Result]) -> str:
    heads = "".join(f"<th>{escape(title)}</th>" for title, _ in COLUMNS)
    rows = []
    for result in results:
        cells = []
        for _, show in COLUMNS:
            text = show(result)
            far = " class=far" if text.endswith("!") else ""
            cells.append(f"<td{far}>{escape(text.removesuffix(' !'))}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table><tr>{heads}</tr>{"".join(rows)}</table></div>'


def _verdicts(results: Sequence[Result]) -> str:
    items = "".join(
        f'<li class="{"good" if each.good else "bad"}">{escape(each.sentence)}</li>'
        for each in verdicts(results)
    )
    remarks = [f"{name_of(result)}: {remark}" for result in results for remark in result.remarks]
    return f"<ul>{items}</ul>" + _list("Remarks", remarks)


def _list(title: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<details open><summary>{escape(title)} ({len(sentences)})</summary><ul>{items}</ul></details>"


def _charts(results: Sequence[Result], charts: Mapping[str, str]) -> str:
    if not charts:
        return '<p class="muted">Charts need matplotlib: pip install "aiosfu[bench]".</p>'
    figures = []
    for result in results:
        name = name_of(result)
        text = f"{result.text}; on the screen: {encodings(result)} (% of the time)"
        head = f'<h3>{escape(name)} <span class="unit">{escape(text)}</span></h3>'
        figures.append(f"<figure>{head}{charts[name]}</figure>")
    return f'<div class="charts">{"".join(figures)}</div>'


def _how(report: Report) -> str:
    machine = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    facts = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, Python {machine['python']}",
        packages,
        f"{machine['time']}, seed {report.seed}",
    ]
    items = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return (
        f"<details><summary>Machine and versions</summary><p><code>{escape(report.command)}</code></p>"
        f"<ul>{items}</ul><p>How each figure is measured stands in benchmarks/adaptive/README.md.</p></details>"
    )
