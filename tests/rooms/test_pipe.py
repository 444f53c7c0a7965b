"""A pipe from both its ends: what is offered, wanted and sent, and what becomes of streams that change."""

from dataclasses import replace

import pytest

from sfu.forwarding.outlet import Drop
from sfu.forwarding.profile import codec_key
from sfu.forwarding.slot import SlotState
from sfu.rooms.pipe import FIRST_PAYLOAD_TYPE, MAX_PARAMETERS, MAX_VARIANTS
from sfu.wire import extensions, rtcp, rtp
from sfu.wire.sdp import Codec
from tests.forwarding.doubles import (
    DELTA_VP9,
    H264,
    IDS,
    KEY,
    KEY_VP9,
    MORE,
    OPUS,
    VP8,
    VP9,
    accepted,
    extensions_of,
    packet,
    payload_of,
    section,
    seqs,
)
from tests.rooms.nodes import Node, Tree, outlet_of

# -- demand ---------------------------------------------------------------------------------------------------


def test_nothing_is_sent_that_nobody_takes() -> None:
    tree = Tree()
    tree.tell()
    assert tree.child.pipe.wanted(10.0) == {}
    tree.send(1, 10.0, KEY)
    assert tree.track.publication.slots == []
    slot = tree.child.subscribe("t_1")
    assert tree.child.pipe.wanted(10.0) == {"t_1": ("",)}
    other = tree.child.subscribe("t_1")
    tree.tell()
    assert len(tree.track.publication.slots) == 1  # once, for both of them
    slot.close()
    assert tree.child.pipe.wanted(10.0) == {"t_1": ("",)}
    news = tree.child.news
    other.close()
    assert tree.child.news > news
    assert tree.child.pipe.wanted(10.0) == {}
    tree.tell()
    assert tree.track.publication.slots == []


def test_what_is_wanted_is_news_once() -> None:
    tree = Tree()
    tree.tell()
    tree.child.subscribe("t_1")
    tree.child.pipe.wanted(10.0)
    news = tree.child.news
    for n in range(5):
        tree.child.pipe.wanted(10.0 + n)
    assert tree.child.news == news


def test_media_of_a_publisher_reaches_the_neighbours_subscribers() -> None:
    tree = Tree()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    tree.send(1, 10.0, KEY)
    tree.send(2, 10.01, MORE)
    received = outlet_of(slot).take()
    assert [payload_of(one) for one in received] == [KEY, MORE]
    assert seqs(received) == [0, 1]
    assert {one.payload_type for one in received} == {VP8.payload_type}
    assert IDS[extensions.ABS_SEND_TIME] in extensions_of(received[0])


def test_a_key_frame_is_asked_for_across_the_pipe() -> None:
    tree = Tree()
    tree.tell()
    tree.child.subscribe("t_1")
    tree.tell()
    tree.send(1, 10.0, KEY)
    tree.carry(10.0)
    asked = tree.track.asked
    tree.child.subscribe("t_1", now=11.0)  # a second one, who needs a key frame too
    tree.carry(11.0)
    assert tree.track.asked == asked + 1


def test_a_publisher_without_pli_is_asked_for_key_frames_too() -> None:
    bare = Codec(96, "VP8", 90_000, 1, "", ("ccm fir",), None)
    tree = Tree((bare,))
    (stream,) = tree.tell()
    assert stream.codecs[0].feedback == ("nack", "nack pli")
    tree.child.subscribe("t_1")
    assert [type(one) for one in tree.child.outlet.take_rtcp()] == [rtcp.PictureLoss]


def test_what_was_lost_between_nodes_is_sent_again() -> None:
    tree = Tree()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    tree.send(1, 10.0, KEY)
    tree.track.send(2, 10.01, MORE)
    tree.parent.outlet.rtp.clear()  # lost
    tree.send(3, 10.02, MORE)
    deadline = tree.child.pipe.deadline()
    assert deadline is not None
    tree.child.pipe.pulse(deadline)
    asked = [one for compound in tree.child.outlet.rtcp for one in rtcp.parse(compound)]
    assert any(isinstance(one, rtcp.Nack) for one in asked)
    tree.carry(deadline)
    tree.carry(deadline)
    assert sorted(seqs(outlet_of(slot).take())) == [0, 1, 2]


