"""A backend without media: publications are what offers say, kept in memory.

Knows: the Backend interface. Does not know: SDP; any offer text will do, except those that ask for trouble.
"""

import asyncio
from dataclasses import dataclass, field

from signaling.backend import Events
from signaling.errors import SignalingError
from signaling.fields import LeftReason
from signaling.messages import Answer, Offer, Point, Publication, PublishResult, Receive, ReceiveResult, Slot
from signaling.quality import SlotWish, View


@dataclass(slots=True)
class _Member:
    room: str
    events: Events
    publications: dict[str, Publication] = field(default_factory=dict)  # by mid
    slots: set[str] = field(default_factory=set)
    views: list[SlotWish] = field(default_factory=list)
    every_ms: int = 0


class MemoryBackend:
    """Implements signaling.backend.Backend.

    An offer whose sdp is `bad` raises SignalingError, `crash` another exception; `slow` waits for
    `release` to be set.
    """

    def __init__(self) -> None:
        self.members: dict[str, _Member] = {}
        self.left: list[tuple[str, LeftReason]] = []
        self.release = asyncio.Event()
        self.offers_cancelled = 0
        self._publications_made = 0

    def join(self, room: str, participant: str, name: str, events: Events) -> None:
        if name == "crash":
            raise RuntimeError("no room for crashers")
        self.members[participant] = _Member(room, events)

    async def offer(self, participant: str, offer: Offer) -> Answer:
        match offer.sdp:
            case "bad":
                raise SignalingError("bad-sdp", "The offer is bad.")
            case "crash":
                raise RuntimeError("the secret is 42")
            case "slow":
                try:
                    await self.release.wait()
                except asyncio.CancelledError:
                    self.offers_cancelled += 1
                    raise
        member = self.members[participant]
        wanted = {entry.mid: entry for entry in offer.publish}
        for mid in [mid for mid in member.publications if mid not in wanted]:
            member.events.unpublished(member.publications.pop(mid).id)
        for mid, entry in wanted.items():
            if mid not in member.publications:
                self._publications_made += 1
                publication = Publication(
                    id=f"t_{self._publications_made}",
                    kind="audio" if entry.source == "microphone" else "video",
                    source=entry.source,
                    muted=entry.muted,
                    codec="opus" if entry.source == "microphone" else "VP8",
                )
                member.publications[mid] = publication
                member.events.published(publication)
        member.slots = {entry.mid for entry in offer.receive}
        return Answer(
            sdp="answer to " + offer.sdp,
            publish=tuple(
                PublishResult(mid=mid, publication=member.publications[mid].id) for mid in member.publications
            ),
            receive=tuple(self._slot(member, entry) for entry in offer.receive),
        )

    def point(self, participant: str, point: Point) -> Slot:
        member = self.members[participant]
        if point.mid not in member.slots:
            raise SignalingError("unknown-mid", "There is no such slot.")
        result = self._slot(member, Receive(mid=point.mid, publication=point.publication))
        return Slot(mid=result.mid, publication=result.publication, state=result.state)

    def view(self, participant: str, view: View) -> None:
        member = self.members[participant]
        if not {wish.mid for wish in view.slots} <= member.slots:
            raise SignalingError("unknown-mid", "There is no such slot.")
        member.views += view.slots

    def reports(self, participant: str, every_ms: int) -> None:
        self.members[participant].every_ms = every_ms

    def mute(self, participant: str, publication: str, muted: bool) -> None:
        member = self.members[participant]
        owners = {
            known.id: other
            for other in self.members.values()
            if other.room == member.room
            for known in other.publications.values()
        }
        if publication not in owners:
            raise SignalingError("unknown-publication", "There is no such publication.")
        if owners[publication] is not member:
            raise SignalingError("not-yours", "The publication belongs to somebody else.")
        member.events.muted(publication, muted)

    async def leave(self, participant: str, reason: LeftReason) -> None:
        if self.members.pop(participant, None) is not None:
            self.left.append((participant, reason))

    def _slot(self, member: _Member, wanted: Receive) -> ReceiveResult:
        if wanted.publication is None:
            return ReceiveResult(mid=wanted.mid, publication=None, state="empty")
        known = {
            publication.id
            for other in self.members.values()
            if other.room == member.room
            for publication in other.publications.values()
        }
        if wanted.publication not in known:
            raise SignalingError("unknown-publication", "There is no such publication.")
        return ReceiveResult(mid=wanted.mid, publication=wanted.publication, state="active")
