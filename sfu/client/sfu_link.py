"""The way through the server: one connection that sends what is published and receives what is subscribed to.

Knows: offers, slots and points as `signaling/PROTOCOL.md` has them. Does not know: participants, names, paths.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from aiortc import RTCRtpTransceiver, RTCSessionDescription

from sfu.client.channel import Channel
from sfu.client.errors import ClientError
from sfu.client.link import Post, add_sender, new_connection, until_decided
from sfu.client.local import LocalPublication
from sfu.client.pipe import Intake, Pipe
from sfu.client.session import Session
from sfu.client.statistics import ConnectionStats, measure
from signaling import messages, quality
from signaling.fields import Quality, SlotState
from signaling.messages import Answer, Mute, Offer, Point, Publish, Receive
from signaling.quality import SlotWish

OFFER_ATTEMPTS = 5
"""Publications that are named may end while the offer is on its way; each attempt names those that are left."""


@dataclass(slots=True)
class _Sending:
    """One m-line that sends; `told` is what the server was last told about muting, None before it knows of it."""

    track: LocalPublication
    transceiver: RTCRtpTransceiver
    pipe: Pipe
    told: bool | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How the program shows a video: see `Room.view`."""

    width: int = 0
    height: int = 0
    visible: bool = True
    pinned: bool = False
    quality: Quality = "auto"

    def wish(self, mid: str) -> SlotWish:
        return SlotWish(mid, self.width, self.height, self.visible, self.pinned, self.quality)


AS_GOOD_AS_CAN_BE = View()


@dataclass(slots=True)
class _Slot:
    """One m-line that receives: what it is to show, and what the server was told."""

    transceiver: RTCRtpTransceiver
    wanted: str | None
    told: str | None = None
    view_told: View = AS_GOOD_AS_CAN_BE
    negotiated: bool = False
    intake: Intake | None = None
    state: SlotState = "empty"
    message: str | None = None