def test_sound_needs_no_key_frame() -> None:
    tree = Tree((OPUS,), "audio")
    (stream,) = tree.tell()
    assert stream.codecs[0].rtx_payload_type is None
    slot = tree.child.subscribe("t_1", (OPUS,), "audio")
    tree.tell()
    sound = packet(1, 0, b"\x00\x01", payload_type=OPUS.payload_type)
    tree.track.encoding.receive(rtp.parse(sound), 10.0)
    tree.carry(10.0)
    assert len(outlet_of(slot).take()) == 1


# -- codecs ---------------------------------------------------------------------------------------------------


def test_a_codec_keeps_its_payload_type_when_the_publisher_switches() -> None:
    tree = Tree()
    (before,) = tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    tree.send(1, 10.0, KEY)
    outlet_of(slot).take()
    assert tree.track.publication.accepts(VP9.payload_type, 11.0, repaired=False)
    tree.send(2, 11.0, KEY_VP9)
    (after,) = tree.tell(11.1)  # something else has changed: everything is told again
    tree.send(3, 11.2, DELTA_VP9)
    assert (before.codecs[0].name, after.codecs[0].name) == ("VP8", "VP9")
    assert {c.name: c.payload_type for c in after.codecs} == {c.name: c.payload_type for c in before.codecs}
    received = outlet_of(slot).take()
    assert [(one.payload_type, payload_of(one)) for one in received] == [
        (VP9.payload_type, KEY_VP9),
        (VP9.payload_type, DELTA_VP9),
    ]


def test_codecs_of_another_offer_get_payload_types_of_their_own() -> None:
    tree = Tree((VP8, VP9))
    (before,) = tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    tree.track.publication.renegotiated(accepted(section((H264, VP8))), 11.0)
    (after,) = tree.tell(11.0)
    types = {c.name: c.payload_type for c in before.codecs}
    assert {c.name: c.payload_type for c in after.codecs} == {
        "VP8": types["VP8"],
        "H264": FIRST_PAYLOAD_TYPE + 4,
    }
    tree.send(1, 11.1, KEY)
    assert [one.payload_type for one in outlet_of(slot).take()] == [VP8.payload_type]


def test_variants_of_one_codec_are_one() -> None:
    lower = Codec(104, "H264", 90_000, 1, "packetization-mode=1;profile-level-id=42e01f", (), 105)
    (stream,) = Tree((H264, lower)).tell()
    assert [codec.payload_type for codec in stream.codecs] == [FIRST_PAYLOAD_TYPE]


def test_more_codecs_than_payload_types() -> None:
    many = [
        Codec(96 + n, "VP9", 90_000, 1, f"profile-id={n}", ("nack",), None) for n in range(MAX_VARIANTS + 4)
    ]
    (stream,) = Tree(many).tell()
    types = [t for codec in stream.codecs for t in (codec.payload_type, codec.rtx_payload_type)]
    assert sorted(types) == list(range(96, 128))  # type: ignore[type-var]


def test_endless_parameters_stay_at_home() -> None:
    endless = Codec(96, "VP8", 90_000, 1, "x=" + "y" * MAX_PARAMETERS, (), None)
    (stream,) = Tree((endless,)).tell()
    assert stream.codecs[0].parameters == ""
    assert codec_key(stream.codecs[0]) == codec_key(endless)


# -- streams that come and go ---------------------------------------------------------------------------------


def test_the_end_of_a_publication_crosses_the_pipe() -> None:
    tree = Tree()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    publication = tree.track.publication
    tree.child.pipe.take(tree.parent.offer(), 11.0)
    assert (slot.state, tree.child.room.publications) == (SlotState.EMPTY, {})
    assert publication.slots == []
    assert tree.child.pipe.wanted(11.0) == {}


