"""Encodings of one publication beside each other: which is better, and what is assumed of those not yet seen."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.forwarding.encoding import Encoding
from sfu.forwarding.siblings import Siblings
from tests.forwarding.doubles import IDS, VP8


def encoding(rid: str, height: int = 0, bps: int = 0) -> Encoding:
    """One with a measured height, and a measured rate, unless they are 0."""
    made = Encoding(rid, VP8, IDS, lambda encoding: None)
    if height:
        made.quality.sizes(((height * 16 // 9, height),))
    for n in range(20 if bps else 0):
        made.quality.rates.add(0, 0, bps // 80, 10.0 + n / 10)
    return made


def order(*encodings: Encoding) -> str:
    return "".join(one.rid for one in Siblings(encodings).ascending())


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ([("q", 180), ("h", 360), ("f", 720)], "qhf"),
        ([("f", 720), ("h", 360), ("q", 180)], "qhf"),
        ([("h", 360), ("f", 720), ("q", 180)], "qhf"),
        ([("f", 0), ("h", 0), ("q", 0)], "fhq"),
        ([("f", 720), ("h", 0), ("q", 180)], "qhf"),
        ([("a", 360), ("b", 360)], "ab"),
    ],
)
def test_by_height_as_far_as_it_is_known(given_: Sequence[tuple[str, int]], expected: str) -> None:
    assert order(*(encoding(rid, height) for rid, height in given_)) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(900_000, 300_000, "ba"), (300_000, 900_000, "ab"), (350_000, 300_000, "ab"), (900_000, 0, "ab")],
)
def test_those_of_one_height_by_rate_if_it_differs_for_sure(first: int, second: int, expected: str) -> None:
    assert order(encoding("a", 720, first), encoding("b", 720, second)) == expected


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_measured_heights_ascend_and_nothing_gets_lost(heights: list[int]) -> None:
    encodings = [encoding(str(index), 90 * height) for index, height in enumerate(heights)]
    found = Siblings(encodings).ascending()
    assert sorted(one.rid for one in found) == sorted(one.rid for one in encodings)
    assert [one.height for one in found] == sorted(one.height for one in encodings)


def test_a_height_that_becomes_known_is_a_change_and_leads_to_those_of_the_others() -> None:
    encodings = [encoding("q"), encoding("h"), encoding("f")]
    siblings = Siblings(encodings)
    assert not siblings.look(10.0)
    encodings[1].quality.sizes(((480, 270),))
    assert siblings.look(10.25)
    assert [one.height for one in encodings] == [135, 270, 540]
    assert not siblings.look(10.5)


def _stops_after(fps: float, siblings: int) -> float:
    """Seconds until an encoding whose siblings send so many frames a second is taken for stopped."""
    encodings = [encoding(str(index)) for index in range(siblings + 1)]
    silent, *others = encodings
    for one in encodings:
        one.last_at = 10.0
    found = Siblings(encodings)
    found.look(10.0)
    now, frame = 10.0, 10.0
    while not silent.stopped and now < 30:
        now += 0.05
        if now >= frame:
            frame += 1 / fps
            for one in others:
                one.frames += 1
                one.last_at = now
        found.look(now)
    return now - 10.0


@pytest.mark.parametrize("siblings", [1, 2])
def test_an_encoding_that_misses_ten_frames_of_another_is_stopped(siblings: int) -> None:
    """However many siblings there are: rate control leaves out frames of one for a while."""
    assert _stops_after(30.0, siblings) == pytest.approx(0.65, abs=0.1)
    assert _stops_after(10.0, siblings) == pytest.approx(0.95, abs=0.15)
    assert _stops_after(5.0, siblings) == pytest.approx(1.85, abs=0.25)


def test_a_camera_that_is_off_stops_no_encoding() -> None:
    encodings = [encoding("q"), encoding("h")]
    for one in encodings:
        one.last_at = 10.0
    found = Siblings(encodings)
    for step in range(100):
        found.look(10.0 + step / 4)
    assert [one.stopped for one in encodings] == [False, False]


def test_it_goes_on_with_its_next_packet() -> None:
    q, h = encoding("q"), encoding("h")
    found = Siblings((q, h))
    q.last_at = h.last_at = 10.0
    found.look(10.0)
    q.frames, q.last_at = 20, 11.0
    assert found.look(11.0)
    assert h.stopped
    h.last_at = 11.1
    assert found.look(11.25)
    assert not h.stopped
