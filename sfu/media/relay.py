"""The MediaRelay mode: every publication is decoded once and encoded again for each subscriber, by aiortc.

It exists to be compared with forwarding, and for what must decode. Same rooms, same connections, same interface
(`sfu.rooms.member.Member`); the RTP of this mode is aiortc's own.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from aiortc import MediaStreamTrack, RTCRtpReceiver, RTCRtpSender
from aiortc.contrib.media import MediaRelay

from sfu.forwarding.stream import random_ssrc
from sfu.media.codecs import limit, receive_parameters, send_parameters
from sfu.media.tracks import RoomClockTrack, SwitchTrack, drain
from sfu.rooms.member import (
    Bandwidth,
    Negotiated,
    NotYours,
    Observer,
    Published,
    Publishing,
    Receiving,
    SlotView,
    UnknownPublication,
    View,
    check_kind,
    check_mids,
    check_slots,
)
from sfu.rooms.room import Room
from sfu.transport import seam
from sfu.transport.connection import Connection
from sfu.wire.answer import Accepted, Outbound, SectionAnswer, accept
from sfu.wire.sdp import Offer

REFUSED = "This section of the offer can't receive: it is stopped, or has no codec that is decoded here."


class RelayRooms:
    """Makes members; those of one room share a `MediaRelay`."""

    def __init__(self) -> None:
        self._rooms: WeakKeyDictionary[Room, RelayRoom] = WeakKeyDictionary()

    def member(self, id: str, room: Room, connection: Connection, observer: Observer) -> "RelayParticipant":
        relay_room = self._rooms.get(room)
        if relay_room is None:
            relay_room = self._rooms[room] = RelayRoom()
        return RelayParticipant(id, relay_room, connection, observer)


class RelayRoom:
    """What the members of one room share."""

    def __init__(self) -> None:
        self.relay = MediaRelay()
        self.began = time.monotonic()
        self.publications: dict[str, RelayPublication] = {}

    def find(self, publication_id: str) -> "RelayPublication":
        """Raises UnknownPublication."""
        found = self.publications.get(publication_id)
        if found is None:
            raise UnknownPublication(f"there is no publication {publication_id!r} in this room")
        return found


class RelayPublication:
    """One decoded track."""

    def __init__(self, participant: "RelayParticipant", entry: Publishing, accepted: Accepted) -> None:
        self.id = f"t_{secrets.token_urlsafe(9)}"
        self.participant = participant.id
        self.mid = accepted.section.mid
        self.kind = accepted.section.kind
        self.source = entry.source
        self.muted = entry.muted
        self.codec = accepted.codecs[0].name
        self.slots: set[RelaySlot] = set()
        transport = participant.connection.dtls.transport
        self.receiver: RTCRtpReceiver = seam.rtp_receiver(self.kind, transport, self.id, random_ssrc())
        self.track = RoomClockTrack(self.receiver.track, participant.room.began)
        self._relay = participant.room.relay
        self._parameters = receive_parameters(accepted)
        self._drain: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.receiver.receive(self._parameters)
        self._drain = asyncio.ensure_future(drain(self._relay.subscribe(self.track, buffered=False)))

    def end(self) -> None:
        """Nothing is shown any more; `stop` does the rest."""
        for slot in list(self.slots):
            slot.show(None)
        if self._drain is not None:
            self._drain.cancel()
        self.track.stop()

    async def stop(self) -> None:
        await self.receiver.stop()

    def view(self) -> Published:
        return Published(self.id, self.mid, self.kind, self.source, self.muted, self.codec)


class RelaySlot:
    """One encoder towards a subscriber; idle until it shows something on a connected transport."""

    def __init__(self, participant: "RelayParticipant", accepted: Accepted, stream: str) -> None:
        self.mid = accepted.section.mid
        self.kind = accepted.section.kind
        self.stream = stream
        self.publication: RelayPublication | None = None
        self._relay = participant.room.relay
        self._connection = participant.connection
        self._track = SwitchTrack(self.kind)
        self._sender = RTCRtpSender(self._track, self._connection.dtls.transport)
        self._parameters = send_parameters(accepted, stream)
        self._has_rtx = any(codec.rtx_payload_type is not None for codec in accepted.codecs)
        self._started: asyncio.Task[None] | None = None

    def show(self, publication: RelayPublication | None) -> None:
        if publication is self.publication:
            return
        if self.publication is not None:
            self.publication.slots.discard(self)
        self.publication = publication
        source: MediaStreamTrack | None = None
        if publication is not None:
            publication.slots.add(self)
            # A slow video encoder skips frames; sound must be whole, and its encoder keeps up.
            source = self._relay.subscribe(publication.track, buffered=self.kind == "audio")
        self._track.switch(source)
        self.start()

    def start(self) -> None:
        """Start the encoder, if there is something to show and a transport to send it over."""
        if self._started is None and self.publication is not None and self._connection.ready:
            self._started = asyncio.ensure_future(self._sender.send(self._parameters))

    def end(self) -> None:
        """Nothing is sent any more; `stop` does the rest."""
        self.show(None)
        self._track.stop()

    async def stop(self) -> None:
        if self._started is not None:
            await self._started
            await self._sender.stop()

    def outbound(self) -> Outbound:
        ssrc, rtx_ssrc = seam.sender_ssrcs(self._sender)
        rtx = rtx_ssrc if self._has_rtx else None
        return Outbound(ssrc, rtx, self.stream, self.stream, f"slot-{self.mid}")

    def view(self) -> SlotView:
        if self.publication is None:
            return SlotView(self.mid, None, "empty")
        return SlotView(self.mid, self.publication.id, "active")


class RelayParticipant:
    """Implements `sfu.rooms.member.Member` by decoding and encoding."""

    def __init__(self, id: str, room: RelayRoom, connection: Connection, observer: Observer) -> None:
        self.id = id
        self.room = room
        self.connection = connection
        self._observer = observer
        self._publications: dict[str, RelayPublication] = {}
        self._slots: dict[str, RelaySlot] = {}
        # Coders that are stopping. An offer does not wait for them, so that it is done whole or not at all.
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def negotiate(
        self, offer: Offer, publish: Mapping[str, Publishing], receive: Mapping[str, Receiving], now: float
    ) -> Negotiated:
        """See `Member.negotiate`. Nothing changes when it raises."""
        check_mids(offer, (*publish, *receive))
        wanted = {
            mid: None if entry.publication is None else self.room.find(entry.publication)
            for mid, entry in receive.items()
        }
        accepted: dict[str, Accepted] = {}
        for section in offer.sections:
            whole = accept(section) if section.mid else None
            limited = limit(whole) if whole is not None else None
            if limited is not None:
                accepted[section.mid] = limited
        for mid, target in wanted.items():
            if target is not None and mid in accepted:
                check_kind(mid, accepted[mid].section.kind, target.id, target.kind)
        await self._update_publications(accepted, publish)
        self._update_slots(accepted, receive, wanted)
        answers = [
            SectionAnswer(
                accepted.get(section.mid),
                section.mid in self._publications,
                self._slots[section.mid].outbound() if section.mid in self._slots else None,
            )
            for section in offer.sections
        ]
        return Negotiated(
            answers,
            [publication.view() for publication in self._publications.values()],
            [
                self._slots[mid].view() if mid in self._slots else SlotView(mid, None, "empty", REFUSED)
                for mid in receive
            ],
        )

    async def _update_publications(
        self, accepted: Mapping[str, Accepted], publish: Mapping[str, Publishing]
    ) -> None:
        sending = {
            mid: accepted[mid]
            for mid in publish
            if mid in accepted and accepted[mid].section.client_sends and accepted[mid].codecs
        }
        for mid, known in list(self._publications.items()):
            if mid not in sending or known.source != publish[mid].source:
                self._unpublish(mid)
        for mid, entry in sending.items():
            publication = self._publications.get(mid)
            if publication is None:
                publication = RelayPublication(self, publish[mid], entry)
                self._publications[mid] = publication
                self.room.publications[publication.id] = publication
                await publication.start()
                self._observer.published(publication.view())
            else:
                self._set_muted(publication, publish[mid].muted)

    def _unpublish(self, mid: str) -> None:
        publication = self._publications.pop(mid)
        self.room.publications.pop(publication.id, None)
        self._observer.unpublished(publication.id)
        self._finish(publication)

    def _finish(self, coder: RelayPublication | RelaySlot) -> None:
        """End something now; `close` waits until it has stopped."""
        coder.end()
        task = asyncio.ensure_future(coder.stop())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _update_slots(
        self,
        accepted: Mapping[str, Accepted],
        receive: Mapping[str, Receiving],
        wanted: Mapping[str, RelayPublication | None],
    ) -> None:
        receiving = {
            mid: accepted[mid]
            for mid in receive
            if mid in accepted and accepted[mid].section.client_receives and accepted[mid].codecs
        }
        for mid in [mid for mid in self._slots if mid not in receiving]:
            self._finish(self._slots.pop(mid))
        for mid, entry in receiving.items():
            slot = self._slots.get(mid)
            if slot is None:
                slot = self._slots[mid] = RelaySlot(self, entry, receive[mid].stream or f"slot-{mid}")
            target = wanted[mid]
            slot.show(target if target is not None and target.id in self.room.publications else None)

    def point(self, mid: str, publication: str | None, now: float) -> SlotView:
        """See `Member.point`."""
        check_slots(self._slots, (mid,))
        slot = self._slots[mid]
        target = None if publication is None else self.room.find(publication)
        if target is not None:
            check_kind(mid, slot.kind, target.id, target.kind)
        slot.show(target)
        return slot.view()

    def view(self, views: Mapping[str, View], now: float) -> None:
        """See `Member.view`; every slot gets the one quality there is."""
        check_slots(self._slots, views)

    def mute(self, publication: str, muted: bool) -> None:
        """See `Member.mute`."""
        found = self.room.find(publication)
        if found.participant != self.id:
            raise NotYours("only its own participant can mute a publication")
        self._set_muted(found, muted)

    def _set_muted(self, publication: RelayPublication, muted: bool) -> None:
        if publication.muted != muted:
            publication.muted = muted
            self._observer.muted(publication.id, muted)

    def connected(self, now: float) -> None:
        """See `Member.connected`."""
        for slot in self._slots.values():
            slot.start()

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """See `Member.receive_rtp`; aiortc routes by SSRC and payload type."""
        seam.route_rtp(self.connection.dtls.transport, packet, int(now * 1000))

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        """See `Member.receive_rtcp`."""
        seam.route_rtcp(self.connection.dtls.transport, packet)

    def deadline(self) -> float | None:
        """aiortc's receivers and senders have timers of their own."""
        return None

    def pulse(self, now: float) -> None:
        """Nothing is due here; see `deadline`."""

    def report(self, now: float) -> Bandwidth | None:
        """See `Member.report`."""
        return None

    async def close(self) -> None:
        """See `Member.close`."""
        if self._closed:
            return
        self._closed = True
        for mid in list(self._publications):
            self._unpublish(mid)
        for mid in list(self._slots):
            self._finish(self._slots.pop(mid))
        if self._stopping:
            await asyncio.wait(set(self._stopping))

    def stats(self, now: float) -> dict[str, object]:
        return {
            "publications": [
                {
                    "id": publication.id,
                    "kind": publication.kind,
                    "source": publication.source,
                    "muted": publication.muted,
                    "codec": publication.codec,
                    "subscribers": len(publication.slots),
                }
                for publication in self._publications.values()
            ],
            "subscriptions": [
                {
                    "mid": slot.mid,
                    "kind": slot.kind,
                    "publication": slot.publication.id if slot.publication else None,
                    "state": slot.view().state,
                }
                for slot in self._slots.values()
            ],
        }
