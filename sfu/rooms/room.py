"""A room on the media side: which publications there are to point slots at, and who speaks.

Knows: whose audio levels count, and whose video last-N leaves to whom. Does not know: how a speaker is told from noise
(sfu.flow.speakers), who is told of it, or what is sent to whom.
"""

from collections.abc import Callable

from sfu.flow.speakers import Speakers
from sfu.forwarding.publication import Publication
from sfu.rooms.member import UnknownPublication

# A shared film or song is no one speaking.
NOT_SPEECH = "screen-audio"


class Room:
    """The publications of one room, by id, and its speakers. `last_n`: see `kept`; 0 sets no limit."""

    def __init__(self, name: str, last_n: int = 0) -> None:
        self.name = name
        self.publications: dict[str, Publication] = {}
        self.speakers = Speakers()
        self.last_n = last_n
        # Told who speaks now, when that changes.
        self.on_speakers: Callable[[tuple[str, ...]], None] | None = None
        # Told when anything about speakers changes: what they get depends on it.
        self._watchers: dict[Callable[[], None], None] = {}
        self._active: tuple[str, ...] = ()
        self._heard_at = float("-inf")

    def find(self, publication_id: str) -> Publication:
        """Raises UnknownPublication."""
        found = self.publications.get(publication_id)
        if found is None:
            raise UnknownPublication(f"there is no publication {publication_id!r} in this room")
        return found

    # -- speakers --------------------------------------------------------------------------------------------

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back when `speakers.active` or `speakers.recent` has changed. Idempotent."""
        self._watchers[callback] = None

    def unwatch(self, callback: Callable[[], None]) -> None:
        """Call back no more. Idempotent."""
        self._watchers.pop(callback, None)

    def audio_level(self, publication: Publication, level: int, voice: bool | None, now: float) -> None:
        """The level of an audio packet, of a client of this node or another (RFC 6464: 0 is loud, 127 silent)."""
        if publication.muted or publication.source == NOT_SPEECH:
            return
        self._heard_at = now
        if self.speakers.level(publication.participant, level, voice, now):
            self._changed()

    def silence(self, publication: Publication) -> None:
        """A publication was muted, or has ended: it is not heard any more, whatever was heard a moment ago."""
        if publication.kind == "audio" and self.speakers.silence(publication.participant, self._heard_at):
            self._changed()

    def leave(self, participant: str) -> None:
        """A participant is gone."""
        if self.speakers.gone(participant, self._heard_at):
            self._changed()

    def pulse(self, now: float) -> None:
        """Let time pass: who is heard no more falls silent."""
        if self.speakers.pulse(now):
            self._changed()

    def _changed(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()
        active = self.speakers.active
        if active != self._active:
            self._active = active
            if self.on_speakers is not None:
                self.on_speakers(active)

    def kept(self, viewer: str) -> frozenset[str] | None:
        """The participants whose video last-N leaves to `viewer`; None: everybody's.

        Those of the others with video who spoke last; while too few have spoken, then those who have published longest.
        """
        if not self.last_n:
            return None
        showing = {p.participant: None for p in self.publications.values() if p.kind == "video"}
        showing.pop(viewer, None)
        first = [participant for participant in self.speakers.recent if participant in showing]
        return frozenset(list(dict.fromkeys([*first, *showing]))[: self.last_n])
