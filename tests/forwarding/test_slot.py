"""A subscriber's stream: continuity over switches, sender reports, retransmissions and their budget."""

from dataclasses import replace

import pytest

from sfu.forwarding.outlet import Drop
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.slot import Slot, SlotState
from sfu.wire import rtcp
from sfu.wire.rtcp import ReportBlock, SenderReport, SourceDescription
from tests.forwarding.doubles import (
    DELTA,
    H264,
    KEY,
    MORE,
    OPUS,
    VP8,
    FakeOutlet,
    Track,
    accepted,
    payload_of,
    section,
    seqs,
)

NTP = 0xE8000000_40000000
PLAIN = replace(VP8, rtx_payload_type=None)


def report_of(slot: Slot, now: float) -> SenderReport:
    report, description = rtcp.parse(slot.sender_report(now))
    assert isinstance(report, SenderReport)
    assert isinstance(description, SourceDescription)
    assert (description.ssrc, description.cname) == (slot.ssrc, slot.cname)
    return report


# -- what it shows -------------------------------------------------------------------------------------------


def test_pointed_away_and_back_it_goes_on_with_key_frames_and_no_gap() -> None:
    one, other = Track(), Track()
    slot, outlet = one.slot(10.0)
    one.send(50_000, 10.0, KEY)
    one.send(50_001, 10.1)
    slot.point(other.publication, 10.2)
    one.send(50_002, 10.2)
    other.send(7, 10.2)
    other.send(8, 10.3, KEY, timestamp=0)
    slot.point(one.publication, 10.4)
    one.send(50_003, 10.4)
    one.send(50_004, 10.5, KEY)
    sent = outlet.take()
    assert [payload_of(packet) for packet in sent] == [KEY, DELTA, KEY, KEY]
    assert seqs(sent) == [0, 1, 2, 3]
    assert {packet.ssrc for packet in sent} == {slot.ssrc}
    stamps = [(packet.timestamp - sent[0].timestamp) & 0xFFFFFFFF for packet in sent]
    assert stamps == pytest.approx([0, 9_000, 27_000, 45_000], abs=1)


def test_pointing_at_the_same_publication_disturbs_nothing() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    slot.point(track.publication, 10.1)
    assert not slot.waiting
    assert track.asked == 1


def test_pointed_at_nothing_it_is_empty_and_quiet() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    slot.point(None, 10.1)
    slot.point(None, 10.1)
    track.send(1, 10.2, KEY)
    assert len(outlet.take()) == 1
    assert slot.state is SlotState.EMPTY
    assert slot.report_deadline is None
    assert track.publication.slots == []


def test_a_codec_it_can_not_receive() -> None:
    track = Track([H264])
    slot, outlet = track.slot(10.0, [VP8])
    track.send(0, 10.0, b"\x67\x00")
    assert slot.state is SlotState.UNSUPPORTED_CODEC
    assert outlet.rtp == []
    assert track.asked == 0
    slot.wants_key_frame(10.0)
    slot.nack((1,), 10.0)


def test_a_renegotiated_profile_brings_a_codec() -> None:
    track = Track([H264])
    slot, outlet = track.slot(10.0, [VP8])
    slot.renegotiated(SendProfile.of(accepted(section([VP8, H264], direction="recvonly"))), 11.0)
    assert slot.state is SlotState.ACTIVE
    track.send(0, 11.0, b"\x67\x00")
    assert len(outlet.take()) == 1


def test_closing_twice() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    slot.close()
    slot.close()
    assert track.publication.slots == []


def test_a_refused_packet_is_counted_and_can_be_asked_for() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    outlet.refusing = True
    track.send(1, 10.0, MORE)
    outlet.refusing = False
    track.send(2, 10.0)
    sent = outlet.take()
    assert seqs(sent) == [0, 2]
    assert slot.drops[Drop.SEND_FAILED] == 1
    slot.nack((sent[0].seq16 + 1,), 10.1)
    assert [payload_of(packet)[2:] for packet in outlet.take()] == [MORE]


# -- sender reports ------------------------------------------------------------------------------------------


def test_a_sender_report_has_the_publishers_clock_with_shifted_rtp_time() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY, timestamp=1000)
    (sent,) = outlet.take()
    track.encoding.sender_report(NTP, 900, 10.0)
    report = report_of(slot, 10.5)
    assert report.ntp == NTP + (1 << 31)
    assert (report.rtp_timestamp - sent.timestamp) & 0xFFFFFFFF == 45_000 - 100
    assert (report.ssrc, report.packet_count, report.octet_count) == (slot.ssrc, 1, len(KEY))


def test_sender_reports_come_once_a_second() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.encoding.sender_report(NTP, 0, 10.0)
    assert [n for n in range(40) if slot.sender_report(10.0 + n / 10)] == [0, 10, 20, 30]


def test_no_sender_report_is_made_up() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    assert slot.sender_report(10.0) == b""
    assert slot.report_deadline is None
    track.encoding.sender_report(NTP, 0, 10.7)
    assert slot.report_deadline == 10.7


def test_reports_of_a_connection_come_together() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.encoding.sender_report(NTP, 0, 10.0)
    assert [n for n in range(40) if slot.sender_report(10.03 + n / 10, 0.3)] == [0, 8, 16, 24, 32]


def test_no_sender_report_while_it_waits() -> None:
    one, other = Track(), Track()
    for track in (one, other):
        track.encoding.sender_report(NTP, 0, 10.0)
    slot, _ = one.slot(10.0)
    one.send(0, 10.0, KEY)
    slot.point(other.publication, 10.1)
    assert slot.report_deadline is None
    assert slot.sender_report(20.0) == b""


