"""From the outcomes of all participants and nodes to the figures of one run, each beside its formula.

Knows: the names of figures, how per-participant values are joined into one.
Does not know: processes, files.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.load.figures import percentile
from benchmarks.topology.formulas import FORMULAS, Room, deviation_percent
from benchmarks.topology.nodes import NodeSnapshot, difference
from benchmarks.topology.records import Outcome
from benchmarks.topology.report import Figure, NodeDetail, ParticipantDetail
from benchmarks.topology.streams import Watched, watch


@dataclass(frozen=True, slots=True)
class Measured:
    """All that one run has measured."""

    outcomes: list[Outcome]
    before: list[NodeSnapshot]
    after: list[NodeSnapshot]
    begin: float
    end: float
    filmed_at_once: bool = (
        True  # each sent from when it was in the room; else all began when everybody was there
    )

    @property
    def seconds(self) -> float:
        return self.end - self.begin


def participants(measured: Measured, fps: float) -> list[ParticipantDetail]:
    """The figures of each participant."""
    return [_participant(outcome, measured, fps) for outcome in measured.outcomes]


def _participant(outcome: Outcome, measured: Measured, fps: float) -> ParticipantDetail:
    senders = {other.name: other for other in measured.outcomes}
    present = {other.name for other in measured.outcomes if other.joined_at < outcome.joined_at}
    watched: list[Watched] = []
    first: list[float] = []
    for name, stream in outcome.received.items():
        sent = senders[name].sent.get(outcome.name) or senders[name].sent.get("", [])
        watched.append(watch(sent, stream, measured.begin, measured.end, 1 / fps))
        if measured.filmed_at_once and name in present and stream.first_shown is not None:
            first.append((stream.first_shown - outcome.joined_at) * 1000)
    before, after, seconds = outcome.before, outcome.after, measured.seconds
    latencies = [each for one in watched for each in one.latencies_ms]
    expected = sum(one.packets_sent for one in watched)
    return ParticipantDetail(
        name=outcome.name,
        connections=outcome.connections,
        bytes_out=after.bytes_out - before.bytes_out,
        packets_out=after.packets_out - before.packets_out,
        bytes_in=after.bytes_in - before.bytes_in,
        packets_in=after.packets_in - before.packets_in,
        encodes=(after.encoded - before.encoded) / (fps * seconds),
        cpu_seconds=after.cpu - before.cpu,
        memory_bytes=outcome.memory,
        time_to_first_frame_ms=statistics.median(first) if first else None,
        latencies_ms=latencies,
        loss=1 - sum(one.packets_received for one in watched) / expected if expected else 0.0,
        frames_per_second_shown=_mean(one.shown / seconds for one in watched) or 0.0,
        frozen_seconds=_mean(one.frozen for one in watched) or 0.0,
        streams_encoded_anew=sum(one.new_bytes for one in watched),
        late_pictures=after.late - before.late,
        srtp_profile=outcome.profile,
    )


def nodes(measured: Measured) -> list[NodeDetail]:
    """The figures of each server node over the window."""
    return [difference(*pair) for pair in zip(measured.before, measured.after, strict=True)]


def sent_once(measured: Measured) -> tuple[float, float]:
    """(bit/s, packets/s) of one stream on the wire, sent once: the mean over everything that was sent."""
    rates = [
        (
            sum(row.wire_bytes for row in rows if measured.begin <= row.time < measured.end) * 8,
            sum(row.packets for row in rows if measured.begin <= row.time < measured.end),
        )
        for outcome in measured.outcomes
        for rows in outcome.sent.values()
    ]
    count = max(1, len(rates))
    return (
        sum(bits for bits, _ in rates) / count / measured.seconds,
        sum(packets for _, packets in rates) / count / measured.seconds,
    )


def summarise(
    room: Room, each: Sequence[ParticipantDetail], servers: Sequence[NodeDetail], seconds: float
) -> dict[str, Figure]:
    """The figures of a run: means over participants, sums over nodes, beside the formulas."""
    latencies = sorted(value for one in each for value in one.latencies_ms)
    values: dict[str, float | None] = {
        "connections_per_participant": _mean(one.connections for one in each),
        "uplink_bps_per_participant": _mean(one.bytes_out * 8 / seconds for one in each),
        "uplink_packets_per_second_per_participant": _mean(one.packets_out / seconds for one in each),
        "downlink_bps_per_participant": _mean(one.bytes_in * 8 / seconds for one in each),
        "downlink_packets_per_second_per_participant": _mean(one.packets_in / seconds for one in each),
        "encodes_per_participant": _mean(one.encodes for one in each),
        "participant_cpu_seconds": _mean(one.cpu_seconds for one in each),
        "participant_memory_bytes": _mean(one.memory_bytes for one in each),
        "server_connections": sum(one.connections for one in servers),
        "server_in_bps": sum(one.bytes_in * 8 / one.seconds for one in servers),
        "server_out_bps": sum(one.bytes_out * 8 / one.seconds for one in servers),
        "server_in_packets_per_second": sum(one.packets_in / one.seconds for one in servers),
        "server_out_packets_per_second": sum(one.packets_out / one.seconds for one in servers),
        "server_encodes": sum(one.streams_encoded_anew for one in each),
        "server_cpu_seconds": sum(one.cpu_seconds * seconds / one.seconds for one in servers),
        "server_memory_bytes": sum(one.memory_bytes for one in servers),
        "time_to_first_frame_ms": _median(one.time_to_first_frame_ms for one in each),
        "frame_latency_ms_p50": percentile(latencies, 50),
        "frame_latency_ms_p95": percentile(latencies, 95),
        "frame_latency_ms_p99": percentile(latencies, 99),
        "loss": _mean(one.loss for one in each),
        "frames_per_second_shown": _mean(one.frames_per_second_shown for one in each),
        "frozen_seconds": _mean(one.frozen_seconds for one in each),
    }
    return {name: figure(name, value, room) for name, value in values.items()}


def figure(name: str, measured: float | None, room: Room) -> Figure:
    """A measured value beside the formula of its name, if it has one."""
    formula = FORMULAS.get(name)
    expected = formula.value(room) if formula else None
    return Figure(
        measured=measured,
        formula=expected,
        deviation_percent=deviation_percent(measured, expected),
        text=formula.text(room) if formula else "",
    )


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return statistics.fmean(listed) if listed else None


def _median(values: Iterable[float | None]) -> float | None:
    listed = [value for value in values if value is not None]
    return statistics.median(listed) if listed else None
