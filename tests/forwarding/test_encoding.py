"""One stream to many slots: starts, padding, restarts, key-frame requests, the publisher's clock."""

import struct
from dataclasses import replace

from sfu.forwarding.egress import CLOGGED
from sfu.forwarding.outlet import Drop
from sfu.wire import extensions, rtp
from tests.forwarding.doubles import (
    DELTA,
    IDS,
    KEY,
    MORE,
    OPUS,
    VP8,
    VP9,
    FakeOutlet,
    Track,
    extensions_of,
    packet,
    payload_of,
    seqs,
    view,
)


def test_a_slot_starts_on_a_key_frame() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    for seq, payload in enumerate([DELTA, DELTA, KEY, MORE, DELTA]):
        track.send(seq, 10.0 + seq / 30, payload)
    assert [payload_of(sent) for sent in outlet.take()] == [KEY, MORE, DELTA]
    assert slot.drops[Drop.AWAITING_KEY_FRAME] == 2


def test_audio_starts_at_once() -> None:
    track = Track([OPUS], "audio")
    _, outlet = track.slot(10.0, [OPUS])
    track.encoding.receive(view(0, 0, b"sound"), 10.0)
    assert [payload_of(sent) for sent in outlet.take()] == [b"sound"]
    assert track.asked == 0


def test_profiles_are_translated_apart() -> None:
    track = Track()
    _, one = track.slot(10.0)
    _, other = track.slot(10.0, [replace(VP8, payload_type=120, rtx_payload_type=124)])
    track.send(0, 10.0, KEY)
    assert [sent.payload_type for sent in one.take() + other.take()] == [96, 120]


def test_translations_for_probes_go_with_those_who_were_probed() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    for id in range(5, 15):
        other, _ = track.slot(10.0, ids={extensions.TRANSPORT_WIDE: id})
        assert other.padding(100, 10.0) is not None
        other.close()
    assert len(track.encoding._translations) <= 2
    assert track.encoding.translation(slot.profile) is slot.translation


def test_send_time_is_of_the_server() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    block = extensions.build([(IDS[extensions.ABS_SEND_TIME], b"\xff\xff\xff")], allow_two_byte=False)
    track.encoding.receive(rtp.parse(packet(0, 0, KEY, block=block)), 10.25)
    (sent,) = outlet.take()
    assert extensions_of(sent)[IDS[extensions.ABS_SEND_TIME]] == extensions.abs_send_time(10.25)


def test_before_the_handshake_nothing_is_sent() -> None:
    track = Track()
    slot, outlet = track.slot(10.0, outlet=FakeOutlet(ready=False))
    assert track.asked == 0
    track.send(0, 10.0, KEY)
    assert outlet.rtp == []
    assert slot.drops[Drop.NOT_CONNECTED] == 1
    outlet.ready = True
    track.send(1, 10.1)
    assert track.asked == 1


def test_duplicates_are_dropped() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    for _ in range(3):
        track.send(0, 10.0, KEY)
    assert len(outlet.take()) == 1
    assert track.encoding.drops[Drop.DUPLICATE] == 2


def test_a_late_packet_takes_the_number_left_for_it() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    for seq in (0, 1, 3, 2, 4):
        track.send(seq, 10.0, KEY if seq == 0 else DELTA)
    assert seqs(outlet.take()) == [0, 1, 3, 2, 4]


def test_packets_of_before_the_start_are_not_sent() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    for seq in (5, 4, 6):
        track.send(seq, 10.0, KEY if seq == 5 else DELTA)
    assert seqs(outlet.take()) == [0, 1]
    assert slot.drops[Drop.BEFORE_START] == 1


# -- padding -------------------------------------------------------------------------------------------------


def test_padding_is_not_forwarded_and_leaves_no_gap() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    for seq in (1, 2):
        track.encoding.receive(rtp.parse(packet(seq, 0, b"", padding=200)), 10.0)
    track.send(3, 10.0)
    assert seqs(outlet.take()) == [0, 1]
    assert track.encoding.drops[Drop.PADDING] == 2


def test_padding_that_tells_of_a_great_loss_has_a_key_frame_asked_for() -> None:
    track = Track()
    track.slot(10.0)
    for seq in range(3):
        track.send(seq, 10.0 + seq / 30, KEY if seq == 0 else DELTA)
    asked = track.asked
    track.encoding.receive(rtp.parse(packet(400, 0, b"", padding=200)), 12.0)
    assert track.asked == asked + 1


def test_padding_never_starts_a_slot() -> None:
    track = Track([OPUS], "audio")
    slot, outlet = track.slot(10.0, [OPUS])
    track.send(0, 10.0, b"")
    assert outlet.rtp == []
    assert slot.waiting


def test_padding_that_comes_late_fills_its_gap() -> None:
    """Its number was left open when a later packet went out; the subscriber would wait for it for ever."""
    track = Track()
    _, outlet = track.slot(10.0)
    for seq in (0, 2):
        track.send(seq, 10.0, KEY)
    track.send(1, 10.05, b"", rtx=True)
    sent = outlet.take()
    assert seqs(sent) == [0, 2, 1]
    assert payload_of(sent[2]) == b""


def test_a_start_at_a_late_packet_sends_what_follows_it() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    # 11 to 14 are of the key frame that 10 begins; 12 is padding, 13 is still missing.
    for seq, payload in ((9, DELTA), (11, MORE), (12, b""), (14, DELTA), (10, KEY), (13, MORE), (15, DELTA)):
        track.send(seq, 10.0, payload, rtx=seq == 10)
    sent = outlet.take()
    assert [payload_of(packet) for packet in sent] == [KEY, MORE, DELTA, MORE, DELTA]
    assert seqs(sent) == [0, 1, 3, 2, 4]


