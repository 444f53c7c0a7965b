"""The JSON document: its shape, its writing and reading. README.md beside this file explains the fields.

Knows: the document's structure (msgspec). Does not know: how figures come about, tables, charts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from benchmarks.adaptive.figures import Result

FORMAT = 1


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The document."""

    format: int = FORMAT
    command: str
    link: str  # "virtual" or "netns"
    seed: int
    machine: dict[str, Any]
    results: list[Result]
    verdicts: list[str]
    skipped: list[str] = []  # sentences: what was asked for and not measured, and why


def write(path: Path, report: Report) -> None:
    """Write the document, numbers rounded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = _rounded(msgspec.to_builtins(report))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def read(path: Path) -> Report:
    """Read a document. Raises msgspec.ValidationError when it is not one."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
