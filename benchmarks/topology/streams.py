"""From what was sent and what arrived to latency, loss and frozen time, for one sender and one receiver.

Knows: how a frame is recognised: by the CRC-32 of its bytes, or, when the server encoded it anew, by the counter
in its picture; the last frame that was sent so before it arrived is the one. All processes share one clock.
Does not know: topologies, processes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from benchmarks.topology.records import Sent, Stream

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Watched:
    """How one participant saw another in the window."""

    latencies_ms: list[float]
    packets_sent: int
    packets_received: int
    shown: int  # frames
    frozen: float  # seconds
    new_bytes: bool  # what was received is not what was sent: somebody encoded it anew


def watch(sent: Sequence[Sent], stream: Stream, begin: float, end: float, frame_interval: float) -> Watched:
    """Compare. Packets count by when they were sent, pictures and their latency by when they could be shown: so a
    backlog of seconds isn't hidden by a short window."""
    matched = _match(sent, stream)
    latencies = [
        (frame.last - origin.time) * 1000
        for frame, origin in zip(stream.frames, matched, strict=True)
        if origin is not None and frame.shown and begin <= frame.last < end
    ]
    shown = [frame.last for frame in stream.frames if frame.shown and begin <= frame.last < end]
    known = {origin.crc for origin in sent}
    whole = [frame for frame in stream.frames if frame.whole]
    expected, received = _count_packets(sent, stream, matched, begin, end)
    return Watched(
        latencies,
        expected,
        received,
        len(shown),
        frozen_seconds(shown, begin, end, frame_interval),
        bool(whole) and not any(frame.crc in known for frame in whole),
    )


def _match(sent: Sequence[Sent], stream: Stream) -> list[Sent | None]:
    """For each received frame the sent one, where it can be told."""
    if stream.counters:
        by_counter = _index(sent, lambda row: row.counter)
        return [
            _latest(by_counter.get(stream.counters[place], []), frame.last)
            if place in stream.counters
            else None
            for place, frame in enumerate(stream.frames)
        ]
    by_crc = _index(sent, lambda row: row.crc)
    return [
        _latest(by_crc.get(frame.crc, []), frame.last) if frame.whole else None for frame in stream.frames
    ]


def _index(sent: Sequence[Sent], key: Callable[[Sent], Key]) -> dict[Key, list[Sent]]:
    index: dict[Key, list[Sent]] = defaultdict(list)
    for row in sent:
        index[key(row)].append(row)
    return index


def _latest(rows: list[Sent], before: float) -> Sent | None:
    place = bisect_right(rows, before, key=lambda row: row.time)
    return rows[place - 1] if place else None


def _count_packets(
    sent: Sequence[Sent], stream: Stream, matched: Sequence[Sent | None], begin: float, end: float
) -> tuple[int, int]:
    """(sent, received) packets of the frames that left in the window.

    A forwarding server shifts timestamps by a constant, which whole frames tell; so parts of frames find theirs.
    A server that encodes makes packets of its own: there the frames are counted as they are, lost ones by timestamp.
    """
    expected = sum(row.packets for row in sent if begin <= row.time < end)
    if stream.counters:
        whole = sum(frame.packets for frame in stream.frames if begin <= frame.last < end)
        torn = sum(1 for frame in stream.frames if not frame.whole and begin <= frame.last < end)
        return whole + torn, whole
    offsets = Counter(
        (frame.timestamp - row.timestamp) & 0xFFFFFFFF
        for frame, row in zip(stream.frames, matched, strict=True)
        if row is not None
    )
    if not offsets:
        return expected, sum(frame.packets for frame in stream.frames if begin <= frame.last < end)
    offset = offsets.most_common(1)[0][0]
    window = {(row.timestamp + offset) & 0xFFFFFFFF for row in sent if begin <= row.time < end}
    return expected, sum(frame.packets for frame in stream.frames if frame.timestamp in window)


def frozen_seconds(shown: Sequence[float], begin: float, end: float, frame_interval: float) -> float:
    """Time in freezes, as browsers count it (W3C webrtc-stats, freezeCount): a picture that stands for at least
    three frame intervals, or one and 150 ms, whichever is more; the window's edges count as pictures."""
    limit = max(3 * frame_interval, frame_interval + 0.150)
    moments = [begin, *sorted(shown), end]
    gaps = (later - earlier for earlier, later in pairwise(moments))
    return sum(gap for gap in gaps if gap >= limit)
