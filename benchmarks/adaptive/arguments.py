"""The command line of `python -m benchmarks.adaptive`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.adaptive.profiles import PROFILES

OUT = Path(__file__).parent.parent / "out" / "adaptive"
SECONDS = 30.0
QUICK_SECONDS = 15.0
Kind = Literal["auto", "virtual", "netns"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The command line, understood."""

    profiles: list[str]
    link: Kind
    seconds: float
    seed: int
    json: Path | None
    output: Path
    record: Path | None


def parse(arguments: Sequence[str]) -> Settings:
    """Read the command line; exits with a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adaptive",
        description="A room over links that are too small, that change, that lose: what each subscriber gets of them.",
    )
    add = parser.add_argument
    add("--profiles", metavar="LIST", help=f"of {', '.join(PROFILES)} (all)")
    add(
        "--link",
        choices=("auto", "virtual", "netns"),
        default="auto",
        help="netns: the daemon and clients in network namespaces, in real time, needs root; virtual: the server's own "
        "code in virtual time; auto: netns where it is permitted (auto)",
    )
    add(
        "--seconds",
        type=float,
        help=f"of each profile; the step takes longer ({SECONDS:g}; --quick: {QUICK_SECONDS:g})",
    )
    add("--seed", type=int, default=1, help="of cameras, loss and jitter (1)")
    add("--json", type=Path, metavar="FILE", help="write the figures there, too")
    add(
        "--output",
        type=Path,
        default=OUT,
        metavar="DIR",
        help="where report.json, report.html and charts go (benchmarks/out/adaptive)",
    )
    add(
        "--record",
        type=Path,
        metavar="DIR",
        help="write what each subscriber's estimator was told (packets, reports, round trips, wishes) there, a file "
        "each; real links only, and all is sent by the engine of Python; tests/flow/bandwidth/test_recorded.py replays "
        "such files",
    )
    add("--quick", action="store_true", help="the short form")
    values = parser.parse_args(arguments)
    profiles = list(PROFILES)
    if values.profiles is not None:
        profiles = list(dict.fromkeys(name for name in values.profiles.split(",") if name))
        if not profiles or (unknown := [name for name in profiles if name not in PROFILES]):
            parser.error(
                f"--profiles is a list of {', '.join(PROFILES)}, not {', '.join(unknown) if profiles else 'nothing'}"
            )
    seconds = values.seconds
    if seconds is None:
        seconds = QUICK_SECONDS if values.quick else SECONDS
    if not 12 <= seconds <= 600:
        parser.error("--seconds is 12 to 600")
    if values.record is not None and values.link == "virtual":
        parser.error("--record is for real links: --link netns")
    link: Kind = values.link if values.record is None else "netns"
    return Settings(profiles, link, seconds, values.seed, values.json, values.output, values.record)
