"""What is sent again: under its own number it is the first copy to the bit (RFC 7714 8.4), layers or not."""

import struct
from dataclasses import replace

from sfu.flow.layers.filter import REMEMBERED
from sfu.forwarding.egress import Egress
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, Target
from sfu.wire import extensions, rtp
from sfu.wire.rtp import RtpView
from sfu.wire.sdp import Codec
from tests.flow.layers.svc import stream, structure_of, write_descriptor
from tests.forwarding.doubles import FEEDBACK, IDS, VP8, FakeOutlet, Track, accepted, packet, section

WITH_DESCRIPTOR = {**IDS, extensions.DEPENDENCY_DESCRIPTOR: 12}
AV1 = Codec(45, "AV1", 90_000, 1, "profile=0", FEEDBACK, None)
LAYERS = stream(8, 1, only_keys=False)


def picture(number: int, *, key: bool = False) -> bytes:
    """One of VP8: each second one is of the temporal layer above."""
    head = bytes((0x90, 0xE0)) + struct.pack("!HBB", 0x8000 | number, number >> 1 & 0xFF, (number & 1) << 6)
    return head + (b"\x10" if key else b"\x11") + bytes(20)


def again(slot: Slot, outlet: FakeOutlet, seq16: int, now: float) -> list[bytes]:
    slot.nack((seq16,), now)
    return [one.packet for one in outlet.take()]


def test_what_passed_a_filter_is_sent_again_bit_for_bit() -> None:
    track = Track((VP8,))
    slot, outlet = track.slot(10.0, (replace(VP8, rtx_payload_type=None),))
    slot.aim(Target(track.encoding, 0, 0), 10.0)
    for seq in (0, 1, 2, 4, 5, 3, 7, 8, 6):  # 3 and 6 are dropped, but late: they go out empty
        track.send(seq, 10.0 + seq / 100, picture(seq // 2, key=seq == 0), timestamp=seq // 2 * 3000)
    sent = outlet.take()
    assert [one.payload_end - one.payload_start for one in sent] == [27, 27, 27, 27, 0, 27, 0]
    for one in sent:
        assert again(slot, outlet, one.seq16, 10.2) == [one.packet]


def test_what_was_forgotten_is_not_sent_as_something_else() -> None:
    track = Track((VP8,))
    slot, outlet = track.slot(10.0, (replace(VP8, rtx_payload_type=None),))
    slot.aim(Target(track.encoding, 0, 0), 10.0)
    count = REMEMBERED + 100
    for number in range(count):
        track.send(number, 10.0 + number / 1000, picture(number, key=number == 0))
    sent = outlet.take()
    assert again(slot, outlet, sent[1].seq16, 10.7) == []
    assert slot.resender.missed == 1
    assert again(slot, outlet, sent[-1].seq16, 10.7) == [sent[-1].packet]


def test_an_empty_packet_that_came_late_is_sent_again_bit_for_bit() -> None:
    """Such packets go out as they are: their descriptor is not looked at, neither the first time nor again."""
    whole = section([AV1], direction="sendonly", ids=WITH_DESCRIPTOR, mixed=True)
    publication = Publication("t_1", "p_1", "0", "camera", False, accepted(whole), lambda encoding: None)
    publication.encoding.ssrc = 1000
    outlet = FakeOutlet()
    profile = SendProfile.of(accepted(replace(whole, direction="recvonly")))
    slot = Slot("5", "video", profile, Egress(outlet), "tile", lambda slot: None)
    slot.point(publication, 10.0)
    for number in (0, 2, 1):
        publication.encoding.receive(_frame(number, empty=number == 1), 10.0 + number / 100)
    (*_, late) = outlet.take()
    assert late.marker
    assert late.payload_start == late.payload_end
    assert again(slot, outlet, late.seq16, 10.2) == [late.packet]


def _frame(number: int, *, empty: bool) -> RtpView:
    frame = LAYERS.frames[number]
    descriptor = write_descriptor(
        structure_of(LAYERS),
        begins=True,
        ends=True,
        frame_number=number,
        layer=(frame.spatial, frame.temporal),
        indications=[LAYERS.indication(frame, target) for target in LAYERS.targets],
        differences=sorted(number - other for other in frame.needs),
        bring=frame.key,
    )
    payload = b"" if empty else b"\x18\x0a\x0b" + bytes(20)
    block = extensions.build([(12, descriptor)], allow_two_byte=True)
    padding = 5 if empty else 0
    data = packet(number, number * 3000, payload, payload_type=45, marker=True, block=block, padding=padding)
    return rtp.parse(data)
