"""Transport-wide arrivals: every number told once as it was, whatever the order, gaps and times."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.feedback import TransportWideArrivals
from sfu.wire.seq import Unwrapper16
from sfu.wire.transport_feedback import Feedback


def _told(feedbacks: list[Feedback], unwrapper: Unwrapper16) -> dict[int, int | None]:
    """What the messages say: number -> arrival in ticks of 250 us; None = missing, unless told otherwise."""
    told: dict[int, int | None] = {}
    for feedback in feedbacks:
        base = unwrapper.unwrap(feedback.base_seq16)
        ticks = feedback.reference_time * 256
        for n, delta in enumerate(feedback.deltas):
            if delta is None:
                told.setdefault(base + n, None)
            else:
                assert -0x8000 <= delta <= 0x7FFF
                ticks += delta
                told[base + n] = ticks
    return told


def test_nothing_to_tell() -> None:
    arrivals = TransportWideArrivals()
    assert not arrivals.pending
    assert arrivals.build(1.0) == []


def test_a_plain_run() -> None:
    arrivals = TransportWideArrivals()
    arrivals.receive(10, 0.640)
    arrivals.receive(11, 0.650)
    arrivals.receive(13, 0.66025)
    assert arrivals.pending
    assert arrivals.build(0.7) == [Feedback(10, 10, 0, (0, 40, None, 41))]
    assert not arrivals.pending


def test_the_next_feedback_goes_on_where_the_last_one_ended() -> None:
    arrivals = TransportWideArrivals()
    arrivals.receive(65534, 0.064)
    assert [f.base_seq16 for f in arrivals.build(0.1)] == [65534]
    arrivals.receive(1, 0.128)
    assert arrivals.build(0.2) == [Feedback(65535, 2, 1, (None, None, 0))]


def test_reordering_gives_negative_deltas() -> None:
    arrivals = TransportWideArrivals()
    arrivals.receive(5, 0.064)
    arrivals.receive(7, 0.065)
    arrivals.receive(6, 0.066)
    assert arrivals.build(0.1) == [Feedback(5, 1, 0, (0, 8, -4))]


def test_a_number_told_missing_is_told_received_when_it_comes_yet() -> None:
    arrivals = TransportWideArrivals()
    arrivals.receive(5, 0.064)
    arrivals.receive(8, 0.064)
    assert arrivals.build(0.1)[0].deltas == (0, None, None, 0)
    arrivals.receive(7, 0.128)
    arrivals.receive(10, 0.128)
    assert arrivals.build(0.2) == [Feedback(7, 2, 1, (0,)), Feedback(9, 2, 2, (None, 0))]


def test_duplicates_are_told_once_with_their_first_time() -> None:
    arrivals = TransportWideArrivals()
    arrivals.receive(5, 0.064)
    arrivals.receive(5, 0.1)
    assert arrivals.build(0.2) == [Feedback(5, 1, 0, (0,))]


def test_a_silence_longer_than_a_delta_begins_a_new_message() -> None:
    arrivals = TransportWideArrivals()
    arrivals.receive(5, 0.0)
    arrivals.receive(7, 8.32)
    assert arrivals.build(9.0) == [Feedback(5, 0, 0, (0,)), Feedback(6, 130, 1, (None, 0))]


def test_a_jump_is_not_reported_as_loss() -> None:
    arrivals = TransportWideArrivals()
    arrivals.receive(5, 0.0)
    arrivals.build(0.1)
    arrivals.receive(20_005, 0.0)
    assert arrivals.build(0.2) == [Feedback(20_005, 0, 1, (0,))]


def test_messages_are_bounded() -> None:
    arrivals = TransportWideArrivals()
    for n in range(2000):
        arrivals.receive(n, n * 0.01)
    feedbacks = arrivals.build(20.0)
    assert [len(f.deltas) for f in feedbacks] == [300] * 6 + [200]
    for n in range(100_000):
        arrivals.receive(n & 0xFFFF, 30.0)
    assert sum(len(f.deltas) for f in arrivals.build(31.0)) <= 4096 + 1000


def test_count_and_reference_time_wrap() -> None:
    arrivals = TransportWideArrivals()
    counts = []
    for n in range(300):
        arrivals.receive(n, (1 << 23) * 0.064)
        (feedback,) = arrivals.build(0.0)
        counts.append(feedback.feedback_count)
        assert feedback.reference_time == -(1 << 23)
    assert counts[254:258] == [254, 255, 0, 1]


@settings(derandomize=True, deadline=None)
@given(
    st.integers(0, 0xFFFF),
    st.lists(
        st.tuples(st.integers(-20, 30), st.floats(-0.01, 0.05), st.integers(0, 9)), min_size=40, max_size=150
    ),
)
def test_every_number_is_told_as_it_was(first: int, steps: list[tuple[int, float, int]]) -> None:
    arrivals = TransportWideArrivals()
    inward, outward = Unwrapper16(), Unwrapper16()
    inward.unwrap(first)
    outward.unwrap(first)
    truth: dict[int, int] = {}
    told: dict[int, int | None] = {}
    seq, now = first, 100.0
    for step, passed, builds in steps:
        now += passed
        seq16 = (seq + step) & 0xFFFF
        seq = max(seq, seq + step)
        number = inward.unwrap(seq16)
        if number not in truth:
            arrivals.receive(seq16, now)
            truth[number] = round(now * 4000)
        if builds == 0:
            told |= _told(arrivals.build(now), outward)
    told |= _told(arrivals.build(now), outward)
    assert {number: at for number, at in told.items() if at is not None} == truth
    missing = set(range(min(told), max(told) + 1)) - truth.keys()
    assert {number for number, at in told.items() if at is None} <= missing
    assert not arrivals.pending