def test_a_start_wakes_the_subscribers_own_connection() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    assert outlet.scheduled == 1
    track.send(1, 10.0, KEY)
    assert outlet.scheduled == 1


def test_a_switch_after_silence_counts_the_silence() -> None:
    """Reports go on while a stream is silent; they are no packets of it."""
    one, other = Track(), Track()
    slot, outlet = one.slot(10.0)
    one.encoding.sender_report(NTP, 0, 10.0)
    one.send(0, 10.0, KEY)
    for second in range(11, 20):
        slot.sender_report(float(second))
    slot.point(other.publication, 20.0)
    other.send(0, 20.0, KEY, timestamp=0)
    first, second_packet = outlet.take()
    assert (second_packet.timestamp - first.timestamp) & 0xFFFFFFFF == 900_000


def test_a_fast_clock_does_not_add_up_over_an_hour() -> None:
    one, other = Track([OPUS], "audio"), Track([OPUS], "audio")
    slot, outlet = one.slot(0.0, [OPUS])
    one.encoding.sender_report(NTP, 0, 0.0)
    for n in range(3600):
        one.send(n, float(n), b"x", timestamp=round(n * 48_000 * 1.001))
    outlet.take()
    one.send(3600, 3600.0, b"x", timestamp=round(3600 * 48_000 * 1.001))
    slot.point(other.publication, 3600.02)
    other.send(0, 3600.02, b"x", timestamp=0)
    before, after = outlet.take()
    assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == pytest.approx(960, abs=1)


def test_round_trips_are_measured() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.encoding.sender_report(NTP, 0, 10.0)
    last_sr = (report_of(slot, 10.0).ntp >> 16) & 0xFFFFFFFF
    slot.reported(ReportBlock(slot.ssrc, 64, -5, 0, 90, last_sr, 6554), 10.3)
    assert slot.round_trip.rtt == pytest.approx(0.2, abs=0.001)
    assert (slot.fraction_lost, slot.packets_lost, slot.jitter) == (0.25, -5, 90)


# -- retransmission ------------------------------------------------------------------------------------------


def test_rtx_carries_the_number_asked_for() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    (sent,) = outlet.take()
    slot.nack((sent.seq16,), 10.1)
    (again,) = outlet.take()
    assert (again.ssrc, again.payload_type, again.timestamp) == (slot.rtx_ssrc, 97, sent.timestamp)
    assert payload_of(again) == sent.seq16.to_bytes(2, "big") + KEY


def test_rtx_numbers_follow_each_other() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    for n in range(3):
        track.send(n, 10.0, KEY)
    slot.nack(tuple(packet.seq16 for packet in outlet.take()), 10.1)
    assert seqs(outlet.take()) == [0, 1, 2]


def test_without_rtx_the_same_bytes_are_sent_again() -> None:
    # One number protected twice with different bytes would give away the key of AES-GCM.
    track = Track()
    slot, outlet = track.slot(10.0, [PLAIN])
    track.send(0, 10.0, KEY)
    (sent,) = outlet.take()
    for n in (1, 2):
        slot.nack((sent.seq16,), 10.0 + n / 5)
    assert [packet.packet for packet in outlet.take()] == [sent.packet] * 2


def test_numbers_never_given_are_missed() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    (sent,) = outlet.take()
    slot.nack(((sent.seq16 + 1) & 0xFFFF, (sent.seq16 - 1) & 0xFFFF), 10.1)
    assert outlet.rtp == []
    assert (slot.nacks, slot.resender.missed) == (2, 2)


def test_what_is_too_old_is_missed() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    slot.nack((outlet.take()[0].seq16,), 13.0)
    assert outlet.rtp == []


def test_what_was_shown_before_is_missed() -> None:
    one, other = Track(), Track()
    slot, outlet = one.slot(10.0)
    one.send(5, 10.0, KEY)
    (sent,) = outlet.take()
    other.send(5, 10.0, KEY)
    slot.point(other.publication, 10.1)
    slot.nack((sent.seq16,), 10.1)
    assert outlet.rtp == []


def test_numbers_of_the_ssrc_before_never_mean_packets_of_the_new_one() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(5, 10.0, KEY)
    (sent,) = outlet.take()
    track.encoding.change_source(2000, 12.0)
    track.send(5, 12.0, DELTA)
    slot.nack((sent.seq16,), 12.0)
    assert outlet.rtp == []


def test_a_packet_is_not_sent_again_within_a_round_trip() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    seq16 = outlet.take()[0].seq16
    for n in range(10):
        slot.nack((seq16,), 10.0 + n / 50)
    assert slot.resender.resent == 2
    assert slot.stats()["resend_refused"] == 8


def test_the_budget_bounds_what_a_hostile_subscriber_gets() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    for n in range(500):
        track.send(n, 10.0 + n / 500, KEY + bytes(1000))
    sent = outlet.take()
    for n in range(10):
        slot.nack(tuple(packet.seq16 for packet in sent), 11.0 + n / 10)
    resent = sum(len(packet.packet) for packet in outlet.take())
    assert 200_000 < resent < 2 * (sum(len(packet.packet) for packet in sent) // 2 + 50_000)


def test_statistics() -> None:
    slot, outlet = Track().slot(10.0)
    assert slot.stats()["waiting_for_key_frame"] is True
    slot.close()
    assert (slot.stats()["waiting_for_key_frame"], slot.stats()["state"]) == (False, "empty")
    assert isinstance(outlet, FakeOutlet)
