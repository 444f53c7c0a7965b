"""A pipe from both its ends: what is offered, wanted and sent, and what becomes of streams that change."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from sfu.forwarding.asking import Asking
from sfu.forwarding.egress import Egress
from sfu.forwarding.outlet import Drop
from sfu.forwarding.profile import SendProfile, codec_key
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, SlotState, Target
from sfu.rooms.pipe import FIRST_PAYLOAD_TYPE, MAX_PARAMETERS, MAX_VARIANTS, Pipe, PipeStream
from sfu.rooms.room import Room
from sfu.wire import extensions, rtcp, rtp
from sfu.wire.sdp import Codec
from tests.forwarding.doubles import (
    DELTA_VP9,
    FEEDBACK,
    H264,
    IDS,
    KEY,
    KEY_VP9,
    MORE,
    OPUS,
    VP8,
    VP9,
    FakeOutlet,
    Track,
    accepted,
    extensions_of,
    packet,
    payload_of,
    section,
    seqs,
)

AV1_KEY = bytes.fromhex("08 0a 01 00")  # N: a coded video sequence begins
AV1_KEY_DESCRIPTOR = bytes.fromhex("c0 00 01")


def vp8_key_frame(width: int, height: int) -> bytes:
    """The first packet of a key frame that tells its size (RFC 6386 9.1)."""
    return bytes.fromhex("10 100000 9d012a") + struct.pack("<HH", width, height)


class Node:
    """One end: its room, its pipe, what the pipe sends, and how often it said that it has news."""

    def __init__(self) -> None:
        self.room = Room("blue")
        self.outlet = FakeOutlet()
        self.news = 0
        self.pipe = Pipe(self.room, self.outlet, self._on_news)

    def _on_news(self) -> None:
        self.news += 1

    def offer(self, *publications: Publication, now: float = 10.0) -> list[PipeStream]:
        return self.pipe.streams(publications, now)

    def subscribe(
        self, id: str, codecs: Sequence[Codec] = (VP8, VP9, H264), kind: str = "video", now: float = 10.0
    ) -> Slot:
        """A client's slot that shows a publication of this room."""
        profile = SendProfile.of(accepted(section(codecs, kind=kind, direction="recvonly")))
        slot = Slot("5", kind, profile, Egress(FakeOutlet()), "tile", lambda slot: None)
        slot.point(self.room.publications[id], now)
        return slot


class Tree:
    """A publisher's node, its neighbour, and the pipe between them."""

    def __init__(self, codecs: Sequence[Codec] = (VP8, VP9, H264), kind: str = "video") -> None:
        self.parent, self.child = Node(), Node()
        self.track = Track(codecs, kind)
        self.parent.room.publications[self.track.publication.id] = self.track.publication

    def tell(self, now: float = 10.0) -> list[PipeStream]:
        """The parent says what it has; the child says what it wants of that."""
        streams = self.parent.offer(self.track.publication, now=now)
        self.child.pipe.take(streams, now)
        self.parent.pipe.send(self.child.pipe.wanted(now), now)
        return streams

    def carry(self, now: float) -> None:
        """What is on its way, both ways."""
        sent, self.parent.outlet.rtp = self.parent.outlet.rtp, []
        for one in sent:
            self.child.pipe.receive_rtp(one, now)
        compounds, self.child.outlet.rtcp = self.child.outlet.rtcp, []
        for compound in compounds:
            self.parent.pipe.receive_rtcp(compound, now)

    def send(self, seq: int, now: float, payload: bytes) -> None:
        self.track.send(seq, now, payload)
        self.carry(now)


def outlet_of(slot: Slot) -> FakeOutlet:
    assert isinstance(slot.egress.outlet, FakeOutlet)
    return slot.egress.outlet


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


# -- simulcast ------------------------------------------------------------------------------------------------


class Simulcast(Tree):
    """A tree whose publisher sends encodings; packets of each count their own numbers."""

    def __init__(self, *rids: str) -> None:
        super().__init__()
        self.rids = rids or ("q", "h", "f")
        self.offer_again(self.rids, 9.0)
        self.numbers: dict[str, int] = {}

    def offer_again(self, rids: tuple[str, ...], now: float) -> None:
        entry = accepted(section((VP8, VP9, H264), direction="sendonly"))
        self.track.publication.renegotiated(replace(entry, rids=rids), now)

    def say(self, now: float, *rids: str, payload: bytes = KEY) -> None:
        """One packet of each of these encodings, with their rid behind it."""
        for rid in rids or self.rids:
            encoding = self.track.publication.find(rid)
            assert encoding is not None
            self.numbers[rid] = number = self.numbers.get(rid, 0) + 1
            encoding.ssrc = encoding.ssrc or 1000 + ord(rid)
            # The marker: each is a frame of its own.
            one = packet(number, round(now * 90_000), payload + rid.encode(), ssrc=encoding.ssrc, marker=True)
            encoding.receive(rtp.parse(one), now)
        self.carry(now)

    def aim(self, slot: Slot, rid: str, now: float) -> None:
        """A subscriber of the child takes this encoding, and the parent hears of it."""
        encoding = self.child.room.publications["t_1"].find(rid)
        assert encoding is not None
        slot.aim(Target(encoding), now)
        self.ask(now)

    def ask(self, now: float) -> None:
        self.parent.pipe.send(self.child.pipe.wanted(now), now)

    @property
    def crossing(self) -> set[str]:
        """The encodings that the parent sends."""
        return set(self.track.publication.taken)


