"""A room, as a Python program is in it.

Knows: everything that a program may ask, and what the server says. Does not know: how media goes (ways.py), or how
data is read (post.py).
"""

import asyncio
import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from aiortc import MediaStreamTrack

from sfu.client import events
from sfu.client.errors import ClientError
from sfu.client.events import EventHub, EventStream, FileOffered
from sfu.client.link import can_encode
from sfu.client.local import Feed, LocalPublication
from sfu.client.model import Participant, Publication, Roster
from sfu.client.pipe import Pipe
from sfu.client.post import RoomPost, chat_message
from sfu.client.session import Session
from sfu.client.sfu_link import View
from sfu.client.statistics import RoomStats
from sfu.client.uploads import SharedFile
from sfu.client.ways import Ways
from signaling import chat, files, messages
from signaling.fields import Kind, MediaPath, Quality, Role, Source, Topology
from signaling.messages import ServerMessage, Welcome
from signaling.quality import Bandwidth, Reports, Speakers


class Room:
    """Made by `connect`. Its methods raise ClientError when the server refuses, or when the room is closed."""

    def __init__(self, session: Session, welcome: Welcome) -> None:
        self.id = welcome.participant
        """One's own participant id."""
        self.name = welcome.room
        self.topology: Topology = welcome.topology
        self.role: Role = welcome.role
        self._session = session
        self._hub = EventHub()
        self._roster = Roster(self._hub.emit)
        self._roster.welcome(welcome.participants)
        self._post = RoomPost(self._hub.emit, self._roster, self._lost)
        self._ways = Ways(session, self._roster, self._post, welcome.path, self._post.downloads.moved)
        self._post.channel_to = self._ways.channel_to
        self._number = 0
        self._ending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the first connection; `connect` has done that."""
        if self.topology in ("mesh", "auto"):
            self._session.keep_alive()
        self._ways.start()  # before others call
        self._session.listen(self._heard, self._end)
        await self._ways.settle()
        self._hub.begin()

    async def close(self) -> None:
        """Leave the room; idempotent. The end of `async with connect(...)` does it."""
        self._end("left")
        assert self._ending is not None
        await asyncio.shield(self._ending)

    # -- who is here, what happens ---------------------------------------------------------------------------

    @property
    def path(self) -> MediaPath:
        """Where media goes now: `sfu`, through the server, or `mesh`, directly."""
        return self._ways.path

    @property
    def participants(self) -> Mapping[str, Participant]:
        """Everybody else by id, in the order they came."""
        return self._roster.participants()

    @property
    def publications(self) -> tuple[Publication, ...]:
        """Everything that the others publish now."""
        return self._roster.publications()

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks now: participant ids, the dominant one first; nobody while media goes directly."""
        return self._roster.speakers

    def events(self) -> EventStream:
        """What happens from now on; the first stream begins with what happened since `connect` gave the room.

        So who reads `participants` and `publications` first thing, and then the first stream, misses nothing.
        """
        return self._hub.stream()

    async def stats(self) -> RoomStats:
        """The counters of all connections that are open now."""
        return RoomStats(tuple(await self._ways.stats()))

    # -- publishing ------------------------------------------------------------------------------------------

    async def publish(
        self,
        track: MediaStreamTrack,
        source: Source | None = None,
        *,
        muted: bool = False,
        codec: str | None = None,
    ) -> LocalPublication:
        """Send a track to the room, until `unpublish` or until it ends; the room never stops it.

        The track may give frames, which are encoded here (once per connection), or encoded packets. `source` says what
        it shows, `camera` or `microphone` by default. `codec`, such as H264, is the one to use; needed for packets that
        are not VP8 or Opus.
        """
        self._check()
        kind: Kind = "audio" if track.kind == "audio" else "video"
        if codec is not None and not can_encode(kind, codec):
            raise ClientError("unsupported-codec", f"There is no encoder for {codec}.")
        self._number += 1

        def ended() -> None:
            self._post.background(self.unpublish(publication))

        feed = Feed(track, ended)
        feed.muted = muted
        source = source or ("microphone" if kind == "audio" else "camera")
        publication = LocalPublication(f"track-{self._number}", kind, source, feed, codec)
        self._ways.tracks.append(publication)
        try:
            await self._ways.settle()
        except BaseException:
            await self._withdraw(publication)
            raise
        return publication

    async def unpublish(self, publication: LocalPublication) -> None:
        """Send a track no more."""
        self._check()
        await self._withdraw(publication)
        await self._ways.settle()

    async def mute(self, publication: LocalPublication, muted: bool = True) -> None:
        """Send nothing of a track for now (or again, with False), and tell the others."""
        self._check()
        publication.feed.muted = muted
        await self._ways.settle()

    def replace(self, publication: LocalPublication, track: MediaStreamTrack) -> None:
        """Go on with another track of the same kind; the others see no difference but the picture."""
        self._check()
        if track.kind != publication.kind:
            raise ValueError(f"{publication.kind} can't be replaced by {track.kind}")
        publication.feed.replace(track)

    async def _withdraw(self, publication: LocalPublication) -> None:
        if publication in self._ways.tracks:
            self._ways.tracks.remove(publication)
        self._ways.reconcile()
        await publication.feed.close()

    # -- subscribing -----------------------------------------------------------------------------------------

    async def subscribe(self, publication: Publication | str) -> MediaStreamTrack:
        """Receive a publication: a track of decoded frames, which ends when the publication does.

        It goes on without a gap when the room moves to another path. Who reads slowly misses the oldest frames.
        """
        self._check()
        listing = self._roster.find(_id(publication))
        if listing is None:
            raise ClientError("unknown-publication", "This publication has ended.")
        key = listing.publication.id
        pipe = self._ways.pipes.get(key)
        if pipe is None or pipe.readyState != "live":
            pipe = self._ways.pipes[key] = Pipe.for_receiving(listing.publication.kind)
        try:
            await self._ways.settle()
            problem = self._ways.problem(key)
            if problem is not None:
                raise problem
        except BaseException:
            self._drop(key)
            raise
        return pipe

    async def unsubscribe(self, publication: Publication | str) -> None:
        """Receive a publication no more; its track ends."""
        self._check()
        listing = self._roster.find(_id(publication))
        if listing is not None:
            self._drop(listing.publication.id)
            await self._ways.settle()

    async def view(
        self,
        publication: Publication | str,
        *,
        width: int = 0,
        height: int = 0,
        visible: bool = True,
        pinned: bool = False,
        quality: Quality = "auto",
    ) -> None:
        """Tell the server how a video is shown, subscribed to or not yet; without a word of it, as well as can be.

        `width` and `height` in pixels (0: unknown); `visible` False: no frames come for now; `pinned`: more important
        than others; `quality` (`low`, `medium`, `high`): not better than that. Each call is the whole state. It has no
        effect on what comes directly.
        """
        self._check()
        listing = self._roster.find(_id(publication))
        if listing is None:
            raise ClientError("unknown-publication", "This publication has ended.")
        self._ways.views[listing.publication.id] = View(width, height, visible, pinned, quality)
        await self._ways.settle()

    async def reports(self, seconds: float) -> None:
        """Have `Bandwidth` events so often (0.2 to 10 s); 0: no more."""
        self._check()
        await self._session.ask(Reports(every_ms=round(seconds * 1000)))

    def _drop(self, publication: str) -> None:
        pipe = self._ways.pipes.pop(publication, None)
        if pipe is not None:
            pipe.stop()
        self._ways.reconcile()

    # -- texts and files -------------------------------------------------------------------------------------

    async def send(self, text: str, to: str | None = None) -> None:
        """Write to everybody, or to one participant (`to` is an id)."""
        self._check(to)
        await self._deliver(chat.LABEL, chat_message(text, to), to)

    async def send_file(
        self, source: Path | bytes, *, name: str | None = None, mime: str | None = None, to: str | None = None
    ) -> SharedFile:
        """Offer a file, or bytes, to everybody who is here now, or to one participant; whoever wants it gets it."""
        self._check(to)
        if name is None:
            name = source.name if isinstance(source, Path) else "data"
        mime = mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
        try:
            msgspec.convert((name, mime), tuple[files.FileName, files.Mime])
        except msgspec.ValidationError as error:
            raise ClientError(
                "bad-message", f"The name or the type of the file is not allowed: {error}."
            ) from None
        shared = await self._post.uploads.add(source, name, mime, to)
        await self._deliver(files.LABEL, files.write(shared.offer), to)
        return shared

    async def receive_file(
        self, offer: FileOffered, into: Path | None = None, progress: Callable[[int], None] | None = None
    ) -> bytes | Path:
        """Fetch an offered file; return its bytes, or, with `into` (a folder, or no file yet), where it was written.

        `progress` is called with the number of bytes received so far. Raises ClientError `corrupt` if the contents are
        not what was sent, `cancelled`, `closed` (the sender left) or `timeout`; OSError if it can't be written.
        """
        self._check()
        return await self._post.downloads.receive(offer, into, progress)

    def withdraw_file(self, shared: SharedFile) -> None:
        """Offer a file no more."""
        self._post.uploads.withdraw(shared)

    async def _deliver(self, label: str, text: str, to: str | None) -> None:
        channels = await self._ways.channels(label, to)
        results = await asyncio.gather(*(channel.send(text) for channel in channels), return_exceptions=True)
        for result in results:
            # Who leaves while everybody is written to is no failure.
            if isinstance(result, BaseException) and (to is not None or self.path == "sfu"):
                raise result

    # -- what the server says --------------------------------------------------------------------------------

    def _heard(self, message: ServerMessage) -> None:
        match message:
            case messages.Joined(participant=person):
                self._roster.joined(person)
                self._ways.joined(person.id)
            case messages.Left(participant=participant, reason=reason):
                self._roster.left(participant, reason)
                self._ways.left(participant)
                self._post.left(participant)
            case messages.Published(participant=participant, publication=publication):
                self._roster.published(participant, publication)
            case messages.Unpublished(publication=publication_id):
                self._roster.unpublished(publication_id)
            case messages.Muted(publication=publication_id, muted=muted):
                self._roster.muted(publication_id, muted)
            case messages.Slot():
                self._ways.slot(message)
                return
            case messages.Signaled(sender=sender):
                self._ways.signal(sender, messages.from_data(message.data))
                return
            case Speakers(participants=participants):
                self._roster.speaking(participants)
                return
            case Bandwidth():
                self._roster.measured(message)
                return
            case messages.Path(path=path):
                self._roster.speaking(())
                self._hub.emit(events.PathChanged(path))
                self._ways.move(path)
                return
            case _:
                return
        self._ways.reconcile()
        if isinstance(message, messages.Published | messages.Unpublished | messages.Left):
            self._post.background(self._ways.settle())

    def _lost(self, link: object) -> None:
        """A connection broke; without that of the path in force there is no room."""
        if self._ways.is_present(link):
            self._end("disconnected")

    def _end(self, reason: str) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._shut(reason))

    async def _shut(self, reason: str) -> None:
        await self._post.close()
        if reason == "left":
            await self._ways.drain()
        await self._session.close()
        await self._ways.close()
        await self._post.close()
        for publication in self._ways.tracks:
            await publication.feed.close()
        self._ways.tracks.clear()
        self._hub.emit(events.Closed(reason))

    def _check(self, to: str | None = None) -> None:
        if self._ending is not None:
            raise ClientError("closed", "The room is closed.")
        if to is not None and to not in self._roster:
            raise ClientError("unknown-participant", "There is nobody else of this id in the room.")


def _id(publication: Publication | str) -> str:
    return publication if isinstance(publication, str) else publication.id
