"""The direct way: a connection to every other participant.

Knows: who is to be connected with, who calls whom, and what is announced. Does not know: SDP (mesh_peer.py), names.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence

from sfu.client.channel import Channel
from sfu.client.errors import ClientError
from sfu.client.link import Post
from sfu.client.local import LocalPublication
from sfu.client.mesh_peer import MeshPeer
from sfu.client.pipe import Pipe
from sfu.client.session import Session
from sfu.client.statistics import ConnectionStats
from signaling.messages import Announce, Announced, Data, Signal, Track, to_data

AGAIN_SECONDS = 1.0
"""After which the one who called calls again, when a connection was lost and the other is still in the room."""
CHANNEL_SECONDS = 10.0


class MeshLink:
    """Implements `sfu.client.link.Link`."""

    def __init__(self, session: Session, post: Post) -> None:
        self.rank = 0
        self.retiring = False
        """The room moves elsewhere: nobody is called any more."""
        self._session = session
        self._post = post
        self._lock = asyncio.Lock()
        self._tracks: Sequence[LocalPublication] = ()
        self._wanted: Mapping[str, Pipe] = {}
        self._announced: tuple[Track, ...] = ()
        self._others: dict[str, bool] = {}
        """Those to be connected with; True if they were there before us, and call."""
        self._peers: dict[str, MeshPeer] = {}
        self._met = asyncio.Event()
        self._closed = False

    # -- who is there ----------------------------------------------------------------------------------------

    def meet(self, other: str, earlier: bool) -> None:
        """Somebody is in the room; whoever came `earlier` calls."""
        if not self.retiring and not self._closed:
            self._others[other] = earlier
            self._post.background(self.settle())

    def part(self, other: str) -> None:
        """Somebody has left: its connection is closed at once."""
        self._others.pop(other, None)
        peer = self._peers.pop(other, None)
        if peer is not None:
            self._post.background(peer.close())

    def signal(self, sender: str, data: Data) -> None:
        """Something that another participant sent."""
        if sender not in self._others or self._closed:
            return
        peer = self._peers.get(sender)
        if peer is None or peer.replaced_by(data):
            if peer is None and not _is_offer(data):
                return
            if peer is not None:
                self._post.background(peer.close())
            peer = self._open(sender, call=str(data.get("call", "")), calling=False)
        peer.signal(data)

    def connected(self) -> list[str]:
        """Those with whom there is a working connection."""
        return [other for other, peer in self._peers.items() if peer.up]

    async def withdraw(self) -> None:
        """Publish nothing here any more; raises ClientError."""
        self._forget_tracks()
        await self.settle()

    async def tell(self, data: Data) -> None:
        """Send a signal to everybody with whom there is a connection."""
        for other in list(self._peers):
            await self._signal(other, data)

    # -- Link ------------------------------------------------------------------------------------------------

    def send(self, tracks: Sequence[LocalPublication]) -> None:
        self._tracks = tuple(tracks)

    def receive(self, wanted: Mapping[str, Pipe]) -> None:
        self._wanted = dict(wanted)
        for peer in self._peers.values():
            peer.route(self._wanted, self.rank)

    async def settle(self) -> None:
        async with self._lock:
            if self._closed:
                return
            await self._announce(self._tracks)
            for peer in self._peers.values():
                peer.send(self._sendable())
            for other, earlier in self._others.items():
                if not earlier and other not in self._peers and not self.retiring:
                    self._open(other, call=secrets.token_hex(5), calling=True)

    def problem(self, publication: str) -> ClientError | None:
        return None

    @property
    def up(self) -> bool:
        return all(other in self._peers and self._peers[other].up for other in self._others)

    def channels(self, label: str, to: str | None) -> Sequence[Channel]:
        found = [peer.channel(label) for other, peer in self._peers.items() if to in (None, other)]
        return [channel for channel in found if channel is not None]

    async def ready(self, to: str | None) -> None:
        """Wait until there are channels to a participant, or to everybody who is in the room now."""
        wanted = list(self._others) if to is None else [to]
        try:
            async with asyncio.timeout(CHANNEL_SECONDS):
                while any(other in self._others and not self._has_channels(other) for other in wanted):
                    self._met.clear()
                    await self._met.wait()
        except TimeoutError:
            if to is not None:
                raise ClientError("timeout", "There is no connection to that participant.") from None

    async def stats(self) -> list[ConnectionStats]:
        return [await peer.stats() for peer in list(self._peers.values())]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._met.set()
        self._forget_tracks()
        peers, self._peers = list(self._peers.values()), {}
        self._others.clear()
        await asyncio.gather(*(peer.close() for peer in peers))

    # -- inside ----------------------------------------------------------------------------------------------

    def _has_channels(self, other: str) -> bool:
        peer = self._peers.get(other)
        return peer is not None and peer.channel("chat") is not None

    def _forget_tracks(self) -> None:
        for track in self._tracks:
            track.ids.pop("mesh", None)
        self._tracks = ()

    async def _announce(self, tracks: Sequence[LocalPublication]) -> None:
        """Tell the server what is sent: a publication has its id before an offer names it."""
        wanted = tuple(Track(track.key, track.kind, track.source, track.muted) for track in tracks)
        if wanted == self._announced:
            return
        reply = await self._session.ask(Announce(publications=wanted))
        assert isinstance(reply, Announced)
        self._announced = wanted
        ids = {result.key: result.publication for result in reply.publications}
        for track in tracks:
            track.ids["mesh"] = ids[track.key]

    def _sendable(self) -> Sequence[LocalPublication]:
        return [track for track in self._tracks if "mesh" in track.ids]

    def _open(self, other: str, *, call: str, calling: bool) -> MeshPeer:
        peer = MeshPeer(
            other,
            call=call,
            calling=calling,
            polite=self._others[other],
            signal=lambda data: self._signal(other, data),
            post=self._post,
            changed=lambda: self._changed(other, peer),
        )
        self._peers[other] = peer
        peer.route(self._wanted, self.rank)
        peer.send(self._sendable())
        return peer

    def _changed(self, other: str, peer: MeshPeer) -> None:
        """A connection opened or was lost."""
        self._met.set()
        if peer.lost and self._peers.get(other) is peer:
            del self._peers[other]
            self._post.background(peer.close())
            self._post.background(self._again())

    async def _again(self) -> None:
        await asyncio.sleep(AGAIN_SECONDS)
        await self.settle()

    async def _signal(self, other: str, data: Data) -> None:
        if other in self._others:
            await self._session.tell(Signal(to=other, data=to_data(data)))


def _is_offer(data: Data) -> bool:
    description = data.get("description")
    return isinstance(description, dict) and description.get("type") == "offer"
