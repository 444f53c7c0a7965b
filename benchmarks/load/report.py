"""How results are shown: progress on the terminal, a table, a JSON file with what the machine is.

Knows: columns and formats.
Does not know: how the figures came about.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from benchmarks.load.figures import Result
from benchmarks.load.ratios import Ratio, ratios

PACKAGES = ("aiosfu", "aiortc", "pylibsrtp", "aiohttp", "uvloop", "cryptography")


def number(value: float | None, digits: int = 1) -> str:
    """A figure for the table; a dash when there is none."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _range(result: Result) -> str:
    if result.repeats < 2:
        return ""
    return f"{number(result.cpu_us_per_packet_min)}-{number(result.cpu_us_per_packet_max)}"


COLUMNS: tuple[tuple[str, Callable[[Result], str]], ...] = (
    ("server", lambda r: r.server),
    ("shape", lambda r: f"{r.shape}:{r.n}"),
    ("us/packet", lambda r: number(r.cpu_us_per_packet, 2)),
    ("range", _range),
    ("user", lambda r: number(r.cpu_user_us)),
    ("system", lambda r: number(r.cpu_system_us)),
    ("packets/s", lambda r: number(r.packets_per_second, 0)),
    ("core %", lambda r: number(None if r.server_cores is None else 100 * r.server_cores, 0)),
    ("loss %", lambda r: number(100 * r.loss, 2)),
    ("p50 ms", lambda r: number(r.latency_ms_p50, 2)),
    ("p99 ms", lambda r: number(r.latency_ms_p99, 2)),
    ("p99.9", lambda r: number(r.latency_ms_p999, 2)),
    ("KiB/sub", lambda r: number(r.kib_per_subscriber, 0)),
    ("unused", lambda r: number(r.kib_per_subscriber_idle, 0)),
    ("join ms", lambda r: number(r.join_cpu_ms)),
    ("idle %", lambda r: number(r.idle_cpu_percent, 2)),
    ("full pps", lambda r: number(r.saturation_packets_per_second, 0)),
    ("limit", lambda r: r.saturation_limit or "-"),
    ("storm/s", lambda r: number(r.storm_joins_per_second, 0)),
    ("its p99", lambda r: number(r.storm_latency_ms_p99, 2)),
    ("client %", lambda r: number(None if r.client_cores is None else 100 * r.client_cores, 0)),
    ("SRTP", lambda r: r.profile or "-"),
)


def table(results: Sequence[Result]) -> str:
    """The results as aligned columns, with remarks where a line must not be trusted as it stands."""
    rows = [[title for title, _ in COLUMNS], *([show(result) for _, show in COLUMNS] for result in results)]
    kept = [place for place in range(len(COLUMNS)) if any(row[place] not in ("", "-") for row in rows[1:])]
    widths = {place: max(len(row[place]) for row in rows) for place in kept}
    lines = []
    for row in rows:
        cells = [
            row[place].ljust(widths[place]) if place < 2 else row[place].rjust(widths[place])
            for place in kept
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, *(f"! {remark}" for result in results for remark in remarks(result))])


def remarks(result: Result) -> list[str]:
    """What a reader must know about a result."""
    name = f"{result.server} {result.shape}:{result.n}"
    found = []
    if result.unproven:
        found.append(f"{name}: {result.unproven} sampled packets were not what was sent")
    if result.client_dropped:
        found.append(f"{name}: {result.client_dropped} packets were lost in the load client's own buffers")
    if result.storm_failed:
        found.append(f"{name}: {result.storm_failed} joins of the storm failed")
    if result.storm_client_cores is not None and result.storm_client_cores > 0.8:
        found.append(
            f"{name}: the load client itself was busy in the storm ({result.storm_client_cores:.0%})"
        )
    if abs(result.loss) > 0.001:
        kind = "lost" if result.loss > 0 else "received twice"
        found.append(f"{name}: {abs(result.loss):.1%} of the packets {kind}")
    if result.client_cores is not None and result.client_cores > 0.8:
        found.append(f"{name}: the load client itself was busy ({result.client_cores:.0%} of a core)")
    if result.others_cores is not None and result.others_cores > 0.1:
        found.append(f"{name}: other processes took {result.others_cores:.0%} of the server's core")
    if result.client_late_ms is not None and result.client_late_ms > 20:
        found.append(
            f"{name}: the load client sent up to {result.client_late_ms:.0f} ms late: latency is not reliable"
        )
    return found


def machine() -> dict[str, object]:
    """What the figures depend on besides the servers."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": versions,
        "load_average": list(os.getloadavg()),
        "rmem_max": _kernel_setting("net/core/rmem_max"),
        "wmem_max": _kernel_setting("net/core/wmem_max"),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _kernel_setting(name: str) -> int | None:
    try:
        return int((Path("/proc/sys") / name).read_text())
    except (OSError, ValueError):
        return None


def write_json(path: Path, options: dict[str, object], results: Sequence[Result]) -> None:
    """{"results": [...], "ratios": [...], "machine", "options"}; figures that are not numbers become null."""
    document = {
        "machine": machine(),
        "options": options,
        "results": [_plain(result) for result in results],
        "ratios": [_plain(ratio) for ratio in ratios(results)],
    }
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")


def _plain(record: Result | Ratio) -> dict[str, object]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in dataclasses.asdict(record).items()
    }


@dataclasses.dataclass(slots=True)
class Progress:
    """One line that is rewritten on a terminal; elsewhere only headings are printed, each once."""

    total: int
    stream: TextIO = dataclasses.field(default_factory=lambda: sys.stderr)
    done: int = 0
    heading: str = ""

    def begin(self, heading: str) -> None:
        """The next measurement starts."""
        self.done += 1
        self.heading = f"[{self.done}/{self.total}] {heading}"
        if not self.stream.isatty():
            print(self.heading, file=self.stream, flush=True)

    def say(self, phase: str) -> None:
        """What is going on within the measurement."""
        if self.stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{self.heading}: {phase}"[: width + 4], end="", file=self.stream, flush=True)

    def line(self, text: str) -> None:
        """Say something that stays."""
        clear = "\r\033[K" if self.stream.isatty() else ""
        print(clear + text, file=self.stream, flush=True)

    def end(self) -> None:
        """Leave the line clean."""
        if self.stream.isatty():
            print("\r\033[K", end="", file=self.stream, flush=True)
