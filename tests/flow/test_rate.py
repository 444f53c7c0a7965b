"""The rate meter against the plain sum over a window."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.rate import RateMeter


def test_steady_stream() -> None:
    meter = RateMeter()
    for n in range(5000):
        meter.add(1250, n * 0.002)
    assert meter.bps(10.0) == pytest.approx(5_000_000, rel=0.01)
    assert meter.packets(10.0) == pytest.approx(500, rel=0.1)
    assert meter.total_bytes == 5000 * 1250
    assert meter.total_packets == 5000


def test_nothing_yet_and_nothing_any_more() -> None:
    meter = RateMeter()
    assert meter.bps(5.0) == 0
    meter.add(1000, 6.0)
    assert meter.bps(6.0) == 8000
    assert meter.bps(6.5) > 0
    assert meter.bps(7.2) == 0
    assert meter.packets(100.0) == 0


def test_other_windows() -> None:
    meter = RateMeter(window=10.0)
    for n in range(200):
        meter.add(100, n * 0.1)
    assert meter.bps(20.0) == pytest.approx(8000, rel=0.02)


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1500), st.floats(0, 0.7)), min_size=20, max_size=60), st.floats(0, 1e6)
)
def test_holds_one_window_and_at_most_a_tenth_more(steps: list[tuple[int, float]], start: float) -> None:
    meter = RateMeter()
    now = start
    added: list[tuple[float, int]] = []
    for size, passed in steps:
        now += passed
        meter.add(size, now)
        added.append((now, size))
        held = meter.bytes(now)
        assert sum(s for at, s in added if at > now - 0.999) <= held
        assert held <= sum(s for at, s in added if at >= now - 1.101)
        assert meter.packets(now) >= sum(1 for at, _ in added if at > now - 0.999)
