"""Allocation by cases: who gets what of a budget, with what reason, and when it changes."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sfu.flow.allocation import Allocator, Choice, Option, Priority, Want

LADDER = (("q", 180, 150_000), ("h", 360, 500_000), ("f", 720, 1_700_000))


def options(scale: float = 1.0, rids: str = "qhf", temporal: int = 3) -> tuple[Option, ...]:
    """Three encodings with their temporal layers, at 0.4, 0.6 and 1 of the rate."""
    shares = (0.4, 0.6, 1.0)[-temporal:]
    return tuple(
        Option(rid, 0, n, round(bps * share * scale), height)
        for rid, height, bps in LADDER
        if rid in rids
        for n, share in enumerate(shares)
    )


PLAIN = options(temporal=1)  # 150k, 500k, 1.7M


def shown(choices: dict[str, Choice]) -> dict[str, str]:
    """Per slot what is shown ("h2") or "-", and why not more."""
    return {
        key: (f"{choice.option.rid}{choice.option.temporal}" if choice.option else "-") + f" {choice.limit}"
        for key, choice in choices.items()
    }


def fresh(budget: int, *wants: Want) -> dict[str, str]:
    return shown(Allocator().allocate(budget, wants, 100.0))


class Room:
    """An allocator asked ten times a second, a little late each time."""

    def __init__(self, *wants: Want) -> None:
        self.allocator = Allocator()
        self.wants: Sequence[Want] = wants
        self.now = 100.0
        self.changes = 0
        self.choices: dict[str, Choice] = {}

    def at(self, budget: int, seconds: float = 0.0) -> dict[str, str]:
        """The choices after so many seconds at this budget."""
        for _ in range(round(seconds * 10) or 1):
            before = shown(self.choices)
            self.choices = self.allocator.allocate(budget, self.wants, self.now)
            self.changes += before != shown(self.choices)
            self.now += 0.1001
        return shown(self.choices)

    def until(self, budget: int, wanted: dict[str, str]) -> float:
        """Seconds until the choices are these."""
        begin = self.now
        while self.at(budget) != wanted:
            assert self.now < begin + 60, shown(self.choices)
        return self.now - begin - 0.1001


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (0, "- bandwidth"),
        (60_000, "- bandwidth"),  # HEADROOM
        (67_000, "q0 bandwidth"),
        (100_000, "q1 bandwidth"),
        (170_000, "q2 bandwidth"),
        (221_000, "h0 bandwidth"),
        (560_000, "h2 bandwidth"),
        (749_000, "f0 bandwidth"),
        (1_750_000, "f1 bandwidth"),
        (1_752_000, "f2 none"),
        (50_000_000, "f2 none"),
    ],
)
def test_one_slot_gets_what_fits(budget: int, expected: str) -> None:
    assert fresh(budget, Want("0", options())) == {"0": expected}


def test_what_is_not_to_be_seen_is_not_sent() -> None:
    wants = (
        Want("hidden", PLAIN, visible=False),
        Want("silent", PLAIN, last_n=True),
        Want("both", PLAIN, visible=False, last_n=True),
        Want("nothing", ()),
        Want("seen", PLAIN),
    )
    assert fresh(10_000_000, *wants) == {
        "hidden": "- hidden",
        "silent": "- last-n",
        "both": "- hidden",
        "nothing": "- nothing",
        "seen": "f0 none",
    }


def test_everybody_is_seen_before_anybody_is_seen_well() -> None:
    wants = [Want(str(n), options(), Priority.PINNED if n == 4 else Priority.NORMAL) for n in range(5)]
    got = fresh(342_000, *wants)  # 331k with headroom: five times 60k, and one step of 30k
    assert got == {"0": "q0 bandwidth", "1": "q0 bandwidth", "2": "q0 bandwidth", "3": "q0 bandwidth"} | {
        "4": "q1 bandwidth"
    }


def test_the_least_important_pause_first() -> None:
    wants = (
        Want("large", PLAIN, height=360),
        Want("small", PLAIN, height=180),
        Want("pinned", PLAIN, Priority.PINNED, height=100),
        Want("speaker", PLAIN, Priority.SPEAKER, height=180),
        Want("screen", PLAIN, Priority.SCREEN, height=180),
    )
    order = ["pinned", "screen", "speaker", "large", "small"]
    for count in range(6):
        got = fresh(count * 165_000 + 100, *wants)
        assert [key for key in order if got[key][0] == "q"] == order[:count]
        assert all(got[key] == "- bandwidth" for key in order[count:])


def test_one_that_is_too_dear_does_not_darken_the_others() -> None:
    screen = Want("screen", (Option("", 0, 0, 2_000_000, 1080),), Priority.SCREEN)
    assert fresh(500_000, screen, Want("face", PLAIN)) == {"screen": "- bandwidth", "face": "q0 bandwidth"}


def test_equals_climb_together() -> None:
    wants = [Want(str(n), options()) for n in range(4)]
    got = fresh(1_310_000, *wants)  # 318k each with headroom
    assert set(got.values()) == {"h1 bandwidth"}


def test_the_larger_tile_climbs_first() -> None:
    assert fresh(730_000, Want("a", PLAIN, height=400), Want("b", PLAIN, height=500)) == {
        "a": "q0 bandwidth",
        "b": "h0 bandwidth",
    }
    assert (
        fresh(730_000, Want("a", PLAIN), Want("b", PLAIN, height=500))["a"] == "h0 bandwidth"
    )  # as large as can be


@pytest.mark.parametrize("priority", [Priority.PINNED, Priority.SCREEN, Priority.SPEAKER])
def test_a_priority_is_a_picture_size_ahead(priority: Priority) -> None:
    wants = [Want(str(n), options(), Priority.NORMAL) for n in range(3)] + [Want("x", options(), priority)]
    assert fresh(468_000, *wants)["x"] == "h0 bandwidth"  # 455k: 4 x 60k, 30k, 60k, 50k
    if priority > Priority.SPEAKER:
        wants.append(Want("y", options(), Priority(priority - 1)))
        got = fresh(693_000, *wants)  # 672k: 5 x 60k, then x to h1 (240k), y to q2 (90k)
        assert (got["x"], got["y"]) == ("h1 bandwidth", "q2 bandwidth")


def test_an_option_dearer_than_a_better_one_is_passed_over() -> None:
    odd = (Option("q", 0, 2, 300_000, 180), Option("h", 0, 0, 200_000, 360), Option("h", 0, 2, 500_000, 360))
    assert fresh(340_000, Want("0", odd)) == {"0": "h0 bandwidth"}
    assert fresh(225_000, Want("0", odd)) == {"0": "h0 bandwidth"}


def test_the_wish_is_the_best_of_all_that_is_seen() -> None:
    allocator = Allocator()
    wants = (
        Want("a", PLAIN),
        Want("b", PLAIN, height=180),
        Want("c", PLAIN, ceiling=1),
        Want("d", PLAIN, visible=False),
        Want("e", PLAIN, last_n=True),
        Want("f", ()),
    )
    allocator.allocate(100_000, wants, 0.0)
    assert allocator.wish_bps == 2_420_500  # (1.7M + 150k + 500k) with headroom
    got = shown(Allocator().allocate(allocator.wish_bps + 1, wants, 0.0))
    assert [got[key] for key in "abc"] == ["f0 none", "q0 size", "h0 chosen"]
    allocator.allocate(100_000, (), 0.0)
    assert allocator.wish_bps == 0


def test_a_light_overload_is_borne_for_a_moment_and_a_heavy_one_not_at_all() -> None:
    room = Room(Want("0", options()))
    assert room.at(2_000_000) == {"0": "f2 none"}
    assert room.at(1_650_000, 30) == {"0": "f2 none"}  # within the tolerance
    assert room.at(1_500_000, 0.4) == {"0": "f2 none"}
    assert room.allocator.deadline() == pytest.approx(room.now, abs=0.01)
    assert room.at(1_500_000) == {"0": "f1 bandwidth"}
    room = Room(Want("0", options()))
    room.at(2_000_000)
    assert room.at(1_350_000) == {"0": "f1 bandwidth"}
    assert room.at(500_000) == {"0": "h2 bandwidth"}
    assert room.at(0) == {"0": "- bandwidth"}


@pytest.mark.parametrize("times", [1.5, 2.0])
def test_a_key_frame_in_the_measured_rate_lowers_nothing(times: float) -> None:
    room = Room(Want("0", PLAIN))
    assert room.at(1_900_000, 2) == {"0": "f0 none"}
    for _ in range(5):
        room.wants = (Want("0", options(times, temporal=1)),)
        assert room.at(1_900_000, 1) == {"0": "f0 none"}
        room.wants = (Want("0", PLAIN),)
        assert room.at(1_900_000, 2) == {"0": "f0 none"}


def test_a_rate_that_rose_for_good_is_followed() -> None:
    room = Room(Want("0", PLAIN))
    assert room.at(2_500_000, 2) == {"0": "f0 none"}
    room.wants = (Want("0", options(2.0, temporal=1)),)
    assert room.until(2_500_000, {"0": "h0 bandwidth"}) == pytest.approx(3.5, abs=0.15)
    assert room.at(1_700_000, 2) == {"0": "h0 bandwidth"}


def test_a_budget_that_falls_counts_at_once_also_after_a_rise_of_rates() -> None:
    room = Room(Want("0", PLAIN))
    room.at(2_500_000, 2)
    room.wants = (Want("0", options(2.0, temporal=1)),)
    room.at(2_500_000)
    assert (room.allocator.deadline() or 0) > room.now  # to look whether it lasts
    assert room.at(1_300_000) == {"0": "h0 bandwidth"}


def test_a_rate_that_fell_counts_at_once() -> None:
    room = Room(Want("0", PLAIN))
    room.at(2_500_000, 2)
    room.wants = (Want("0", options(0.2, temporal=1)),)
    assert room.at(400_000, 5) == {"0": "f0 none"}


def test_each_overload_has_its_own_moment() -> None:
    room = Room(Want("0", options()))
    room.at(2_000_000)
    room.at(1_500_000, 0.3)
    assert room.at(1_300_000) == {"0": "f1 bandwidth"}
    assert room.at(900_000, 0.4) == {"0": "f1 bandwidth"}
    assert room.at(900_000, 0.2) == {"0": "f0 bandwidth"}


def test_overload_takes_from_the_least_important() -> None:
    room = Room(Want("a", PLAIN), Want("b", PLAIN, Priority.SPEAKER), Want("c", PLAIN))
    assert set(room.at(6_000_000).values()) == {"f0 none"}
    assert room.at(3_900_000) == {"a": "f0 none", "b": "f0 none", "c": "h0 bandwidth"}
    assert room.at(2_350_000) == {"a": "h0 bandwidth", "b": "f0 none", "c": "q0 bandwidth"}
    assert room.at(350_000) == {"a": "q0 bandwidth", "b": "q0 bandwidth", "c": "- bandwidth"}


def test_a_raise_waits_until_the_budget_has_been_enough_for_a_while() -> None:
    room = Room(Want("0", PLAIN))
    room.at(300_000)
    assert room.until(2_000_000, {"0": "f0 none"}) == pytest.approx(0.7, abs=0.01)
    room = Room(Want("0", PLAIN))
    room.at(300_000)
    for _ in range(20):  # never enough for so long
        assert room.at(2_000_000, 0.6) == {"0": "q0 bandwidth"}
        room.at(300_000)
    assert room.at(1_740_000, 60) == {"0": "h0 bandwidth"}  # f fits, but with nothing to spare
    assert room.allocator.deadline() is None


def test_the_deadline_tells_when_a_raise_is_due() -> None:
    room = Room(Want("0", PLAIN))
    room.at(300_000)
    room.at(2_000_000)
    assert room.allocator.deadline() == pytest.approx(100.1 + 0.7, abs=0.01)
    room.now = room.allocator.deadline() or 0
    assert room.at(2_000_000) == {"0": "f0 none"}
    assert room.allocator.deadline() is None


def test_a_raise_that_is_taken_back_makes_the_next_wait_longer() -> None:
    room = Room(Want("0", PLAIN))
    room.at(300_000)
    waits = []
    for _ in range(7):
        waits.append(room.until(700_000, {"0": "h0 bandwidth"}))
        room.at(200_000)
    assert waits == pytest.approx([0.7, 2, 4, 8, 8, 8, 8], abs=0.11)
    room.at(200_000, 31)
    assert room.until(700_000, {"0": "h0 bandwidth"}) == pytest.approx(0.7, abs=0.01)


def test_a_link_that_falls_and_recovers_is_used_again_at_once() -> None:
    room = Room(Want("0", options()))
    room.at(3_000_000, 20)
    for budget in range(2_900_000, 300_000, -200_000):  # an estimate that finds its way down
        room.at(budget)
    assert room.at(450_000, 5) == {"0": "h1 bandwidth"}
    assert room.until(3_000_000, {"0": "f2 none"}) <= 1.01


def test_what_is_paused_comes_back_with_hysteresis() -> None:
    room = Room(Want("a", PLAIN), Want("b", PLAIN))
    both = {"a": "q0 bandwidth", "b": "q0 bandwidth"}
    assert room.at(400_000) == both
    assert room.at(280_000, 0.4) == both
    assert room.at(280_000) == both | {"b": "- bandwidth"}
    assert room.at(306_000, 60) == both | {"b": "- bandwidth"}
    assert room.until(340_000, both) == pytest.approx(0.7, abs=0.01)


def test_who_looks_is_not_kept_waiting() -> None:
    a, b = Want("a", PLAIN, height=360), Want("b", PLAIN, visible=False)
    room = Room(a, b)
    assert room.at(3_000_000) == {"a": "h0 size", "b": "- hidden"}
    room.wants = (a, replace(b, visible=True))
    assert room.at(3_000_000) == {"a": "h0 size", "b": "f0 none"}
    room.wants = (replace(a, height=720), b)
    assert room.at(3_000_000) == {"a": "f0 none", "b": "- hidden"}
    room.wants = (replace(a, ceiling=0), b)
    assert room.at(3_000_000) == {"a": "q0 chosen", "b": "- hidden"}
    room.wants = (a, Want("c", PLAIN))
    assert room.at(3_000_000) == {"a": "h0 size", "c": "f0 none"}
    room.wants = (replace(a, last_n=True), Want("c", ()))
    assert room.at(3_000_000) == {"a": "- last-n", "c": "- nothing"}
    room.wants = (a, Want("c", PLAIN))
    assert room.at(3_000_000) == {"a": "h0 size", "c": "f0 none"}


def test_more_importance_takes_from_the_others_at_once() -> None:
    a, b = Want("a", PLAIN), Want("b", PLAIN)
    room = Room(a, b)
    assert room.at(2_100_000, 5) == {"a": "h0 bandwidth", "b": "h0 bandwidth"}
    room.wants = (a, replace(b, priority=Priority.PINNED))
    assert room.at(2_100_000) == {"a": "q0 bandwidth", "b": "f0 none"}
    room.wants = (replace(a, priority=Priority.PINNED), b)
    assert room.at(2_100_000) == {"a": "f0 none", "b": "q0 bandwidth"}
    room.wants = (a, b)  # back to equals: fair again after a while
    room.at(2_100_000, 5)
    assert room.at(2_100_000) == {"a": "h0 bandwidth", "b": "h0 bandwidth"}


def test_a_newcomer_gets_its_share_of_who_has_more() -> None:
    room = Room(Want("b", PLAIN))
    assert room.at(2_000_000) == {"b": "f0 none"}
    room.wants = (Want("b", PLAIN), Want("c", PLAIN))
    assert room.at(2_000_000) == {"b": "h0 bandwidth", "c": "h0 bandwidth"}


def test_equals_do_not_swap_places() -> None:
    room = Room(Want("b", PLAIN))
    assert room.at(730_000) == {"b": "h0 bandwidth"}
    room.wants = (Want("a", PLAIN), Want("b", PLAIN))  # made anew, "a" would be the one to have 500k
    assert room.at(730_000, 60) == {"a": "q0 bandwidth", "b": "h0 bandwidth"}


def test_a_more_important_newcomer_is_seen_in_place_of_another() -> None:
    room = Room(Want("b", PLAIN, height=100))
    assert room.at(200_000) == {"b": "q0 size"}
    room.wants = (*room.wants, Want("c", PLAIN, height=100))
    assert room.at(200_000, 20) == {"b": "q0 size", "c": "- bandwidth"}
    room.wants = (*room.wants, Want("a", PLAIN, Priority.SPEAKER, height=100))
    assert room.at(200_000) == {"a": "q0 size", "b": "- bandwidth", "c": "- bandwidth"}


def test_a_larger_newcomer_is_seen_in_place_of_a_smaller_one() -> None:
    room = Room(Want("b", PLAIN, height=100))
    assert room.at(200_000) == {"b": "q0 size"}
    room.wants = (*room.wants, Want("c", PLAIN, height=240))
    assert room.at(200_000) == {"b": "- bandwidth", "c": "q0 size"}


def _full() -> tuple[Room, list[Want]]:
    """Two at f, one at q that could soon have more; 3.55M of 3.4M, which is borne."""
    large, small = Want("large", PLAIN, height=800), Want("small", PLAIN, height=700)
    third = Want("third", options(rids="q", temporal=1), height=600)
    room = Room(large, small, third)
    assert room.at(4_000_000) == {"large": "f0 none", "small": "f0 none", "third": "q0 source"}
    return room, [large, small, Want("third", options(rids="qh", temporal=1), height=600)]


def test_a_newcomer_takes_no_more_than_it_needs_and_from_the_smaller_one() -> None:
    room, wants = _full()
    room.wants = (*wants, Want("new", (Option("", 0, 0, 450_000, 1080),), Priority.PINNED))
    assert room.at(3_400_000) == {
        "large": "f0 none",
        "small": "h0 bandwidth",
        "third": "q0 bandwidth",
        "new": "0 none",
    }


def test_two_newcomers_take_one_after_the_other() -> None:
    room, wants = _full()
    new = (Option("", 0, 0, 450_000, 1080),)
    room.wants = (*wants, Want("new", new, Priority.PINNED), Want("newer", new, Priority.PINNED))
    got = room.at(3_190_000)
    assert (got["new"], got["newer"]) == ("0 none", "0 none")
    assert (got["large"], got["small"]) == ("h0 bandwidth", "h0 bandwidth")


def test_part_of_a_raise_is_taken_where_all_of_it_would_take_from_others() -> None:
    room = Room(Want("a", options(rids="q")), Want("b", options()))
    assert room.at(1_965_000) == {"a": "q2 none", "b": "f2 none"}
    room.wants = (Want("a", options(rids="qh")), Want("b", options()))
    assert room.at(1_965_000, 1) == {"a": "h0 bandwidth", "b": "f2 none"}
    assert room.allocator.deadline() is not None
    assert room.at(1_965_000, 4) == {"a": "h2 none", "b": "f1 bandwidth"}


def test_the_wait_for_a_raise_begins_anew_when_there_was_nothing_to_raise() -> None:
    more, less = (Want("0", options(rids=rids, temporal=1)) for rids in ("qhf", "q"))
    room = Room(less)
    assert room.at(3_000_000) == {"0": "q0 none"}
    for _ in range(5):
        room.wants = (more,)
        assert room.at(3_000_000, 0.5) == {"0": "q0 bandwidth"}
        room.wants = (less,)
        assert room.at(3_000_000, 0.5) == {"0": "q0 none"}


def test_what_comes_in_place_of_a_lost_option_is_less_not_more() -> None:
    room = Room(Want("0", options(rids="qh")))
    assert room.at(3_000_000) == {"0": "h2 none"}
    room.wants = (Want("0", options(rids="qf")),)
    assert room.at(3_000_000, 0.5) == {"0": "q2 bandwidth"}
    assert room.at(3_000_000, 0.5) == {"0": "f2 none"}


def test_an_option_that_is_gone_is_replaced_at_once() -> None:
    room = Room(Want("0", options()))
    assert room.at(3_000_000) == {"0": "f2 none"}
    room.wants = (Want("0", options(rids="qh")),)
    assert room.at(3_000_000) == {"0": "h2 none"}
    room.wants = (Want("0", options(rids="f")),)  # nothing smaller is left
    assert room.at(3_000_000, 1) == {"0": "f2 none"}
    room.wants = (Want("0", ()),)
    assert room.at(3_000_000) == {"0": "- nothing"}
    room.wants = (Want("0", options(rids="qh")),)
    assert room.at(3_000_000) == {"0": "h2 none"}
    room.wants = (Want("0", options()),)  # the publisher's doing: no hurry
    assert room.until(3_000_000, {"0": "f2 none"}) == pytest.approx(0.7, abs=0.01)


def test_a_slot_that_is_gone_is_forgotten() -> None:
    room = Room(Want("0", PLAIN))
    for _ in range(4):
        room.until(700_000, {"0": "h0 bandwidth"})
        room.at(200_000)
    room.wants = ()
    assert room.at(700_000) == {}
    room.wants = (Want("0", PLAIN),)
    assert room.at(700_000) == {"0": "h0 bandwidth"}
