"""Feedback finds the packets it speaks of, each told once, whatever is lost, repeated, reordered or invented."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.bandwidth.sent import KEPT, SentPackets
from sfu.wire.transport_feedback import Feedback

TICK = 0.00025


def _packets(count: int, size: int = 100) -> SentPackets:
    packets = SentPackets()
    for seq in range(count):
        packets.sent(size, seq / 1000)
    return packets


def test_arrivals_and_losses() -> None:
    packets = _packets(6)
    receipt = packets.match(Feedback(1, 10, 0, (4, None, 8)))
    assert receipt.sends == [0.001, 0.003]
    assert receipt.arrivals == [2560 * TICK + 4 * TICK, 2560 * TICK + 12 * TICK]
    assert (receipt.received, receipt.lost, receipt.recovered) == (2, 1, 0)
    assert receipt.bytes == 300  # packet 0: nothing was said of it, so its feedback was lost


def test_each_packet_is_told_once() -> None:
    packets = _packets(6)
    feedback = Feedback(0, 10, 0, (4, None, 8))
    packets.match(feedback)
    receipt = packets.match(feedback)
    assert (receipt.sends, receipt.bytes, receipt.received, receipt.lost) == ([], 0, 0, 0)


def test_a_late_packet_is_recovered() -> None:
    packets = _packets(6)
    packets.match(Feedback(0, 10, 0, (4, None, 8)))
    receipt = packets.match(Feedback(1, 10, 1, (50,)))
    assert (receipt.received, receipt.lost, receipt.recovered, receipt.bytes) == (1, 0, 1, 100)


def test_bytes_of_lost_feedback_count_once() -> None:
    packets = _packets(6)
    packets.match(Feedback(0, 10, 0, (4,)))
    receipt = packets.match(Feedback(4, 10, 2, (4, 4)))
    assert receipt.bytes == 500
    receipt = packets.match(Feedback(1, 10, 1, (4, None, 4)))  # not lost but late
    assert (receipt.bytes, receipt.received, receipt.lost) == (0, 2, 0)


def test_probes_count_as_bytes_but_not_as_loss() -> None:
    packets = SentPackets()
    packets.sent(100, 0.0)
    packets.sent(100, 0.0, probe=3)
    packets.sent(100, 0.0, probe=3)
    receipt = packets.match(Feedback(0, 10, 0, (4, None, 4)))
    assert (receipt.bytes, receipt.received, receipt.lost) == (200, 1, 0)


def test_numbers_wrap() -> None:
    packets = _packets(0x10000 + 3)
    assert packets.next == 0x10003
    receipt = packets.match(Feedback(0xFFFE, 10, 0, (4, 4, 4, 4)))
    assert receipt.sends == [65.534, 65.535, 65.536, 65.537]


def test_reference_time_wraps() -> None:
    packets = _packets(3)
    first = packets.match(Feedback(0, 0x7FFFFF, 0, (4,))).arrivals[0]
    second = packets.match(Feedback(1, -0x800000, 1, (4,))).arrivals[0]
    third = packets.match(Feedback(2, 0x7FFFFF, 1, (4,))).arrivals[0]  # an older one, reordered
    assert abs(second - first - 0.064) < 1e-6
    assert third == first


def test_what_was_never_sent_or_is_forgotten_is_ignored() -> None:
    packets = _packets(KEPT + 10)
    assert packets.match(Feedback(5, 10, 0, (4, 4))).sends == []
    assert packets.match(Feedback((KEPT + 9) & 0xFFFF, 10, 0, (4, 4, 4))).sends == [(KEPT + 9) / 1000]
    receipt = SentPackets().match(Feedback(7, 10, 0, (4, 4)))
    assert (receipt.sends, receipt.lost) == ([], 0)


def test_deltas_before_the_first_known_packet_still_count_as_time() -> None:
    packets = _packets(KEPT + 1)
    receipt = packets.match(Feedback(0, 10, 0, (4, 6)))  # 0 is forgotten, 1 is not
    assert receipt.arrivals == [(2560 + 10) * TICK]


def test_what_is_unreported() -> None:
    packets = SentPackets()
    assert packets.unreported_since() is None
    packets.sent(100, 1.0)
    packets.sent(100, 2.0)
    assert packets.unreported_since() == 1.0
    packets.match(Feedback(0, 10, 0, (4,)))
    assert packets.unreported_since() == 2.0
    packets.match(Feedback(1, 10, 0, (4,)))
    assert packets.unreported_since() is None


_FEEDBACK = st.builds(
    Feedback,
    base_seq16=st.integers(0, 0xFFFF),
    reference_time=st.integers(-0x800000, 0x7FFFFF),
    feedback_count=st.integers(0, 255),
    deltas=st.lists(st.none() | st.integers(-0x8000, 0x7FFF), min_size=1, max_size=60).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 40) | _FEEDBACK, max_size=30), st.integers(0, 70_000))
def test_nothing_counts_twice(script: list[int | Feedback], start: int) -> None:
    packets = SentPackets()
    packets.next = start
    told = received = lost = recovered = sent = 0
    for step in script:
        if isinstance(step, int):
            for _ in range(step):
                packets.sent(10, 1.0)
            sent += step
        else:
            base = (start + step.base_seq16 % 200) & 0xFFFF  # near what is sent
            receipt = packets.match(Feedback(base, step.reference_time, step.feedback_count, step.deltas))
            told += receipt.bytes
            received += receipt.received
            lost += receipt.lost
            recovered += receipt.recovered
            assert len(receipt.sends) == len(receipt.arrivals)
            assert 0 <= receipt.recovered <= receipt.received
    assert told <= sent * 10
    assert received <= sent
    assert lost <= sent
    assert recovered <= lost
