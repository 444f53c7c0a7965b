"""Rates by layer: what a layer takes with all below it, and what a pause says of it."""

import pytest

from sfu.flow.layer_rates import LayerRates

PATTERN = (0, 2, 1, 2)
SIZES = (400, 200, 100)


def feed(rates: LayerRates, start: float, seconds: float, *, spatial: int = 1) -> float:
    """30 pictures a second; the time after them."""
    count = round(seconds * 30)
    for n in range(count):
        for layer in range(spatial):
            rates.add(layer, PATTERN[n % 4], SIZES[PATTERN[n % 4]] * (layer + 1), start + n / 30)
    return start + count / 30


def test_layers_add_up() -> None:
    rates = LayerRates()
    feed(rates, 10.0, 5.0)
    assert rates.cumulative() == {
        (0, 0): pytest.approx(24_000, rel=0.15),
        (0, 1): pytest.approx(36_000, rel=0.15),
        (0, 2): pytest.approx(48_000, rel=0.15),
    }


def test_spatial_layers_need_those_below_of_no_higher_rate() -> None:
    rates = LayerRates()
    feed(rates, 10.0, 5.0, spatial=2)
    found = rates.cumulative()
    assert found[1, 0] == pytest.approx(3 * found[0, 0], rel=0.05)
    assert found[1, 2] == pytest.approx(3 * found[0, 2], rel=0.05)
    assert found[1, 0] < found[0, 2] * 2


def test_nothing_is_said_of_the_first_second() -> None:
    rates = LayerRates()
    feed(rates, 10.0, 0.9)
    assert rates.cumulative() == {}


def test_what_was_measured_is_known_while_nothing_comes() -> None:
    rates = LayerRates()
    end = feed(rates, 10.0, 5.0)
    before = rates.cumulative()
    rates.add(0, 0, 400, end + 60)
    assert rates.cumulative() == before


@pytest.mark.parametrize("pause", [0.7, 1.9, 5.0])
def test_a_pause_by_demand_does_not_count(pause: float) -> None:
    rates = LayerRates()
    end = feed(rates, 10.0, 5.0)
    rates.resume()
    feed(rates, end + pause, 0.5)
    assert rates.cumulative()[0, 2] == pytest.approx(48_000, rel=0.2)


def test_one_frame_a_second_is_a_rate_too() -> None:
    rates = LayerRates()
    for n in range(10):
        rates.add(0, 0, 5_000, 10.0 + n)
    assert rates.cumulative()[0, 0] == pytest.approx(40_000, rel=0.2)


def test_a_layer_that_is_sent_no_more_fades() -> None:
    rates = LayerRates()
    end = feed(rates, 10.0, 5.0)
    for n in range(300):
        rates.add(0, 0, 400, end + n / 30)
    assert set(rates.cumulative()) == {(0, 0)}