def heard(slot: Slot) -> str:
    """The rids of what a subscriber got since the last call."""
    return "".join(payload_of(one)[-1:].decode() for one in outlet_of(slot).take())


def test_each_encoding_crosses_for_itself() -> None:
    tree = Simulcast()
    (stream,) = tree.tell()
    assert [encoding.rid for encoding in stream.encodings] == ["q", "h", "f"]
    assert len({ssrc for e in stream.encodings for ssrc in (e.ssrc, e.rtx_ssrc)}) == 6
    small, large = tree.child.subscribe("t_1"), tree.child.subscribe("t_1")
    tree.aim(small, "q", 10.0)
    tree.aim(large, "f", 10.0)
    assert tree.child.pipe.wanted(10.0) == {"t_1": ("q", "f")}
    tree.say(10.0)
    tree.say(10.1)
    assert (heard(small), heard(large)) == ("qq", "ff")
    assert tree.crossing == {"q", "f"}


def test_a_subscriber_switches_at_a_key_frame_and_the_old_encoding_is_wanted_until_then() -> None:
    tree = Simulcast()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.aim(slot, "q", 10.0)
    tree.say(10.0)
    tree.aim(slot, "f", 11.0)
    assert tree.child.pipe.wanted(11.0) == {"t_1": ("q", "f")}
    tree.say(11.0, payload=MORE)
    tree.say(11.1, "q", payload=MORE)
    tree.say(11.2, "f")
    assert heard(slot) == "qqqf"
    assert tree.child.pipe.wanted(11.2) == {"t_1": ("f",)}
    tree.ask(11.2)
    assert tree.crossing == {"f"}


def test_what_nobody_behind_a_chain_of_pipes_takes_is_not_asked_of_the_publisher() -> None:
    tree = Simulcast()
    publication = tree.track.publication
    told: list[Mapping[str, bool]] = []
    publication.asking = Asking(publication, told.append, lambda: None, 10.0)
    grandchild = Node()
    upper = Pipe(tree.child.room, FakeOutlet(), lambda: None)  # of the child, towards the grandchild

    def settle(now: float) -> None:
        tree.tell(now)
        grandchild.pipe.take(upper.streams(tree.child.room.publications.values(), now), now)
        upper.send(grandchild.pipe.wanted(now), now)
        tree.ask(now)
        assert publication.asking is not None
        publication.asking.pulse(now)

    settle(10.0)
    publication.taken_changed(10.0)
    settle(12.0)
    assert told[-1] == {"q": False, "h": False, "f": False}
    slot = grandchild.subscribe("t_1")
    encoding = grandchild.room.publications["t_1"].find("h")
    assert encoding is not None
    slot.aim(Target(encoding), 13.0)
    settle(13.0)
    assert told[-1] == {"q": False, "h": True, "f": False}
    slot.close()
    settle(14.0)
    settle(16.0)
    assert told[-1] == {"q": False, "h": False, "f": False}


def test_what_is_not_asked_for_can_be_had() -> None:
    tree = Simulcast()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.aim(slot, "q", 10.0)
    publication = tree.child.room.publications["t_1"]
    for n in range(40):
        tree.say(10.0 + n / 20)
    top = publication.encodings[2]
    assert publication.available(top, 12.0)  # silent because it is not wanted
    tree.aim(slot, "f", 12.0)
    for n in range(80):
        tree.say(12.0 + n / 20, "q")
    assert not publication.available(top, 16.0)  # wanted, and it doesn't come
    tree.say(16.0)
    tree.say(16.3)
    assert publication.available(top, 16.3)


