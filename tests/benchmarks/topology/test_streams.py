"""Latency, loss and frozen time from what was sent and what arrived."""

import pytest

from benchmarks.topology.packets import Arrived
from benchmarks.topology.records import Sent, Stream
from benchmarks.topology.streams import frozen_seconds, watch

INTERVAL = 1 / 30


def sent(count: int) -> list[Sent]:
    return [Sent(n * INTERVAL, 1000 + 3000 * n, 50 + n % 20, n % 20, 4, 4800) for n in range(count)]


def arrived(row: Sent, delay: float = 0.05, **more: object) -> Arrived:
    values: dict[str, object] = {
        "timestamp": row.timestamp + 777 & 0xFFFFFFFF,  # a server shifts timestamps by a constant
        "first": row.time + delay / 2,
        "last": row.time + delay,
        "packets": row.packets,
        "whole": True,
        "shown": True,
        "crc": row.crc,
    }
    return Arrived(**(values | more))  # type: ignore[arg-type]


def test_everything_arrives() -> None:
    rows = sent(90)
    seen = watch(rows, Stream([arrived(row) for row in rows]), 1.0, 2.0, INTERVAL)
    assert seen.latencies_ms == pytest.approx([50] * seen.shown)
    assert (seen.shown, seen.frozen, seen.new_bytes) == (30, 0, False)
    assert seen.packets_sent == seen.packets_received == 120


def test_parts_of_frames_count_as_packets() -> None:
    rows = sent(90)
    frames = [arrived(row) for row in rows]
    frames[40] = arrived(rows[40], packets=1, whole=False, shown=False, crc=0)
    del frames[45]
    seen = watch(rows, Stream(frames), 1.0, 2.0, INTERVAL)
    assert (seen.packets_sent, seen.packets_received) == (120, 120 - 3 - 4)


def test_frames_encoded_anew_are_known_by_their_pictures() -> None:
    rows = sent(90)
    frames = [arrived(row, crc=1, timestamp=place) for place, row in enumerate(rows)]
    stream = Stream(frames, {place: row.counter for place, row in enumerate(rows)})
    seen = watch(rows, stream, 1.0, 2.0, INTERVAL)
    assert seen.latencies_ms == pytest.approx([50] * seen.shown)
    assert seen.new_bytes
    assert seen.packets_sent == seen.packets_received


def test_nothing_arrives() -> None:
    seen = watch(sent(90), Stream([]), 1.0, 2.0, INTERVAL)
    assert (seen.latencies_ms, seen.packets_received, seen.shown, seen.frozen) == ([], 0, 0, 1.0)
    assert not seen.new_bytes


@pytest.mark.parametrize(
    ("shown", "frozen"),
    [
        ([], 2.0),
        ([n * INTERVAL for n in range(61)], 0.0),
        ([0.0, 0.18, 0.36, *(0.36 + n * INTERVAL for n in range(1, 60))], 0.0),  # below 33 + 150 ms
        ([*(n * INTERVAL for n in range(31)), *(1.5 + n * INTERVAL for n in range(16))], 0.5),
        ([1.0], 2.0),
    ],
)
def test_frozen_time(shown: list[float], frozen: float) -> None:
    assert frozen_seconds(shown, 0.0, 2.0, INTERVAL) == pytest.approx(frozen)
