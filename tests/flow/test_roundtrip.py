"""Round trips from sender reports and their echoes."""

import pytest

from sfu.flow.roundtrip import INITIAL, RoundTrip


def test_the_example_of_rfc_3550_6_4_1() -> None:
    trip = RoundTrip()
    sent_at = 0xB710 * 1.0 + 0x8000 / 65536
    trip.sent(0xB7108000, sent_at)
    sample = trip.received(0xB7108000, 0x00054000, sent_at + 11.375)
    assert sample == pytest.approx(6.125)
    assert trip.rtt == sample


def test_before_any_report() -> None:
    trip = RoundTrip()
    assert trip.rtt == INITIAL
    assert trip.received(0, 0, 1.0) is None
    assert trip.received(1234, 0, 1.0) is None
    trip.sent(0, 1.0)
    assert trip.received(0, 0, 1.1) is None
    assert trip.rtt == INITIAL


def test_smoothing() -> None:
    trip = RoundTrip()
    trip.sent(1, 1.0)
    trip.received(1, 0, 1.08)
    trip.sent(2, 2.0)
    assert trip.received(2, 0, 2.16) == pytest.approx(0.16)
    assert trip.rtt == pytest.approx(0.09)


def test_impossible_delays_are_not_believed() -> None:
    trip = RoundTrip()
    trip.sent(1, 1.0)
    assert trip.received(1, 0xFFFFFFFF, 1.5) is None
    assert trip.rtt == INITIAL
    assert trip.received(1, 32768 + 20, 1.5) == 0.0  # rounding


def test_only_the_last_reports_are_remembered() -> None:
    trip = RoundTrip()
    for n in range(1, 101):
        trip.sent(n, float(n))
    assert trip.received(84, 0, 101.0) is None
    assert trip.received(85, 0, 101.0) == pytest.approx(16.0)
