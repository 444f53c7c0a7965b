"""Which options a tile has use for: its size, the ceiling set by hand, and the reason given."""

import pytest

from sfu.flow.wants import Limit, Option, Want, allowed, quality_of

Q, H, F = (
    tuple(Option(rid, 0, n, bps * share // 10, height) for n, share in enumerate((4, 6, 10)))
    for rid, height, bps in (("q", 180, 150_000), ("h", 360, 500_000), ("f", 720, 1_700_000))
)
SIMULCAST = Q + H + F
SVC = tuple(Option("", n, 2, bps, 180 << n) for n, bps in enumerate((150_000, 500_000, 1_500_000)))


@pytest.mark.parametrize(
    ("height", "tallest", "limit"),
    [
        (0, 720, Limit.NONE),  # unknown
        (90, 180, Limit.SIZE),
        (180, 180, Limit.SIZE),
        (240, 180, Limit.SIZE),  # three quarters are enough
        (241, 360, Limit.SIZE),
        (480, 360, Limit.SIZE),
        (481, 720, Limit.NONE),
        (960, 720, Limit.NONE),
        (961, 720, Limit.SOURCE),
        (2160, 720, Limit.SOURCE),
    ],
)
@pytest.mark.parametrize("options", [SIMULCAST, SVC], ids=["simulcast", "svc"])
def test_size(options: tuple[Option, ...], height: int, tallest: int, limit: Limit) -> None:
    best, why = allowed(Want("0", options, height=height))
    assert best == [option for option in options if option.height <= tallest]
    assert why is limit


@pytest.mark.parametrize(
    ("ceiling", "height", "tallest", "limit"),
    [
        (0, 0, 180, Limit.CHOSEN),
        (1, 0, 360, Limit.CHOSEN),
        (2, 0, 720, Limit.NONE),
        (9, 0, 720, Limit.NONE),
        (-1, 0, 180, Limit.CHOSEN),
        (1, 180, 180, Limit.SIZE),  # the tile is what limits, not the ceiling above it
        (1, 360, 360, Limit.SIZE),
        (0, 360, 180, Limit.CHOSEN),
        (2, 2000, 720, Limit.SOURCE),
        (1, 2000, 360, Limit.CHOSEN),
    ],
)
@pytest.mark.parametrize("options", [SIMULCAST, SVC], ids=["simulcast", "svc"])
def test_ceiling(options: tuple[Option, ...], ceiling: int, height: int, tallest: int, limit: Limit) -> None:
    best, why = allowed(Want("0", options, height=height, ceiling=ceiling))
    assert best == [option for option in options if option.height <= tallest]
    assert why is limit


def test_options_come_back_with_the_cheapest_first() -> None:
    assert allowed(Want("0", SIMULCAST[::-1]))[0] == sorted(SIMULCAST, key=lambda option: option.bps)


def test_a_taller_picture_is_better_and_then_the_higher_frame_rate() -> None:
    order = sorted(SIMULCAST, key=quality_of)
    assert order == list(SIMULCAST)
    assert quality_of(H[0]) > quality_of(Q[2])