def test_a_late_start_ends_where_the_queue_is_full() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0)
    egress = slot.egress
    egress.remb(100_000, 10.0)
    while egress.pacer.queued_seconds < CLOGGED - 0.001:
        egress.pacer.push((MORE, 0, 0, 5, 0, 0, 0, b""), 1000, 10.0)
    for seq in range(3, 8):
        track.send(seq, 10.01, MORE + bytes(1000))
    track.send(2, 10.02, KEY + bytes(1000))
    assert egress.clogged
    assert slot.waiting
    assert slot.drops[Drop.QUEUE_FULL] == 1


def test_what_follows_a_late_start_can_be_sent_again_bit_for_bit() -> None:
    track = Track()
    slot, outlet = track.slot(10.0, [replace(VP8, rtx_payload_type=None)])
    for n, (seq, payload) in enumerate([(9, DELTA), (11, MORE), (10, KEY)]):
        track.send(seq, 10.0 + n / 10, payload)
    sent = outlet.take()
    slot.nack(tuple(packet.seq16 for packet in sent), 10.3)
    assert [packet.packet for packet in outlet.take()] == [packet.packet for packet in sent]


# -- numbers that begin anew ---------------------------------------------------------------------------------


def test_a_restart_of_the_numbers_goes_on_with_a_key_frame() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    for n, (seq, payload) in enumerate(
        [(100, KEY), (101, DELTA), (30000, DELTA), (30001, KEY), (30002, MORE)]
    ):
        track.send(seq, 10.0 + n / 2, payload)
    sent = outlet.take()
    assert [payload_of(one) for one in sent] == [KEY, DELTA, KEY, MORE]
    assert seqs(sent) == [0, 1, 2, 3]
    assert track.asked == 2  # at the start, and at the restart


def test_a_restart_backwards_is_believed_from_its_second_packet_on() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    for seq, payload in [(30000, KEY), (30001, DELTA), (5, DELTA), (6, KEY), (7, b""), (8, DELTA)]:
        track.send(seq, 10.0, payload)
    assert seqs(outlet.take()) == [0, 1, 2, 3]


def test_another_ssrc_is_taken_when_the_one_before_is_silent() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    track.send(40000, 10.0, KEY)
    assert not track.encoding.change_source(2000, 10.5)
    assert track.encoding.change_source(2000, 12.0)
    track.send(7, 12.0, KEY)
    track.send(8, 12.0)
    assert seqs(outlet.take()) == [0, 1, 2]
    assert track.encoding.ssrc == 2000


def test_timestamps_go_on_by_the_time_that_passed() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    track.send(40000, 10.0, KEY, timestamp=5)
    track.encoding.change_source(2000, 12.0)
    track.send(7, 12.0, KEY, timestamp=0xFFFFFFF0)
    first, second = outlet.take()
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 2 * 90_000


# -- key-frame requests --------------------------------------------------------------------------------------


def test_requests_of_many_subscribers_are_merged() -> None:
    track = Track()
    slots = [track.slot(10.0)[0] for _ in range(50)]
    for n, slot in enumerate(slots):
        slot.wants_key_frame(10.0 + n / 1000)
    assert track.asked == 1
    assert track.encoding.key_frame_requests.requested == 100


def test_an_unanswered_request_is_repeated() -> None:
    track = Track()
    track.slot(10.0)
    for n in range(40):  # 1.3 s of frames, none a key frame
        track.send(n, 10.0 + n / 30)
        track.encoding.repeat_key_frame_request(10.0 + n / 30)
    assert track.asked == 5


def test_no_request_is_repeated_after_a_key_frame() -> None:
    track = Track()
    track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.encoding.repeat_key_frame_request(10.9)
    assert track.asked == 1
    assert track.encoding.key_frame_requests.deadline() is None


def test_a_silent_stream_is_not_asked_again_until_it_speaks() -> None:
    track = Track()
    track.slot(10.0)
    track.encoding.repeat_key_frame_request(10.5)
    assert track.asked == 1
    assert track.encoding.key_frame_requests.deadline() is None
    track.send(0, 20.0)
    assert track.asked == 2


def test_the_last_subscriber_takes_its_request_along() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    slot.point(None, 10.1)
    assert not track.encoding.key_frame_requests.wanted


def test_a_leaving_subscriber_does_not_take_anothers_request_along() -> None:
    track = Track()
    stays, _ = track.slot(10.0)
    leaves, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    stays.wants_key_frame(10.1)
    leaves.point(None, 10.2)
    assert track.encoding.key_frame_requests.wanted


def test_loss_beyond_repair_asks_for_a_key_frame() -> None:
    track = Track()
    track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.send(500, 11.0)
    assert track.asked == 2


# -- the publisher's clock -----------------------------------------------------------------------------------


def test_the_clock_is_passed_on_as_soon_as_it_is_known() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    assert slot.sender_report(10.0) == b""
    outlet.scheduled = 0
    track.encoding.sender_report(1 << 32, 0, 10.2)
    assert outlet.scheduled == 1
    assert slot.sender_report(10.2) != b""


def test_a_key_frame_of_another_size_is_measured_at_once() -> None:
    track = Track((VP9,))
    for number, height in enumerate((720, 360)):
        head = bytes((0xAE, 0x80, number, 0, 0, 0x10))  # a structure of one layer with its size
        head += struct.pack("!HH", 640, height)
        track.send(number, 10.0 + number, head + bytes(8))
        assert track.encoding.height == min(640, height)


def test_statistics() -> None:
    track = Track()
    track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.send(0, 10.0, KEY)
    stats = track.encoding.stats(10.0)
    assert (stats["packets"], stats["key_frames"], stats["drops"]) == (1, 1, {"duplicate": 1})
