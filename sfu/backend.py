"""The SFU as a signaling backend: turns the requests of clients into connections, participants and answers.

Knows both sides, signaling and media, and how connections begin and end.
"""

import functools
import logging
import time
from collections.abc import Callable

from aiortc import RTCDataChannel

from sfu.convert import as_signaling, receive_result, slot_message, views
from sfu.forwarding.outlet import Outlet
from sfu.mediaroom import MediaRoom, Seat, SeatObserver
from sfu.rooms.member import (
    Member,
    NotYours,
    Observer,
    Publishing,
    Receiving,
    UnknownMid,
    UnknownPublication,
)
from sfu.rooms.pipe import Pipe
from sfu.rooms.room import Room
from sfu.transport.connection import Connection
from sfu.transport.hub import Hub
from sfu.wire import sdp
from sfu.wire.answer import Candidate, Local, accept, write
from signaling import messages
from signaling.backend import Events
from signaling.errors import SignalingError
from signaling.fields import LeftReason
from signaling.quality import View

logger = logging.getLogger(__name__)

# RFC 8445 5.1.2.1: type preference 126 for host candidates, component 1.
HOST_PREFERENCE = 126 << 24 | 255

MemberFactory = Callable[[str, Room, Connection, Observer], Member]


class SfuBackend:
    """Implements `signaling.backend.Backend` over one hub; `last_n` is that of its rooms."""

    def __init__(self, hub: Hub, hosts: list[str], new_member: MemberFactory, *, last_n: int = 0) -> None:
        self._hub = hub
        self._hosts = hosts
        self._new_member = new_member
        self._last_n = last_n
        self._rooms: dict[str, MediaRoom] = {}
        self._seats: dict[str, Seat] = {}
        self._by_connection: dict[Connection, Seat] = {}

    # -- Backend ---------------------------------------------------------------------------------------------

    def join(self, room: str, participant: str, name: str, events: Events) -> None:
        media_room = self._media_room(room)
        seat = Seat(participant, media_room, events)
        media_room.seats[participant] = seat
        self._seats[participant] = seat

    async def offer(self, participant: str, offer: messages.Offer) -> messages.Answer:
        await self._hub.turns.come()
        seat = self._seat(participant)
        try:
            description = sdp.parse(offer.sdp)
        except sdp.SdpError as error:
            raise SignalingError("bad-sdp", str(error)) from None
        connection, member = self._connect(seat, description)
        if any(s.kind == "application" and accept(s) for s in description.sections):
            section = next(s for s in description.sections if s.kind == "application" and accept(s))
            connection.want_data(section.sctp_port or 5000, section.max_message_size)
        try:
            negotiated = await member.negotiate(
                description,
                {entry.mid: Publishing(entry.source, entry.muted) for entry in offer.publish},
                {entry.mid: Receiving(entry.publication, entry.sync) for entry in offer.receive},
                time.monotonic(),
            )
        except (UnknownPublication, UnknownMid) as error:
            raise as_signaling(error) from None
        self._follow_restart(seat, connection, description)
        connection.schedule()
        seat.session_version += 1
        return messages.Answer(
            sdp=write(description, negotiated.sections, self._local(seat, connection)),
            publish=tuple(messages.PublishResult(mid=p.mid, publication=p.id) for p in negotiated.published),
            receive=tuple(receive_result(slot) for slot in negotiated.slots),
        )

    def point(self, participant: str, point: messages.Point) -> messages.Slot:
        seat = self._seat(participant)
        if seat.member is None:
            raise SignalingError("unknown-mid", "There are no slots before the first offer.")
        try:
            view = seat.member.point(point.mid, point.publication, time.monotonic())
        except (UnknownPublication, UnknownMid) as error:
            raise as_signaling(error) from None
        if seat.connection is not None:
            seat.connection.schedule()
        return slot_message(view)

    def view(self, participant: str, view: View) -> None:
        seat = self._seat(participant)
        if seat.member is None:
            raise SignalingError("unknown-mid", "There are no slots before the first offer.")
        try:
            seat.member.view(views(view), time.monotonic())
        except UnknownMid as error:
            raise as_signaling(error) from None
        if seat.connection is not None:
            seat.connection.schedule()

    def reports(self, participant: str, every_ms: int) -> None:
        self._seat(participant).reporter.every(every_ms / 1000)

    def mute(self, participant: str, publication: str, muted: bool) -> None:
        seat = self._seat(participant)
        if seat.member is None:
            raise SignalingError("unknown-publication", "Nothing is published before the first offer.")
        try:
            seat.member.mute(publication, muted)
        except (UnknownPublication, NotYours) as error:
            raise as_signaling(error) from None

    async def leave(self, participant: str, reason: LeftReason) -> None:
        seat = self._seats.pop(participant, None)
        if seat is None:
            return
        room = seat.room
        seat.reporter.every(0)
        room.leave(participant)
        self._close_if_empty(room)
        try:
            if seat.member is not None:
                await seat.member.close()
        finally:
            if seat.connection is not None:
                self._by_connection.pop(seat.connection, None)
                await self._hub.close(seat.connection)

    # -- other nodes -----------------------------------------------------------------------------------------

    def open_pipe(self, room: str, outlet: Outlet, on_demand: Callable[[], None]) -> tuple[Pipe, Room]:
        """The media of a room towards another node over `outlet`; the room is made if there is none."""
        media_room = self._media_room(room)
        pipe = Pipe(media_room.room, outlet, on_demand)
        media_room.pipes.add(pipe)
        return pipe, media_room.room

    def close_pipe(self, room: str, pipe: Pipe) -> None:
        """The other node is gone, or the room is empty here. Idempotent."""
        pipe.close()
        media_room = self._rooms.get(room)
        if media_room is not None:
            media_room.pipes.discard(pipe)
            self._close_if_empty(media_room)

    def _media_room(self, name: str) -> MediaRoom:
        return self._rooms.get(name) or self._rooms.setdefault(name, MediaRoom(name, self._last_n))

    def _close_if_empty(self, room: MediaRoom) -> None:
        if not room.seats and not room.pipes and self._rooms.get(room.room.name) is room:
            del self._rooms[room.room.name]
            room.close()

    # -- connections -----------------------------------------------------------------------------------------

    def _seat(self, participant: str) -> Seat:
        seat = self._seats.get(participant)
        if seat is None:
            raise SignalingError("not-joined", "This participant has left the room.")
        return seat

    def _connect(self, seat: Seat, offer: sdp.Offer) -> tuple[Connection, Member]:
        """The seat's connection, made by its first offer."""
        if not offer.fingerprints:
            raise SignalingError("bad-sdp", "The offer has no a=fingerprint, which DTLS needs.")
        connection, member = seat.connection, seat.member
        if connection is None or member is None:
            connection = self._hub.open(self._connection_closed)
            member = self._new_member(seat.participant, seat.room.room, connection, SeatObserver(seat.events))
            connection.sink = member
            connection.on_channel = functools.partial(self._channel_opened, seat)
            connection.begin(offer.fingerprints)
            seat.connection, seat.member = connection, member
            self._by_connection[connection] = seat
        elif tuple(offer.fingerprints) != connection.fingerprints:
            raise SignalingError(
                "bad-sdp", "The offer is of another RTCPeerConnection: leave and join again to start anew."
            )
        return connection, member

    def _follow_restart(self, seat: Seat, connection: Connection, offer: sdp.Offer) -> None:
        """New credentials for an ICE restart; only once the offer is taken, since a refused one changes nothing."""
        if seat.remote_ufrag and offer.ice_ufrag != seat.remote_ufrag:
            self._hub.restart_ice(connection)
        seat.remote_ufrag = offer.ice_ufrag

    def _local(self, seat: Seat, connection: Connection) -> Local:
        port = self._hub.port.port
        candidates = [
            Candidate(host, port, HOST_PREFERENCE | (0xFFFF - index) << 8)
            for index, host in enumerate(self._hosts)
        ]
        return Local(
            connection.ice.ufrag,
            connection.ice.password,
            self._hub.fingerprints,
            candidates,
            seat.session_id,
            seat.session_version,
        )

    def _channel_opened(self, seat: Seat, channel: RTCDataChannel) -> None:
        if seat.participant in seat.room.seats:
            seat.room.attach(seat.participant, channel)

    def _connection_closed(self, connection: Connection, reason: str) -> None:
        seat = self._by_connection.get(connection)
        if seat is not None:
            seat.events.gone("timeout" if reason == "timeout" else "disconnected")

    # -- statistics ------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, object]:
        """Rooms, participants, publications and subscriptions as they are now; ids only, no names."""
        now = time.monotonic()
        return {
            "rooms": [room.stats(now) for room in self._rooms.values()],
            "transport": self._hub.stats(),
        }