def test_heights_are_told_and_the_order_follows_them() -> None:
    tree = Simulcast("f", "h", "q")
    (stream,) = tree.tell()
    assert [encoding.height for encoding in stream.encodings] == [0, 0, 0]
    slot = tree.child.subscribe("t_1")
    tree.aim(slot, "q", 10.0)
    news = tree.parent.news
    for rid, height in (("f", 720), ("h", 360), ("q", 180)):
        tree.say(10.3, rid, payload=vp8_key_frame(height * 16 // 9, height))
    tree.say(10.6)
    assert tree.parent.news > news
    (stream,) = tree.tell(11.0)
    assert [(e.rid, e.height) for e in stream.encodings] == [("q", 180), ("h", 360), ("f", 720)]
    publication = tree.child.room.publications["t_1"]
    assert {e.rid: e.height for e in publication.encodings} == {"q": 180, "h": 360, "f": 720}
    tree.say(11.3)
    tree.say(11.6)
    assert [e.rid for e in publication.encodings] == ["q", "h", "f"]


def test_encodings_of_another_offer_cross_and_those_that_stay_go_on() -> None:
    tree = Simulcast("q", "h")
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.aim(slot, "h", 10.0)
    tree.say(10.0)
    publication = tree.child.room.publications["t_1"]
    news = tree.parent.news
    tree.offer_again(("h", "f"), 11.0)
    assert tree.parent.news > news
    (stream,) = tree.tell(11.0)
    assert [encoding.rid for encoding in stream.encodings] == ["h", "f"]
    assert tree.child.room.publications["t_1"] is publication
    tree.say(11.1, "h", "f", payload=MORE)
    assert heard(slot) == "hh"
    tree.aim(slot, "f", 12.0)
    tree.say(12.0, "f")
    assert heard(slot) == "f"


def test_a_publisher_that_turns_to_simulcast_and_back() -> None:
    tree = Tree()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.tell()
    tree.send(1, 10.0, KEY)
    entry = accepted(section((VP8, VP9, H264), direction="sendonly"))
    for now, rids in ((11.0, ("q", "f")), (12.0, ())):
        tree.track.publication.renegotiated(replace(entry, rids=rids), now)
        tree.tell(now)
        tree.parent.pipe.send(tree.child.pipe.wanted(now), now)
        wanted = tree.child.room.publications["t_1"].find(rids[0] if rids else "")
        assert slot.target is not None
        if rids:
            assert slot.target.encoding in tree.child.room.publications["t_1"].encodings
        else:
            assert slot.target.encoding is wanted
    encoding = tree.track.publication.encoding
    encoding.receive(rtp.parse(packet(1, 0, KEY, ssrc=5)), 12.1)
    tree.carry(12.1)
    assert len(outlet_of(slot).take()) == 2


def test_a_wish_for_an_encoding_that_has_gone_makes_the_news_be_told_again() -> None:
    tree = Simulcast()
    tree.tell()
    news = tree.parent.news
    tree.parent.pipe.send({"t_1": ("x",)}, 10.0)
    assert tree.parent.news == news + 1
    assert tree.crossing == set()


def test_retransmissions_and_key_frames_are_asked_of_the_encoding_that_misses_them() -> None:
    tree = Simulcast()
    tree.tell()
    slot = tree.child.subscribe("t_1")
    tree.aim(slot, "f", 10.0)
    asked = tree.track.asked
    tree.say(10.0)
    other = tree.child.subscribe("t_1", now=11.0)
    tree.aim(other, "f", 11.0)
    tree.carry(11.0)
    assert tree.track.asked == asked + 1
    tree.say(11.0)
    tree.say(11.1, payload=MORE)
    heard(slot)
    tree.say(11.2, "q", payload=MORE)
    encoding = tree.track.publication.find("f")
    assert encoding is not None
    encoding.receive(rtp.parse(packet(4, 0, MORE + b"f", ssrc=encoding.ssrc or 0)), 11.3)
    tree.parent.outlet.rtp.clear()  # lost
    encoding.receive(rtp.parse(packet(5, 0, MORE + b"f", ssrc=encoding.ssrc or 0)), 11.31)
    tree.carry(11.31)
    deadline = tree.child.pipe.deadline()
    assert deadline is not None
    tree.child.pipe.pulse(max(deadline, 11.33))
    tree.carry(11.35)
    tree.carry(11.35)
    assert heard(slot) == "ff"


def test_av1_takes_its_dependency_descriptor_along() -> None:
    ids = {**IDS, extensions.DEPENDENCY_DESCRIPTOR: 12}
    av1 = Codec(45, "AV1", 90_000, 1, "profile=0", FEEDBACK, 46)
    tree = Tree((av1,))
    entry = accepted(section((av1,), direction="sendonly", ids=ids, mixed=True))
    tree.track.publication.renegotiated(entry, 9.0)
    tree.tell()
    tree.child.subscribe("t_1", (av1,))
    tree.tell()
    block = extensions.build([(12, AV1_KEY_DESCRIPTOR)], allow_two_byte=True)
    one = packet(1, 0, AV1_KEY, payload_type=45, block=block, marker=True)
    tree.track.encoding.receive(rtp.parse(one), 10.0)
    (sent,) = tree.parent.outlet.take()
    assert AV1_KEY_DESCRIPTOR in extensions_of(sent).values()


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