def test_a_stream_that_came_anew_keeps_its_subscribers() -> None:
    tree = Tree()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    tree.send(1, 10.0, KEY)
    first = outlet_of(slot).take()
    tree.parent.offer(now=11.0)  # for a moment it was not ours to offer; the neighbour has not heard of it
    (stream,) = tree.parent.offer(tree.track.publication, now=11.1)
    tree.child.pipe.take([stream], 11.1)
    assert tree.child.pipe.wanted(11.0) == {"t_1": ("",)}  # as before: the neighbour is not told again
    tree.send(2, 11.2, KEY)
    second = outlet_of(slot).take()
    assert slot.state is SlotState.ACTIVE
    assert seqs(first + second) == [0, 1]
    assert first[0].ssrc == second[0].ssrc


def test_a_publication_that_is_here_already_is_not_taken_twice() -> None:
    tree = Tree()
    ring = Node()
    ring.room.publications["t_1"] = tree.track.publication
    ring.pipe.take(tree.parent.offer(tree.track.publication), 10.0)
    assert ring.room.publications == {"t_1": tree.track.publication}
    assert not ring.pipe.holds(tree.track.publication)
    ring.pipe.close()
    assert ring.room.publications == {"t_1": tree.track.publication}


def test_what_came_through_the_pipe_is_known() -> None:
    tree = Tree()
    tree.tell()
    assert tree.child.pipe.holds(tree.child.room.publications["t_1"])
    assert not tree.parent.pipe.holds(tree.track.publication)


@pytest.mark.parametrize("muted", [True, False])
def test_mutes_are_passed_on(muted: bool) -> None:
    tree = Tree()
    tree.tell()
    tree.track.publication.muted = muted
    tree.tell()
    assert tree.child.room.publications["t_1"].muted is muted


def test_wishes_for_what_is_not_offered_do_nothing() -> None:
    tree = Tree()
    tree.tell()
    tree.parent.pipe.send({"t_1": ("",), "t_9": ("q",)}, 10.0)
    tree.parent.pipe.send({"t_1": ("q",), "t_9": ("",)}, 10.0)
    assert tree.track.publication.slots == []


def test_closing_lets_go_of_both_directions_once() -> None:
    tree = Tree()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    for node in (tree.child, tree.parent, tree.child, tree.parent):
        node.pipe.close()
    assert (slot.state, tree.child.room.publications) == (SlotState.EMPTY, {})
    assert tree.track.publication.slots == []
    assert tree.parent.room.publications == {"t_1": tree.track.publication}


def test_garbage_costs_nothing() -> None:
    tree = Tree()
    tree.tell()
    for data in (b"", b"\x80", bytes(40), packet(1, ssrc=77, payload_type=127)):
        tree.child.pipe.receive_rtp(data, 10.0)
        tree.child.pipe.receive_rtcp(data, 10.0)
    drops = tree.child.pipe._link.ingress.drops
    assert drops[Drop.UNKNOWN_SSRC] == 1
    assert drops[Drop.MALFORMED] == 3


# -- speakers -------------------------------------------------------------------------------------------------


def test_who_speaks_at_another_node_is_heard_here() -> None:
    tree = Tree([OPUS], "audio")
    tree.tell()
    tree.child.subscribe("t_1", [OPUS], "audio")
    tree.tell()
    told: list[tuple[str, ...]] = []
    tree.child.room.on_speakers = told.append
    for seq in range(100):
        now = 10.0 + seq * 0.02
        level = bytes((80 if seq % 10 == 0 else 25,))
        block = extensions.build([(IDS[extensions.AUDIO_LEVEL], level)], allow_two_byte=False)
        tree.track.encoding.receive(
            rtp.parse(packet(seq, seq * 960, b"opus", payload_type=111, block=block)), now
        )
        tree.carry(now)
    assert told == [("p_1",)]
    (stream,) = tree.parent.offer(tree.track.publication, now=13.0)
    tree.child.pipe.take([replace(stream, muted=True)], 13.0)
    assert told == [("p_1",), ()]
    tree.child.pipe.take([], 13.0)
    assert tree.child.room.speakers.active == ()
