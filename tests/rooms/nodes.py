"""Two nodes with a pipe between them, in memory."""

from collections.abc import Sequence

from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot
from sfu.rooms.pipe import Pipe, PipeStream
from sfu.rooms.room import Room
from sfu.wire.sdp import Codec
from tests.forwarding.doubles import (
    H264,
    VP8,
    VP9,
    FakeOutlet,
    Track,
    accepted,
    section,
)


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
        engine = FakeOutlet.engine
        slot = engine.slot("5", kind, profile, engine.egress(FakeOutlet()), "tile", lambda slot: None)
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
