"""The path of auto rooms: counts and seconds in, `sfu` or `mesh` out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.auto import AutoRule, AutoSettings

DEFAULT = AutoSettings()


@pytest.mark.parametrize(
    ("settings_", "steps"),
    [
        # Steps: time, members (None: only time passes), path after it.
        (DEFAULT, [(0, 1, "mesh"), (1, 2, "mesh"), (100, None, "mesh")]),
        (DEFAULT, [(0, 1, "mesh"), (0, 2, "mesh"), (0, 3, "sfu"), (99, None, "sfu"), (99, 4, "sfu")]),
        (DEFAULT, [(0, 3, "sfu"), (5, 2, "sfu"), (14.9, None, "sfu"), (15, None, "mesh")]),
        (DEFAULT, [(0, 3, "sfu"), (5, 2, "sfu"), (14.9, 3, "sfu"), (15, None, "sfu"), (99, None, "sfu")]),
        # Leaving again does not put the move off; coming back up to the threshold does.
        (DEFAULT, [(0, 3, "sfu"), (5, 2, "sfu"), (14, 1, "sfu"), (15, None, "mesh")]),
        (
            DEFAULT,
            [(0, 3, "sfu"), (5, 2, "sfu"), (6, 3, "sfu"), (14, 2, "sfu"), (23, 2, "sfu"), (24, 1, "mesh")],
        ),
        (DEFAULT, [(0, 3, "sfu"), (5, 2, "sfu"), (20, 3, "sfu")]),
        (AutoSettings(2, 0), [(0, 1, "mesh"), (0, 2, "sfu"), (1, 1, "mesh"), (1, 2, "sfu")]),
        (
            AutoSettings(5, 1),
            [(0, 4, "mesh"), (0, 5, "sfu"), (1, 3, "sfu"), (2, None, "mesh"), (3, 5, "sfu")],
        ),
    ],
)
def test_table(settings_: AutoSettings, steps: list[tuple[float, int | None, str]]) -> None:
    rule = AutoRule(settings_)
    for now, members, path in steps:
        before = rule.path
        changed = rule.tick(now) if members is None else rule.count(members, now)
        assert rule.path == path, (now, members)
        assert changed == (before != path)


def test_deadlines() -> None:
    rule = AutoRule(DEFAULT)
    assert rule.deadline() is None
    rule.count(3, 1.0)
    assert rule.deadline() is None
    rule.count(2, 5.0)
    assert rule.deadline() == 15.0
    rule.count(1, 6.0)
    assert rule.deadline() == 15.0
    rule.tick(15.0)
    assert rule.deadline() is None


@settings(max_examples=200, deadline=None)
@given(
    st.integers(2, 6),
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from([-1, 0, 1])), max_size=60),
)
def test_any_comings_and_goings(threshold: int, quiet: int, steps: list[tuple[int, int]]) -> None:
    rule = AutoRule(AutoSettings(threshold, quiet))
    now, members = 0, 1
    enough_at = -1000  # when there were enough participants for the last time
    rule.count(members, now)
    for elapsed, change in steps:
        if members >= threshold:
            enough_at = now + elapsed
        now += elapsed
        members = max(0, members + change)
        rule.count(members, now)
        if members >= threshold:
            assert rule.path == "sfu"
        elif now - enough_at > quiet:
            assert rule.path == "mesh"
        deadline = rule.deadline()
        assert (deadline is not None) == (rule.path == "sfu" and members < threshold)
        assert deadline is None or deadline > now
