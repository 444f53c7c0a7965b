"""The formulas of a measurement, by rows, and medians over repeats."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import figures
from benchmarks.load.figures import Result
from benchmarks.load.usage import Usage


def test_cost_is_shared_by_the_packets_that_arrived() -> None:
    each, user, system = figures.per_packet(Usage(cpu=1.0, user=0.9, system=0.3, resident=0), 100_000)
    assert each == pytest.approx(10)
    assert user == pytest.approx(7.5)  # three quarters of the exact sum, as the ticks say
    assert system == pytest.approx(2.5)


def test_too_few_ticks_say_nothing_about_the_split() -> None:
    each, user, system = figures.per_packet(Usage(cpu=0.05, user=0.04, system=0.0, resident=0), 1000)
    assert each == pytest.approx(50)
    assert user is None
    assert system is None


def test_no_packets_cost_without_end() -> None:
    assert figures.per_packet(Usage(1.0, 1.0, 0.0, 0), 0) == (math.inf, None, None)


@pytest.mark.parametrize(
    ("received", "expected", "loss"),
    [(100, 100, 0.0), (75, 100, 0.25), (0, 100, 1.0), (110, 100, -0.1), (0, 0, 0.0)],
)
def test_loss(received: int, expected: int, loss: float) -> None:
    assert figures.loss(received, expected) == pytest.approx(loss)


@pytest.mark.parametrize(
    ("values", "percent", "wanted"),
    [
        ([], 50, None),
        ([7.0], 99, 7.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([4.0, 3.0, 2.0, 1.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 99, 99.0),
        ([float(n) for n in range(1, 101)], 100, 100.0),
    ],
)
def test_percentile(values: list[float], percent: float, wanted: float | None) -> None:
    assert figures.percentile(values, percent) == wanted


@given(st.integers(0, 10**9))
def test_sampling_looks_at_enough_and_not_at_everything(expected: int) -> None:
    every = figures.sample_every(expected)
    assert every in (1, 2, 4, 8, 16, 32, 64)
    assert every == 1 or expected // every >= 10_000
    assert every == 64 or expected // every < 20_001


def result(cpu: float, **more: float | None) -> Result:
    made = Result("s", "fanout", 10, cpu)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_median_of_each_figure_and_the_range() -> None:
    runs = [
        result(3.0, latency_ms_p50=9.0, unproven=1),
        result(1.0, latency_ms_p50=5.0, unproven=0),
        result(2.0, latency_ms_p50=7.0, unproven=2),
    ]
    merged = figures.median_result(runs)
    assert merged.cpu_us_per_packet == 2.0
    assert (merged.cpu_us_per_packet_min, merged.cpu_us_per_packet_max) == (1.0, 3.0)
    assert merged.latency_ms_p50 == 7.0
    assert merged.unproven == 3
    assert merged.repeats == 3
    assert merged.latency_ms_p99 is None
    assert runs[0].cpu_us_per_packet == 3.0, "the runs themselves stay as they were"


def test_figures_that_some_runs_lack_are_the_median_of_the_others() -> None:
    merged = figures.median_result([result(1.0, cpu_user_us=None), result(2.0, cpu_user_us=4.0)])
    assert merged.cpu_user_us == 4.0
