"""What a slot could show: the options of its publication, and which of them its tile has use for.

Knows sizes, ceilings and reasons. Does not know budgets, or what else is shown (`flow.allocation`).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from operator import attrgetter
from typing import Final

# A picture of three quarters of the lines shown is enough: less is seen as blur, while the next larger encoding costs
# about three times as much.
ENOUGH: Final = 0.75

_BPS: Final = attrgetter("bps")


class Priority(IntEnum):
    """How important a slot is; among equals the larger one on screen comes first."""

    NORMAL = 0
    SPEAKER = 1
    SCREEN = 2
    PINNED = 3


class Limit(StrEnum):
    """Why a slot shows nothing better than it does. Of several reasons the first of this list."""

    HIDDEN = "hidden"  # nobody looks: nothing is sent
    LAST_N = "last-n"  # not among the latest speakers: nothing is sent
    NOTHING = "nothing"  # the publisher sends nothing
    BANDWIDTH = "bandwidth"  # the budget carries no more
    CHOSEN = "chosen"  # the ceiling set by hand
    SIZE = "size"  # the publisher sends larger pictures, which the tile has no use for
    SOURCE = "source"  # the largest picture the publisher sends, and the tile could show more
    NONE = "none"  # the largest picture the publisher sends, and enough for the tile


@dataclass(frozen=True, slots=True)
class Option:
    """One way to forward a publication: up to these layers of this encoding.

    `height` in pixels, of the picture that is then seen; `spatial` and `temporal` are 0..7. An encoding that sleeps
    only because nobody takes it belongs to the options too, with the rate that is expected of it.
    """

    rid: str
    spatial: int
    temporal: int
    bps: int
    height: int
    rank: int = 0
    """0..7, of the encoding among those of its publication: of two of one height the higher one is the better."""


@dataclass(frozen=True, slots=True)
class Want:
    """What one slot could be given. `key` is unique among the wants of an allocation.

    `height` in physical pixels on screen, 0 = unknown, then as large as can be. `ceiling`: index of the largest
    picture allowed (among the different ones of `options`, smallest first), None = no ceiling.
    """

    key: str
    options: tuple[Option, ...]
    priority: Priority = Priority.NORMAL
    height: int = 0
    visible: bool = True
    ceiling: int | None = None
    last_n: bool = False  # excluded by last-n


@dataclass(frozen=True, slots=True)
class Choice:
    """What one slot is given; no option: nothing is sent."""

    key: str
    option: Option | None
    limit: Limit


def quality_of(option: Option) -> int:
    """A number that is larger for the better option: by height, then by encoding, then by layers."""
    return option.height << 9 | option.rank << 6 | option.spatial << 3 | option.temporal


def allowed(want: Want) -> tuple[list[Option], Limit]:
    """The options that the tile has use for and the ceiling allows, the cheapest first; never none.

    And the reason why the best of them is the best.
    """
    options = sorted(want.options, key=_BPS)
    needed = want.height * ENOUGH
    tallest = 0
    enough = 0  # the smallest height that is enough; 0: none is
    for option in options:
        height = option.height
        if height > tallest:
            tallest = height
        if height >= needed and (height < enough or not enough):
            enough = height
    limit = Limit.NONE
    if want.height:
        if not enough:
            limit = Limit.SOURCE
        elif enough < tallest:
            limit = Limit.SIZE
            options = [option for option in options if option.height <= enough]
    if want.ceiling is not None:
        pictures = dict.fromkeys((option.height, option.spatial, option.rid) for option in options)
        if len(pictures) > want.ceiling + 1:
            # Ordered among all, the sleeping and the too large too: an index means the same in every tile.
            order = sorted(
                dict.fromkeys((option.height, option.spatial, option.rid) for option in want.options),
                key=lambda picture: picture[:2],
            )
            below = set(order[: max(want.ceiling, 0) + 1])
            fewer = [option for option in options if (option.height, option.spatial, option.rid) in below]
            if len(fewer) < len(options):
                return fewer, Limit.CHOSEN
    return options, limit
