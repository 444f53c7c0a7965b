"""Which m-line of a direct connection carries which publication, in either direction.

Knows: transceivers, and the quirks of aiortc with them. Does not know: when offers are made, who the other is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.sdp import SessionDescription

from sfu.client.link import add_sender
from sfu.client.local import LocalPublication
from sfu.client.pipe import Intake, Pipe


@dataclass(slots=True)
class _Sending:
    track: LocalPublication
    transceiver: RTCRtpTransceiver
    pipe: Pipe


class OutTracks:
    """What is sent: each of `wanted` on an m-line of its own, both ways where the other brought one."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self.wanted: Sequence[LocalPublication] = ()
        self._pc = pc
        self._sending: dict[str, _Sending] = {}
        self._spent: set[RTCRtpTransceiver] = set()
        """M-lines whose sender has ended: aiortc starts a sender once."""

    @property
    def encodes(self) -> int:
        """Encoders that work for this connection."""
        return sum(not sending.track.feed.encoded for sending in self._sending.values())

    def attach(self) -> bool:
        """Bring the senders in line with what is wanted; whether that takes an offer."""
        changed = self._detach()
        for track in self.wanted:
            if track.key not in self._sending:
                pipe = track.feed.branch()
                self._sending[track.key] = _Sending(
                    track, add_sender(self._pc, track, pipe, "sendrecv"), pipe
                )
                changed = True
        return changed

    def adopt(self, offer: RTCSessionDescription, fresh: Sequence[RTCRtpTransceiver]) -> bool:
        """Send on the m-lines of an offer that was applied; False if something found no place there.

        `fresh`: transceivers of ours that had no m-line before.
        """
        self._detach()
        media = SessionDescription.parse(offer.sdp).media
        wants = {m.rtp.muxId: m.direction in ("sendrecv", "recvonly") for m in media}
        for key, sending in list(self._sending.items()):
            if sending.transceiver in fresh and wants.get(sending.transceiver.mid or "") is False:
                # aiortc has put our sender on a line that only they send on.
                del self._sending[key]
                sending.pipe.stop()
                sending.transceiver.sender.replaceTrack(None)
                sending.transceiver.direction = "recvonly"
        used = {sending.transceiver for sending in self._sending.values()} | self._spent
        free = [t for t in self._pc.getTransceivers() if t not in used and wants.get(t.mid or "")]
        complete = True
        for track in self.wanted:
            if track.key in self._sending:
                continue
            place = next((t for t in free if t.kind == track.kind and track.codec is None), None)
            if place is None:
                complete = False
                continue
            free.remove(place)
            pipe = track.feed.branch()
            place.sender.replaceTrack(pipe)
            place.direction = "sendrecv"
            self._sending[track.key] = _Sending(track, place, pipe)
        return complete

    def ids_by_mid(self, description: RTCSessionDescription) -> dict[str, str]:
        """The publication on each m-line of a description of our side."""
        transceivers = self._pc.getTransceivers()
        mids = {one: one.mid for one in transceivers if one.mid is not None}
        # Those without get theirs, in order, when the offer is answered.
        media = SessionDescription.parse(description.sdp).media
        described = {m.rtp.muxId for m in media}
        new = [m.rtp.muxId for m in media if m.kind != "application" and m.rtp.muxId not in mids.values()]
        mids |= dict(zip((one for one in transceivers if one.mid is None), new, strict=False))
        return {
            mids[sending.transceiver]: sending.track.ids["mesh"]
            for sending in self._sending.values()
            if mids.get(sending.transceiver) in described and "mesh" in sending.track.ids
        }

    def close(self) -> None:
        for sending in self._sending.values():
            sending.pipe.stop()
        self._sending.clear()

    def _detach(self) -> bool:
        wanted = {track.key for track in self.wanted}
        ended = [key for key in self._sending if key not in wanted]
        for key in ended:
            sending = self._sending.pop(key)
            sending.pipe.stop()
            sending.transceiver.direction = "recvonly"
            self._spent.add(sending.transceiver)
        return bool(ended)


class InTracks:
    """What is received: everything that the other sends, delivered where it is wanted."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc
        self._publications: Mapping[str, str] = {}
        self._intakes: dict[RTCRtpTransceiver, Intake] = {}
        self._wanted: Mapping[str, Pipe] = {}
        self._rank = 0

    def describe(self, publications: Mapping[str, str]) -> None:
        """What the other sends now, by mid; call it after each of its descriptions was applied."""
        self._publications = publications
        for transceiver in self._pc.getTransceivers():
            track = transceiver.receiver.track
            if track is not None and transceiver not in self._intakes:
                self._intakes[transceiver] = Intake(track)
        self.route(self._wanted, self._rank)

    def route(self, wanted: Mapping[str, Pipe], rank: int) -> None:
        """Deliver to these pipes, by publication."""
        self._wanted, self._rank = wanted, rank
        for transceiver, intake in self._intakes.items():
            publication = self._publications.get(transceiver.mid or "")
            intake.deliver_to(wanted.get(publication) if publication else None, rank)

    async def close(self) -> None:
        for intake in self._intakes.values():
            await intake.close()
