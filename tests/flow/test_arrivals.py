"""Arrivals: what is new, what a report says, and when what is asked for again."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.arrivals import Arrivals

FIRST = 65536 + 1000
RTT = 0.1


def _video(nack: bool = True) -> Arrivals:
    return Arrivals(90000, nack=nack)


def _feed(arrivals: Arrivals, seqs: list[int], now: float = 1.0) -> list[bool]:
    return [arrivals.receive(seq, 0, now) for seq in seqs]


class TestNew:
    def test_in_order(self) -> None:
        arrivals = _video()
        assert _feed(arrivals, [FIRST, FIRST + 1, FIRST + 2]) == [True] * 3
        assert arrivals.packets == 3
        assert arrivals.packets_lost == 0

    def test_duplicates(self) -> None:
        arrivals = _video()
        assert _feed(arrivals, [FIRST, FIRST, FIRST + 1, FIRST]) == [True, False, True, False]
        assert arrivals.duplicates == 2

    def test_reordered(self) -> None:
        arrivals = _video()
        order = [FIRST, FIRST + 3, FIRST + 1, FIRST + 2, FIRST + 1]
        assert _feed(arrivals, order) == [True, True, True, True, False]
        assert arrivals.packets_lost == -1  # a duplicate counts as received

    def test_before_the_first_but_not_long_before(self) -> None:
        arrivals = _video()
        assert _feed(arrivals, [FIRST, FIRST - 2, FIRST - 1, FIRST - 2]) == [True, True, True, False]
        assert _feed(arrivals, [FIRST - 200]) == [False]
        assert arrivals.nack_deadline() is None
        assert arrivals.report(1, 1.0).highest_seq == 1000

    def test_too_old(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        _feed(arrivals, list(range(FIRST + 3, FIRST + 1100)))
        _feed(arrivals, [FIRST + 1101])  # the new gap lets go of the old one
        assert _feed(arrivals, [FIRST + 1, FIRST + 1100]) == [False, True]

    def test_a_jump_forward_begins_anew_at_once(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 5000])
        assert arrivals.restarts == 1
        assert arrivals.lost_beyond_repair
        assert arrivals.packets_lost == 0
        assert arrivals.nack_deadline() is None

    def test_a_jump_back_is_believed_from_its_second_packet_on(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST])
        assert _feed(arrivals, [FIRST - 5000]) == [False]
        assert _feed(arrivals, [FIRST + 1, FIRST - 7000]) == [True, False]
        assert arrivals.restarts == 0
        assert _feed(arrivals, [FIRST - 6999, FIRST - 6998]) == [True, True]
        assert arrivals.restarts == 1
        assert arrivals.packets == 4
        assert arrivals.packets_lost == 0


class TestNacks:
    def test_nothing_before_the_first_packet(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 1])
        assert arrivals.nacks(5.0, RTT) == []
        assert arrivals.nack_deadline() is None

    def test_the_guard_ends_after_ten_ms(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 3])
        assert arrivals.nacks(1.0, RTT) == []
        assert arrivals.nack_deadline() == pytest.approx(1.01)
        assert arrivals.nacks(1.01, RTT) == [FIRST + 1, FIRST + 2]

    def test_the_guard_ends_with_a_second_newer_packet(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        arrivals.receive(FIRST + 4, 0, 1.002)
        assert arrivals.nack_deadline() == pytest.approx(1.002)
        assert arrivals.nacks(1.002, RTT) == [FIRST + 1]
        assert arrivals.nacks(1.011, RTT) == []
        assert arrivals.nacks(1.012, RTT) == [FIRST + 3]

    def test_an_overtaken_packet_is_never_asked_for(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2, FIRST + 1, FIRST + 3])
        assert arrivals.nacks(1.5, RTT) == []
        assert arrivals.nack_deadline() is None
        assert arrivals.repaired == 0

    def test_repeats_after_one_and_a_half_round_trips(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        assert arrivals.nacks(1.01, RTT) == [FIRST + 1]
        arrivals.receive(FIRST + 3, 0, 1.02)  # must not bring the second request forward
        assert arrivals.nacks(1.159, RTT) == []
        assert arrivals.nack_deadline() == pytest.approx(1.16)
        assert arrivals.nacks(1.161, RTT) == [FIRST + 1]

    def test_repeats_not_sooner_than_thirty_ms(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        arrivals.nacks(1.01, 0.001)
        assert arrivals.nacks(1.039, 0.001) == []
        assert arrivals.nacks(1.041, 0.001) == [FIRST + 1]

    @pytest.mark.parametrize(("rtt", "tries"), [(0.001, 10), (0.4, 2)])
    def test_gives_up_after_ten_tries_or_a_second(self, rtt: float, tries: int) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        asked = 0
        for _ in range(100):
            deadline = arrivals.nack_deadline()
            if deadline is None:
                break
            assert deadline <= 2.0
            asked += len(arrivals.nacks(deadline, rtt))
        assert asked == arrivals.nacked == tries
        assert arrivals.given_up == 1
        assert not arrivals.lost_beyond_repair
        assert _feed(arrivals, [FIRST + 1], 3.0) == [True]  # it is still news

    def test_too_many_missing_are_all_given_up(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 201])
        assert not arrivals.lost_beyond_repair
        _feed(arrivals, [FIRST + 300])
        assert arrivals.lost_beyond_repair
        assert arrivals.given_up == 299 - 1
        assert arrivals.nacks(5.0, RTT) == []
        assert arrivals.nack_deadline() is None
        arrivals.lost_beyond_repair = False
        _feed(arrivals, [FIRST + 302], 6.0)
        assert arrivals.nacks(6.5, RTT) == [FIRST + 301]

    def test_without_nack_nothing_is_asked_for(self) -> None:
        arrivals = _video(nack=False)
        assert _feed(arrivals, [FIRST, FIRST + 500, FIRST + 250, FIRST + 9000]) == [True] * 4
        assert arrivals.nacks(5.0, RTT) == []
        assert arrivals.nack_deadline() is None
        assert not arrivals.lost_beyond_repair

    def test_an_answer_without_rtx_counts_as_repair(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        arrivals.nacks(1.01, RTT)
        assert _feed(arrivals, [FIRST + 1], 1.1) == [True]
        assert arrivals.repaired == 1
        assert arrivals.nack_deadline() is None


class TestRecovered:
    def test_ends_the_schedule(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        arrivals.nacks(1.01, RTT)
        assert arrivals.recovered(FIRST + 1, 1.1)
        assert not arrivals.recovered(FIRST + 1, 1.1)
        assert arrivals.nack_deadline() is None
        assert arrivals.repaired == 1
        assert arrivals.packets == 2

    def test_reported_loss_and_jitter_do_not_see_it(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        before = arrivals.jitter
        arrivals.recovered(FIRST + 1, 2.0)
        report = arrivals.report(1, 2.0)
        assert arrivals.jitter == before
        assert (report.packets_lost, report.fraction_lost) == (1, 85)

    def test_a_probe_with_the_newest_packets(self) -> None:
        arrivals = _video()
        assert not arrivals.recovered(FIRST, 1.0)  # before the stream itself
        _feed(arrivals, [FIRST])
        assert arrivals.recovered(FIRST + 2, 1.0)
        assert arrivals.recovered(FIRST + 1, 1.0)
        assert not arrivals.recovered(FIRST, 1.0)
        assert not arrivals.recovered(FIRST + 9000, 1.0)
        assert arrivals.nacks(1.1, RTT) == []
        assert _feed(arrivals, [FIRST + 1, FIRST + 2, FIRST + 3]) == [False, False, True]
        assert arrivals.packets_lost == 0  # all of them came, if late


class TestReport:
    def test_before_the_first_packet(self) -> None:
        report = _video().report(7, 1.0)
        assert (report.ssrc, report.packets_lost, report.highest_seq) == (7, 0, 0)
        assert (report.last_sr, report.delay_since_last_sr) == (0, 0)

    def test_fraction_lost_is_of_the_interval(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST + n for n in range(100) if n % 4 != 3 or n == 99])
        report = arrivals.report(1, 1.0)
        assert (report.fraction_lost, report.packets_lost) == (24 * 256 // 100, 24)
        _feed(arrivals, [FIRST + n for n in range(100, 200)])
        report = arrivals.report(1, 2.0)
        assert (report.fraction_lost, report.packets_lost) == (0, 24)
        assert arrivals.report(1, 3.0).fraction_lost == 0

    def test_late_packets_take_the_loss_back(self) -> None:
        arrivals = _video()
        _feed(arrivals, [FIRST, FIRST + 2])
        assert arrivals.report(1, 1.0).packets_lost == 1
        _feed(arrivals, [FIRST + 1])
        report = arrivals.report(1, 1.0)
        assert (report.packets_lost, report.fraction_lost) == (0, 0)

    def test_highest_counts_cycles_from_zero(self) -> None:
        arrivals = _video()
        first = 65536 + 65530
        _feed(arrivals, list(range(first, first + 3)))
        assert arrivals.report(1, 1.0).highest_seq == 65532
        _feed(arrivals, list(range(first + 3, first + 20)))
        assert arrivals.report(1, 1.0).highest_seq == 65549

    def test_delay_since_last_sender_report(self) -> None:
        arrivals = _video()
        arrivals.sender_report(0x1234_5678_9ABC_DEF0, 10.0)
        report = arrivals.report(1, 15.25)
        assert report.last_sr == 0x5678_9ABC
        assert report.delay_since_last_sr == 0x0005_4000  # the example of RFC 3550 6.4.1
        assert arrivals.report(1, 1e9).delay_since_last_sr == 0xFFFFFFFF

    def test_jitter_of_an_even_stream_is_zero_also_when_the_timestamp_wraps(self) -> None:
        arrivals = _video()
        for n in range(200):
            arrivals.receive(FIRST + n, (0xFFFFFFFF - 90_000 + n * 900) & 0xFFFFFFFF, 1.0 + n * 0.01)
        assert arrivals.jitter == pytest.approx(0.0, abs=1e-9)

    def test_jitter_is_that_of_rfc_3550(self) -> None:
        arrivals = Arrivals(48000, nack=False)
        random = Random(5)
        expected, previous = 0.0, None
        for n in range(300):
            now = 1.0 + n * 0.02 + random.uniform(0, 0.01)
            arrivals.receive(FIRST + n, n * 960, now)
            transit = now * 48000 - n * 960
            if previous is not None:
                expected += (abs(transit - previous) - expected) / 16
            previous = transit
        assert arrivals.jitter == pytest.approx(expected / 48000)
        assert arrivals.report(1, 9.0).jitter == int(expected)

    def test_a_new_timeline_is_not_jitter(self) -> None:
        arrivals = _video()
        arrivals.receive(FIRST, 0, 1.0)
        arrivals.receive(FIRST + 1, 0x70000000, 1.01)
        assert arrivals.jitter == 0.0


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(-30, 12), min_size=50, max_size=200), st.integers(0, 65535))
def test_each_number_is_new_once_and_loss_is_what_is_missing(steps: list[int], first: int) -> None:
    arrivals = _video()
    highest = lowest = first + 65536
    assert arrivals.receive(highest, 0, 1.0)
    seen = {highest}
    duplicates = 0
    for n, step in enumerate(steps):
        seq = highest + step
        new = arrivals.receive(seq, n * 90, 1.0 + n * 0.001)
        assert new == (seq not in seen)
        duplicates += not new
        seen.add(seq)
        highest, lowest = max(highest, seq), min(lowest, seq)
    assert arrivals.packets == len(seen)
    assert arrivals.duplicates == duplicates
    assert arrivals.packets_lost == highest - lowest + 1 - len(seen) - duplicates


@settings(derandomize=True, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("receive"), st.integers(-40, 60)),
            st.tuples(st.just("recovered"), st.integers(-40, 3)),
            st.tuples(st.just("nacks"), st.just(0)),
        ),
        min_size=50,
        max_size=150,
    ),
    st.floats(0.001, 0.5),
)
def test_only_what_is_missing_is_asked_for_and_not_too_often(
    steps: list[tuple[str, int]], rtt: float
) -> None:
    arrivals = _video()
    arrivals.receive(FIRST, 0, 1.0)
    here, highest, now = {FIRST}, FIRST, 1.0
    asked: dict[int, list[float]] = {}
    for what, step in steps:
        now += 0.004
        if what == "receive":
            arrivals.receive(highest + step, 0, now)
        elif what == "recovered":
            if not arrivals.recovered(highest + step, now):
                continue
        else:
            for seq in arrivals.nacks(now, rtt):
                assert FIRST < seq < highest
                assert seq not in here
                asked.setdefault(seq, []).append(now)
            deadline = arrivals.nack_deadline()
            assert deadline is None or deadline > now
            continue
        here.add(highest + step)
        highest = max(highest, highest + step)
    for times in asked.values():
        assert len(times) <= 10
        assert all(b - a >= max(rtt * 1.5, 0.03) - 1e-9 for a, b in pairwise(times))
