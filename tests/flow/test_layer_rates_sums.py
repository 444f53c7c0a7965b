"""What each layer of a stream takes, and all that it may need."""

import random

from sfu.flow.layer_rates import LayerRates

STEP = 0.01


def fed(layers: dict[tuple[int, int], int], seconds: float = 3.0) -> LayerRates:
    """Rates of a stream with a packet of so many bytes of each layer every 10 ms."""
    rates = LayerRates()
    for step in range(round(seconds / STEP)):
        for (spatial, temporal), size in layers.items():
            rates.add(spatial, temporal, size, 10 + step * STEP)
    return rates


def test_nothing_is_known_before_a_second_is_measured() -> None:
    assert fed({(0, 0): 100}, 0.9).cumulative() == {}


def test_a_layer_takes_what_those_below_it_take_too() -> None:
    found = fed({(0, 0): 100, (0, 1): 50, (1, 0): 300, (1, 2): 200}).cumulative()
    assert list(found) == [(0, 0), (0, 1), (1, 0), (1, 2)]
    kbps = {layer: round(bps / 1000) for layer, bps in found.items()}
    assert kbps == {(0, 0): 80, (0, 1): 120, (1, 0): 320, (1, 2): 520}


def test_any_layers_by_the_plain_sum() -> None:
    rng = random.Random(5)
    for _ in range(20):
        layers = {
            (rng.randrange(8), rng.randrange(8)): rng.randrange(50, 500) for _ in range(rng.randrange(1, 30))
        }
        found = fed(layers).cumulative()
        assert found.keys() == layers.keys()
        for spatial, temporal in layers:
            below = sum(size for (s, t), size in layers.items() if s <= spatial and t <= temporal)
            assert abs(found[spatial, temporal] - below * 800) < 20


def test_later_rates_are_told_to_who_asks_again() -> None:
    rates = fed({(0, 0): 100})
    before = rates.cumulative()
    assert rates.cumulative() is before
    for step in range(300):
        rates.add(0, 0, 1000, 13 + step * STEP)
    assert rates.cumulative()[0, 0] > 5 * before[0, 0]
