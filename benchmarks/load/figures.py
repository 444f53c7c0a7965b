"""From what was counted to what is reported: the formulas of a measurement, and medians over repeats.

Knows: arithmetic only.
Does not know: where the numbers come from.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load.usage import Usage

TICKED_ENOUGH = 0.1  # seconds of CPU: at 250 or 100 ticks a second, fewer say little


@dataclass(slots=True)
class Result:
    """One line of the report. Figures that a server or floor does not have are None."""

    server: str
    shape: str
    n: int
    cpu_us_per_packet: float  # server CPU, user + system, per packet that reached a subscriber
    cpu_user_us: float | None = None
    cpu_system_us: float | None = None
    loss: float = 0.0  # 1 - received / expected; below zero: packets came twice; NaN: not known
    packets_per_second: float = 0.0
    video_pps: float | None = None  # packets a second of each published video stream
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None
    latency_ms_p999: float | None = None
    latency_samples: int = 0
    unproven: int = 0  # sampled packets whose payload was not, byte for byte, what was sent
    kib_per_subscriber: float | None = None  # growth of the server's resident memory, media flowing
    kib_per_subscriber_idle: float | None = None  # the same before any media: without packet histories
    kib_per_room: float | None = None
    join_cpu_ms: float | None = None
    joins_per_core_second: float | None = None  # what one core could let in at that cost
    idle_cpu_percent: float | None = None  # of a core, everybody connected and no media
    saturation_packets_per_second: float | None = None  # the highest rate at which all packets came in time
    saturation_cores: float | None = None  # of the server, at that rate
    saturation_latency_ms_p99: float | None = None
    saturation_limit: str | None = None  # core or loss; client or others: then it is a lower bound
    saturation_steps: list[dict[str, float]] = field(default_factory=list)
    storm_joins: int | None = None
    storm_failed: int = 0
    storm_joins_per_second: float | None = None
    storm_join_cpu_ms: float | None = None
    storm_join_ms_p50: float | None = None  # how long one waits, from its request to an encrypted connection
    storm_join_ms_p99: float | None = None
    storm_latency_ms_p50: float | None = None  # of the media of those who were there before
    storm_latency_ms_p99: float | None = None
    storm_client_cores: float | None = None
    server_cores: float | None = None  # CPU seconds per second in the window
    others_cores: float | None = None  # what other processes took of the server's core meanwhile
    client_cores: float | None = None
    client_late_ms: float | None = None  # the client's own worst delay of a frame
    client_dropped: int = 0  # packets lost in the client's own full buffers: not the server's loss
    profile: str | None = None
    window_s: float = 0.0
    rtcp: dict[str, int] = field(default_factory=dict)  # what the server sent to all clients, by kind
    repeats: int = 1
    cpu_us_per_packet_min: float | None = None  # over the repeats
    cpu_us_per_packet_max: float | None = None


def per_packet(usage: Usage, packets: int) -> tuple[float, float | None, float | None]:
    """(all, user, system) microseconds per packet. Ticks only tell how the exact sum is split, if there are many."""
    if packets == 0:
        return math.inf, None, None
    each = usage.cpu / packets * 1e6
    ticked = usage.user + usage.system
    if ticked < TICKED_ENOUGH:
        return each, None, None
    user = each * usage.user / ticked
    return each, user, each - user


def loss(received: int, expected: int) -> float:
    """1 - received / expected; nothing expected is no loss."""
    return 1 - received / expected if expected else 0.0


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The nearest-rank percentile: the smallest value that at least `percent` % of all do not exceed."""
    if not values:
        return None
    rank = max(1, math.ceil(len(values) * percent / 100))
    return sorted(values)[rank - 1]


def sample_every(expected: int, wanted: int = 10_000, most: int = 64) -> int:
    """Which power of two to sample by, at most `most`, so that at least `wanted` packets are looked at."""
    every = 1
    while every < most and expected // (2 * every) >= wanted:
        every *= 2
    return every


def median_result(runs: Sequence[Result]) -> Result:
    """One result with the median of each figure over repeats of the same measurement."""
    assert runs, "no runs"
    merged = dataclasses.replace(runs[0], repeats=len(runs))
    for item in dataclasses.fields(Result):
        values = [value for run in runs if isinstance(value := getattr(run, item.name), float)]
        if values:
            setattr(merged, item.name, statistics.median(values))
    for name in ("unproven", "latency_samples", "client_dropped", "storm_failed"):
        setattr(merged, name, sum(getattr(run, name) for run in runs))
    merged.cpu_us_per_packet_min = min(run.cpu_us_per_packet for run in runs)
    merged.cpu_us_per_packet_max = max(run.cpu_us_per_packet for run in runs)
    return merged
