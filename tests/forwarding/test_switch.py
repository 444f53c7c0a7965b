"""A slot between encodings of one publication: the old one goes on up to the key frame, and one stream comes out."""

from dataclasses import replace

import pytest

from sfu.forwarding.egress import Egress
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.outlet import Drop
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, SlotState, Target
from sfu.wire.rtp import RtpView
from tests.forwarding.doubles import VP8, FakeOutlet, accepted, payload_of, section, seqs, view
from tests.forwarding.rig import simulcast

NTP = 0xE8000000 << 32


def vp8(picture: int, *, key: bool = False, temporal: int = 0, tl0: int = 0, begins: bool = True) -> bytes:
    """A packet's payload: descriptor with picture id, TL0PICIDX and temporal layer, then a payload header."""
    head = bytes((0x80 | 0x10 * begins, 0xE0)) + (picture | 0x8000).to_bytes(2, "big")
    return head + bytes((tl0, temporal << 6 | 0x20, 0x10 if key else 0x11)) + bytes(20)


def picture_of(packet: RtpView) -> int:
    return int.from_bytes(payload_of(packet)[2:4], "big") & 0x7FFF


class Case:
    """A publication in three encodings and one slot."""

    def __init__(self, *, rtx: bool = True) -> None:
        self.asked: list[str] = []
        self.publication = Publication(
            "t_1", "p_1", "0", "camera", False, simulcast(), lambda encoding: self.asked.append(encoding.rid)
        )
        for index, encoding in enumerate(self.publication.encodings):
            encoding.ssrc = 1000 + index
        self.q, self.h, self.f = self.publication.encodings
        codec = VP8 if rtx else replace(VP8, rtx_payload_type=None)
        profile = SendProfile.of(accepted(section([codec], direction="recvonly")))
        self.outlet = FakeOutlet()
        self.changes: list[str] = []
        self.slot = Slot(
            "5", "video", profile, Egress(self.outlet), "tile", lambda slot: self.changes.append(slot.state.value),
            steered=True,
        )  # fmt: skip
        self.slot.point(self.publication, 10.0)

    def send(
        self, encoding: Encoding, seq: int, now: float, payload: bytes, timestamp: int | None = None
    ) -> None:
        stamp = round(now * 90_000) if timestamp is None else timestamp
        encoding.receive(view(seq, stamp, payload), now)


def test_nothing_is_taken_until_it_is_aimed() -> None:
    case = Case()
    case.send(case.q, 1, 10.0, vp8(1, key=True))
    assert case.outlet.rtp == []
    assert case.asked == []
    assert case.slot.taken == set()


def test_the_old_encoding_goes_on_until_the_key_frame_of_the_new() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    case.send(case.q, 1, 10.0, vp8(100, key=True))
    case.slot.aim(Target(case.f), 10.1)
    assert case.asked == ["q", "f"]
    case.send(case.f, 900, 10.1, vp8(7, tl0=9))
    case.send(case.q, 2, 10.1, vp8(101, tl0=1))
    case.send(case.f, 901, 10.2, vp8(8, key=True, tl0=10))
    case.send(case.q, 3, 10.2, vp8(102, tl0=2))
    case.send(case.f, 902, 10.3, vp8(9, tl0=11))
    sent = case.outlet.take()
    assert seqs(sent) == [0, 1, 2, 3]
    assert [picture_of(packet) for packet in sent] == [100, 101, 102, 103]
    assert [payload_of(packet)[4] for packet in sent] == [0, 1, 2, 3]
    assert case.slot.encoding is case.f
    assert case.slot.candidate is None


def test_aimed_back_before_the_key_frame_nothing_has_happened() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    case.send(case.q, 1, 10.0, vp8(100, key=True))
    case.slot.aim(Target(case.f), 10.1)
    case.slot.aim(Target(case.q), 10.2)
    case.send(case.f, 900, 10.3, vp8(7, key=True))
    case.send(case.q, 2, 10.3, vp8(101))
    assert seqs(case.outlet.take()) == [0, 1]
    assert not case.f.key_frame_requests.wanted


def test_only_the_last_of_many_aims_matters() -> None:
    case = Case()
    for n in range(20):
        case.slot.aim(Target(case.publication.encodings[n % 3]), 10.0 + n / 100)
    assert case.slot.candidate is case.h
    for encoding in (case.q, case.f):
        case.send(encoding, 5, 10.3, vp8(1, key=True))
    assert case.outlet.rtp == []
    case.send(case.h, 5, 10.3, vp8(1, key=True))
    assert len(case.outlet.take()) == 1


@pytest.mark.parametrize("clocks", [True, False])
def test_timestamps_follow_the_clock_of_the_camera(clocks: bool) -> None:
    case = Case()
    if clocks:
        for encoding, offset in ((case.q, 5_000), (case.f, 77_777_777)):
            encoding.sender_report(NTP, offset + 90_000, 11.0)
    case.slot.aim(Target(case.q), 11.0)
    case.send(case.q, 1, 11.0, vp8(1, key=True), 5_000 + 90_000)
    case.slot.aim(Target(case.f), 11.1)
    # Captured 100 ms after the first, and 40 ms late on its way.
    case.send(case.f, 1, 11.14, vp8(1, key=True), 77_777_777 + 90_000 + 9_000)
    first, second = case.outlet.take()
    step = (second.timestamp - first.timestamp) & 0xFFFFFFFF
    assert step == pytest.approx(9_000 if clocks else 12_600, abs=2)


