"""A participant whose media is forwarded: its publications, its slots, and the RTCP that concerns them.

Knows what an offer means for a room. Gets decrypted packets and `now`; knows no socket, no task and no signaling.
"""

import functools
import secrets
from collections.abc import Mapping

from sfu.flow.due import earliest
from sfu.forwarding.asking import Asking
from sfu.forwarding.link import MediaLink
from sfu.forwarding.outlet import Outlet, drop_stats
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, SlotState
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
from sfu.rooms.sharing import Sharing
from sfu.wire.answer import Accepted, Outbound, SectionAnswer, accept
from sfu.wire.sdp import Offer

_PAUSED = {
    "bandwidth": "This device's connection is too slow for this video at the moment.",
    "last-n": "Only the latest speakers are shown in this room.",
}


class Participant:
    """Implements `sfu.rooms.member.Member` by forwarding."""

    def __init__(self, id: str, room: Room, outlet: Outlet, observer: Observer) -> None:
        self.id = id
        self.room = room
        self.publications: dict[str, Publication] = {}
        self.slots: dict[str, Slot] = {}
        self._outlet = outlet
        self._observer = observer
        self._link = MediaLink(outlet, room.audio_level)
        self._sharing = Sharing(id, room, self._link.egress, self.slots)
        self._closed = False

    # -- negotiation -----------------------------------------------------------------------------------------

    async def negotiate(
        self, offer: Offer, publish: Mapping[str, Publishing], receive: Mapping[str, Receiving], now: float
    ) -> Negotiated:
        """See `Member.negotiate`. Nothing changes when it raises."""
        check_mids(offer, (*publish, *receive))
        accepted = {s.mid: a for s in offer.sections if s.mid and (a := accept(s)) is not None}
        wanted = {mid: self._wanted(entry.publication) for mid, entry in receive.items()}
        for mid, publication in wanted.items():
            if publication is not None and mid in accepted:
                check_kind(mid, accepted[mid].section.kind, publication.id, publication.kind)
        self._update_publications(accepted, publish, now)
        self._update_slots(accepted, receive, wanted, now)
        self._sharing.allocate(now)
        answers = [
            SectionAnswer(accepted.get(s.mid), s.mid in self.publications, self._outbound(s.mid))
            for s in offer.sections
        ]
        return Negotiated(
            answers,
            [_published(publication) for publication in self.publications.values()],
            [_slot_view(self.slots[mid]) if mid in self.slots else _refused(mid) for mid in receive],
        )

    def _wanted(self, publication_id: str | None) -> Publication | None:
        return None if publication_id is None else self.room.find(publication_id)

    def _update_publications(
        self, accepted: Mapping[str, Accepted], publish: Mapping[str, Publishing], now: float
    ) -> None:
        sending = {
            mid: accepted[mid]
            for mid in publish
            if mid in accepted and accepted[mid].section.client_sends and accepted[mid].codecs
        }
        for mid in [mid for mid in self.publications if mid not in sending]:
            self._unpublish(mid)
        fresh: list[Publication] = []
        for mid, entry in sending.items():
            publication = self.publications.get(mid)
            what = (entry.section.kind, publish[mid].source)
            if publication is None or (publication.kind, publication.source) != what:
                if publication is not None:
                    self._unpublish(mid)
                publication = self._new_publication(mid, publish[mid], entry, now)
                fresh.append(publication)
            else:
                publication.renegotiated(entry, now)
                self._set_muted(publication, publish[mid].muted)
        rsize = all(entry.section.rtcp_rsize for entry in sending.values())
        self._link.ingress.configure(
            [(self.publications[mid], entry) for mid, entry in sending.items()], reduced_size=rsize
        )
        for publication in fresh:
            self._observer.published(_published(publication))

    def _new_publication(self, mid: str, entry: Publishing, accepted: Accepted, now: float) -> Publication:
        publication = Publication(
            f"t_{secrets.token_urlsafe(9)}",
            self.id,
            mid,
            entry.source,
            entry.muted,
            accepted,
            self._link.ingress.ask_key_frame,
            self._link.outlet.engine.encoding,
        )
        if publication.kind == "video":
            tell = functools.partial(self._observer.encodings, publication.id)
            publication.asking = Asking(publication, tell, self._outlet.schedule, now)
            publication.asking.update(now)
        self.publications[mid] = publication
        self.room.publications[publication.id] = publication
        return publication

    def _unpublish(self, mid: str) -> None:
        publication = self.publications.pop(mid)
        del self.room.publications[publication.id]
        publication.close()
        self.room.silence(publication)
        self._observer.unpublished(publication.id)

    def _update_slots(
        self,
        accepted: Mapping[str, Accepted],
        receive: Mapping[str, Receiving],
        wanted: Mapping[str, Publication | None],
        now: float,
    ) -> None:
        receiving = {
            mid: accepted[mid]
            for mid in receive
            if mid in accepted and accepted[mid].section.client_receives and accepted[mid].codecs
        }
        for mid, slot in list(self.slots.items()):
            if mid not in receiving or receiving[mid].section.kind != slot.kind:
                del self.slots[mid]
                self._link.remove(slot)
                self._sharing.forget(mid)
        for mid, entry in receiving.items():
            profile = SendProfile.of(entry)
            slot_or_none = self.slots.get(mid)
            if slot_or_none is None:
                sync = receive[mid].stream or f"slot-{mid}"
                kind = entry.section.kind
                steered = kind == "video"
                egress = self._link.egress
                slot = self._outlet.engine.slot(
                    mid, kind, profile, egress, sync, self._slot_changed, steered=steered
                )
                self.slots[mid] = slot
                self._link.add(slot)
            else:
                slot = slot_or_none
                slot.renegotiated(profile, now)
                slot.sync = receive[mid].stream or slot.sync
            target = wanted[mid]
            # It may have been this participant's own, and have ended with this very offer.
            alive = target is not None and target.id in self.room.publications
            slot.point(target if alive else None, now)
        self._link.egress.expect_reports(any(s.profile.transport_wide for s in self.slots.values()), now)

    def _outbound(self, mid: str) -> Outbound | None:
        slot = self.slots.get(mid)
        if slot is None:
            return None
        has_rtx = any(rtx is not None for _, _, rtx in slot.profile.payload_types)
        return Outbound(slot.ssrc, slot.rtx_ssrc if has_rtx else None, slot.cname, slot.sync, f"slot-{mid}")

    # -- slots and publications ------------------------------------------------------------------------------

    def point(self, mid: str, publication: str | None, now: float) -> SlotView:
        """See `Member.point`."""
        check_slots(self.slots, (mid,))
        slot = self.slots[mid]
        wanted = self._wanted(publication)
        if wanted is not None:
            check_kind(mid, slot.kind, wanted.id, wanted.kind)
        slot.point(wanted, now)
        self._sharing.pointed(slot, now)
        return _slot_view(slot)

    def view(self, views: Mapping[str, View], now: float) -> None:
        """See `Member.view`."""
        check_slots(self.slots, views)
        self._sharing.view(views, now)

    def mute(self, publication: str, muted: bool) -> None:
        """See `Member.mute`."""
        found = self.room.publications.get(publication)
        if found is None:
            raise UnknownPublication(f"there is no publication {publication!r} in this room")
        if found.participant != self.id:
            raise NotYours("only its own participant can mute a publication")
        self._set_muted(found, muted)

    def _set_muted(self, publication: Publication, muted: bool) -> None:
        if publication.muted != muted:
            publication.muted = muted
            if muted:
                self.room.silence(publication)
            self._observer.muted(publication.id, muted)

    def _slot_changed(self, slot: Slot) -> None:
        self._observer.slot_changed(_slot_view(slot))

    # -- packets and time: see `Member` ----------------------------------------------------------------------

    def connected(self, now: float) -> None:
        self._link.connected(now)
        self._sharing.allocate(now)

    def receive_rtp(self, packet: bytes, now: float) -> None:
        self._link.receive_rtp(packet, now)

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        self._link.receive_rtcp(packet, now)

    def deadline(self) -> float | None:
        at = earliest(self._link.deadline(), self._sharing.deadline())
        for publication in self.publications.values():
            if publication.asking is not None:
                at = earliest(at, publication.asking.deadline())
        return at

    def pulse(self, now: float) -> None:
        self._link.pulse(now)
        self._sharing.pulse(now)
        for publication in self.publications.values():
            if publication.asking is not None:
                publication.asking.pulse(now)

    def report(self, now: float) -> Bandwidth | None:
        """See `Member.report`."""
        return self._sharing.report(now)

    async def close(self) -> None:
        """See `Member.close`."""
        if self._closed:
            return
        self._closed = True
        for mid in list(self.publications):
            self._unpublish(mid)
        self._sharing.close()
        self._link.close()
        self.slots.clear()

    def stats(self, now: float) -> dict[str, object]:
        return {
            "publications": [publication.stats(now) for publication in self.publications.values()],
            "subscriptions": [slot.stats() for slot in self.slots.values()],
            "available_bps": self._link.egress.available_bps,
            "estimate": self._link.egress.estimator.stats(now),
            "pacing": self._link.pacing_stats(),
            "receiver_estimate_bps": self._link.ingress.estimate_bps,
            "drops": drop_stats(self._link.ingress.drops),
        }


def _published(publication: Publication) -> Published:
    return Published(
        publication.id,
        publication.mid,
        publication.kind,
        publication.source,
        publication.muted,
        publication.codec.name,
    )


def _slot_view(slot: Slot) -> SlotView:
    message = None
    if slot.state is SlotState.UNSUPPORTED_CODEC and slot.publication is not None:
        message = f"This device can't receive {slot.publication.codec.name}, which the other side sends."
    elif slot.state is SlotState.PAUSED:
        message = _PAUSED.get(slot.reason or "")
    publication = slot.publication.id if slot.publication else None
    return SlotView(slot.mid, publication, slot.state.value, message, slot.reason)


def _refused(mid: str) -> SlotView:
    message = "This section of the offer can't receive: it is stopped, or has no codec that is forwarded."
    return SlotView(mid, None, SlotState.EMPTY.value, message)
