"""All rooms of this server: who comes and goes, and who does what a member asks.

Knows: rooms, members, ids, and the backend it asks for media. Does not know: sockets, SDP, how a member's
messages reach it (each has an Outbox), or what kind of backend it is.
"""

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from signaling.auto import AutoSettings
from signaling.backend import Backend
from signaling.counters import Counters
from signaling.errors import SignalingError
from signaling.fields import LeftReason, Topology
from signaling.messages import (
    Announce,
    Announced,
    Join,
    Joined,
    Left,
    Mute,
    Offer,
    Ok,
    Path,
    Point,
    ServerMessage,
    Signal,
    Welcome,
    encode,
)
from signaling.outbox import REPLACED, Ending, Outbox
from signaling.quality import Reports, View
from signaling.remote import RemoteSide
from signaling.room import Member, Room
from signaling.seat import Seat

logger = logging.getLogger(__name__)

MAX_ROOM_SIZE = 100
ID_BYTES = 9
"""72 random bits: ids are public, but must not be guessed or come twice."""
SECRET_BYTES = 24


Request = Offer | Point | View | Reports | Mute | Announce | Signal
"""What a member may ask."""


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Call nothing any more."""


def _call_later(seconds: float, callback: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, callback)


class Lobby:
    """All rooms of this server. A room exists as long as it has members."""

    def __init__(
        self,
        backend: Backend,
        counters: Counters,
        *,
        max_room_size: int = MAX_ROOM_SIZE,
        auto: AutoSettings = AutoSettings(),  # noqa: B008 - frozen
        random_text: Callable[[int], str] = secrets.token_urlsafe,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], Timer] = _call_later,
        on_room: Callable[[str], None] = lambda room: None,
    ) -> None:
        self._backend = backend
        self._counters = counters
        self._max_room_size = max_room_size
        self._auto = auto
        self._random_text = random_text
        self._clock = clock
        self._call_later = call_later
        # Told the name of each room that gets its first member and whose media may come from elsewhere.
        self.on_room = on_room
        self._rooms: dict[str, Room] = {}
        self._members: dict[str, Member] = {}
        self._seats: dict[str, Seat] = {}
        self._timers: dict[str, Timer] = {}
        self._departures: set[asyncio.Task[None]] = set()

    def join(self, request: Join, outbox: Outbox) -> Member:
        """Enter a room and welcome the new member; raises SignalingError or what the backend raises."""
        replaced = self._proven(request.replaces)
        room = self._rooms.get(request.room) or Room(request.room, request.topology, self._auto)
        leaving = replaced is not None and replaced.room is room
        if len(room.members) - leaving >= self._max_room_size:
            raise SignalingError("room-full", f"This room is full ({self._max_room_size} participants).")
        role = room.role_for(request, replaced)
        participant = "p_" + self._random_text(ID_BYTES)
        secret = f"{participant}.{self._random_text(SECRET_BYTES)}"
        member = Member(room, participant, secret, request.name, role, outbox, self._publication_id)
        seat = Seat(self._backend, member, self._media_gone) if room.uses_backend else None
        if replaced is not None:
            replaced.outbox.end(REPLACED)
            self.remove(replaced, "replaced")
        self._enter(member, seat, request)
        return member

    async def perform(self, member: Member, request: Request) -> None:
        """Do what a member asks and queue its answer; raises SignalingError or what the backend raises."""
        if not self.holds(member):
            raise SignalingError("not-joined", "You are no longer in the room.")
        reply: ServerMessage
        match request:
            case Offer():
                member.room.check_offer(member, request)
                answer = await self._seats[member.id].offer(request)
                reply = msgspec.structs.replace(answer, re=request.id)
            case Point():
                member.room.check_backend()
                await self._seats[member.id].settled()
                reply = msgspec.structs.replace(self._backend.point(member.id, request), re=request.id)
            case View():
                member.room.check_backend()
                await self._seats[member.id].settled()
                self._backend.view(member.id, request)
                reply = Ok(re=request.id)
            case Reports():
                member.room.check_backend()
                await self._seats[member.id].reports(request.every_ms)
                reply = Ok(re=request.id)
            case Mute():
                if not member.room.mute_direct(member, request.publication, request.muted):
                    await self._seats[member.id].settled()
                    self._backend.mute(member.id, request.publication, request.muted)
                reply = Ok(re=request.id)
            case Announce():
                member.room.check_direct()
                reply = Announced(re=request.id, publications=member.direct.announce(request.publications))
            case Signal():
                member.room.signal(member, request)
                self._counters.signals += 1
                if request.id is None:
                    return
                reply = Ok(re=request.id)
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

    def remove(self, member: Member, reason: LeftReason) -> asyncio.Task[None] | None:
        """Take a member out of its room at once, tell the others, and have the backend let go of it.

        Returns the task in which the backend does so, None where there is nothing to wait for.
        """
        if not self.holds(member):
            return None
        room = member.room
        del self._members[member.id]
        del room.members[member.id]
        self._close_if_empty(room)
        self._counters.departures += 1
        self._counters.too_slow += reason == "too-slow"
        logger.info("< left (%s), %d in the room", reason, len(room.members), extra=member.log_ids)
        room.tell_others(member, Left(participant=member.id, reason=reason))
        self._recount(room)
        return self._give_up(self._seats.pop(member.id, None), reason)

    def _enter(self, member: Member, seat: Seat | None, request: Join) -> None:
        """Put a member into its room, welcome it and tell the others."""
        room = member.room
        others = tuple(other.describe() for other in room.members.values())
        self._rooms[room.name] = room
        self._members[member.id] = room.members[member.id] = member
        if seat is not None:
            self._seats[member.id] = seat
        self._counters.joins += 1
        logger.info("> joined, %d in the room", len(room.members), extra=member.log_ids)
        moved = self._count(room)
        welcome = Welcome(
            re=request.id,
            participant=member.id,
            session=member.secret,
            room=room.name,
            topology=room.topology,
            path=room.path,
            role=member.role,
            participants=others,
            threshold=room.threshold,
        )
        member.outbox.put(encode(welcome))
        if room.speakers:
            member.tell_speakers(room.speakers)
        room.tell_others(member, Joined(participant=member.describe()))
        if moved:
            room.tell_others(member, Path(path=room.path))
        self._note_first(room)

    # -- other nodes -----------------------------------------------------------------------------------------

    def attach(self, room_name: str, topology: Topology, changed: Callable[[], None]) -> RemoteSide:
        """Let a neighbour's members into a room, which is made if there is none; it stays while they do.

        `topology` is for a room that is made; `changed` is called after anything in the room has changed.
        Raises SignalingError if the room's members speak directly, which they can't over two nodes.
        """
        room = self._rooms.get(room_name) or Room(room_name, topology, self._auto)
        if room.speaks_directly:
            raise SignalingError("not-allowed", "In this room media goes directly to the others.")
        self._rooms[room.name] = room
        return RemoteSide(room, changed, self._note_first, self._detached)

    def _note_first(self, room: Room) -> None:
        if len(room.members) == 1 and self.linkable(room.name) is not None:
            self.on_room(room.name)

    def linkable(self, room_name: str) -> Literal["sfu", "broadcast"] | None:
        """The topology of a room that somebody is in, of this node or another, and whose members may be on several.

        None: there is no such room.
        """
        room = self._rooms.get(room_name)
        match room.topology if room is not None and room.members else None:
            case "sfu" | "broadcast" as topology:
                return topology
            case _:
                return None

    def _detached(self, side: RemoteSide) -> None:
        self._close_if_empty(side.room)

    def _close_if_empty(self, room: Room) -> None:
        if not room.members and not room.observers and self._rooms.get(room.name) is room:
            del self._rooms[room.name]

    # -- auto rooms ------------------------------------------------------------------------------------------

    def _recount(self, room: Room) -> None:
        if self._count(room):
            room.tell_all(Path(path=room.path))

    def _count(self, room: Room) -> bool:
        """Judge an auto room by its members and the time; return whether its path changed."""
        if room.auto is None:
            return False
        if timer := self._timers.pop(room.name, None):
            timer.cancel()
        now = self._clock()
        moved = room.auto.count(len(room.members), now)
        if moved:
            self._note_path(room)
        deadline = room.auto.deadline()
        if deadline is not None and room.members:
            self._timers[room.name] = self._call_later(max(0.0, deadline - now), lambda: self._recount(room))
        return moved

    def _note_path(self, room: Room) -> None:
        self._counters.path_changes += 1
        logger.info("- the path is %s now", room.path, extra={"room": room.name})
        if room.path == "mesh":
            room.speakers = ()
            for participant in room.members:
                self._seats[participant].relied_on = False

    # -- departures ------------------------------------------------------------------------------------------

    def _media_gone(self, member: Member, reason: LeftReason) -> None:
        # 1008: the client can do better, by joining again.
        member.outbox.end(Ending(reason, "timeout", 1008))
        self.remove(member, reason)

    def _give_up(self, seat: Seat | None, reason: LeftReason) -> asyncio.Task[None] | None:
        if seat is None:
            return None
        seat.silence()
        departure = asyncio.create_task(seat.give_up(reason))
        self._departures.add(departure)
        departure.add_done_callback(self._departures.discard)
        return departure

    def _publication_id(self) -> str:
        return "t_" + self._random_text(ID_BYTES)

    def _proven(self, secret: str | None) -> Member | None:
        """Return the member whose session secret this is."""
        if secret is None:
            return None
        member = self._members.get(secret.partition(".")[0])
        if member is None or not hmac.compare_digest(member.secret.encode(), secret.encode()):
            return None
        return member