def test_the_same_picture_in_another_encoding_is_later_all_the_same() -> None:
    case = Case()
    for encoding in (case.q, case.f):
        encoding.sender_report(NTP, 90_000, 11.0)
    case.slot.aim(Target(case.q), 11.0)
    case.send(case.q, 1, 11.0, vp8(1, key=True), 90_000)
    case.slot.aim(Target(case.f), 11.0)
    case.send(case.f, 1, 11.0, vp8(1, key=True), 90_000)
    first, second = case.outlet.take()
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 900


def test_clocks_that_contradict_the_time_that_passed_are_not_believed() -> None:
    case = Case()
    case.q.sender_report(NTP, 0, 11.0)
    case.f.sender_report(NTP + (3600 << 32), 0, 11.0)
    case.slot.aim(Target(case.q), 11.0)
    case.send(case.q, 1, 11.0, vp8(1, key=True), 0)
    case.slot.aim(Target(case.f), 11.0)
    case.send(case.f, 1, 11.1, vp8(1, key=True), 9_000)
    first, second = case.outlet.take()
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == pytest.approx(9_000, abs=2)


def test_paused_and_aimed_again_the_numbers_go_on() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    case.send(case.q, 1, 10.0, vp8(5, key=True))
    case.slot.pause("bandwidth", 10.1)
    assert case.slot.state is SlotState.PAUSED
    case.send(case.q, 2, 10.1, vp8(6))
    assert case.slot.sender_report(12.0) == b""
    case.slot.resume()
    case.slot.aim(Target(case.h), 12.0)
    case.send(case.h, 77, 12.0, vp8(900, key=True))
    sent = case.outlet.take()
    assert seqs(sent) == [0, 1]
    assert [picture_of(packet) for packet in sent] == [5, 6]
    assert case.changes == ["paused", "active"]


def test_hidden_it_is_silent_without_a_word() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    case.slot.pause(None, 10.1)
    assert case.changes == []
    assert case.slot.state is SlotState.ACTIVE
    assert case.slot.taken == set()


def test_fewer_layers_leave_no_gap_and_no_hole_in_the_pictures() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    case.send(case.q, 1, 10.0, vp8(5, key=True))
    case.slot.aim(Target(case.q, 0, 0), 10.0)
    for n in range(1, 9):
        case.send(case.q, 1 + n, 10.0 + n / 30, vp8(5 + n, temporal=n % 2, tl0=n // 2))
    sent = case.outlet.take()
    assert seqs(sent) == [0, 1, 2, 3, 4]
    assert [picture_of(packet) for packet in sent] == [5, 6, 7, 8, 9]
    assert case.slot.drops[Drop.LAYER] == 4


def left_out_late(case: Case) -> list[RtpView]:
    """A picture of two packets is left out; the second of them comes after the picture that follows."""
    case.slot.aim(Target(case.q, 0, 0), 10.0)
    case.send(case.q, 1, 10.0, vp8(5, key=True))
    case.send(case.q, 2, 10.1, vp8(6, temporal=1))
    case.send(case.q, 4, 10.2, vp8(7, tl0=1))
    case.send(case.q, 3, 10.3, vp8(6, temporal=1, begins=False), round(10.1 * 90_000))
    return case.outlet.take()


def test_what_is_left_out_and_comes_late_fills_its_gap_without_payload() -> None:
    sent = left_out_late(Case())
    assert seqs(sent) == [0, 2, 1]
    assert payload_of(sent[2]) == b""


@pytest.mark.parametrize("rtx", [True, False])
def test_a_retransmission_is_what_was_sent_first(rtx: bool) -> None:
    case = Case(rtx=rtx)
    sent = left_out_late(case)
    case.slot.nack(tuple(packet.seq16 for packet in sent), 10.4)
    again = case.outlet.take()
    assert [payload_of(packet)[2 if rtx else 0 :] for packet in again] == [
        payload_of(packet) for packet in sent
    ]
    if not rtx:
        assert [packet.packet for packet in again] == [packet.packet for packet in sent]


def test_a_retransmission_of_before_the_filter_is_what_was_sent_first() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    for n in range(4):
        case.send(case.q, n, 10.0 + n / 30, vp8(5 + n, key=n == 0, temporal=n % 2))
    case.slot.aim(Target(case.q, 0, 0), 10.2)
    sent = case.outlet.take()
    case.slot.nack(tuple(packet.seq16 for packet in sent), 10.3)
    assert [payload_of(packet)[2:] for packet in case.outlet.take()] == [
        payload_of(packet) for packet in sent
    ]


def test_an_encoding_that_begins_anew_during_a_switch_leaves_the_other_to_come() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    case.send(case.q, 1, 10.0, vp8(5, key=True))
    case.slot.aim(Target(case.f), 10.1)
    case.q.change_source(5000, 13.0)
    assert case.slot.encoding is None
    assert case.slot.candidate is case.f
    case.send(case.q, 9, 13.0, vp8(1, key=True))
    case.send(case.f, 9, 13.1, vp8(70, key=True))
    sent = case.outlet.take()
    assert seqs(sent) == [0, 1]
    assert case.slot.encoding is case.f


def test_the_request_for_the_awaited_key_frame_is_repeated() -> None:
    case = Case()
    case.slot.aim(Target(case.q), 10.0)
    case.send(case.q, 1, 10.0, vp8(5, key=True))
    case.slot.aim(Target(case.f), 10.1)
    for n in range(30):
        case.send(case.f, n, 10.1 + n / 30, vp8(n))
        case.f.repeat_key_frame_request(10.1 + n / 30)
    assert case.asked.count("f") == 4
