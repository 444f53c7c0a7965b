"""What the delay says: slope, threshold, standing queue, throughput."""

from random import Random

import pytest

from sfu.flow.bandwidth.overuse import OveruseDetector, Usage
from sfu.flow.bandwidth.standing import StandingQueue
from sfu.flow.bandwidth.throughput import Throughput
from sfu.flow.bandwidth.trend import DelayTrend


def _line(
    slope: float, count: int, start: float = 0.0, every: float = 0.01
) -> tuple[list[float], list[float]]:
    """Packets whose delay grows by `slope` seconds a second, at a receiver 1000 s ahead."""
    sends = [start + index * every for index in range(count)]
    return sends, [1000 + send + 0.02 + slope * (send - start) for send in sends]


@pytest.mark.parametrize(
    ("slope", "usage"), [(0.0, Usage.NORMAL), (0.0005, Usage.NORMAL), (0.2, Usage.OVER), (-0.2, Usage.UNDER)]
)
def test_usage_by_slope(slope: float, usage: Usage) -> None:
    trend = DelayTrend()
    assert trend.update(*_line(0.0, 60)) is Usage.NORMAL
    assert trend.update(*_line(slope, 40, start=0.6)) is usage


def test_the_slope_is_measured() -> None:
    trend = DelayTrend()
    trend.update(*_line(0.1, 200))
    assert trend.slope == pytest.approx(0.1, rel=0.05)


def test_packets_of_a_burst_are_one_group() -> None:
    sends, arrivals = [], []
    for frame in range(
        60
    ):  # five packets at once leave the bottleneck 2 ms apart: a slope only inside of groups
        sends += [frame * 0.033] * 5
        arrivals += [1000 + frame * 0.033 + index * 0.002 for index in range(5)]
    trend = DelayTrend()
    assert trend.update(sends, arrivals) is Usage.NORMAL
    assert abs(trend.slope) < 1e-6


def test_a_clock_that_jumps_begins_anew() -> None:
    trend = DelayTrend()
    trend.update(*_line(0.0, 60))
    sends, arrivals = _line(0.0, 60, start=1.0)
    assert trend.update(sends, [arrival + 3600 for arrival in arrivals]) is Usage.NORMAL


def test_the_threshold_follows_jitter_but_no_spikes() -> None:
    detector = OveruseDetector()
    for step in range(50):
        detector.judge(0.08 if step % 2 else -0.08, 60, step * 50.0)  # 19.2 ms
    assert detector.threshold == pytest.approx(19.2, abs=1.5)
    before = detector.threshold
    detector.judge(1.0, 60, 2600.0)
    assert detector.threshold == before


def test_one_high_slope_is_not_overuse() -> None:
    detector = OveruseDetector()
    assert detector.judge(0.0, 60, 0.0) is Usage.NORMAL
    assert detector.judge(0.1, 60, 20.0) is Usage.NORMAL
    assert detector.judge(0.11, 60, 40.0) is Usage.OVER


def test_standing_queue_ignores_jitter_and_sees_a_queue() -> None:
    random = Random(1)
    queue = StandingQueue()
    for step in range(100):
        delays = [5.0 + random.uniform(0, 0.2) for _ in range(20)]
        queue.update(delays, step / 10)
    assert queue.delay(20, 0.5, 10.0) < 0.05
    assert queue.spread == pytest.approx(0.1, abs=0.02)
    for step in range(100, 103):
        queue.update([5.1, 5.2] * 10, step / 10)
    assert queue.delay(20, 0.5, 10.3) == pytest.approx(0.1, abs=0.01)


def test_standing_queue_forgets_an_old_base() -> None:
    queue = StandingQueue()
    queue.update([5.0] * 20, 0.0)
    for step in range(1, 300):
        queue.update([5.1] * 20, step / 10)
    assert queue.delay(20, 0.5, 30.0) == 0.0


def test_standing_queue_takes_what_does_not_go_for_its_base() -> None:
    queue = StandingQueue()
    queue.update([5.0] * 20, 0.0)
    queue.update([5.3] * 20, 0.1)
    assert queue.delay(20, 0.5, 0.1) == pytest.approx(0.3)
    queue.rebase()
    assert queue.delay(20, 0.5, 0.1) == 0.0


def test_few_packets_need_several_feedbacks() -> None:
    queue = StandingQueue()
    queue.update([5.0] * 3, 0.0)
    queue.update([5.1] * 3, 0.1)
    assert queue.delay(3, 0.5, 0.1) == pytest.approx(0.1)
    assert queue.delay(6, 0.5, 0.1) == 0.0


def test_throughput_of_a_full_link() -> None:
    throughput = Throughput()
    assert throughput.short_bps == 0
    for step in range(20):  # 12500 bytes each 0.1 s arrive over 0.125 s
        throughput.update(12_500, 0, 10 + step * 0.1, 2000 + step * 0.125)
    assert throughput.short_bps == pytest.approx(800_000)
    assert throughput.long_bps == pytest.approx(800_000)
    assert throughput.sent_bps == pytest.approx(1_000_000)


def test_throughput_of_feedback_in_many_pieces() -> None:
    throughput = Throughput()
    for step in range(1000):
        throughput.update(125, 0, step / 1000, 2000 + step / 1000)
    assert throughput.short_bps == pytest.approx(1_000_000, rel=0.02)
    assert throughput.long_bps == pytest.approx(1_000_000, rel=0.02)


def test_what_was_sent_counts_the_lost_ones() -> None:
    throughput = Throughput()
    for step in range(20):
        throughput.update(2500, 10_000, 10 + step * 0.1, 2000 + step * 0.1)
    assert throughput.short_bps == pytest.approx(200_000)
    assert throughput.sent_bps == pytest.approx(1_000_000)
