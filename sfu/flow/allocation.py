"""One subscriber's video budget, divided over its slots.

Knows what each slot could show and at what cost, how important and how large it is, and what was chosen before. Does
not know where the budget comes from, how an option is forwarded, or which options a tile has use for (`flow.wants`).

An option that costs as much as a better one, or more, is passed over. First everybody visible gets the lowest option,
in order of importance (priority, then size on screen), as far as the budget goes. Then they climb option by option, in
rounds, a higher priority starting LEAD rounds before the next.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from operator import attrgetter
from typing import Final

from sfu.flow.wants import Choice, Limit, Option, Priority, Want, allowed, quality_of

__all__ = ["Allocator", "Choice", "Limit", "Option", "Priority", "Want"]

# What is raised must fit with this to spare, so that a little more of everything isn't an overload at once.
HEADROOM: Final = 1.03
# Rates of layers are measured and fluctuate. The present choice stays above the budget by this factor as long as need
# be, by HEAVY for GRACE seconds, and beyond that not at all: the queue of the link grows by a quarter of a second and
# more in each second.
TOLERANCE: Final = 1.05
HEAVY: Final = 1.25
GRACE: Final = 0.4
# A rate that rises counts as smoothed over so many seconds: a key frame doubles the rate of a second, and if the link
# cannot carry it, the budget falls. One that falls is believed sooner, by the factor.
SMOOTH: Final = 4.0
_SOONER: Final = 4.0
# How soon to look again at rates that are too high, but were not for long.
_LOOK_AGAIN: Final = 0.5
# Seconds for which the budget must have been enough: before a slot is raised; after it was lowered; at most, doubled
# each time that a raise had to be taken back within _FAILED seconds. All is forgotten after _FORGOTTEN seconds.
_HOLD: Final = 0.7
_HOLD_LOWERED: Final = 1.0
_HOLD_MAX: Final = 8.0
_FAILED: Final = 15.0
_FORGOTTEN: Final = 30.0
# And before a slot is lowered for another one's sake, when nothing but rates has changed.
_HOLD_TAKING: Final = 3.0
# A priority is so many steps ahead of the one below: the temporal layers of one picture size.
LEAD: Final = 3

_ORDER: Final = attrgetter("order")


class _Tile:
    """One want being allocated, and what is remembered of its slot until the next time."""

    __slots__ = (
        "bps",
        "cost",
        "eager",
        "hold",
        "lowered_at",
        "option",
        "order",
        "qualities",
        "quality",
        "raised_at",
        "since",
        "steps",
        "target",
        "top_limit",
        "want",
    )

    def __init__(self, want: Want) -> None:
        self.want = want
        self.order = (0, 0, "")  # the most important first
        self.steps: list[Option] = []  # ascending in cost and in quality; none: nothing can be shown
        self.qualities: list[int] = []  # of the steps
        self.top_limit = Limit.NOTHING  # the reason if the last of the steps is shown
        self.option: Option | None = None  # shown now
        self.quality = -1
        self.bps = 0
        self.cost = 0.0  # its bits a second, smoothed
        self.target = -1  # the step it would have in a division made anew
        self.eager = False  # the client or its priority asks for more than before
        self.since: float | None = None  # when more than `option` began to be affordable
        self.hold = _HOLD
        self.raised_at = float("-inf")
        self.lowered_at = float("-inf")

    def read(self, want: Want, weight: float) -> None:
        """Take what is wanted now, and find again what is shown among the options of now.

        `weight` (0..1) is that of the rate of now in the smoothed one.
        """
        before, top_before = self.want, self.qualities[-1] if self.qualities else -1
        self.want = want
        self.order = (-want.priority, -want.height if want.height else -(1 << 30), want.key)
        if not want.visible or want.last_n or not want.options:
            self.top_limit = (
                Limit.HIDDEN if not want.visible else Limit.LAST_N if want.last_n else Limit.NOTHING
            )
            self.steps, self.qualities, self.since = [], [], None
            self.show(None, -1)
            return
        options, self.top_limit = allowed(want)
        self._climb(options)
        asks_more = want.priority > before.priority or (
            (want.height != before.height or want.ceiling != before.ceiling)
            and self.qualities[-1] > top_before
        )
        self.eager = asks_more or top_before < 0
        shown = self.option
        if shown is None:
            return
        for option in options:
            if (
                option.temporal == shown.temporal
                and option.rid == shown.rid
                and option.spatial == shown.spatial
            ):
                cost, risen = self.cost, option.bps - self.cost
                self.show(option, quality_of(option))
                self.cost = cost + risen * (weight if risen > 0 else min(weight * _SOONER, 1.0))
                return
        level = max((n for n, quality in enumerate(self.qualities) if quality <= self.quality), default=0)
        self.show(self.steps[level], self.qualities[level])

    def _climb(self, options: list[Option]) -> None:
        """Find the steps: each costs more than the one before, and is better."""
        best = -1
        steps: list[Option] = []
        qualities: list[int] = []
        self.steps, self.qualities = steps, qualities
        for option in options:
            quality = quality_of(option)
            if quality > best:
                best = quality
                if steps and steps[-1].bps == option.bps:  # no dearer, and better
                    steps.pop()
                    qualities.pop()
                steps.append(option)
                qualities.append(quality)

    def downward(self) -> list[Option]:
        """The steps up to what is shown, at what that costs."""
        assert self.option is not None
        cost = ceil(min(self.cost, self.bps))
        steps = [
            step
            for step, quality in zip(self.steps, self.qualities, strict=True)
            if quality < self.quality and step.bps < cost
        ]
        return [*steps, replace(self.option, bps=cost)]

    def show(self, option: Option | None, quality: int) -> None:
        """From now on this is shown."""
        self.option = option
        self.quality = quality
        self.bps = option.bps if option is not None else 0
        self.cost = self.bps

    def raise_to(self, level: int, now: float) -> None:
        """Show a better step."""
        self.show(self.steps[level], self.qualities[level])
        self.raised_at = now
        self.since = now if level < self.target else None

    def lower_to(self, option: Option | None, now: float, *, taken: bool = False) -> None:
        """Show less, or nothing; a raise that is taken back so soon makes the next one wait longer.

        Not if another tile has `taken` what this one had: then there was enough for it.
        """
        self.show(option, quality_of(option) if option is not None else -1)
        if taken:
            self.since = None
            return
        failed = now - self.raised_at < _FAILED
        self.hold = min(max(self.hold, _HOLD_LOWERED) * 2, _HOLD_MAX) if failed else _HOLD_LOWERED
        self.raised_at = float("-inf")
        self.lowered_at = now
        self.since = None

    def ripe_at(self, now: float) -> float:
        """When it may be raised, given that it could be now."""
        if self.since is None:
            self.since = now
            if now - self.lowered_at > _FORGOTTEN:
                self.hold = _HOLD
        return now if self.eager else self.since + self.hold

    def choice(self) -> Choice:
        """What the slot is given."""
        if self.qualities and self.quality < self.qualities[-1]:
            return Choice(self.want.key, self.option, Limit.BANDWIDTH)
        return Choice(self.want.key, self.option, self.top_limit)


class Allocator:
    """Divides one subscriber's budget, again and again; what was chosen stays unless there is reason.

    Of what was given once: it is lowered at once above HEAVY times the budget, and above TOLERANCE times it after
    GRACE seconds, where a rate that rises counts as smoothed over SMOOTH seconds. It is raised when it fits with
    HEADROOM to spare, and has done so for a while, which grows after each raise that had to be taken back. A slot that
    is new, that becomes visible, larger or more important isn't kept waiting, and takes from the less important. An
    option that is gone, or that the tile has no more use for, is replaced at once.
    """

    __slots__ = ("_at", "_deadline", "_over_since", "_tiles", "wish_bps")

    def __init__(self) -> None:
        self.wish_bps = 0
        """The budget that would give every slot the best that its tile has use for."""
        self._tiles: dict[str, _Tile] = {}  # of the wants of the last time, no others
        self._at = float("-inf")  # the last time
        self._over_since: float | None = None  # above TOLERANCE
        self._deadline: float | None = None

    def allocate(self, budget_bps: int, wants: Sequence[Want], now: float) -> dict[str, Choice]:
        """A choice for each of `wants`, which are all there are; a key that is left out is forgotten.

        `budget_bps` is for video alone. The order of `wants` has no meaning.
        """
        weight = min(max(now - self._at, 0.0) / SMOOTH, 1.0)
        self._at = now
        tiles: dict[str, _Tile] = {}
        for want in wants:
            tile = self._tiles.get(want.key) or _Tile(want)
            tile.read(want, weight)
            tiles[want.key] = tile
        self._tiles = tiles
        shown = sorted((tile for tile in tiles.values() if tile.steps), key=_ORDER)
        self._deadline = None
        self.wish_bps = round(sum(tile.steps[-1].bps for tile in shown) * HEADROOM)
        self._relieve(shown, budget_bps, now)
        self._improve(shown, budget_bps / HEADROOM, now)
        return {key: tile.choice() for key, tile in tiles.items()}

    def deadline(self) -> float | None:
        """When `allocate` would choose otherwise with nothing changed; None: it would not."""
        return self._deadline

    def _relieve(self, shown: list[_Tile], budget_bps: int, now: float) -> None:
        """Lower and pause, the least important first, if the budget no longer carries what is shown."""
        total = sum(min(tile.cost, tile.bps) for tile in shown)
        if total <= budget_bps * TOLERANCE:
            self._over_since = None
            if sum(tile.bps for tile in shown) > budget_bps * TOLERANCE:
                self._wake(now + _LOOK_AGAIN)
            return
        if self._over_since is None:
            self._over_since = now
        if total <= budget_bps * HEAVY and now < self._over_since + GRACE:
            self._wake(self._over_since + GRACE)
            return
        self._over_since = None
        lit = [tile for tile in shown if tile.option is not None]
        ladders = [tile.downward() for tile in lit]
        for tile, ladder, level in zip(lit, ladders, _divide(budget_bps, lit, ladders), strict=True):
            if level < len(ladder) - 1:
                tile.lower_to(ladder[level] if level >= 0 else None, now)
        if sum(tile.bps for tile in lit) > budget_bps * TOLERANCE:
            self._wake(now + _LOOK_AGAIN)

    def _improve(self, shown: list[_Tile], room_bps: float, now: float) -> None:
        """Raise what has been affordable for long enough, the most important first."""
        if all(tile.quality == tile.qualities[-1] for tile in shown):
            for tile in shown:
                tile.since = None
            return
        total = 0
        over: list[_Tile] = []  # those above their target, the least important first
        for tile, level in zip(shown, _divide(room_bps, shown, [tile.steps for tile in shown]), strict=True):
            tile.target = level
            total += tile.bps
            if tile.option is not None and (level < 0 or tile.qualities[level] < tile.quality):
                over.append(tile)
        over.reverse()
        for tile in shown:
            if tile.target < 0 or tile.qualities[tile.target] <= tile.quality:
                tile.since = None
                continue
            ripe_at = tile.ripe_at(now)
            if now < ripe_at:
                self._wake(ripe_at)
                continue
            assert tile.since is not None
            may_take = tile.eager or now >= tile.since + max(tile.hold, _HOLD_TAKING)
            for level in range(tile.target, -1, -1):
                if tile.qualities[level] <= tile.quality:
                    break
                extra = tile.steps[level].bps - tile.bps
                missing = total + extra - room_bps
                freed = _take(over, tile, level, missing, now) if missing > 0 and may_take else 0
                if missing <= freed:
                    total += extra - freed
                    tile.raise_to(level, now)
                    break
            if tile.quality < tile.qualities[tile.target] and not may_take:
                self._wake(tile.since + max(tile.hold, _HOLD_TAKING))
            elif tile.quality < tile.qualities[tile.target] and now < tile.since + tile.hold:
                self._wake(tile.since + tile.hold)  # what was taken by then may be enough

    def _wake(self, at: float) -> None:
        if self._deadline is None or at < self._deadline:
            self._deadline = at


def _divide(budget_bps: float, tiles: list[_Tile], ladders: list[list[Option]]) -> list[int]:
    """For each tile (the most important first) the step that it gets of its ladder; -1: not even the lowest.

    A tile whose step doesn't fit stays where it is, and those after it go on with what is left. So more importance
    never means less.
    """
    left = budget_bps
    levels = [-1] * len(tiles)
    climbing: list[int] = []
    turn = 1  # the round of the next step to be tried; NORMAL tiles try their first step in round 1
    for n, ladder in enumerate(ladders):
        if ladder[0].bps <= left:
            left -= ladder[0].bps
            levels[n] = 0
            if len(ladder) > 1:
                climbing.append(n)
                turn = min(turn, 1 - LEAD * tiles[n].want.priority)
    while climbing:
        further: list[int] = []
        for n in climbing:
            level = levels[n] + 1
            if level - LEAD * tiles[n].want.priority > turn:
                further.append(n)
                continue
            ladder = ladders[n]
            extra = ladder[level].bps - ladder[level - 1].bps
            if extra <= left:
                left -= extra
                levels[n] = level
                if level + 1 < len(ladder):
                    further.append(n)
        climbing = further
        turn += 1
    return levels


def _take(over: list[_Tile], tile: _Tile, level: int, missing_bps: float, now: float) -> int:
    """Lower as many of `over` to their targets as `tile` needs to show step `level`: the bits freed, 0 if too few.

    It takes from those of lower priority and those that show more than it would then. To be shown at all, it also
    takes from the smaller ones of its priority.
    """
    quality = tile.qualities[level]
    priority = tile.want.priority
    chosen: list[_Tile] = []
    freed = 0
    for other in over:
        if (
            other.want.priority < priority
            or other.quality > quality
            or (tile.option is None and other.order[:2] > tile.order[:2])
        ):
            gain = other.bps - (other.steps[other.target].bps if other.target >= 0 else 0)
            if gain > 0:
                chosen.append(other)
                freed += gain
                if freed >= missing_bps:
                    break
    if freed < missing_bps:
        return 0
    for other in chosen:
        other.lower_to(other.steps[other.target] if other.target >= 0 else None, now, taken=True)
    return freed
