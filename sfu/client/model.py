"""Who is in the room and what they publish, as the program sees it.

Knows: what the server's messages change, and that a track which moves between paths is published twice for a moment,
under two ids, and is one publication all the same. Does not know: connections, tracks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sfu.client import events
from signaling import messages
from signaling.fields import Kind, LeftReason, MediaPath, Role, Source
from signaling.quality import Bandwidth


@dataclass(frozen=True, slots=True)
class Publication:
    """A track that somebody else publishes. `id` stays the same while the room moves between paths.

    `codec` is its encoding name in SDP, such as VP8; empty as long as it comes directly from its participant.
    """

    id: str
    participant: str
    kind: Kind
    source: Source
    muted: bool
    codec: str


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody else in the room, as of the moment it was asked for."""

    id: str
    name: str
    role: Role = "member"
    publications: tuple[Publication, ...] = ()


@dataclass(slots=True)
class Listing:
    """One publication with the id it has on each path it takes now."""

    publication: Publication
    ids: dict[MediaPath, str] = field(default_factory=dict)


class Roster:
    """The others in the room; tells `emit` what changes for the program."""

    def __init__(self, emit: "Callable[[events.Event], None]") -> None:
        self._emit = emit
        self._people: dict[str, Participant] = {}
        self._listings: list[Listing] = []
        self.speakers: tuple[str, ...] = ()
        """Who speaks now, the dominant one first."""

    def participants(self) -> dict[str, Participant]:
        """Everybody else by id, in the order they came."""
        return {key: self._describe(person) for key, person in self._people.items()}

    def publications(self) -> tuple[Publication, ...]:
        """Everything the others publish."""
        return tuple(listing.publication for listing in self._listings)

    def name(self, participant: str) -> str:
        """The display name; empty if nobody has this id (any more)."""
        person = self._people.get(participant)
        return person.name if person else ""

    def __contains__(self, participant: str) -> bool:
        return participant in self._people

    def find(self, publication: str) -> Listing | None:
        """The listing of a publication, by any of its ids."""
        for listing in self._listings:
            if publication == listing.publication.id or publication in listing.ids.values():
                return listing
        return None

    def welcome(self, people: tuple[messages.Participant, ...]) -> None:
        """Those who are there already; tells nobody."""
        for person in people:
            self._add(person)

    def joined(self, person: messages.Participant) -> None:
        self._add(person)
        self._emit(events.Joined(self._describe(self._people[person.id])))

    def left(self, participant: str, reason: LeftReason) -> None:
        person = self._people.get(participant)
        if person is None:
            return
        described = self._describe(person)
        del self._people[participant]
        self._listings = [entry for entry in self._listings if entry.publication.participant != participant]
        self._emit(events.Left(described, reason))

    def published(self, participant: str, message: messages.Publication) -> None:
        listing = self._list(participant, message)
        if listing is not None:
            self._emit(events.Published(listing.publication))

    def unpublished(self, publication: str) -> None:
        listing = self.find(publication)
        if listing is None:
            return
        listing.ids = {path: known for path, known in listing.ids.items() if known != publication}
        if not listing.ids:
            self._listings.remove(listing)
            self._emit(events.Unpublished(listing.publication))

    def muted(self, publication: str, muted: bool) -> None:
        listing = self.find(publication)
        if listing is not None and listing.publication.muted != muted:
            listing.publication = replace(listing.publication, muted=muted)
            self._emit(events.Muted(listing.publication))

    def speaking(self, participants: tuple[str, ...]) -> None:
        """These speak now, and nobody else."""
        if participants != self.speakers:
            self.speakers = participants
            self._emit(events.SpeakersChanged(participants))

    def measured(self, report: Bandwidth) -> None:
        """Pass on a report, with the publications' ids as the program knows them."""
        listings = ((self.find(flow.publication or ""), flow) for flow in report.slots)
        flows = tuple(
            events.Flow(
                listing.publication.id,
                flow.rid,
                flow.spatial,
                flow.temporal,
                flow.height,
                flow.bps,
                flow.limit,
            )
            for listing, flow in listings
            if listing is not None
        )
        self._emit(
            events.Bandwidth(report.estimate_bps, report.target_bps, report.sent_bps, report.source, flows)
        )

    def _add(self, person: messages.Participant) -> None:
        self._people[person.id] = Participant(person.id, person.name, person.role)
        for publication in person.publications:
            self._list(person.id, publication)

    def _list(self, participant: str, message: messages.Publication) -> Listing | None:
        """List a publication; None if it is one that is listed already, on its way to another path."""
        for listing in self._listings:
            known = listing.publication
            same = (known.participant, known.kind, known.source) == (
                participant,
                message.kind,
                message.source,
            )
            if same and message.path not in listing.ids:
                listing.ids[message.path] = message.id
                listing.publication = replace(known, codec=message.codec or known.codec)
                return None
        publication = Publication(
            message.id, participant, message.kind, message.source, message.muted, message.codec
        )
        listing = Listing(publication, {message.path: message.id})
        self._listings.append(listing)
        return listing

    def _describe(self, person: Participant) -> Participant:
        own = tuple(one for one in self.publications() if one.participant == person.id)
        return replace(person, publications=own)
