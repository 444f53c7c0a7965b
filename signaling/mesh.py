"""What one participant sends directly to the others: its announcements, and the ids they get.

Knows: keys, and that an announcement holds the whole wanted state. Does not know: media, SDP (clients agree on
those by signals), rooms, or who hears of it (it tells `Heard`).
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from signaling.messages import AnnounceResult, Publication, Track


class Heard(Protocol):
    """Where changes are told: the first three of `signaling.backend.Events`."""

    def published(self, publication: Publication) -> None:
        """Something new, which nobody could name before."""

    def unpublished(self, publication_id: str) -> None:
        """A publication ended."""

    def muted(self, publication_id: str, muted: bool) -> None:
        """A publication was muted or unmuted."""


class DirectTracks:
    """The publications with the path `mesh` of one participant."""

    __slots__ = ("_by_key", "_heard", "_new_id")

    def __init__(self, heard: Heard, new_id: Callable[[], str]) -> None:
        self._heard = heard
        self._new_id = new_id
        self._by_key: dict[str, Publication] = {}

    def announce(self, wanted: tuple[Track, ...]) -> tuple[AnnounceResult, ...]:
        """Bring the publications in line with an announcement; return the id of each key."""
        tracks = {track.key: track for track in wanted}
        for key, known in list(self._by_key.items()):
            track = tracks.get(key)
            if track is None or (track.kind, track.source) != (known.kind, known.source):
                del self._by_key[key]
                self._heard.unpublished(known.id)
        for key, track in tracks.items():
            if key in self._by_key:
                self._set_muted(key, track.muted)
            else:
                self._publish(track)
        return tuple(AnnounceResult(key=key, publication=self._by_key[key].id) for key in tracks)

    def mute(self, publication_id: str, muted: bool) -> bool:
        """Mute or unmute a publication; return whether it is one of these."""
        for key, known in self._by_key.items():
            if known.id == publication_id:
                self._set_muted(key, muted)
                return True
        return False

    def _publish(self, track: Track) -> None:
        publication = Publication(
            id=self._new_id(), kind=track.kind, source=track.source, muted=track.muted, codec="", path="mesh"
        )
        self._by_key[track.key] = publication
        self._heard.published(publication)

    def _set_muted(self, key: str, muted: bool) -> None:
        known = self._by_key[key]
        if known.muted != muted:
            self._by_key[key] = msgspec.structs.replace(known, muted=muted)
            self._heard.muted(known.id, muted)
