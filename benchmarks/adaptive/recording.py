"""What one subscriber's estimator was told, in order: kept in a file, to be told to another one later.

A file is gzipped lines of JSON. The first one is an object: the format, and the link as it was known to be (`Shape`;
its rates by the seconds of the recording). Each other one is a list: what happened, how many microseconds after the
one before, and the rest of `Event`'s fields; a report as its feedback control information, in hex.

Knows: the estimator's methods. Does not know: who records, what to conclude.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.adaptive.profiles import Shape
from sfu.flow.bandwidth import BandwidthEstimator, Probe
from sfu.wire.transport_feedback import Feedback, parse_fci, write_fci

FORMAT = "aiosfu estimator recording 1"
SUFFIX = ".jsonl.gz"
UNKNOWN = Shape(((0.0, 0),))


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet of `size` bytes left; `probe`: the id of the one that it is padding of, or 0."""

    at: float
    size: int
    probe: int = 0


@dataclass(frozen=True, slots=True)
class Reported:
    """Transport-wide feedback came."""

    at: float
    feedback: Feedback


@dataclass(frozen=True, slots=True)
class Wished:
    """So many bit/s could be used."""

    at: float
    bps: int


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """It was measured, in seconds."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether a probe is due was asked, and this was the answer."""

    at: float
    probe: Probe | None


Event = Sent | Reported | Wished | RoundTrip | Asked


@dataclass(frozen=True, slots=True)
class Recording:
    """`events` by seconds since the first; `shape` is the link's, which counts `overhead` bytes a packet beyond RTP."""

    events: tuple[Event, ...]
    began: float = 0.0  # by the clock of the machine; not kept in files that describe their link
    text: str = ""
    shape: Shape = UNKNOWN
    overhead: int = 0

    @property
    def seconds(self) -> float:
        return self.events[-1].at

    def of(self, text: str, shape: Shape, overhead: int, until: float) -> Recording:
        """The same up to a moment of the machine's clock, and with what is known of the link."""
        events = tuple(event for event in self.events if event.at <= until - self.began)
        return Recording(events, 0.0, text, shape, overhead)


class RecordingEstimator(BandwidthEstimator):
    """An estimator that remembers what it is told. Only benchmarks and tests make one."""

    __slots__ = ("_round_trip_told", "events")

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self._round_trip_told = self.round_trip

    def sent(self, size: int, now: float, probe: int = 0) -> int:
        self._told(Sent(now, size, probe))
        return super().sent(size, now, probe)

    def wish(self, bps: int, now: float) -> None:
        self._told(Wished(now, bps))
        super().wish(bps, now)

    def feedback(self, feedback: Feedback, now: float) -> bool:
        self._told(Reported(now, feedback))
        return super().feedback(feedback, now)

    def probe(self, now: float) -> Probe | None:
        probe = super().probe(now)
        self._told(Asked(now, probe))
        return probe

    def _told(self, event: Event) -> None:
        if self.round_trip != self._round_trip_told:
            self._round_trip_told = self.round_trip
            self.events.append(RoundTrip(event.at, self.round_trip))
        self.events.append(event)

    def recording(self) -> Recording:
        """All so far; there must be something."""
        began = self.events[0].at
        return Recording(tuple(replace(event, at=event.at - began) for event in self.events), began)


def write(path: Path, recording: Recording) -> None:
    """Write a file, the same bytes each time."""
    header = {
        "format": FORMAT,
        "text": recording.text,
        "began": recording.began,
        "overhead": recording.overhead,
        **asdict(recording.shape),
    }
    lines = [json.dumps(header), *_lines(recording.events)]
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))


def read(path: Path) -> Recording:
    """Read a file. Raises ValueError where it is none of these."""
    first, *rest = gzip.decompress(path.read_bytes()).decode().splitlines()
    header: dict[str, Any] = json.loads(first)
    if header.pop("format", None) != FORMAT:
        raise ValueError(f"{path}: not a recording of this format")
    text, began, overhead = header.pop("text"), header.pop("began"), header.pop("overhead")
    header["rates"] = tuple((start, bps) for start, bps in header["rates"])
    return Recording(tuple(_events(rest)), began, text, Shape(**header), overhead)


def _lines(events: Sequence[Event]) -> Iterator[str]:
    before = 0
    for event in events:
        at = round(event.at * 1e6)
        yield json.dumps([*_fields(event, at - before)], separators=(",", ":"))
        before = at


def _fields(event: Event, passed: int) -> tuple[object, ...]:
    match event:
        case Sent(_, size, 0):
            return "s", passed, size
        case Sent(_, size, probe):
            return "s", passed, size, probe
        case Reported(_, feedback):
            return "f", passed, write_fci(feedback).hex()
        case Wished(_, bps):
            return "w", passed, bps
        case RoundTrip(_, seconds):
            return "r", passed, round(seconds * 1e6)
        case Asked(_, None):
            return "p", passed
        case Asked(_, probe):
            assert probe is not None
            return "p", passed, probe.id, probe.rate_bps, probe.bytes


def _events(lines: Sequence[str]) -> Iterator[Event]:
    microseconds = 0
    for line in lines:
        kind, passed, *values = json.loads(line)
        microseconds += passed
        at = microseconds / 1e6
        match kind:
            case "s":
                yield Sent(at, *values)
            case "f":
                yield Reported(at, parse_fci(bytes.fromhex(values[0])))
            case "w":
                yield Wished(at, values[0])
            case "r":
                yield RoundTrip(at, values[0] / 1e6)
            case "p":
                yield Asked(at, Probe(*values) if values else None)
            case _:
                raise ValueError(f"nothing that happens is called {kind}")
