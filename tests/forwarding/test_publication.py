"""A published track: codec switches, renegotiation, the end."""

from dataclasses import replace

import pytest

from sfu.forwarding.publication import SWITCH_PAUSE
from sfu.forwarding.slot import SlotState
from sfu.wire.sdp import Codec
from tests.forwarding.doubles import (
    DELTA,
    H264,
    IDS,
    KEY,
    KEY_VP9,
    MORE,
    VP8,
    VP9,
    Track,
    accepted,
    payload_of,
    section,
    seqs,
)


def test_unknown_payload_type_is_not_accepted() -> None:
    assert not Track().publication.accepts(50, 10.0, repaired=False)


def test_a_switch_to_a_codec_that_a_subscriber_has() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    assert track.publication.accepts(VP9.payload_type, 10.1, repaired=False)
    track.send(1, 10.1, b"\x48\x00")  # VP9 between key frames
    track.send(2, 10.2, KEY_VP9)
    sent = outlet.take()
    assert [(one.payload_type, payload_of(one)) for one in sent] == [(96, KEY), (98, KEY_VP9)]
    assert seqs(sent) == [0, 1]
    assert slot.state is SlotState.ACTIVE
    assert track.changes == []


def test_a_switch_to_a_codec_that_a_subscriber_has_not_and_back() -> None:
    track = Track()
    slot, outlet = track.slot(10.0, [VP8])
    track.send(0, 10.0, KEY)
    track.publication.accepts(H264.payload_type, 11.0, repaired=False)
    track.send(1, 11.0, b"\x67\x00")
    assert track.changes == ["unsupported-codec"]
    assert slot.encoding is None
    assert slot.report_deadline is None  # else the connection's timer would never rest
    track.publication.accepts(VP8.payload_type, 12.0, repaired=False)
    track.send(2, 12.0, KEY)
    assert track.changes == ["unsupported-codec", "active"]
    assert seqs(outlet.take()) == [0, 1]


def test_packets_overtaken_by_a_switch_do_not_switch_back() -> None:
    track = Track()
    track.publication.accepts(VP9.payload_type, 10.0, repaired=False)
    assert not track.publication.accepts(VP8.payload_type, 10.1, repaired=False)
    assert not track.publication.accepts(VP8.payload_type, 20.0, repaired=True)
    assert track.publication.codec.name == "VP9"
    assert track.publication.accepts(VP8.payload_type, 10.0 + SWITCH_PAUSE, repaired=False)


def test_a_hundred_switches_a_second_do_not_reach_the_subscribers() -> None:
    track = Track()
    track.slot(10.0, [VP8])
    for n in range(200):
        track.publication.accepts((H264, VP8)[n % 2].payload_type, 10.0 + n / 100, repaired=False)
    assert len(track.changes) <= 2 / SWITCH_PAUSE


def test_nothing_of_the_codec_before_is_sent_again_as_the_new_one() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.send(1, 10.0, MORE)
    track.publication.accepts(VP9.payload_type, 10.1, repaired=False)
    track.send(2, 10.1, KEY_VP9)
    sent = outlet.take()
    slot.nack((sent[1].seq16, sent[2].seq16), 10.2)
    assert [payload_of(one)[2:] for one in outlet.take()] == [KEY_VP9]


def test_the_same_again_changes_nothing() -> None:
    track = Track()
    slot, _ = track.slot(10.0)
    track.send(0, 10.0, KEY)
    track.publication.renegotiated(accepted(section([VP8, VP9, H264], direction="sendonly")), 11.0)
    assert not slot.waiting


@pytest.mark.parametrize(("codec", "moved_to"), [(VP8, 100), (VP9, 110)])
def test_other_payload_types_of_the_same_codecs(codec: Codec, moved_to: int) -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    track.publication.accepts(codec.payload_type, 10.0, repaired=False)
    moved = [replace(VP8, payload_type=100, rtx_payload_type=101), replace(VP9, payload_type=110)]
    track.publication.renegotiated(accepted(section(moved, direction="sendonly")), 11.0)
    assert track.publication.codec.payload_type == moved_to
    track.send(0, 11.0, KEY_VP9 if codec is VP9 else KEY)
    assert [one.payload_type for one in outlet.take()] == [codec.payload_type]


def test_other_extension_ids() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    ids = {uri: id + 1 for uri, id in IDS.items()}
    track.publication.renegotiated(accepted(section([VP8], direction="sendonly", ids=ids)), 11.0)
    track.send(0, 11.0, KEY)
    assert len(outlet.take()) == 1


def test_the_codec_in_use_is_withdrawn() -> None:
    track = Track()
    slot, _ = track.slot(10.0, [VP8])
    track.publication.renegotiated(accepted(section([H264], direction="sendonly")), 11.0)
    assert slot.state is SlotState.UNSUPPORTED_CODEC
    assert track.changes == ["unsupported-codec"]


def test_an_observer_may_point_another_slot_away() -> None:
    track = Track()
    first, _ = track.slot(10.0, [VP8])
    second, _ = track.slot(10.0, [VP8])
    first._on_change = lambda slot: second.point(None, 11.0)
    track.publication.accepts(H264.payload_type, 11.0, repaired=False)
    assert second.state is SlotState.EMPTY


def test_a_slot_that_showed_an_encoding_which_is_gone_joins_another() -> None:
    track = Track()
    slot, outlet = track.slot(10.0)
    track.send(0, 10.0, KEY)
    entry = accepted(section([VP8, VP9, H264], direction="sendonly"))
    track.publication.renegotiated(replace(entry, rids=("q", "f")), 11.0)
    assert [encoding.rid for encoding in track.publication.encodings] == ["q", "f"]
    assert slot.encoding is None
    assert slot.candidate in track.publication.encodings
    track.send(1, 11.0, KEY)  # late, of the one that is gone
    assert len(outlet.take()) == 1


def test_a_switch_of_codec_is_one_of_all_encodings() -> None:
    track = Track()
    entry = accepted(section([VP8, VP9, H264], direction="sendonly"))
    track.publication.renegotiated(replace(entry, rids=("q", "f")), 10.0)
    track.publication.accepts(VP9.payload_type, 11.0, repaired=False)
    assert {encoding.codec for encoding in track.publication.encodings} == {VP9}


def test_the_end_empties_every_slot() -> None:
    track = Track()
    slots = [track.slot(10.0) for _ in range(3)]
    track.send(0, 10.0, KEY)
    track.publication.close()
    assert [slot.state for slot, _ in slots] == [SlotState.EMPTY] * 3
    for slot, outlet in slots:
        outlet.take()
        slot.wants_key_frame(11.0)
        slot.nack((1, 2), 11.0)
        assert slot.sender_report(12.0) == b""
        assert outlet.rtp == []
    track.send(1, 11.0, DELTA)
    track.publication.close()


def test_statistics() -> None:
    track = Track()
    track.slot(10.0)
    stats = track.publication.stats(10.0)
    assert (stats["subscribers"], stats["codec"], stats["kind"]) == (1, "VP8", "video")
