"""One room between two nodes, from either end: keeps members and streams of both sides in step.

Joins `signaling.remote` (who is there) and `sfu.rooms.pipe` (their media). Takes and gives messages of
`sfu.cluster.messages`; does not know how they travel, or who dialed whom (tree.py).
"""

import asyncio
import time

import msgspec

from sfu.backend import SfuBackend
from sfu.cluster import messages as wire
from sfu.rooms.pipe import Pipe
from sfu.rooms.room import Room
from sfu.transport.connection import Connection
from signaling.fields import DisplayName
from signaling.lobby import Lobby
from signaling.messages import Participant, Publication


class RoomLink:
    """`node` is this one's id, `neighbour` the other's; `over` is set when the link is to end.

    Raises SignalingError if the room here can't be linked.
    """

    def __init__(
        self,
        room: str,
        topology: wire.Topology,
        node: str,
        neighbour: str,
        lobby: Lobby,
        backend: SfuBackend,
        connection: Connection,
        over: asyncio.Event,
    ) -> None:
        self.connection = connection
        self.over = over
        self._room = room
        self._node = node
        self._neighbour = neighbour
        self._backend = backend
        # Something may have changed since `news` looked last. No message waits anywhere: a slow neighbour gets
        # fewer of them, each with the state as it is by then.
        self._changed = asyncio.Event()
        self._closed = False
        self._told: wire.Members | None = None
        self._wanted: wire.Want | None = None
        self._side = lobby.attach(room, topology, self._changed.set)
        self._pipe: Pipe
        self._media: Room
        self._pipe, self._media = backend.open_pipe(room, connection, self._changed.set)
        connection.sink = self._pipe
        self._changed.set()

    @property
    def needed(self) -> bool:
        """Whether anybody is in the room who did not come over this link."""
        return bool(self._side.others())

    async def news(self) -> list[wire.AnyMessage]:
        """Wait for a change, and return what the neighbour does not know yet; it may be nothing."""
        await self._changed.wait()
        self._changed.clear()
        members = self._members()
        wanted = sorted(self._pipe.wanted(time.monotonic()).items())
        want = wire.Want(tuple(wire.Wanted(id, rids) for id, rids in wanted))
        news: list[wire.AnyMessage] = []
        if members != self._told:
            self._told = members
            news.append(members)
        if want != self._wanted:
            self._wanted = want
            news.append(want)
        self.connection.schedule()
        return news

    def _members(self) -> wire.Members:
        ours = [p for p in self._media.publications.values() if not self._pipe.holds(p)]
        streams: dict[str, list[wire.Stream]] = {}
        for stream in self._pipe.streams(ours, time.monotonic()):
            streams.setdefault(stream.participant, []).append(wire.to_stream(stream))
        return wire.Members(
            tuple(
                wire.PipeMember(m.id, m.name, m.role, (*m.nodes, self._node), tuple(streams.get(m.id, ())))
                for m in self._side.others()
                if len(m.nodes) < wire.MAX_NODES_PASSED
            )
        )

    def receive(self, message: wire.AnyMessage) -> None:
        """What the neighbour says. Raises ValueError or msgspec.ValidationError for what it may not say."""
        if self._closed:
            return
        now = time.monotonic()
        match message:
            case wire.Members(members):
                # Who has been here comes back over a ring of nodes; taking it would keep it alive for ever.
                fresh = [member for member in members if self._node not in member.nodes]
                people = [(_participant(member), member.nodes) for member in fresh]
                streams = [
                    wire.from_stream(member.id, stream) for member in fresh for stream in member.streams
                ]
                # Media first: a publication is there before anybody hears of it.
                self._pipe.take(streams, now)
                self._side.replace(people)
            case wire.Want(publications):
                self._pipe.send({wanted.publication: wanted.rids for wanted in publications}, now)
            case _:
                raise ValueError(f"unexpected {type(message).__name__}")
        self.connection.schedule()

    def close(self) -> None:
        """The neighbour is gone: its members leave the room. Idempotent."""
        self.over.set()
        if self._closed:
            return
        self._closed = True
        self._side.close()
        self._backend.close_pipe(self._room, self._pipe)

    def stats(self) -> dict[str, object]:
        """For /stats: ids only, no names."""
        return {
            "node": self._neighbour,
            "connection": self.connection.stats(),
            **self._pipe.stats(time.monotonic()),
        }


def _participant(member: wire.PipeMember) -> Participant:
    return Participant(
        id=member.id,
        name=msgspec.convert(member.name, DisplayName),
        publications=tuple(_publication(stream) for stream in member.streams),
        role=member.role,
    )


def _publication(stream: wire.Stream) -> Publication:
    return Publication(
        id=stream.publication,
        kind=stream.kind,
        source=stream.source,
        muted=stream.muted,
        codec=stream.codecs[0].name,
    )
