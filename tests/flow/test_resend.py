"""The resend budget: once per round trip, and never more than its share."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.resend import BURST, ResendBudget


def test_the_same_packet_once_per_round_trip() -> None:
    budget = ResendBudget()
    assert budget.allow(1, 1000, 1.0, rtt=0.1)
    assert not budget.allow(1, 1000, 1.09, rtt=0.1)
    assert budget.allow(2, 1000, 1.09, rtt=0.1)
    assert budget.allow(1, 1000, 1.1, rtt=0.1)
    assert (budget.granted, budget.refused) == (3, 1)


def test_a_tiny_round_trip_still_waits_ten_ms() -> None:
    budget = ResendBudget()
    assert budget.allow(1, 1000, 1.0, rtt=0.0001)
    assert not budget.allow(1, 1000, 1.009, rtt=0.0001)
    assert budget.allow(1, 1000, 1.011, rtt=0.0001)


def test_silence_leaves_the_burst() -> None:
    budget = ResendBudget()
    granted = sum(budget.allow(n, 1000, 1.0, rtt=0.1) for n in range(100))
    assert granted * 1000 == BURST
    assert budget.allow(1000, 1000, 3.0, rtt=0.1)


def test_half_of_what_is_forwarded_on_top() -> None:
    budget = ResendBudget()
    budget.sent(200_000, 1.0)
    granted = sum(budget.allow(n, 1000, 1.0, rtt=0.1) for n in range(1000))
    assert granted == 150


@settings(derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(0, 50), st.integers(1, 20_000), st.floats(0, 0.2), st.floats(0, 0.5)
        ),
        min_size=40,
        max_size=150,
    )
)
def test_neither_limit_is_ever_passed(steps: list[tuple[bool, int, int, float, float]]) -> None:
    budget = ResendBudget()
    now = 1.0
    sent: list[tuple[float, int]] = []
    resent: list[tuple[float, int]] = []
    last: dict[int, float] = {}
    for forwards, seq, size, passed, rtt in steps:
        now += passed
        if forwards:
            budget.sent(size, now)
            sent.append((now, size))
        elif budget.allow(seq, size, now, rtt):
            assert seq not in last or now >= last[seq] + max(rtt, 0.01)
            last[seq] = now
            resent.append((now, size))
        spent = sum(s for at, s in resent if at > now - 0.999)
        assert spent <= 0.5 * sum(s for at, s in sent if at >= now - 2.2) + BURST
