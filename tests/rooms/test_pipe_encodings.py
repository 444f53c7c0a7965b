"""Simulcast over pipes: each encoding on demand, what is known of it, and the publisher at the end of a chain."""

import struct
from collections.abc import Mapping
from dataclasses import replace

from sfu.forwarding.asking import Asking
from sfu.forwarding.slot import Slot, Target
from sfu.rooms.pipe import Pipe
from sfu.wire import extensions, rtp
from sfu.wire.sdp import Codec
from tests.forwarding.doubles import (
    FEEDBACK,
    H264,
    IDS,
    KEY,
    MORE,
    VP8,
    VP9,
    FakeOutlet,
    accepted,
    extensions_of,
    packet,
    payload_of,
    section,
)
from tests.rooms.nodes import Node, Tree, outlet_of

AV1_KEY = bytes.fromhex("08 0a 01 00")  # N: a coded video sequence begins
AV1_KEY_DESCRIPTOR = bytes.fromhex("c0 00 01")


def vp8_key_frame(width: int, height: int) -> bytes:
    """The first packet of a key frame that tells its size (RFC 6386 9.1)."""
    return bytes.fromhex("10 100000 9d012a") + struct.pack("<HH", width, height)


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
