"""The SFU as a signaling backend: turns the requests of clients into connections, participants and answers.

Knows both sides, signaling and media, and holds what belongs together: a participant's connection, its member of the
media room, and its data channels.
"""

import functools
import logging
import secrets
import time
from collections.abc import Callable

from aiortc import RTCDataChannel

from sfu.chat import ChatRoom
from sfu.files import FileRoom
from sfu.forwarding.outlet import Outlet
from sfu.rooms.member import (
    Member,
    NotYours,
    Observer,
    Published,
    Publishing,
    Receiving,
    SlotView,
    UnknownMid,
    UnknownPublication,
)
from sfu.rooms.pipe import Pipe
from sfu.rooms.room import Room
from sfu.transport.connection import Connection
from sfu.transport.hub import Hub
from sfu.wire import sdp
from sfu.wire.answer import Candidate, Local, accept, write
from signaling import chat, files, messages
from signaling.backend import Events
from signaling.errors import SignalingError
from signaling.fields import Kind, LeftReason, SlotState, Source

logger = logging.getLogger(__name__)

# RFC 8445 5.1.2.1: type preference 126 for host candidates, component 1.
HOST_PREFERENCE = 126 << 24 | 255

MemberFactory = Callable[[str, Room, Connection, Observer], Member]


class _Observer:
    """Tells signaling what a member does."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def published(self, publication: Published) -> None:
        self._events.published(_publication_message(publication))

    def unpublished(self, publication_id: str) -> None:
        self._events.unpublished(publication_id)

    def muted(self, publication_id: str, muted: bool) -> None:
        self._events.muted(publication_id, muted)

    def slot_changed(self, slot: SlotView) -> None:
        self._events.slot(_slot_message(slot))


class _MediaRoom:
    """The media side of a signaling room."""

    def __init__(self, name: str) -> None:
        # Who knows a room's name may enter it, so statistics show this instead.
        self.id = f"r_{secrets.token_urlsafe(6)}"
        self.room = Room(name)
        self.chat = ChatRoom()
        self.files = FileRoom()
        self.seats: dict[str, _Seat] = {}
        # Links to other nodes that carry this room too.
        self.pipes: set[Pipe] = set()

    def attach(self, participant: str, channel: RTCDataChannel) -> None:
        """A participant opened a data channel; labels that mean nothing are closed."""
        match channel.label:
            case chat.LABEL:
                self.chat.attach(participant, channel)
            case files.LABEL:
                self.files.attach(participant, channel)
            case _:
                channel.close()

    def leave(self, participant: str) -> None:
        """A participant is gone."""
        self.seats.pop(participant, None)
        self.chat.leave(participant)
        self.files.leave(participant)


class _Seat:
    """One participant: made at join, connected with its first offer."""

    def __init__(self, participant: str, room: _MediaRoom, events: Events) -> None:
        self.participant = participant
        self.room = room
        self.events = events
        self.connection: Connection | None = None
        self.member: Member | None = None
        self.session_id = secrets.randbits(62)
        self.session_version = 0
        self.remote_ufrag = ""


class SfuBackend:
    """Implements `signaling.backend.Backend` over one hub."""

    def __init__(self, hub: Hub, hosts: list[str], new_member: MemberFactory) -> None:
        self._hub = hub
        self._hosts = hosts
        self._new_member = new_member
        self._rooms: dict[str, _MediaRoom] = {}
        self._seats: dict[str, _Seat] = {}
        self._by_connection: dict[Connection, _Seat] = {}

    # -- Backend ---------------------------------------------------------------------------------------------

    def join(self, room: str, participant: str, name: str, events: Events) -> None:
        media_room = self._media_room(room)
        seat = _Seat(participant, media_room, events)
        media_room.seats[participant] = seat
        self._seats[participant] = seat

    async def offer(self, participant: str, offer: messages.Offer) -> messages.Answer:
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
            raise _as_signaling(error) from None
        self._follow_restart(seat, connection, description)
        connection.schedule()
        seat.session_version += 1
        return messages.Answer(
            sdp=write(description, negotiated.sections, self._local(seat, connection)),
            publish=tuple(messages.PublishResult(mid=p.mid, publication=p.id) for p in negotiated.published),
            receive=tuple(
                messages.ReceiveResult(
                    mid=s.mid, publication=s.publication, state=_state(s), message=s.message
                )
                for s in negotiated.slots
            ),
        )

    def point(self, participant: str, point: messages.Point) -> messages.Slot:
        seat = self._seat(participant)
        if seat.member is None:
            raise SignalingError("unknown-mid", "There are no slots before the first offer.")
        try:
            view = seat.member.point(point.mid, point.publication, time.monotonic())
        except (UnknownPublication, UnknownMid) as error:
            raise _as_signaling(error) from None
        if seat.connection is not None:
            seat.connection.schedule()
        return _slot_message(view)

    def mute(self, participant: str, publication: str, muted: bool) -> None:
        seat = self._seat(participant)
        if seat.member is None:
            raise SignalingError("unknown-publication", "Nothing is published before the first offer.")
        try:
            seat.member.mute(publication, muted)
        except (UnknownPublication, NotYours) as error:
            raise _as_signaling(error) from None

    async def leave(self, participant: str, reason: LeftReason) -> None:
        seat = self._seats.pop(participant, None)
        if seat is None:
            return
        room = seat.room
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

    def _media_room(self, name: str) -> _MediaRoom:
        return self._rooms.get(name) or self._rooms.setdefault(name, _MediaRoom(name))

    def _close_if_empty(self, room: _MediaRoom) -> None:
        if not room.seats and not room.pipes and self._rooms.get(room.room.name) is room:
            del self._rooms[room.room.name]

    # -- connections -----------------------------------------------------------------------------------------

    def _seat(self, participant: str) -> _Seat:
        seat = self._seats.get(participant)
        if seat is None:
            raise SignalingError("not-joined", "This participant has left the room.")
        return seat

    def _connect(self, seat: _Seat, offer: sdp.Offer) -> tuple[Connection, Member]:
        """The seat's connection, made by its first offer."""
        if not offer.fingerprints:
            raise SignalingError("bad-sdp", "The offer has no a=fingerprint, which DTLS needs.")
        connection, member = seat.connection, seat.member
        if connection is None or member is None:
            connection = self._hub.open(self._connection_closed)
            member = self._new_member(seat.participant, seat.room.room, connection, _Observer(seat.events))
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

    def _follow_restart(self, seat: _Seat, connection: Connection, offer: sdp.Offer) -> None:
        """New credentials for an ICE restart; only once the offer is taken, since a refused one changes nothing."""
        if seat.remote_ufrag and offer.ice_ufrag != seat.remote_ufrag:
            self._hub.restart_ice(connection)
        seat.remote_ufrag = offer.ice_ufrag

    def _local(self, seat: _Seat, connection: Connection) -> Local:
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

    def _channel_opened(self, seat: _Seat, channel: RTCDataChannel) -> None:
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
            "rooms": [
                {
                    "room": room.id,
                    "chat_messages": room.chat.messages,
                    "files": room.files.stats(),
                    "participants": [
                        {
                            "participant": seat.participant,
                            "connection": seat.connection.stats() if seat.connection else None,
                            **(seat.member.stats(now) if seat.member else {}),
                        }
                        for seat in room.seats.values()
                    ],
                }
                for room in self._rooms.values()
            ],
            "transport": self._hub.stats(),
        }


def _publication_message(publication: Published) -> messages.Publication:
    kind: Kind = "audio" if publication.kind == "audio" else "video"
    return messages.Publication(
        id=publication.id,
        kind=kind,
        source=_source(publication.source),
        muted=publication.muted,
        codec=publication.codec,
    )


def _source(source: str) -> Source:
    match source:
        case "microphone" | "camera" | "screen" | "screen-audio":
            return source
        case _:
            return "other"


def _state(view: SlotView) -> SlotState:
    match view.state:
        case "active" | "unsupported-codec":
            return view.state
        case _:
            return "empty"


def _slot_message(view: SlotView) -> messages.Slot:
    return messages.Slot(mid=view.mid, publication=view.publication, state=_state(view), message=view.message)


def _as_signaling(error: Exception) -> SignalingError:
    text = str(error)
    sentence = text[:1].upper() + text[1:] + "."
    match error:
        case UnknownPublication():
            return SignalingError("unknown-publication", sentence)
        case UnknownMid():
            return SignalingError("unknown-mid", sentence)
        case NotYours():
            return SignalingError("not-yours", sentence)
        case _:
            raise error
