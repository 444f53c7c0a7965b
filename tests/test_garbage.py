"""What the daemon asks of Python's garbage collector, and that it gives it back."""

import gc

from sfu.garbage import BETWEEN_FULL, BETWEEN_MIDDLE, rarely_collected


def test_what_is_there_is_left_alone_until_the_end() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with rarely_collected():
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold() == (before[0], BETWEEN_MIDDLE, BETWEEN_FULL)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_garbage_is_collected_all_the_same() -> None:
    class Cycle:
        def __init__(self) -> None:
            self.me = self

    with rarely_collected():
        for _ in range(100):
            Cycle()
        assert gc.collect() >= 100
