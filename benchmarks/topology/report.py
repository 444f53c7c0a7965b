"""report.json: its shape, its writing and reading. README.md beside this file explains every field.

Knows: the document's structure (msgspec), what the machine is.
Does not know: how figures come about, tables, charts.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmarks.load.report import machine

FORMAT = 1
Topology = Literal["mesh", "sfu", "sfu-media", "tree"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured value beside what arithmetic says; null where there is nothing to say."""

    measured: float | None
    formula: float | None
    deviation_percent: float | None = None
    text: str = ""  # the formula in letters


class ParticipantDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One participant in the window; bytes with UDP and IP headers."""

    name: str
    connections: int
    bytes_out: int
    packets_out: int
    bytes_in: int
    packets_in: int
    encodes: float
    cpu_seconds: float
    memory_bytes: int
    time_to_first_frame_ms: float | None
    loss: float
    frames_per_second_shown: float
    frozen_seconds: float
    streams_encoded_anew: int = 0
    late_pictures: int = 0
    srtp_profile: str = ""
    latencies_ms: list[float] = []


class NodeDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One server node; the root first."""

    seconds: float
    connections: int
    bytes_out: int
    packets_out: int
    bytes_in: int
    packets_in: int
    cpu_seconds: float
    memory_bytes: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One topology with one number of participants."""

    topology: Topology
    participants: int
    bitrate_bps: int  # what the encoder was told
    offered_bps: float  # b of the formulas: one stream on the wire, sent once
    offered_packets_per_second: float  # p of the formulas
    seconds: float
    clients: Literal["python", "chromium"] = "python"
    encode: bool = False
    uplink_bps: int | None = None
    shaped_by: str = ""  # "tbf" in a network namespace, or "client": a token bucket; "" = not shaped
    figures: dict[str, Figure]
    each: list[ParticipantDetail]
    nodes: list[NodeDetail]
    remarks: list[str] = []


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The document."""

    format: int = FORMAT
    command: str
    seed: int
    machine: dict[str, Any]
    runs: list[Run]
    skipped: list[str] = []  # sentences: what was asked for and not measured, and why


def machine_now() -> dict[str, Any]:
    """The machine and versions, with those of the packages that only this benchmark uses."""
    described: dict[str, Any] = machine()
    for package in ("aioice", "av", "numpy", "matplotlib", "playwright"):
        try:
            described["packages"][package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return described


def write(path: Path, report: Report) -> None:
    """Write the document; latencies are rounded and thinned to 1000 per participant."""
    runs = [
        msgspec.structs.replace(
            run, each=[msgspec.structs.replace(one, latencies_ms=thin(one.latencies_ms)) for one in run.each]
        )
        for run in report.runs
    ]
    data = msgspec.json.encode(msgspec.structs.replace(report, runs=runs))
    path.write_bytes(msgspec.json.format(data, indent=1) + b"\n")


def thin(values: list[float], most: int = 1000) -> list[float]:
    """At most `most` of the sorted values, evenly spaced, first and last included."""
    ordered = [round(value, 2) for value in sorted(values)]
    if len(ordered) <= most:
        return ordered
    return [ordered[place * (len(ordered) - 1) // (most - 1)] for place in range(most)]


def read(path: Path) -> Report:
    """Read a document. Raises msgspec.ValidationError when it is not one."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