class SfuLink:
    """Implements `sfu.client.link.Link`."""

    def __init__(self, session: Session, post: Post) -> None:
        self.rank = 0
        self._session = session
        self._post = post
        self._pc = new_connection()
        self._pc.on("connectionstatechange", self._state_changed)
        self._lock = asyncio.Lock()
        self._tracks: Sequence[LocalPublication] = ()
        self._wanted: Mapping[str, Pipe] = {}
        self._views: Mapping[str, View] = {}
        self._sending: dict[str, _Sending] = {}
        self._slots: list[_Slot] = []
        self._channels: dict[str, Channel] = {}
        self._offer_due = True
        self._closed = False

    # -- Link ------------------------------------------------------------------------------------------------

    def send(self, tracks: Sequence[LocalPublication]) -> None:
        self._tracks = tuple(tracks)

    def receive(self, wanted: Mapping[str, Pipe]) -> None:
        self._wanted = dict(wanted)
        self._route()

    def show(self, views: Mapping[str, View]) -> None:
        """How publications are to be shown from now on; those that are not named, as well as can be."""
        self._views = dict(views)

    async def settle(self) -> None:
        async with self._lock:
            if self._closed:
                return
            self._assign_senders()
            self._assign_slots()
            if self._offer_due:
                await self._offer()
            await self._point()
            await self._view()
            await self._mute()

    def problem(self, publication: str) -> ClientError | None:
        for slot in self._slots:
            if slot.wanted == publication and slot.state == "unsupported-codec":
                return ClientError("unsupported-codec", slot.message or "The codec can't be received here.")
        return None

    def rests(self, publication: str) -> bool:
        """Whether nothing comes of a publication by intention, the program's or the server's."""
        hidden = not self._views.get(publication, AS_GOOD_AS_CAN_BE).visible
        return hidden or any(slot.wanted == publication and slot.state == "paused" for slot in self._slots)

    @property
    def up(self) -> bool:
        return all(channel.open for channel in self._channels.values()) and bool(self._channels)

    def channels(self, label: str, to: str | None) -> Sequence[Channel]:
        channel = self._channels.get(label)
        return [channel] if channel else []

    async def stats(self) -> list[ConnectionStats]:
        encodes = sum(not sending.track.feed.encoded for sending in self._sending.values())
        return [await measure("server", self._pc, encodes)]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for channel in self._channels.values():
            channel.end()
        for sending in self._sending.values():
            sending.pipe.stop()
            sending.track.ids.pop("sfu", None)
        await self._pc.close()
        for slot in self._slots:
            if slot.intake is not None:
                await slot.intake.close()

    # -- what the server says --------------------------------------------------------------------------------

    def slot(self, message: messages.Slot) -> None:
        """The server changed what a slot shows, or answers a point."""
        for slot in self._slots:
            if slot.transceiver.mid == message.mid and slot.wanted == message.publication:
                before, slot.state, slot.message = slot.state, message.state, message.message
                if (
                    message.publication is not None
                    and "paused" in (before, slot.state)
                    and before != slot.state
                ):
                    self._post.paused(message.publication, message.reason, message.message or "")

    def _state_changed(self) -> None:
        if not self._closed and self._pc.connectionState in ("failed", "closed"):
            for channel in self._channels.values():
                channel.end()
            self._post.lost(self)

    # -- the wanted state ------------------------------------------------------------------------------------

    def _assign_senders(self) -> None:
        wanted = {track.key: track for track in self._tracks}
        for key in [key for key in self._sending if key not in wanted]:
            sending = self._sending.pop(key)
            sending.pipe.stop()
            sending.transceiver.direction = "inactive"
            sending.track.ids.pop("sfu", None)
            self._offer_due = True
        for key, track in wanted.items():
            if key not in self._sending:
                pipe = track.feed.branch()
                transceiver = add_sender(self._pc, track, pipe, "sendonly")
                self._sending[key] = _Sending(track, transceiver, pipe)
                self._offer_due = True

    def _assign_slots(self) -> None:
        """Give every wanted publication a slot of its kind, a new one if none is free."""
        shown = {slot.wanted for slot in self._slots if slot.wanted in self._wanted}
        for slot in self._slots:
            if slot.wanted not in shown:
                slot.wanted, slot.state, slot.message = None, "empty", None
        for publication, pipe in self._wanted.items():
            if publication in shown:
                continue
            free = (s for s in self._slots if s.wanted is None and s.transceiver.kind == pipe.kind)
            slot = next(free, None) or self._add_slot(pipe.kind)
            slot.wanted = publication
        self._route()

    def _add_slot(self, kind: str) -> _Slot:
        slot = _Slot(self._pc.addTransceiver(kind, direction="recvonly"), None)
        self._slots.append(slot)
        self._offer_due = True
        return slot

    def _route(self) -> None:
        for slot in self._slots:
            if slot.intake is not None:
                pipe = self._wanted.get(slot.wanted) if slot.wanted is not None else None
                slot.intake.deliver_to(pipe if slot.told == slot.wanted else None, self.rank)

    # -- telling the server ----------------------------------------------------------------------------------

    async def _offer(self) -> None:
        fresh = not self._channels
        if not fresh:
            await until_decided(self._pc)
        else:
            # After the transceivers: aiortc would stop the transport they share if it came with the channels.
            for label, received in (("chat", self._post.chat), ("files", self._post.file)):
                self._channels[label] = Channel(self._pc.createDataChannel(label), partial(received, None))
        answer = await self._agree(fresh)
        await self._pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        self._offer_due = False
        by_mid = {entry.mid: entry.publication for entry in answer.publish}
        for sending in self._sending.values():
            mid = sending.transceiver.mid
            if mid in by_mid:
                sending.track.ids["sfu"] = by_mid[mid]
        for result in answer.receive:
            self.slot(
                messages.Slot(result.mid, result.publication, result.state, result.message, result.reason)
            )
        for slot in self._slots:
            track = slot.transceiver.receiver.track
            if slot.intake is None and track is not None:
                slot.intake = Intake(track)
        self._route()

    async def _agree(self, fresh: bool) -> Answer:
        """Offer until the server answers; raises ClientError."""
        for attempt in range(1, OFFER_ATTEMPTS + 1):
            await self._pc.setLocalDescription()
            for sending in self._sending.values():
                sending.told = sending.track.muted
            slots = [(slot, slot.wanted) for slot in self._slots]
            request = Offer(
                sdp=self._pc.localDescription.sdp,
                publish=tuple(
                    Publish(s.transceiver.mid or "", s.track.source, s.track.muted)
                    for s in self._sending.values()
                ),
                receive=tuple(Receive(slot.transceiver.mid or "", wanted) for slot, wanted in slots),
                fresh=fresh,
            )
            try:
                answer = await self._session.ask(request)
            except ClientError as error:
                if error.code != "unknown-publication" or attempt == OFFER_ATTEMPTS:
                    raise
                self._assign_slots()  # the end of that publication was told before this error
                continue
            for slot, wanted in slots:
                slot.told, slot.negotiated = wanted, True
            assert isinstance(answer, Answer)
            return answer
        raise AssertionError

    async def _point(self) -> None:
        for slot in [slot for slot in self._slots if slot.negotiated and slot.told != slot.wanted]:
            wanted = slot.wanted
            try:
                reply = await self._session.ask(Point(mid=slot.transceiver.mid or "", publication=wanted))
            except ClientError as error:
                if error.code != "unknown-publication":
                    raise
                continue
            slot.told = wanted
            if isinstance(reply, messages.Slot):
                self.slot(reply)
        self._route()

    async def _view(self) -> None:
        """Tell how slots are shown, where the server believes something else."""
        due: list[tuple[_Slot, View]] = []
        for slot in self._slots:
            if slot.negotiated and slot.told is not None:
                view = self._views.get(slot.told, AS_GOOD_AS_CAN_BE)
                if view != slot.view_told:
                    due.append((slot, view))
        if due:
            await self._session.ask(
                quality.View(slots=tuple(v.wish(s.transceiver.mid or "") for s, v in due))
            )
            for slot, view in due:
                slot.view_told = view

    async def _mute(self) -> None:
        for sending in list(self._sending.values()):
            muted, publication = sending.track.muted, sending.track.ids.get("sfu")
            if sending.told != muted and publication is not None:
                await self._session.ask(Mute(publication=publication, muted=muted))
                sending.told = muted
