"""Rooms of names: who is where, what they publish, and who hears of it.

Knows: rooms, members, ids, presence, and the backend it asks for media. Does not know: sockets, SDP, how
a member's messages reach it (each has an Outbox), or what kind of backend it is.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Callable

import msgspec

from signaling.backend import Backend
from signaling.counters import Counters
from signaling.errors import SignalingError
from signaling.messages import (
    Announce,
    Join,
    Joined,
    Left,
    LeftReason,
    Mute,
    Muted,
    Offer,
    Ok,
    Participant,
    Point,
    Publication,
    Published,
    ServerMessage,
    Signal,
    Slot,
    Unpublished,
    Welcome,
    encode,
)
from signaling.outbox import REPLACED, Ending, Outbox

logger = logging.getLogger(__name__)

MAX_ROOM_SIZE = 100
ID_BYTES = 9
"""72 random bits: ids are public, but must not be guessed or come twice."""
SECRET_BYTES = 24


class Member:
    """One participant of one room; to the backend, the Events of that participant."""

    __slots__ = ("_lobby", "id", "name", "outbox", "publications", "room", "secret")

    def __init__(self, lobby: "Lobby", participant: str, secret: str, request: Join, outbox: Outbox) -> None:
        self._lobby = lobby
        self.id = participant
        self.secret = secret
        self.name = request.name
        self.room = request.room
        self.outbox = outbox
        self.publications: dict[str, Publication] = {}

    def describe(self) -> Participant:
        """Return what the others may know of this member."""
        return Participant(id=self.id, name=self.name, publications=tuple(self.publications.values()))

    @property
    def log_ids(self) -> dict[str, str]:
        """The `extra` of log lines about this member."""
        return {"room": self.room, "participant": self.id}

    def published(self, publication: Publication) -> None:
        if self._lobby.holds(self):
            self.publications[publication.id] = publication
            self._lobby.tell_others(self, Published(participant=self.id, publication=publication))

    def unpublished(self, publication_id: str) -> None:
        if self._lobby.holds(self) and self.publications.pop(publication_id, None) is not None:
            self._lobby.tell_others(self, Unpublished(participant=self.id, publication=publication_id))

    def muted(self, publication_id: str, muted: bool) -> None:
        known = self.publications.get(publication_id)
        if known is not None and self._lobby.holds(self):
            self.publications[publication_id] = msgspec.structs.replace(known, muted=muted)
            self._lobby.tell_others(
                self, Muted(participant=self.id, publication=publication_id, muted=muted)
            )  # fmt: skip

    def slot(self, slot: Slot) -> None:
        if self._lobby.holds(self):
            self.outbox.put(encode(msgspec.structs.replace(slot, re=None)))

    def gone(self, reason: LeftReason) -> None:
        if self._lobby.holds(self):
            # 1008: the client can do better, by joining again.
            self.outbox.end(Ending(reason, "timeout", 1008))
            self._lobby.remove(self, reason)


class Lobby:
    """All rooms of this server. A room exists as long as it has members."""

    def __init__(
        self,
        backend: Backend,
        counters: Counters,
        *,
        max_room_size: int = MAX_ROOM_SIZE,
        random_text: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._backend = backend
        self._counters = counters
        self._max_room_size = max_room_size
        self._random_text = random_text
        self._rooms: dict[str, dict[str, Member]] = {}
        self._members: dict[str, Member] = {}
        self._departures: set[asyncio.Task[None]] = set()

    def join(self, request: Join, outbox: Outbox) -> Member:
        """Enter a room and welcome the new member; raises SignalingError or what the backend raises."""
        replaced = self._proven(request.replaces)
        room = self._rooms.get(request.room, {})
        if sum(member is not replaced for member in room.values()) >= self._max_room_size:
            raise SignalingError("room-full", f"This room is full ({self._max_room_size} participants).")
        participant = "p_" + self._random_text(ID_BYTES)
        secret = f"{participant}.{self._random_text(SECRET_BYTES)}"
        member = Member(self, participant, secret, request, outbox)
        self._backend.join(request.room, participant, request.name, member)
        if replaced is not None:
            replaced.outbox.end(REPLACED)
            self.remove(replaced, "replaced")
        room = self._rooms.setdefault(request.room, {})
        welcome = Welcome(
            re=request.id,
            participant=participant,
            session=secret,
            room=request.room,
            topology="sfu",
            path="sfu",
            role="member",
            participants=tuple(other.describe() for other in room.values()),
        )
        self._members[participant] = room[participant] = member
        self._counters.joins += 1
        logger.info("> joined, %d in the room", len(room), extra=member.log_ids)
        outbox.put(encode(welcome))
        self.tell_others(member, Joined(participant=member.describe()))
        return member

    async def perform(self, member: Member, request: Offer | Point | Mute | Announce | Signal) -> None:
        """Do what a member asks and queue its answer; raises SignalingError or what the backend raises."""
        if not self.holds(member):
            raise SignalingError("not-joined", "You are no longer in the room.")
        reply: ServerMessage
        match request:
            case Offer():
                answer = await self._backend.offer(member.id, request)
                reply = msgspec.structs.replace(answer, re=request.id)
            case Point():
                reply = msgspec.structs.replace(self._backend.point(member.id, request), re=request.id)
            case Mute():
                self._backend.mute(member.id, request.publication, request.muted)
                reply = Ok(re=request.id)
            case Announce() | Signal():
                raise SignalingError("not-allowed", "In this room media goes through the server.")
        member.outbox.put(encode(reply))

    async def leave(self, member: Member, reason: LeftReason) -> None:
        """Leave the room and wait until the backend has let go too; idempotent."""
        departure = self.remove(member, reason)
        if departure is not None:
            await asyncio.shield(departure)

    async def close(self) -> None:
        """Remove whoever is left, and wait until the backend has let go of everybody."""
        for member in list(self._members.values()):
            self.remove(member, "shutdown")
        if self._departures:
            await asyncio.wait(set(self._departures))

    def stats(self) -> dict[str, int]:
        """Return how many rooms, participants and publications there are now."""
        return {
            "rooms": len(self._rooms),
            "participants": len(self._members),
            "publications": sum(len(member.publications) for member in self._members.values()),
        }

    def holds(self, member: Member) -> bool:
        """Return whether a member is in its room (still)."""
        return self._members.get(member.id) is member

    def tell_others(self, member: Member, message: ServerMessage) -> None:
        """Queue a message to everybody in the member's room but the member; written as JSON once."""
        text = encode(message)
        for other in self._rooms.get(member.room, {}).values():
            if other is not member:
                other.outbox.put(text)

    def remove(self, member: Member, reason: LeftReason) -> asyncio.Task[None] | None:
        """Take a member out of its room at once, tell the others, and have the backend let go of it."""
        if not self.holds(member):
            return None
        del self._members[member.id]
        room = self._rooms[member.room]
        del room[member.id]
        if not room:
            del self._rooms[member.room]
        self._counters.departures += 1
        self._counters.too_slow += reason == "too-slow"
        logger.info("< left (%s), %d in the room", reason, len(room), extra=member.log_ids)
        self.tell_others(member, Left(participant=member.id, reason=reason))
        departure = asyncio.create_task(self._let_go(member, reason))
        self._departures.add(departure)
        departure.add_done_callback(self._departures.discard)
        return departure

    async def _let_go(self, member: Member, reason: LeftReason) -> None:
        try:
            await self._backend.leave(member.id, reason)
        except Exception:
            logger.exception("x the backend failed to let go of a participant", extra=member.log_ids)

    def _proven(self, secret: str | None) -> Member | None:
        """Return the member whose session secret this is."""
        if secret is None:
            return None
        member = self._members.get(secret.partition(".")[0])
        if member is None or not hmac.compare_digest(member.secret.encode(), secret.encode()):
            return None
        return member
