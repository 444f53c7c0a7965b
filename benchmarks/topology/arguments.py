"""The command line of `python -m benchmarks.topology`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from benchmarks.topology.formulas import TOPOLOGIES
from benchmarks.topology.report import Topology

OUT = Path(__file__).parent.parent / "out"
FULL = ("2,3,4,6,8", 10.0)  # participants, seconds
QUICK = ("2,4,6", 3.0)
CHROMIUM_MOST = 4  # pages that a machine of two cores carries


@dataclass(frozen=True, slots=True)
class Settings:
    """The command line, understood."""

    topologies: list[Topology]
    participants: list[int]
    seconds: float
    bitrate_bps: int
    encode: bool
    clients: Literal["python", "chromium"]
    uplink_bps: int | None
    out: Path
    seed: int


def parse(arguments: Sequence[str]) -> Settings:
    """Read the command line; exits with a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.topology",
        description="The same room as mesh, as SFU, with MediaRelay and as relay tree, measured beside the formulas.",
    )
    add = parser.add_argument
    add("--topology", metavar="LIST", help=f"of {', '.join(TOPOLOGIES)} (all)")
    add("--participants", metavar="LIST", help="sizes of the room (2,3,4,6,8; --quick: 2,4,6)")
    add("--seconds", type=float, help="measured window (10; --quick: 3)")
    add("--bitrate", default="1M", metavar="BPS", help="of each picture stream, such as 800k or 1.5M (1M)")
    add(
        "--encode",
        action="store_true",
        help="encode for each connection, as browsers do, instead of once a run",
    )
    add("--clients", choices=("python", "chromium"), default="python", help="chromium: 2 to 4 pages (python)")
    add("--uplink", metavar="BPS", help="shape the uplink of each client, such as 2M (not shaped)")
    add(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help="where report.json, report.html and charts go (benchmarks/out)",
    )
    add("--seed", type=int, default=1, help="of pictures, phases and sequence numbers (1)")
    add("--quick", action="store_true", help="the short form")
    values = parser.parse_args(arguments)
    sizes, window = QUICK if values.quick else FULL
    try:
        topologies = _topologies(values.topology or ",".join(TOPOLOGIES))
        participants = _counts(values.participants or sizes)
        bitrate = bits(values.bitrate)
        uplink = bits(values.uplink) if values.uplink else None
    except ValueError as error:
        parser.error(str(error))
    seconds = values.seconds if values.seconds is not None else window
    if not 0.5 <= seconds <= 600:
        parser.error("--seconds is 0.5 to 600")
    if not 100_000 <= bitrate <= 20_000_000:
        parser.error("--bitrate is 100k to 20M")
    if uplink is not None and not 100_000 <= uplink <= 1_000_000_000:
        parser.error("--uplink is 100k to 1000M")
    if values.clients == "chromium":
        topologies, participants = _chromium(parser, values, topologies, participants)
    return Settings(
        topologies,
        participants,
        seconds,
        bitrate,
        values.encode,
        values.clients,
        uplink,
        values.out,
        values.seed,
    )


def _chromium(
    parser: argparse.ArgumentParser,
    values: argparse.Namespace,
    topologies: list[Topology],
    participants: list[int],
) -> tuple[list[Topology], list[int]]:
    """What browsers can take part in; what was asked for by name and can't be done is an error."""
    if values.uplink:
        parser.error("--uplink goes with --clients python")
    if values.participants is None:
        participants = [count for count in (2, 3, 4) if count <= CHROMIUM_MOST]
    elif max(participants) > CHROMIUM_MOST:
        parser.error(f"--clients chromium takes 2 to {CHROMIUM_MOST} participants")
    if values.topology is None:
        topologies = ["mesh", "sfu"]
    return topologies, participants


def _topologies(text: str) -> list[Topology]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in TOPOLOGIES:
            raise ValueError(f"'{word}' is not a topology: there are {', '.join(TOPOLOGIES)}")
    return [cast(Topology, word) for word in dict.fromkeys(words)]


def _counts(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 2 <= int(word) <= 50 for word in words):
        raise ValueError("--participants wants numbers from 2 to 50, such as 2,3,4")
    return sorted({int(word) for word in words})


def bits(text: str) -> int:
    """1M, 800k, 64000 -> bits per second. Raises ValueError with a sentence."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmM]?)", text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a bit rate: write 800k or 1.5M")
    return round(float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()])
