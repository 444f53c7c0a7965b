"""The pacer: its rate, its order, its bounds; late timers and changing rates. In virtual time."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.pacing import WINDOW, Pacer


def _send(pacer: Pacer[int], item: int, size: int, now: float, *, first: bool = False) -> bool | None:
    """True: left at once; False: waits; None: no room."""
    if pacer.admit(size, now):
        return True
    return False if pacer.push(item, size, now, first=first) else None


def _drain(pacer: Pacer[int], now: float, late: float = 0.0) -> list[tuple[float, int]]:
    """Everything that waits, with the time it leaves; each timer fires `late` seconds after its deadline."""
    left = []
    while (at := pacer.deadline()) is not None:
        now = max(now, at + late)
        batch = list(pacer.due(now))
        assert batch, "a deadline at which nothing was due"
        left += [(now, item) for item in batch]
    return left


def test_a_stream_below_the_rate_never_waits() -> None:
    pacer = Pacer[int](1_000_000)
    for n in range(500):
        assert pacer.admit(1200, n * 0.010)  # 960 kbit/s
    assert pacer.deadline() is None
    assert pacer.admitted == 500


def test_a_burst_leaves_at_the_rate_and_in_order() -> None:
    pacer = Pacer[int](1_000_000)
    sent = [_send(pacer, n, 1250, 5.0) for n in range(100)]
    assert sent[0] is True  # ten milliseconds each
    assert sent[1:] == [False] * 99
    assert pacer.queued_bytes == 99 * 1250
    assert pacer.queued_seconds == pytest.approx(0.99)
    left = _drain(pacer, 5.0)
    assert [item for _, item in left] == list(range(1, 100))
    for at, item in left:
        assert at == pytest.approx(5.0 + item * 0.010, abs=WINDOW + 1e-6)
    assert (pacer.admitted, pacer.paced, pacer.refused, len(pacer), pacer.queued_bytes) == (1, 99, 0, 0, 0)


def test_a_fast_link_gets_batches_not_a_timer_for_each_packet() -> None:
    pacer = Pacer[int](20_000_000)  # half a millisecond a packet
    for n in range(1000):
        _send(pacer, n, 1250, 0.0)
    times = sorted({at for at, _ in _drain(pacer, 0.0)})
    assert all(b - a >= WINDOW - 1e-6 for a, b in pairwise(times))
    assert times[-1] == pytest.approx(0.5, abs=0.01)


def test_nothing_overtakes_what_waits() -> None:
    pacer = Pacer[int](1_000_000)
    assert pacer.admit(1250, 0.0)
    assert pacer.push(1, 1250, 0.0)
    assert not pacer.admit(10, 60.0)  # there would be room, but the queue goes first
    assert list(pacer.due(60.0)) == [1]
    assert pacer.admit(10, 60.0)


def test_retransmissions_leave_first_and_in_their_own_order() -> None:
    pacer = Pacer[int](1_000_000)
    for n in range(5):
        _send(pacer, n, 1250, 0.0)
    assert pacer.push(100, 1250, 0.0, first=True)
    assert pacer.push(101, 1250, 0.0, first=True)
    assert [item for _, item in _drain(pacer, 0.0)] == [100, 101, 1, 2, 3, 4]


def test_a_timer_a_little_late_costs_no_rate() -> None:
    for late, most in ((0.015, 1.02), (0.040, 1.8)):
        pacer = Pacer[int](2_000_000)
        for n in range(200):
            _send(pacer, n, 1250, 0.0)
        took = _drain(pacer, 0.0, late)[-1][0]
        assert took <= most + late, late
    assert took > 1.2  # what was lost by a timer later than that is not sent as a burst


def test_an_idle_time_is_no_credit_for_a_burst() -> None:
    pacer = Pacer[int](1_000_000)
    assert pacer.admit(1250, 0.0)
    assert [_send(pacer, n, 1250, 100.0) for n in range(3)] == [True, False, False]


def test_what_left_without_asking_delays_the_rest() -> None:
    pacer = Pacer[int](1_000_000)
    pacer.spend(12_500, 3.0)
    assert not pacer.admit(1250, 3.05)
    assert pacer.admit(1250, 3.096)


def test_the_bounds_are_bytes_and_seconds_at_the_rate() -> None:
    pacer = Pacer[int](1_000_000, max_seconds=1.0)
    results = [_send(pacer, n, 1250, 0.0) for n in range(200)]
    assert results.count(None) == 99  # one left, a hundred wait
    assert pacer.refused == 99
    pacer = Pacer[int](1_000_000_000, max_bytes=10_000)
    pacer.spend(1 << 24, 0.0)
    assert [_send(pacer, n, 1000, 0.0) for n in range(12)] == [False] * 10 + [None] * 2
    assert pacer.push(50, 1000, 0.0, first=True)  # the others' full queue is not theirs
    assert pacer.push(51, 1000, 0.0, first=True)
    assert not pacer.push(52, 1000, 0.0, first=True)


def test_a_slow_link_still_has_room_for_a_small_key_frame() -> None:
    pacer = Pacer[int](10_000)
    assert None not in [_send(pacer, n, 1000, 0.0) for n in range(16)]


def test_a_new_rate_holds_from_then_on() -> None:
    pacer = Pacer[int](1_000_000)
    for n in range(101):
        _send(pacer, n, 1250, 0.0)
    list(pacer.due(0.01))
    pacer.rate_bps = 10_000_000
    assert pacer.rate_bps == pytest.approx(10_000_000)
    assert _drain(pacer, 0.01)[-1][0] < 0.13
    pacer.rate_bps = 0  # no division by it
    assert pacer.rate_bps == 1


def test_clear_forgets_all() -> None:
    pacer = Pacer[int](1_000_000)
    for n in range(10):
        _send(pacer, n, 1250, 0.0, first=n % 2 == 0)
    assert pacer.clear() == 9
    assert (len(pacer), pacer.queued_bytes, pacer.deadline()) == (0, 0, None)
    assert list(pacer.due(10.0)) == []


def test_an_owner_that_stops_in_the_middle_loses_nothing() -> None:
    pacer = Pacer[int](10_000_000)
    for n in range(50):
        _send(pacer, n, 1250, 0.0)
    first = pacer.deadline()
    assert first is not None
    taken = next(iter(pacer.due(first)))
    assert [taken, *(item for _, item in _drain(pacer, first))] == list(range(taken, 50))


STEPS = st.lists(
    st.tuples(
        st.floats(0, 0.03),  # until the next packet
        st.integers(40, 1500),
        st.booleans(),  # a retransmission
        st.booleans(),  # a timer fires before it, if it is time
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(rate=st.integers(50_000, 20_000_000), steps=STEPS)
def test_rate_order_and_completeness(rate: int, steps: list[tuple[float, int, bool, bool]]) -> None:
    pacer = Pacer[int](rate)
    now = 1000.0
    left: list[tuple[float, int]] = []
    sizes: list[int] = []
    media: list[int] = []
    first: list[int] = []
    for number, (wait, size, again, timer) in enumerate(steps):
        now += wait
        at = pacer.deadline()
        if timer and at is not None and at <= now:
            left += [(now, item) for item in pacer.due(now)]
        result = _send(pacer, number, size, now, first=again)
        sizes.append(size)
        if result is True:
            left.append((now, number))
        if result is not None:
            (first if again else media).append(number)
    left += _drain(pacer, now)
    order = [item for _, item in left]
    assert [n for n in order if n in set(media)] == media
    assert [n for n in order if n in set(first)] == first
    assert pacer.queued_bytes == 0
    assert pacer.admitted + pacer.paced == len(left) == len(media) + len(first)
    for begin in range(0, len(left), 7):
        total = 0
        for at, item in left[begin:]:
            total += sizes[item]
            span = at - left[begin][0]
            assert (total - max(sizes)) * 8 <= rate * (span + WINDOW + 0.020) + 1
