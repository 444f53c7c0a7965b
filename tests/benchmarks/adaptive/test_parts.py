"""The link, the display and the repair of the adaptive benchmark, each alone."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from benchmarks.adaptive.display import CLOCK_RATE, Display, Freeze
from benchmarks.adaptive.profiles import PROFILES, Shape, alone, profile
from benchmarks.adaptive.repair import Nacks
from benchmarks.adaptive.shaped import ShapedLink


def test_a_link_passes_its_rate_and_keeps_what_its_queue_holds() -> None:
    link = ShapedLink(Shape(((0.0, 1_000_000),), queue_ms=500, delay_ms=20), 1)
    arrivals = [
        at for place in range(400) if (at := link.send(1250, place * 0.005)) is not None
    ]  # twice the rate
    assert arrivals[0] == pytest.approx(0.010 + 0.020)
    assert (len(arrivals) + link.overflowed, link.lost) == (400, 0)
    rates = [later - earlier for earlier, later in pairwise(arrivals)]
    assert rates == pytest.approx([0.010] * len(rates))
    assert link.waited == pytest.approx(0.49, abs=0.02)


def test_a_link_that_shrinks_empties_its_queue_at_the_new_rate() -> None:
    link = ShapedLink(Shape(((0.0, 1_000_000), (1.0, 100_000)), queue_ms=1000, delay_ms=0), 1)
    assert link.send(12_500, 0.95) == pytest.approx(1.0 + (0.1 - 0.05) * 10)
    assert link.send(1_250, 1.0) == pytest.approx(1.5 + 0.1)
    assert link.waited == pytest.approx(0.5)


def test_loss_and_jitter_are_drawn_by_the_seed() -> None:
    shape = Shape(((0.0, 10_000_000),), loss=10, jitter_ms=200, delay_ms=0)
    fates = [
        [link.send(100, n / 100) for n in range(2000)]
        for link in (ShapedLink(shape, 5), ShapedLink(shape, 5))
    ]
    assert fates[0] == fates[1]
    lost = sum(at is None for at in fates[0])
    assert lost == pytest.approx(200, abs=45)
    late = [at - n / 100 for n, at in enumerate(fates[0]) if at is not None]
    assert 0 <= min(late) < 0.005
    assert 0.195 < max(late) < 0.205


def test_a_bucket_of_tokens_lets_pass_what_it_holds() -> None:
    link = ShapedLink(Shape(((0.0, 100_000),), burst=5_000, delay_ms=0.0), 1)
    arrived = [link.send(1000, 1.0) for _ in range(8)]
    assert arrived[:5] == [1.0] * 5
    assert arrived[5:] == pytest.approx([1.08, 1.16, 1.24])
    assert link.send(1000, 20.0) == 20.0


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_name_their_links(name: str) -> None:
    made = profile(name, 20)
    for shape in made.shapes.values():
        assert shape.rate_at(0.0) == shape.rates[0][1]
        assert shape.rate_at(made.seconds) == shape.rates[-1][1]
        assert all(start < made.seconds for start, _ in shape.rates)
    if len(made.shapes) > 1:
        assert list(alone(made, "fast").shapes) == ["fast"]


def picture(display: Display, media: float, at: float) -> None:
    display.arrived(round(media * CLOCK_RATE), at)
    display.picture(display.due(round(media * CLOCK_RATE), at), 0, 0)


def played(display: Display, late: Sequence[float]) -> None:
    for place, each in enumerate(late):
        picture(display, place / 30, 10 + place / 30 + each)


def test_an_even_stream_does_not_freeze() -> None:
    display = Display()
    played(display, [0.0] * 100)
    display.end(13.4)
    assert display.freezes == []
    assert [shown.at for shown in display.shown[:2]] == pytest.approx([10, 10 + 1 / 30])


def test_a_gap_is_a_freeze_by_the_browsers_rule() -> None:
    display = Display()
    played(display, [0.0] * 50)
    picture(display, 50 / 30, 10 + 50 / 30 + 0.140)
    assert display.freezes == []  # 173 ms is below the mean of 33 ms and 150 ms
    display = Display()
    played(display, [0.0] * 50)
    picture(display, 50 / 30, 10 + 50 / 30 + 0.160)
    (freeze,) = display.freezes
    assert (freeze.begin, freeze.end) == pytest.approx((10 + 49 / 30, 10 + 50 / 30 + 0.160))


def test_pictures_are_held_back_once_they_have_been_late() -> None:
    display = Display()
    played(display, [0.0, 0.0, 0.12] + [0.0, 0.1, 0.05] * 20)
    gaps = [b.at - a.at for a, b in pairwise(display.shown[3:])]
    assert max(gaps) < 0.06
    assert display.freezes == []


def test_the_end_and_silence_count_as_frozen_a_pause_does_not() -> None:
    display = Display()
    played(display, [0.0] * 50)
    display.end(14.0)
    assert display.freezes[0].end == 14.0
    display = Display()
    played(display, [0.0] * 50)
    display.pause(11.7)
    display.end(14.0)
    assert display.freezes == []
    display = Display()
    played(display, [0.0] * 50)
    display.pause(11.7)
    display.resume(14.0)
    picture(display, 4.05, 14.05)
    assert display.freezes == []
    assert display.pauses == [Freeze(11.7, 14.0)]
    display.pause(14.1)
    display.resume(14.2)
    picture(display, 5.0, 15.0)
    assert display.freezes == [Freeze(14.2, 15.0)]


def test_what_is_lost_is_asked_for_at_once_and_again_after_a_round_trip() -> None:
    nacks = Nacks()
    assert nacks.arrived(10, 0.0)
    assert nacks.arrived(12, 0.01)
    assert nacks.due(0.01, 0.1) == [11]
    assert nacks.due(0.05, 0.1) == []
    assert nacks.due(0.14, 0.1) == [11]
    assert nacks.arrived(11, 0.15, repaired=True)
    assert not nacks.arrived(11, 0.16)
    assert nacks.due(1.0, 0.1) == []
    assert not nacks.given_up


def test_patience_grows_where_packets_overtake_each_other() -> None:
    nacks = Nacks()
    for place in range(20):
        nacks.arrived(2 * place + 1, place * 0.02)
        nacks.arrived(2 * place, place * 0.02 + 0.08)
    nacks.arrived(100, 1.0)
    assert nacks.due(1.01, 0.1) == []
    assert len(nacks.due(1.09, 0.1)) == 60


def test_what_never_comes_is_given_up() -> None:
    nacks = Nacks()
    nacks.arrived(1, 0.0)
    nacks.arrived(3, 0.0)
    for tick in range(200):
        nacks.due(tick / 100, 0.05)
    assert nacks.given_up
    assert nacks.asked <= 10
