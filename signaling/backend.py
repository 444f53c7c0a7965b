"""The boundary between signaling and whatever moves the media: two interfaces that fit on a page.

Knows: what the server does for members of rooms who send it their media, and what it tells about them.
Does not know: any implementation. Signaling calls a `Backend`; a `Backend` calls `Events`.
"""

from collections.abc import Sequence
from typing import Protocol

from signaling.fields import LeftReason
from signaling.messages import Answer, Offer, Point, Publication, Slot
from signaling.quality import Bandwidth, Encodings, View


class Events(Protocol):
    """What a backend tells signaling about one participant; calls after it has left do nothing.

    All are plain calls that queue messages and return. They may come at any time after
    `Backend.join` has returned, also from inside the backend's other methods.
    """

    def published(self, publication: Publication) -> None:
        """The participant publishes something new; nobody can name it before this call."""

    def unpublished(self, publication_id: str) -> None:
        """The participant ended a publication. On departure, signaling needs no such call."""

    def muted(self, publication_id: str, muted: bool) -> None:
        """The participant muted or unmuted a publication, by `mute` or by an offer."""

    def slot(self, slot: Slot) -> None:
        """What a slot of this participant shows was changed by the server; told to it alone."""

    def encodings(self, encodings: Encodings) -> None:
        """What others take of a video of this participant has changed; told to it alone."""

    def speakers(self, participants: Sequence[str]) -> None:
        """Who speaks in the room now, the dominant one first; told to each participant, at most some 4 times a second.

        Who joins hears of it without a call: signaling keeps the latest.
        """

    def bandwidth(self, bandwidth: Bandwidth) -> None:
        """What this participant's connection carries, as often as it asked by `Backend.reports`."""

    def gone(self, reason: LeftReason) -> None:
        """The participant's media connection died: it leaves the room, and `Backend.leave` is called."""


class Backend(Protocol):
    """What moves the media of rooms (in mesh rooms nobody is asked to); the daemon supplies one.

    Methods raise SignalingError for what the client is to know; any other exception is logged, and
    the client gets the code `internal`. One participant's `offer`, `point`, `view`, `reports` and `mute` come one
    after the other. `leave` may come at any time; an `offer` still being awaited then is cancelled.
    """

    def join(self, room: str, participant: str, name: str, events: Events) -> None:
        """A participant enters a room; the first call of each participant.

        Ids of others are never used again, but after `leave` a participant may join again under its own, to
        begin with a new connection.
        """

    async def offer(self, participant: str, offer: Offer) -> Answer:
        """Bring media in line with an offer, which holds the whole wanted state. `Answer.re` is ignored."""
        ...

    def point(self, participant: str, point: Point) -> Slot:
        """Show another publication in a slot. `Slot.re` is ignored."""
        ...

    def view(self, participant: str, view: View) -> None:
        """How slots are shown: what is not seen needs not be sent. Nothing changes when it raises."""

    def reports(self, participant: str, every_ms: int) -> None:
        """Call `Events.bandwidth` so often from now on, as soon as there is something to tell; 0: never."""

    def mute(self, participant: str, publication: str, muted: bool) -> None:
        """Mute or unmute the participant's own publication; tells `Events.muted` if that is a change."""

    async def leave(self, participant: str, reason: LeftReason) -> None:
        """Forget a participant and close its connection. Idempotent, also for ids it never heard of."""
