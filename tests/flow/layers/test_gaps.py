"""Numbers that were missing: as many single answers, kept as ranges."""

import random

from sfu.flow.layers.layer import Gaps


def test_each_number_of_a_gap_has_what_held_then() -> None:
    rng = random.Random(3)
    gaps = Gaps[int]()
    expected: dict[int, int] = {}
    position = 0
    for held in range(100):
        first = position + rng.randrange(1, 5)
        position = first + rng.randrange(1, 400)
        gaps.add(first, position, held)
        expected.update(dict.fromkeys(range(first, position), held))
    assert {number: gaps.find(number) for number in range(position + 10)} == {
        number: expected.get(number) for number in range(position + 10)
    }
    gaps.clear()
    assert gaps.find(position - 1) is None


def test_the_oldest_are_forgotten() -> None:
    gaps = Gaps[int]()
    for number in range(0, 2000, 2):
        gaps.add(number, number + 1, number)
    assert gaps.find(0) is None
    assert [gaps.find(number) for number in (1996, 1997, 1998)] == [1996, None, 1998]


def test_a_wide_gap_takes_no_more_room_than_a_small_one() -> None:
    """Else whoever publishes nothing but gaps would make the server work for each subscriber."""
    gaps = Gaps[int]()
    gaps.add(0, 1 << 20, 7)
    assert len(gaps._gaps) == 1
    assert gaps.find((1 << 20) - 1) == 7
