"""The estimator at work, on simulated links: how much of them is used, how long packets wait, how fast it follows."""

from collections.abc import Callable

import pytest

from sfu.flow.bandwidth import BandwidthEstimator
from tests.flow.bandwidth.path import Path


def _constant(bps: float) -> Callable[[float], float]:
    return lambda now: bps


@pytest.mark.parametrize("round_trip", [0.02, 0.08, 0.2])
@pytest.mark.parametrize("bps", [300e3, 1e6, 5e6, 20e6])
def test_constant(bps: float, round_trip: float) -> None:
    seconds = 12 if bps > 10e6 else 20
    figures = Path(rate=_constant(bps), seconds=seconds, round_trip=round_trip).run()
    assert figures.delivered_bps(5, seconds) >= 0.85 * bps
    assert figures.queue_p95(5, seconds) < 0.1 if bps > 300e3 else 0.13  # where one packet takes 32 ms
    assert figures.overflowed == 0


def test_cold_start_reaches_5_mbit() -> None:
    for round_trip in (0.02, 0.1, 0.2):
        assert Path(rate=_constant(6e6), seconds=5, round_trip=round_trip).run().reached(5e6) < 3


@pytest.mark.parametrize("queue", [0.02, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("bps", [1e6, 5e6])
def test_queue_sizes(bps: float, queue: float) -> None:
    figures = Path(rate=_constant(bps), seconds=20, queue=queue).run()
    assert figures.delivered_bps(5, 20) >= 0.85 * bps
    assert figures.queue_p95(5, 20) < 0.1
    assert figures.overflowed < 0.06 * len(figures.sent)


@pytest.mark.parametrize("queue", [0.1, 0.3, 1.0])
def test_step_down(queue: float) -> None:
    figures = Path(rate=lambda now: 3e6 if now < 10 else 5e5, seconds=25, queue=queue).run()
    assert figures.highest(12, 25) < 0.6e6
    assert max(wait for at, wait in figures.queued if at > 12.5) < 0.25
    assert figures.queue_p95(12.5, 25) < 0.1
    assert figures.delivered_bps(13, 25) >= 0.85 * 5e5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_step_up(seed: int) -> None:
    figures = Path(rate=lambda now: 5e5 if now < 10 else 3e6, seconds=25, seed=seed).run()
    assert figures.reached(0.85 * 3e6, since=10) < 10
    assert figures.delivered_bps(20, 25) >= 0.85 * 3e6


def test_a_dip_is_recovered_from() -> None:
    figures = Path(rate=lambda now: 5e5 if 10 <= now < 13 else 3e6, seconds=22).run()
    assert figures.lowest(11, 13) < 5e5
    assert figures.reached(2.4e6, since=13) < 5


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("bps", "loss"), [(1e6, 0.05), (3e6, 0.05), (1e6, 0.1), (3e6, 0.1)])
def test_random_loss_does_not_lower_the_rate(bps: float, loss: float, after: bool) -> None:
    figures = Path(rate=_constant(bps), seconds=20, loss=loss, loss_after=after).run()
    assert figures.sent_bps(5, 20) >= 0.87 * bps
    assert figures.lowest(5, 20) > 0.6 * bps
    assert figures.queue_p95(5, 20) < 0.1


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("media", [50e3, 120e3, 300e3])
@pytest.mark.parametrize("loss", [0.05, 0.1])
def test_random_loss_of_a_little_that_is_sent_costs_nothing(loss: float, media: float, seed: int) -> None:
    """So few packets are lost that chance alone changes their share by half."""
    path = Path(
        rate=_constant(50e6), seconds=20, round_trip=0.02, loss=loss, feedback_loss=loss,
        media=_constant(media), wish=_constant(600e3), seed=seed,
    )  # fmt: skip
    figures = path.run()
    assert figures.lowest(0, 20) > 200e3
    assert figures.target(19.9) > 550e3


@pytest.mark.parametrize("bps", [150e3, 300e3, 1e6])
def test_a_policer_without_a_queue_is_found_by_its_loss(bps: float) -> None:
    figures = Path(rate=_constant(bps), seconds=30, queue=0.01, wish=_constant(2e6)).run()
    assert figures.delivered_bps(10, 30) > 0.7 * bps
    assert figures.overflowed < 0.1 * len(figures.sent)


def test_loss_that_nothing_survives_lowers_it() -> None:
    figures = Path(rate=_constant(3e6), seconds=20, loss=0.5).run()
    assert figures.highest(10, 20) < 3e5


@pytest.mark.parametrize(("bps", "jitter"), [(1e6, 0.05), (3e6, 0.1), (3e5, 0.2), (1e6, 0.2), (3e6, 0.2)])
def test_jitter_is_no_collapse(bps: float, jitter: float) -> None:
    figures = Path(rate=_constant(bps), seconds=30, jitter=jitter).run()  # reorders as well
    assert figures.delivered_bps(10, 30) > 0.6 * bps


def test_cross_traffic_is_given_way_to_and_taken_over_from() -> None:
    figures = Path(rate=_constant(3e6), seconds=35, cross=lambda now: 1.5e6 if 10 <= now < 22 else 0).run()
    assert 0.7e6 < figures.delivered_bps(12, 22) < 1.6e6
    assert figures.queue_p95(12, 22) < 0.12
    assert figures.delivered_bps(30, 35) > 0.85 * 3e6


def test_key_frames_of_ten_times_the_size() -> None:
    figures = Path(rate=_constant(2e6), seconds=30, key_frames=3).run()
    assert figures.delivered_bps(5, 30) > 0.75 * 2e6
    assert figures.lowest(5, 30) > 0.35 * 2e6


@pytest.mark.parametrize("drift", [-5e-4, 5e-4])
def test_clocks_that_drift(drift: float) -> None:
    figures = Path(rate=_constant(1e6), seconds=40, drift=drift).run()
    assert figures.delivered_bps(5, 40) >= 0.85 * 1e6
    assert figures.queue_p95(5, 40) < 0.1


def test_feedback_that_gets_lost_or_comes_twice() -> None:
    for lost, twice in ((0.1, False), (0.0, True)):
        path = Path(rate=_constant(1e6), seconds=30, feedback_loss=lost, duplicate_feedback=twice)
        figures = path.run()
        assert figures.delivered_bps(5, 30) >= 0.85 * 1e6
        assert figures.queue_p95(5, 30) < 0.1


@pytest.mark.parametrize("every", [0.05, 0.25])
def test_rare_and_frequent_feedback(every: float) -> None:
    figures = Path(rate=_constant(1e6), seconds=30, feedback_every=every).run()
    assert figures.delivered_bps(5, 30) >= 0.85 * 1e6
    assert figures.queue_p95(5, 30) < 0.1


def test_a_sender_with_slow_timers() -> None:
    figures = Path(rate=_constant(5e6), seconds=20, timer=0.01).run()
    assert figures.delivered_bps(5, 20) >= 0.85 * 5e6
    assert figures.queue_p95(5, 20) < 0.1


def test_who_sends_little_is_proven_more_and_keeps_it() -> None:
    path = Path(
        rate=_constant(5e6), seconds=40, media=lambda now: 5e5, wish=lambda now: 2.5e6 if now < 30 else 6e6
    )
    figures = path.run()
    assert figures.reached(2.5e6) < 3
    assert figures.lowest(3, 30) >= 2.5e6
    assert figures.highest(0, 30) < 2.5e6 * 1.4  # no evidence, no growth
    assert figures.reached(0.85 * 5e6, since=30) < 6
    assert figures.probes < 12


def test_who_sends_little_is_not_hurt_by_stalls() -> None:
    path = Path(
        rate=lambda now: 1e3 if now > 3 and now % 3 < 0.2 else 5e6,  # a radio that is away for a moment
        seconds=20,
        queue=1e5,
        media=lambda now: 5e5,
        wish=lambda now: 2.5e6,
    )
    assert path.run().lowest(3, 20) >= 2e6


def test_who_sends_little_notices_a_link_that_carries_less() -> None:
    figures = Path(
        rate=lambda now: 5e6 if now < 10 else 3e5,
        seconds=20,
        media=lambda now: 5e5,
        wish=lambda now: 2.5e6,
        queue=1.0,
    ).run()
    assert figures.highest(12, 20) < 0.4e6
    assert max(wait for at, wait in figures.queued if at > 12.5) < 0.3


def test_no_more_than_is_wished_is_probed() -> None:
    figures = Path(rate=_constant(5e6), seconds=15, wish=lambda now: 1e6).run()
    assert 1e6 < figures.highest(0, 15) < 1.8e6
    assert figures.probes < 4


def test_an_outage() -> None:
    figures = Path(rate=_constant(2e6), seconds=25, outage=(10, 13)).run()
    assert figures.target(12.9) < 0.5 * 2e6
    assert figures.reached(0.8 * 2e6, since=13) < 6


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = (Path(rate=_constant(1e6), seconds=5, loss=0.05, jitter=0.02).run() for _ in range(2))
    assert first.targets == second.targets


def test_the_ceiling_and_the_floor_hold() -> None:
    estimator = BandwidthEstimator(start_bps=300_000, ceiling_bps=1_000_000)
    assert Path(rate=_constant(5e6), seconds=10).run(estimator).highest(0, 10) == 1_000_000
    estimator = BandwidthEstimator(start_bps=300_000, floor_bps=100_000)
    assert Path(rate=_constant(40e3), seconds=10).run(estimator).lowest(0, 10) == 100_000
