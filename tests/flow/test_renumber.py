"""Renumbering by rows, and against a model that keeps every number ever given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.renumber import REMEMBERED, Origin, Renumber

RATE = 90000


def _started(first_seq16: int = 100, first_timestamp: int = 5000) -> Renumber:
    renumber = Renumber(first_seq16, first_timestamp)
    renumber.start("a", 70000, 1000, RATE, 10.0)
    return renumber


def _out(renumber: Renumber, seq: int, timestamp: int = 1000) -> int | None:
    answer = renumber.forward(seq, timestamp)
    return None if answer is None else answer[0]


def _origin(renumber: Renumber, out: int) -> tuple[object, int] | None:
    """Source and number of what went out as `out`."""
    origin = renumber.origin(out)
    return None if origin is None else (origin.source, origin.seq)


class TestNumbers:
    def test_nothing_before_the_start(self) -> None:
        renumber = Renumber(100, 5000)
        assert renumber.forward(70000, 0) is None
        assert _origin(renumber, 99) is None
        assert renumber.source is None
        renumber.drop(70000)
        assert renumber.forward(70001, 0) is None

    def test_the_first_packet_gets_the_first_numbers(self) -> None:
        renumber = _started()
        assert renumber.forward(70000, 1000) == (100, 5000)
        assert renumber.forward(70001, 4000) == (101, 8000)
        assert renumber.forward(70000, 1000) == (100, 5000)
        assert renumber.timestamp_offset == 4000
        assert renumber.source == "a"

    def test_loss_of_the_source_stays_a_gap_until_it_is_filled(self) -> None:
        renumber = _started()
        assert [_out(renumber, s) for s in (70000, 70003, 70001, 70002)] == [100, 103, 101, 102]

    def test_a_dropped_newest_closes_its_gap(self) -> None:
        renumber = _started()
        assert _out(renumber, 70000) == 100
        renumber.drop(70001)
        renumber.drop(70002)
        assert _out(renumber, 70003) == 101
        assert _out(renumber, 70001) is None
        assert _out(renumber, 70002) is None
        assert _out(renumber, 70000) == 100
        assert _origin(renumber, 101) == ("a", 70003)

    def test_a_drop_after_loss_keeps_the_numbers_of_the_lost(self) -> None:
        renumber = _started()
        assert _out(renumber, 70000) == 100
        renumber.drop(70003)
        assert _out(renumber, 70004) == 103
        assert _out(renumber, 70002) == 102
        assert _out(renumber, 70003) is None
        assert _origin(renumber, 101) == ("a", 70001)

    def test_a_drop_of_an_older_one_changes_nothing(self) -> None:
        renumber = _started()
        assert [_out(renumber, s) for s in (70000, 70002)] == [100, 102]
        renumber.drop(70001)
        assert _out(renumber, 70003) == 103
        assert _out(renumber, 70001) == 101

    def test_drops_before_anything_is_forwarded(self) -> None:
        renumber = _started()
        renumber.drop(70000)
        renumber.drop(70001)
        assert _out(renumber, 70000) is None
        assert _out(renumber, 70002) == 100
        assert _origin(renumber, 100) == ("a", 70002)

    def test_out_numbers_wrap(self) -> None:
        renumber = _started(first_seq16=65534)
        assert [_out(renumber, 70000 + n) for n in range(4)] == [65534, 65535, 0, 1]
        assert [_origin(renumber, n) for n in (65534, 65535, 0, 1)] == [("a", 70000 + n) for n in range(4)]
        assert _origin(renumber, 2) is None
        assert _origin(renumber, 65533) is None

    def test_source_numbers_wrap(self) -> None:
        renumber = Renumber(7, 0)
        renumber.start("a", 2 * 65536 - 1, 0, RATE, 1.0)
        assert [_out(renumber, 2 * 65536 - 1 + n) for n in range(3)] == [7, 8, 9]


class TestSwitch:
    def test_goes_on_after_the_last_number(self) -> None:
        renumber = _started()
        for n in range(5):
            renumber.forward(70000 + n, 1000)
        renumber.start("b", 90000, 0, RATE, 11.0)
        assert _out(renumber, 90000, 0) == 105
        assert _out(renumber, 90001, 0) == 106
        assert _origin(renumber, 104) == ("a", 70004)
        assert _origin(renumber, 105) == ("b", 90000)

    def test_late_packets_of_before_have_no_number(self) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.start("b", 70010, 0, RATE, 11.0)
        assert _out(renumber, 70009, 0) is None  # of b, before its key frame
        assert _out(renumber, 70010, 0) == 101
        assert _out(renumber, 70000, 0) is None

    def test_an_out_of_order_packet_of_the_new_source(self) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.start("b", 90000, 0, RATE, 11.0)
        assert [_out(renumber, 90000 + n, 0) for n in (2, 0, 1)] == [103, 101, 102]

    def test_a_drop_just_before_leaves_no_gap(self) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.drop(70004)  # 70001 to 70003 are lost, their numbers kept
        renumber.start("b", 90000, 0, RATE, 11.0)
        assert _out(renumber, 90000, 0) == 101
        assert _origin(renumber, 101) == ("b", 90000)

    def test_a_late_packet_behind_that_drop_counts_as_the_last(self) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.drop(70004)
        assert renumber.forward(70002, 19_000) == (102, 23_000)
        renumber.start("b", 90000, 0, RATE, 10.0)
        assert renumber.forward(90000, 0) == (103, 23_900)
        assert _origin(renumber, 102) == ("a", 70002)

    def test_a_start_without_a_packet_takes_no_number(self) -> None:
        renumber = _started()
        renumber.start("b", 90000, 0, RATE, 10.5)
        renumber.start("c", 80000, 0, RATE, 11.0)
        assert _out(renumber, 80000, 0) == 100
        assert _origin(renumber, 100) == ("c", 80000)

    def test_the_same_source_again_after_a_pause(self) -> None:
        renumber = _started()
        assert renumber.forward(70000, 1000) == (100, 5000)
        renumber.start("a", 70900, 1000 + 30 * RATE, RATE, 40.0)
        assert renumber.forward(70899, 1000 + 30 * RATE) is None
        assert renumber.forward(70900, 1000 + 30 * RATE) == (101, 5000 + 30 * RATE)
        assert _origin(renumber, 100) == ("a", 70000)
        assert _origin(renumber, 101) == ("a", 70900)

    def test_back_to_the_first_source(self) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.start("b", 90000, 0, RATE, 11.0)
        renumber.forward(90000, 0)
        renumber.start("a", 70005, 0, RATE, 12.0)
        assert _out(renumber, 70005) == 102
        assert [_origin(renumber, n) for n in (100, 101, 102)] == [("a", 70000), ("b", 90000), ("a", 70005)]

    def test_a_retransmission_keeps_the_timestamp_it_had(self) -> None:
        renumber = _started()
        _, sent = renumber.forward(70000, 1000) or (0, 0)
        renumber.start("b", 90000, 777, RATE, 11.0)
        renumber.forward(90000, 777)
        origin = renumber.origin(100)
        assert origin == Origin("a", 70000, 4000)
        assert (1000 + origin.timestamp_offset) & 0xFFFFFFFF == sent
        assert renumber.origin(99) is None


class TestTimestamps:
    @pytest.mark.parametrize(
        ("last", "now", "expected"),
        [
            (1000, 12.0, 5000 + 2 * RATE),  # two seconds after the first packet
            (1000 + RATE, 12.0, 5000 + 2 * RATE),  # wherever the last one was on the same line
            (1000 + 2 * RATE, 12.0, 5000 + 2 * RATE + 900),  # just now: 10 ms more
            (1000 + 9 * RATE, 12.0, 5000 + 9 * RATE + 900),  # a source that ran ahead
        ],
    )
    def test_go_on_by_the_time_that_passed(self, last: int, now: float, expected: int) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.forward(70001, last)
        renumber.start("b", 90000, 0xDEADBEEF, RATE, now)
        assert renumber.forward(90000, 0xDEADBEEF) == (102, expected)

    def test_wrap_in_and_out(self) -> None:
        renumber = Renumber(0, 0xFFFFFF00)
        renumber.start("a", 70000, 0xFFFFFFF0, RATE, 10.0)
        assert renumber.forward(70000, 0xFFFFFFF0) == (0, 0xFFFFFF00)
        assert renumber.forward(70001, 0x100) == (1, 0x10)
        renumber.start("b", 80000, 5, RATE, 10.1)
        assert renumber.forward(80000, 5) == (2, (0xFFFFFF00 + 9000) & 0xFFFFFFFF)

    def test_an_observed_time_takes_the_drift_out(self) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.forward(70001, 1000 + 3600 * RATE + 32_400)  # an hour, 100 ppm fast
        renumber.observe(10.0 + 3600.0)
        renumber.start("b", 90000, 0, RATE, 10.0 + 3600.1)
        assert renumber.forward(90000, 0) == (102, 5000 + 3600 * RATE + 32_400 + 9000)

    def test_a_pause_of_many_hours_still_advances(self) -> None:
        renumber = _started()
        renumber.forward(70000, 1000)
        renumber.start("b", 90000, 0, RATE, 10.0 + 12 * 3600)
        answer = renumber.forward(90000, 0)
        assert answer is not None
        assert 0 < (answer[1] - 5000) & 0xFFFFFFFF < 0x80000000


def test_remembers_over_many_drops_and_switches() -> None:
    renumber = Renumber(65000, 0)
    given: list[tuple[int, tuple[str, int]]] = []
    for epoch in range(300):
        source = f"s{epoch % 3}"
        first = 70000 + epoch * 20
        renumber.start(source, first, 0, RATE, float(epoch))
        for seq in range(first, first + 19):
            if seq % 2:
                renumber.drop(seq)
            else:
                given.append((_out(renumber, seq) or 0, (source, seq)))
    for out, origin in given[-REMEMBERED:]:
        assert _origin(renumber, out) == origin
    assert len(renumber._segments) <= REMEMBERED + 2


def test_dropping_all_of_a_lossy_stream_keeps_the_memory_bounded() -> None:
    renumber = _started()
    for seq in range(70001, 90001, 2):
        renumber.drop(seq)
    assert len(renumber._segments) <= REMEMBERED + 2
    renumber.start("b", 5_000_000, 0, RATE, 11.0)
    assert _out(renumber, 5_000_000) == 100


_operations = st.lists(
    st.one_of(
        st.tuples(st.just("forward"), st.integers(-12, 6)),
        st.tuples(st.just("forward"), st.just(1)),
        st.tuples(st.just("drop"), st.integers(-4, 4)),
        st.tuples(st.just("start"), st.integers(-50, 50)),
    ),
    min_size=50,
    max_size=200,
)


@settings(derandomize=True, deadline=None)
@given(_operations, st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.floats(0, 5))
def test_injective_and_reversible(
    operations: list[tuple[str, int]], first_seq16: int, first_timestamp: int, pace: float
) -> None:
    renumber = Renumber(first_seq16, first_timestamp)
    now, high, source = 50.0, 70000, 0
    renumber.start(source, high + 1, high * 3000, RATE, now)
    begin = high + 1
    dropped: set[int] = set()
    given: dict[int, tuple[object, int]] = {}  # out number -> what it stands for
    answers: dict[int, tuple[int, int]] = {}  # of the current source
    last: tuple[int, int] | None = None  # the highest out and its timestamp
    before: tuple[int, int] | None = None  # `last` at the latest switch
    for what, step in operations:
        now += pace
        seq = high + step
        if what == "start":
            source += 1
            renumber.start(source, seq, (seq * 3000 + source * 7) & 0xFFFFFFFF, RATE, now)
            begin, high, dropped, answers, before = seq, seq - 1, set(), {}, last
        elif what == "drop":
            renumber.drop(seq)
            if seq > high:
                dropped.add(seq)
                high = seq
        else:
            timestamp = (seq * 3000 + source * 7) & 0xFFFFFFFF
            answer = renumber.forward(seq, timestamp)
            assert (answer is None) == (seq < begin or seq in dropped)
            if answer is None:
                continue
            assert answers.setdefault(seq, answer) == answer
            assert answer[1] == (timestamp + renumber.timestamp_offset) & 0xFFFFFFFF
            assert given.setdefault(answer[0], (source, seq)) == (source, seq)
            if before is not None and seq == begin:
                assert answer[0] == (before[0] + 1) & 0xFFFF
                assert 0 < (answer[1] - before[1]) & 0xFFFFFFFF < 0x80000000
            if last is None or 0 < (answer[0] - last[0]) & 0xFFFF < 0x8000:
                last = answer
            high = max(high, seq)
        for out, origin in given.items():
            assert _origin(renumber, out) == origin
    assert len(set(given.values())) == len(given)


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from(["forward", "drop", "start"]), min_size=50, max_size=300), st.integers(0, 0xFFFF)
)
def test_in_order_packets_get_consecutive_numbers(operations: list[str], first_seq16: int) -> None:
    renumber = Renumber(first_seq16, 0)
    renumber.start(0, 70000, 0, RATE, 1.0)
    seq, source, expected, timestamps = 70000, 0, first_seq16, [-1]
    for n, what in enumerate(operations):
        if what == "start":
            source += 1
            seq += 1000 * (-1) ** source
            renumber.start(source, seq, n * 17, RATE, 1.0 + n * 0.001)
            continue
        if what == "drop":
            renumber.drop(seq)
        else:
            answer = renumber.forward(seq, n * 17)
            assert answer is not None
            assert answer[0] == expected & 0xFFFF
            assert answer[1] > timestamps[-1]
            timestamps.append(answer[1])
            assert _origin(renumber, answer[0]) == (source, seq)
            expected += 1
        seq += 1


# -- timestamps that the clocks of the sources tell ----------------------------------------------------------


@pytest.mark.parametrize(
    ("continued", "step"),
    [
        (9_000, 9_000),  # as told
        (8_000, 8_000),
        (0, 900),  # the same moment: later all the same
        (-500, 900),
        (9_000 + 90_000 * 3, 9_000),  # far from the 0.1 s that passed
        (-90_000 * 3, 9_000),
    ],
)
def test_a_told_timestamp_is_taken_if_it_can_be_true(continued: int, step: int) -> None:
    renumber = Renumber(10, 4_294_967_000)
    renumber.start("a", 1, 50, 90_000, 10.0)
    first = renumber.forward(1, 50)
    assert first is not None
    assert renumber.last_timestamp == first[1]
    renumber.start("b", 7, 777, 90_000, 10.1, (first[1] + continued) & 0xFFFFFFFF)
    second = renumber.forward(7, 777)
    assert second is not None
    assert (second[1] - first[1]) & 0xFFFFFFFF == step
    assert renumber.highest == 7
