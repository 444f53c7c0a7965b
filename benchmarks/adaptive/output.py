"""Writes the folder of a report: report.json, report.html, a PNG and an SVG of each chart."""

from __future__ import annotations

from pathlib import Path

from benchmarks.adaptive import page, report
from benchmarks.adaptive.goals import name_of
from benchmarks.adaptive.looks import LIGHT
from benchmarks.adaptive.report import Report
from benchmarks.topology.output import can_draw


def write_all(folder: Path, document: Report) -> list[Path]:
    """Write everything, return the files. Without matplotlib there are no charts."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "report.json", folder / "report.html"]
    report.write(files[0], document)
    shown: dict[str, str] = {}
    if can_draw():
        from benchmarks.adaptive import charts  # takes half a second, and matplotlib may be missing

        for result in document.results:
            png, svg = charts.render(result, LIGHT)
            for suffix, data in ((".png", png), (".svg", svg)):
                files.append(folder / f"{charts.file_name(result)}{suffix}")
                files[-1].write_bytes(data)
            shown[name_of(result)] = charts.for_page(result)
    files[1].write_text(page.page(document, shown))
    return files
