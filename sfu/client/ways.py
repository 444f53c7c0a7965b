"""The links of a room: one, or, for the moments of an auto room's move, two.

Make before break: the old link ends when everything plays over the new one, here and at those who shared the old one.
Knows: links, the path in force, what is published and subscribed to. Does not know: SDP, or what the program sees.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence

from sfu.client.channel import Channel
from sfu.client.errors import ClientError
from sfu.client.link import Link, Post
from sfu.client.local import LocalPublication
from sfu.client.mesh_link import MeshLink
from sfu.client.model import Roster
from sfu.client.pipe import Pipe
from sfu.client.session import Session
from sfu.client.sfu_link import SfuLink, View
from sfu.client.statistics import ConnectionStats
from signaling.fields import MediaPath
from signaling.messages import Data, Slot

MOVE_SECONDS = 20.0
"""A move that takes longer ends the old link all the same."""
OTHERS_SECONDS = 6.0
"""Who has not told by then that it has moved does not tell."""
AFTERGLOW_SECONDS = 0.4
DRAIN_SECONDS = 1.0
LOOK_SECONDS = 0.05


class Ways:
    """All links of one room; `moved` is called when data goes over another link."""

    def __init__(
        self, session: Session, roster: Roster, post: Post, path: MediaPath, moved: Callable[[], None]
    ) -> None:
        self.path = path
        self.tracks: list[LocalPublication] = []
        self.pipes: dict[str, Pipe] = {}
        """What the program subscribes to, by publication."""
        self.views: dict[str, View] = {}
        """How the program shows videos, by publication."""
        self._session = session
        self._roster = roster
        self._post = post
        self._moved = moved
        self._earlier: set[str] = set(roster.participants())
        self._sfu: SfuLink | None = None
        self._mesh: MeshLink | None = None
        self._rank = 0
        self._settled: set[str] = set()
        """Others of the mesh who play everything over the path in force."""
        self._mover: asyncio.Task[None] | None = None

    # -- what is wanted --------------------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Say to every link what is wanted now."""
        for publication, pipe in list(self.pipes.items()):
            if self._roster.find(publication) is None or pipe.readyState != "live":
                del self.pipes[publication]
                pipe.stop()
        self.views = {key: view for key, view in self.views.items() if self._roster.find(key) is not None}
        if self._sfu is not None:
            self._sfu.show(self._by_id(self.views))
        for path, link in self._links():
            link.send(self.tracks)
            wanted: dict[str, Pipe] = {}
            for publication, pipe in self.pipes.items():
                listing = self._roster.find(publication)
                if listing is not None and path in listing.ids:
                    wanted[listing.ids[path]] = pipe
            link.receive(wanted)

    def _by_id(self, views: Mapping[str, View]) -> dict[str, View]:
        """The same, by the ids that the publications have at the server."""
        listings = ((self._roster.find(key), view) for key, view in views.items())
        return {listing.ids["sfu"]: view for listing, view in listings if listing and "sfu" in listing.ids}

    async def settle(self) -> None:
        """Return when all links have been told what is wanted now; raises ClientError."""
        self.reconcile()
        for _, link in self._links():
            await link.settle()

    def problem(self, publication: str) -> ClientError | None:
        """Why a publication can't be received, if so."""
        listing = self._roster.find(publication)
        known = listing.ids.get(self.path) if listing else None
        if known is None:
            return None
        return self.link.problem(known)

    def start(self) -> None:
        """Make the link of the path in force."""
        assert self.link is not None

    # -- links -----------------------------------------------------------------------------------------------

    @property
    def link(self) -> Link:
        """The link of the path in force, made when it is asked for the first time."""
        link: Link | None = self._sfu if self.path == "sfu" else self._mesh
        if link is not None:
            return link
        self._rank += 1
        if self.path == "sfu":
            link = self._sfu = SfuLink(self._session, self._post)
        else:
            link = self._mesh = MeshLink(self._session, self._post)
            for other in self._roster.participants():
                self._mesh.meet(other, other in self._earlier)
        link.rank = self._rank
        self.reconcile()
        return link

    def is_present(self, link: object) -> bool:
        """Whether this is the link of the path in force."""
        return link is (self._sfu if self.path == "sfu" else self._mesh)

    def channel_to(self, participant: str) -> tuple[Channel, bool] | None:
        """The files channel to a participant, and whether the server relays it."""
        found = self.link.channels("files", participant)
        return (found[0], self.path == "sfu") if found else None

    async def channels(self, label: str, to: str | None) -> Sequence[Channel]:
        """The channels of a label that lead to a participant, or to everybody who is there now."""
        link = self.link
        if isinstance(link, MeshLink):
            await link.ready(to)
        return link.channels(label, to)

    async def drain(self) -> None:
        """Wait, for a moment, until the last texts and acknowledgements have arrived: the news of leaving is faster."""
        links = [link for _, link in self._links()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await _until(
                    lambda: all(
                        channel.quiet
                        for link in links
                        for label in ("chat", "files")
                        for channel in link.channels(label, None)
                    )
                )

    async def stats(self) -> list[ConnectionStats]:
        return [one for _, link in self._links() for one in await link.stats()]

    async def close(self) -> None:
        await self._stop_moving()
        for _, link in self._links():
            await link.close()
        self._sfu = self._mesh = None
        for pipe in self.pipes.values():
            pipe.stop()
        self.pipes.clear()

    # -- what the server says --------------------------------------------------------------------------------

    def joined(self, participant: str) -> None:
        if self._mesh is not None:
            self._mesh.meet(participant, earlier=False)

    def left(self, participant: str) -> None:
        self._earlier.discard(participant)
        if self._mesh is not None:
            self._mesh.part(participant)

    def slot(self, message: Slot) -> None:
        if self._sfu is not None:
            self._sfu.slot(message)

    def signal(self, sender: str, data: Data) -> None:
        if "settled" in data:
            if data["settled"] == self.path:
                self._settled.add(sender)
        elif self._mesh is not None:
            self._mesh.signal(sender, data)

    def move(self, path: MediaPath) -> None:
        """The room takes another path."""
        if path == self.path:
            return
        self.path = path
        self._settled.clear()
        before = self._mover
        if before is not None:
            before.cancel()
        self._mover = asyncio.create_task(self._move(path))

    # -- moving ----------------------------------------------------------------------------------------------

    async def _move(self, path: MediaPath) -> None:
        if self._mesh is not None:
            self._mesh.retiring = path != "mesh"
            for other in self._roster.participants() if path == "mesh" else ():
                self._mesh.meet(other, other in self._earlier)
        new = self.link
        self._rank += 1
        new.rank = self._rank
        try:
            async with asyncio.timeout(MOVE_SECONDS):
                await self.settle()
                await _until(lambda: new.up)
                self._moved()
                await _until(self._all_play)
                await self._wait_for_others(path)
        except (TimeoutError, ClientError):
            pass  # the room has moved, and the old way is of no use to it
        self._end_old(path)

    async def _wait_for_others(self, path: MediaPath) -> None:
        if self._mesh is None:
            return
        mesh = self._mesh
        await mesh.tell({"settled": path})
        until = time.monotonic() + OTHERS_SECONDS
        await _until(lambda: self._settled >= set(mesh.connected()) or time.monotonic() > until)
        await asyncio.sleep(AFTERGLOW_SECONDS)

    def _end_old(self, path: MediaPath) -> None:
        if path == "sfu" and self._mesh is not None:
            self._post.background(_retire(self._mesh))
            self._mesh = None
        elif path == "mesh" and self._sfu is not None:
            self._post.background(self._sfu.close())
            self._sfu = None

    def _all_play(self) -> bool:
        """Whether all that is received comes over the path in force; what is muted, or not moved here, has no say."""
        for publication, pipe in self.pipes.items():
            listing = self._roster.find(publication)
            if listing is None or listing.publication.muted:
                continue
            if self.path == "sfu" and self._sfu is not None and self._sfu.rests(listing.ids.get("sfu", "")):
                continue
            if pipe.rank < self._rank:
                return False
        return True

    async def _stop_moving(self) -> None:
        if self._mover is not None:
            self._mover.cancel()
            await asyncio.gather(self._mover, return_exceptions=True)
            self._mover = None

    def _links(self) -> list[tuple[MediaPath, Link]]:
        links: list[tuple[MediaPath, Link]] = []
        if self._sfu is not None:
            links.append(("sfu", self._sfu))
        if self._mesh is not None:
            links.append(("mesh", self._mesh))
        return links


async def _retire(mesh: MeshLink) -> None:
    try:
        await mesh.withdraw()
    finally:
        await mesh.close()


async def _until(ready: Callable[[], bool]) -> None:
    """Wait for what several links and the roster change; looked at rather than told, for the seconds of a move."""
    while True:
        if ready():
            return
        await asyncio.sleep(LOOK_SECONDS)
