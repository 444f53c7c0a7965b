"""A room of names: its members, its topology, the path in force, the roles; and who hears what.

Knows: rules of one room. Does not know: how members come and go (lobby.py), the backend, timers, sockets.
"""

from collections.abc import Callable, Sequence

import msgspec

from signaling.auto import AutoRule, AutoSettings
from signaling.errors import SignalingError
from signaling.fields import MediaPath, Role, Topology
from signaling.mesh import DirectTracks
from signaling.messages import (
    Join,
    Muted,
    Offer,
    Participant,
    Publication,
    Published,
    ServerMessage,
    Signal,
    Signaled,
    Unpublished,
    encode,
)
from signaling.outbox import Outbox
from signaling.quality import Speakers

MAX_SILENCE = 2.5
"""Seconds; clients of rooms that speak directly send something each second, and the others are told within 3."""


class Member:
    """One participant of one room."""

    __slots__ = (
        "_described",
        "direct",
        "id",
        "name",
        "nodes",
        "outbox",
        "publications",
        "role",
        "room",
        "secret",
    )

    def __init__(
        self,
        room: "Room",
        participant: str,
        secret: str,
        name: str,
        role: Role,
        outbox: Outbox,
        new_publication_id: Callable[[], str],
    ) -> None:
        self.room = room
        self.id = participant
        self.secret = secret
        self.name = name
        self.role: Role = role
        self.outbox = outbox
        self.publications: dict[str, Publication] = {}
        self.direct = DirectTracks(self, new_publication_id)
        # The nodes it came over, its own first; none: it is a client of this one.
        self.nodes: tuple[str, ...] = ()
        self._described: Participant | None = None

    def describe(self) -> Participant:
        """Return what the others may know of this member."""
        if self._described is None:  # everybody who comes is told of everybody
            self._described = Participant(
                id=self.id, name=self.name, publications=tuple(self.publications.values()), role=self.role
            )
        return self._described

    @property
    def log_ids(self) -> dict[str, str]:
        """The `extra` of log lines about this member."""
        return {"room": self.room.name, "participant": self.id}

    def published(self, publication: Publication) -> None:
        """Remember a new publication and tell the others."""
        self.publications[publication.id] = publication
        self._described = None
        self.room.tell_others(self, Published(participant=self.id, publication=publication))

    def unpublished(self, publication_id: str) -> None:
        """Forget a publication and tell the others; nothing if it is unknown."""
        if self.publications.pop(publication_id, None) is not None:
            self._described = None
            self.room.tell_others(self, Unpublished(participant=self.id, publication=publication_id))

    def muted(self, publication_id: str, muted: bool) -> None:
        """Remember that a publication is muted or not, and tell the others; nothing if it is unknown."""
        known = self.publications.get(publication_id)
        if known is not None:
            self.publications[publication_id] = msgspec.structs.replace(known, muted=muted)
            self._described = None
            self.room.tell_others(
                self, Muted(participant=self.id, publication=publication_id, muted=muted)
            )  # fmt: skip

    def tell_speakers(self, speakers: Sequence[str]) -> None:
        """Tell this member who speaks; only those who are in the room, and only while media goes through the server."""
        if self.room.path == "sfu":
            present = tuple(id for id in speakers if id in self.room.members)
            self.outbox.put_latest("speakers", encode(Speakers(participants=present)))


class Room:
    """Members in the order they came; the first one's wish made the topology."""

    __slots__ = ("auto", "members", "name", "observers", "speakers", "threshold", "topology")

    def __init__(self, name: str, topology: Topology, auto: AutoSettings) -> None:
        self.name = name
        self.topology: Topology = topology
        self.auto = AutoRule(auto) if topology == "auto" else None
        self.threshold = auto.threshold if topology == "auto" else None
        self.members: dict[str, Member] = {}
        # Who speaks through the server now, as its media side said last.
        self.speakers: tuple[str, ...] = ()
        # Called after somebody was told something of the members: the links to other nodes listen here.
        self.observers: list[Callable[[], None]] = []

    @property
    def path(self) -> MediaPath:
        """Where media goes now."""
        if self.auto is not None:
            return self.auto.path
        return "mesh" if self.topology == "mesh" else "sfu"

    @property
    def speaks_directly(self) -> bool:
        """Whether members may connect to each other."""
        return self.topology in ("mesh", "auto")

    @property
    def uses_backend(self) -> bool:
        """Whether members may send media to the server."""
        return self.topology != "mesh"

    @property
    def max_silence(self) -> float | None:
        """Seconds after which a member that sends nothing is gone; None: its WebSocket pings tell."""
        return MAX_SILENCE if self.speaks_directly else None

    def role_for(self, request: Join, replaced: Member | None) -> Role:
        """Return the role of a new member; raises SignalingError if its wish can't be met."""
        if self.topology != "broadcast":
            return "member"
        if request.role != "publisher":
            return "viewer"
        if any(m.role == "publisher" and m is not replaced for m in self.members.values()):
            raise SignalingError("role-taken", "Somebody else is publishing in this room.")
        return "publisher"

    def check_offer(self, member: Member, offer: Offer) -> None:
        """Raise SignalingError if the member may not offer this to the server."""
        self.check_backend()
        if offer.publish and member.role == "viewer":
            raise SignalingError("not-allowed", "Viewers publish nothing.")

    def check_backend(self) -> None:
        """Raise SignalingError if the server moves no media in this room."""
        if not self.uses_backend:
            raise SignalingError("not-allowed", "In this room media goes directly to the others.")

    def check_direct(self) -> None:
        """Raise SignalingError if members don't connect to each other in this room."""
        if not self.speaks_directly:
            raise SignalingError("not-allowed", "In this room media goes through the server.")

    def mute_direct(self, member: Member, publication: str, muted: bool) -> bool:
        """Mute what a member sends directly; False: it isn't sent directly. Raises SignalingError."""
        if member.direct.mute(publication, muted):
            return True
        for other in self.members.values():
            known = other.publications.get(publication)
            if known is not None and known.path == "mesh":
                raise SignalingError("not-yours", "The publication belongs to somebody else.")
        if not self.uses_backend:
            raise SignalingError("unknown-publication", "There is no such publication.")
        return False

    def signal(self, member: Member, request: Signal) -> None:
        """Pass a signal on; raises SignalingError. It never costs its receiver the connection."""
        self.check_direct()
        other = self.members.get(request.to)
        if other is None or other is member:
            raise SignalingError("unknown-participant", "There is nobody else of this id in the room.")
        if not other.outbox.put_if_room(encode(Signaled(sender=member.id, data=request.data))):
            raise SignalingError("too-many-requests", "That participant reads too slowly; try again later.")

    def tell_others(self, member: Member, message: ServerMessage) -> None:
        """Queue a message to everybody but the member; written as JSON once."""
        text = encode(message)
        for other in self.members.values():
            if other is not member:
                other.outbox.put(text)
        for observer in self.observers:
            observer()

    def tell_all(self, message: ServerMessage) -> None:
        """Queue a message to everybody."""
        text = encode(message)
        for member in self.members.values():
            member.outbox.put(text)
