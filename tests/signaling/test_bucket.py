"""The token bucket, by rows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.bucket import TokenBucket


def test_burst_then_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3, now=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(100.05)
    assert bucket.take(100.101)
    assert not bucket.take(100.101)
    assert [bucket.take(200.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_stands_still_or_steps_back_grants_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=1, now=100.0)
    assert bucket.take(100.0)
    assert not bucket.take(50.0)
    assert not bucket.take(100.0)
    assert bucket.take(100.11)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=100))
def test_never_more_than_allowed(gaps: list[float]) -> None:
    bucket = TokenBucket(rate=5, burst=4, now=0.0)
    now, granted = 0.0, 0
    for gap in gaps:
        now += gap
        granted += bucket.take(now)
        assert granted <= 4 + 5 * now + 1e-6
