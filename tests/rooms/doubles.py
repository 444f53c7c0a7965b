"""Members of a room without connections: an observer that remembers, captured offers, negotiation in one call."""

from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sfu.rooms.member import Negotiated, Published, Publishing, Receiving, SlotView
from sfu.rooms.participant import Participant
from sfu.rooms.room import Room
from sfu.wire import sdp
from sfu.wire.sdp import Offer, Section
from tests.forwarding.doubles import FakeOutlet

OFFERS = {
    path.stem: sdp.parse(path.read_bytes().decode())
    for path in sorted((Path(__file__).parent.parent / "wire" / "offers").glob("*.sdp"))
}
T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


def offer(*sections: Section) -> Offer:
    fingerprint = ("sha-256", ":".join(["AB"] * 32))
    mids = tuple(section.mid for section in sections if not section.rejected)
    return Offer(sections, mids, "abcd", "0" * 22, (fingerprint,), "actpass", extmap_allow_mixed=True)


CHROMIUM = OFFERS["chromium_call"]
FIREFOX = OFFERS["firefox_call"]


class Recorder:
    """An observer; `take` gives what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def published(self, publication: Published) -> None:
        self.told.append(("published", publication.id))

    def unpublished(self, publication_id: str) -> None:
        self.told.append(("unpublished", publication_id))

    def muted(self, publication_id: str, muted: bool) -> None:
        self.told.append(("muted" if muted else "unmuted", publication_id))

    def slot_changed(self, slot: SlotView) -> None:
        self.told.append((slot.state, slot.mid))

    def encodings(self, publication_id: str, active: Mapping[str, bool]) -> None:
        self.told.append(("encodings", " ".join((publication_id, *(rid for rid in active if active[rid])))))

    def take(self) -> list[tuple[str, str]]:
        told, self.told = self.told, []
        return told


class Peer:
    """A participant with its outlet and its observer."""

    def __init__(self, room: Room, id: str = "p_1", *, ready: bool = True) -> None:
        self.outlet = FakeOutlet(ready=ready)
        self.observer = Recorder()
        self.participant = Participant(id, room, self.outlet, self.observer)

    def negotiate(
        self,
        offer: Offer,
        publish: Mapping[str, str] | None = None,
        receive: Mapping[str, str | None] | None = None,
        now: float = 10.0,
        *,
        sync: str | None = None,
    ) -> Negotiated:
        """`publish` is mid to source, `receive` mid to publication."""
        publishing = {mid: Publishing(source, False) for mid, source in (publish or {}).items()}
        receiving = {mid: Receiving(wanted, sync) for mid, wanted in (receive or {}).items()}
        return run(self.participant.negotiate(offer, publishing, receiving, now))

    def publish(self, offer: Offer, mid: str, source: str = "camera") -> str:
        """Publish one section alone; the publication's id."""
        (published,) = self.negotiate(offer, {mid: source}).published
        return published.id


def two(codec_offer: Offer = CHROMIUM) -> tuple[Peer, Peer, str]:
    """A publisher of a camera on mid 1, a subscriber, and the publication's id."""
    room = Room("blue")
    publisher, subscriber = Peer(room, "p_1"), Peer(room, "p_2")
    return publisher, subscriber, publisher.publish(codec_offer, "1")


def ssrc_of(offer: Offer, mid: str) -> int:
    return next(s.ssrcs[0].ssrc for s in offer.sections if s.mid == mid)
