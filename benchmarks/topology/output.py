"""Writes the folder of a report: report.json, report.html, a PNG and an SVG of each chart."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from benchmarks.topology import page, report
from benchmarks.topology.looks import LIGHT, PAGE
from benchmarks.topology.report import Report


def can_draw() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def write_all(folder: Path, document: Report) -> list[Path]:
    """Write everything, return the files. Without matplotlib there are no charts."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "report.json"]
    report.write(files[0], document)
    shown: list[tuple[str, str, str]] = []
    if can_draw():
        from benchmarks.topology import charts  # takes half a second, and matplotlib may be missing

        for chart in charts.charts(document.runs):
            png, svg = charts.render(chart, document.runs, LIGHT)
            for suffix, data in ((".png", png), (".svg", svg)):
                files.append(folder / f"{chart.name}{suffix}")
                files[-1].write_bytes(data)
            shown.append((chart.title, chart.unit, charts.for_page(chart, document.runs, PAGE)))
    files.insert(1, folder / "report.html")
    files[1].write_text(page.page(document, shown))
    return files
