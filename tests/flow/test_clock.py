"""The publisher's clock, carried forward."""

from sfu.flow.clock import SenderClock

NTP = (3_900_000_000 << 32) | 0x80000000


def test_nothing_before_the_first_report() -> None:
    assert SenderClock(90000).at(1.0) is None


def test_both_times_move_together() -> None:
    clock = SenderClock(90000)
    clock.report(NTP, 1000, 10.0)
    assert clock.at(10.0) == (NTP, 1000)
    assert clock.at(12.5) == (NTP + (5 << 31), 1000 + 225_000)


def test_both_times_wrap() -> None:
    clock = SenderClock(48000)
    clock.report(0xFFFFFFFF_80000000, 0xFFFFFFFF, 10.0)
    assert clock.at(11.0) == (0x80000000, 47_999)


def test_a_report_without_a_clock_is_left_aside() -> None:
    clock = SenderClock(48000)
    clock.report(0, 0, 1.0)
    assert clock.at(1.0) is None
    clock.report(NTP, 5, 2.0)
    clock.report(0, 0, 3.0)
    assert clock.at(2.0) == (NTP, 5)


def test_the_pair_stays_on_the_publishers_line_whatever_the_delay() -> None:
    prompt, delayed = SenderClock(90000), SenderClock(90000)
    prompt.report(NTP, 0, 10.0)
    delayed.report(NTP, 0, 10.4)
    early = prompt.at(20.0)
    late = delayed.at(20.4)
    assert early == late
