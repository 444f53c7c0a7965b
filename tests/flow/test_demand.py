"""Demand for encodings: on at once, off after a while, told once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.demand import EncodingDemand

ALL = {"q", "h", "f"}


def test_all_are_sent_until_somebody_says_otherwise() -> None:
    demand = EncodingDemand(("q", "h", "f"))
    assert demand.take(1000.0) is None
    assert demand.deadline() is None
    demand.want(ALL, 1000.0)
    assert demand.deadline() is None


def test_off_after_a_while_on_at_once() -> None:
    demand = EncodingDemand(("q", "h", "f"))
    demand.want({"q"}, 10.0)
    assert demand.deadline() == 11.5
    assert demand.take(11.4) is None
    assert demand.take(11.5) == {"q": True, "h": False, "f": False}
    assert demand.take(11.6) is None
    assert demand.deadline() is None
    demand.want({"q", "f"}, 20.0)
    assert demand.deadline() == 20.0
    assert demand.take(20.0) == {"q": True, "h": False, "f": True}
    demand.want(set(), 30.0)
    assert demand.take(31.5) == {"q": False, "h": False, "f": False}


def test_repeating_the_same_does_not_move_the_time() -> None:
    demand = EncodingDemand(("q", "h"), hold=1.0)
    for n in range(9):
        demand.want({"h"}, 5.0 + n / 8)
        assert demand.deadline() == 6.0
    assert demand.take(6.0) == {"q": False, "h": True}


def test_each_has_its_own_time_and_a_short_absence_is_not_told() -> None:
    demand = EncodingDemand(("q", "h"), hold=1.0)
    demand.want({"q"}, 5.0)
    demand.want(set(), 5.5)
    assert demand.take(6.0) == {"q": True, "h": False}
    demand.want({"q"}, 6.4)  # just in time
    assert demand.deadline() is None
    assert demand.take(60.0) is None
    demand.want({"q", "h"}, 61.0)
    demand.want({"q"}, 61.1)  # wanted and given up before anybody was told
    assert demand.take(61.1) is None


def test_names_it_does_not_know_mean_nothing() -> None:
    demand = EncodingDemand(("",))
    demand.want({"", "x"}, 5.0)
    assert demand.deadline() is None
    demand.want({"x"}, 5.0)
    assert demand.take(6.5) == {"": False}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.sampled_from(sorted(ALL))), st.integers(0, 8), st.booleans()), max_size=40)
)
def test_what_is_told_is_what_was_wanted(steps: list[tuple[set[str], int, bool]]) -> None:
    demand = EncodingDemand(sorted(ALL))
    told = dict.fromkeys(sorted(ALL), True)
    last_wanted = dict.fromkeys(ALL, 0.0)
    now = 0.0
    wanted: set[str] = ALL
    for rids, quarters, look in steps:
        now += quarters / 4
        for rid in wanted:
            last_wanted[rid] = now
        wanted = rids
        demand.want(rids, now)
        if look:
            news = demand.take(now)
            assert news is None or (news != told and set(news) == ALL)
            told = news or told
            for rid in ALL:
                expected = rid in rids or now < last_wanted[rid] + 1.5
                assert told[rid] == expected or (expected and rid not in rids)  # off stays off in the hold


def test_a_publisher_that_waits_to_be_told() -> None:
    demand = EncodingDemand(("q", "h"), hold=0.0, sending=False)
    assert demand.take(1.0) is None
    demand.want({"h"}, 2.0)
    assert demand.take(2.0) == {"q": False, "h": True}
    demand.want(set(), 3.0)
    assert demand.take(3.0) == {"q": False, "h": False}
