"""A member's place in the backend: taken when it enters, taken anew for each new connection, given up once.

Knows: the backend's calls and their order. Does not know: rooms, sockets, SDP.

In an auto room a member's connection to the server ends while the member stays, since it speaks directly by
then; and comes back, as another connection. To the backend that is a participant that leaves and joins.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from signaling.backend import Backend
from signaling.fields import LeftReason
from signaling.messages import Answer, Offer, Publication, Slot, encode
from signaling.quality import Bandwidth, Encodings
from signaling.room import Member

logger = logging.getLogger(__name__)


class Seat:
    """One member's place. Raises what the backend raises; `gone` is told when its connection died."""

    __slots__ = (
        "_backend",
        "_every_ms",
        "_given_up",
        "_gone",
        "_member",
        "_offered",
        "_renewal",
        "_tenant",
        "relied_on",
    )

    def __init__(self, backend: Backend, member: Member, gone: Callable[[Member, LeftReason], None]) -> None:
        self._backend = backend
        self._member = member
        self._gone = gone
        self._given_up = False
        self._offered = False
        self._renewal: asyncio.Task[None] | None = None
        self._every_ms = 0
        self.relied_on = False
        """Whether the member has its media here since the room's path is `sfu`."""
        self._take()

    async def offer(self, request: Offer) -> Answer:
        """Bring media in line with an offer, over a new connection if it says so."""
        if request.fresh and self._offered:
            self._renew("left")
        await self.settled()
        self._offered = True
        self.relied_on = self._member.room.path == "sfu"
        return await self._backend.offer(self._member.id, request)

    async def reports(self, every_ms: int) -> None:
        """Report of the connection so often from now on, and of those after it; 0: never."""
        await self.settled()
        self._every_ms = every_ms
        self._backend.reports(self._member.id, every_ms)

    async def settled(self) -> None:
        """Wait until the backend has let go of a connection that ended."""
        if self._renewal is not None:
            await asyncio.shield(self._renewal)

    async def give_up(self, reason: LeftReason) -> None:
        """Leave the backend for good."""
        self.silence()
        await self.settled()
        await self._leave(reason)

    def silence(self) -> None:
        """Let nothing that the backend says of this member be heard any more."""
        self._given_up = True
        self._tenant.seat = None

    def connection_died(self, reason: LeftReason) -> None:
        """End the membership, unless the member has moved its media elsewhere: then make place for another."""
        if self._member.room.speaks_directly and not self.relied_on:
            self._renew(reason)
        else:
            self._gone(self._member, reason)

    @property
    def member(self) -> Member:
        """Whose place this is."""
        return self._member

    def _take(self) -> None:
        self._offered = False
        self._tenant = _Tenant(self)
        self._backend.join(self._member.room.name, self._member.id, self._member.name, self._tenant)
        if self._every_ms:
            self._backend.reports(self._member.id, self._every_ms)

    def _renew(self, reason: LeftReason) -> None:
        self._tenant.seat = None
        for publication in list(self._member.publications.values()):
            if publication.path == "sfu":
                self._member.unpublished(publication.id)
        self._renewal = asyncio.create_task(self._begin_again(self._renewal, reason))

    async def _begin_again(self, before: asyncio.Task[None] | None, reason: LeftReason) -> None:
        if before is not None:
            await before
        await self._leave(reason)
        if not self._given_up:
            self._take()

    async def _leave(self, reason: LeftReason) -> None:
        try:
            await self._backend.leave(self._member.id, reason)
        except Exception:
            logger.exception("x the backend failed to let go of a participant", extra=self._member.log_ids)


class _Tenant:
    """The Events of one connection; without a seat they go nowhere."""

    __slots__ = ("seat",)

    def __init__(self, seat: Seat) -> None:
        self.seat: Seat | None = seat

    def published(self, publication: Publication) -> None:
        if self.seat is not None:
            self.seat.member.published(publication)

    def unpublished(self, publication_id: str) -> None:
        if self.seat is not None:
            self.seat.member.unpublished(publication_id)

    def muted(self, publication_id: str, muted: bool) -> None:
        if self.seat is not None:
            self.seat.member.muted(publication_id, muted)

    def slot(self, slot: Slot) -> None:
        if self.seat is not None:
            self.seat.member.outbox.put(encode(msgspec.structs.replace(slot, re=None)))

    def encodings(self, encodings: Encodings) -> None:
        if self.seat is not None:
            self.seat.member.outbox.put_latest(f"encodings {encodings.publication}", encode(encodings))

    def speakers(self, participants: Sequence[str]) -> None:
        if self.seat is not None:
            self.seat.member.room.speakers = tuple(participants)
            self.seat.member.tell_speakers(participants)

    def bandwidth(self, bandwidth: Bandwidth) -> None:
        if self.seat is not None:
            self.seat.member.outbox.put_latest("bandwidth", encode(bandwidth))

    def gone(self, reason: LeftReason) -> None:
        if self.seat is not None:
            self.seat.connection_died(reason)
