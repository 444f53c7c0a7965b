"""The media side of a signaling room: its seats, its data channels, and what its members are told.

Knows: what belongs together for a participant. Does not know: SDP, or how connections begin and end (backend.py).
"""

import secrets
from collections.abc import Mapping

from aiortc import RTCDataChannel

from sfu.chat import ChatRoom
from sfu.convert import bandwidth_message, encodings_message, publication_message, slot_message
from sfu.files import FileRoom
from sfu.rooms.member import Member, Published, SlotView
from sfu.rooms.pipe import Pipe
from sfu.rooms.room import Room
from sfu.telling import Reporter, SpeakerNews
from sfu.transport.connection import Connection
from signaling import chat, files
from signaling.backend import Events


class MediaRoom:
    """The media side of a signaling room."""

    def __init__(self, name: str, last_n: int) -> None:
        # Who knows a room's name may enter it, so statistics show this instead.
        self.id = f"r_{secrets.token_urlsafe(6)}"
        self.room = Room(name, last_n)
        self.chat = ChatRoom()
        self.files = FileRoom()
        self.seats: dict[str, Seat] = {}
        # Links to other nodes that carry this room too.
        self.pipes: set[Pipe] = set()
        self._speakers = SpeakerNews(self.room, self._tell_speakers)

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
        self.room.leave(participant)
        self.chat.leave(participant)
        self.files.leave(participant)

    def close(self) -> None:
        """Nobody is in it any more."""
        self._speakers.close()

    def _tell_speakers(self, participants: tuple[str, ...]) -> None:
        for seat in list(self.seats.values()):
            seat.events.speakers(participants)

    def stats(self, now: float) -> dict[str, object]:
        """For /stats: ids only, no names."""
        return {
            "room": self.id,
            "chat_messages": self.chat.messages,
            "files": self.files.stats(),
            "speakers": list(self.room.speakers.active),
            "last_n": self.room.last_n,
            "participants": [seat.stats(now) for seat in self.seats.values()],
        }


class Seat:
    """One participant: made at join, connected with its first offer."""

    def __init__(self, participant: str, room: MediaRoom, events: Events) -> None:
        self.participant = participant
        self.room = room
        self.events = events
        self.connection: Connection | None = None
        self.member: Member | None = None
        self.session_id = secrets.randbits(62)
        self.session_version = 0
        self.remote_ufrag = ""
        self.reporter = Reporter(self._report)

    def _report(self, now: float) -> None:
        report = self.member.report(now) if self.member is not None else None
        if report is not None:
            self.events.bandwidth(bandwidth_message(report))

    def stats(self, now: float) -> dict[str, object]:
        return {
            "participant": self.participant,
            "connection": self.connection.stats() if self.connection else None,
            **(self.member.stats(now) if self.member else {}),
        }


class SeatObserver:
    """Tells signaling what a member does."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def published(self, publication: Published) -> None:
        self._events.published(publication_message(publication))

    def unpublished(self, publication_id: str) -> None:
        self._events.unpublished(publication_id)

    def muted(self, publication_id: str, muted: bool) -> None:
        self._events.muted(publication_id, muted)

    def slot_changed(self, slot: SlotView) -> None:
        self._events.slot(slot_message(slot))

    def encodings(self, publication_id: str, active: Mapping[str, bool]) -> None:
        self._events.encodings(encodings_message(publication_id, active))
