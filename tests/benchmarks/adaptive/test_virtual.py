"""The room in virtual time, through the server's own forwarding."""

import pytest

from benchmarks.adaptive import virtual
from benchmarks.adaptive.figures import Result, result
from benchmarks.adaptive.profiles import Profile, Shape
from benchmarks.adaptive.record import Record


def run(shape: Shape, seconds: float, seed: int = 1) -> tuple[Record, Result]:
    profile = Profile("test", "a link", seconds, {"": shape})
    (record,) = virtual.run(profile, seed)
    return record, result(profile, record)


def test_a_wide_link_gets_everything_without_a_freeze() -> None:
    record, found = run(Shape(((0.0, 20_000_000),)), 10)
    assert found.encodings["f"] > 0.5
    assert found.frames_per_second > 26  # the first second is small pictures at a lower frame rate
    assert (found.frozen_s, found.broken, found.overflowed) == (0, 0, 0)
    assert len(record.displays) == virtual.PUBLISHERS
    assert found.share_of_demand > 0.5


def test_a_small_link_is_filled_and_nothing_that_is_shown_breaks() -> None:
    record, found = run(Shape(((0.0, 1_000_000),)), 15)
    assert found.utilisation is not None
    assert found.utilisation > 0.5
    assert found.queue_delay_ms_p95 is not None
    assert found.queue_delay_ms_p95 < 200
    assert found.broken == 0
    assert found.frames_per_second > 5
    late = [
        opinion.estimate_bps for opinion in record.opinions if opinion.at > 10
    ]  # it dips while a queue drains
    assert 600_000 < max(late) < 1_300_000


def test_the_profiles_can_be_run_again() -> None:
    shape = Shape(((0.0, 2_000_000),), loss=5)
    rates = [run(shape, 6)[1].received_bps for _ in range(2)]
    assert rates[0] == pytest.approx(rates[1], rel=0.1)  # the server draws its SSRCs anew
