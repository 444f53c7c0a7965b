"""Rooms of every topology: roles, announcements, signals, and the moves of auto rooms in virtual time; no sockets."""

import asyncio
import contextlib
import itertools

import pytest

from signaling.auto import AutoSettings
from signaling.counters import Counters
from signaling.errors import SignalingError
from signaling.fields import ErrorCode, Role, Topology
from signaling.lobby import Lobby, Request
from signaling.messages import (
    Announce,
    Announced,
    AnnounceResult,
    Answer,
    Join,
    Joined,
    Left,
    Mute,
    Muted,
    Offer,
    Ok,
    Path,
    Point,
    Publish,
    Published,
    Receive,
    ServerMessage,
    Signal,
    Signaled,
    Slot,
    Track,
    Unpublished,
    Welcome,
    to_data,
)
from signaling.outbox import MAX_MESSAGES, Outbox
from signaling.room import MAX_SILENCE, Member
from tests.signaling.clock import Clock
from tests.signaling.doubles import MemoryBackend
from tests.signaling.test_lobby import inbox

CAMERA = Track(key="cam", kind="video", source="camera")
ANNOUNCE = Announce(id=7, publications=(CAMERA,))
OFFER = Offer(id=2, sdp="v=0", publish=(Publish(mid="0", source="camera"),), receive=())
LISTEN = Offer(id=3, sdp="v=0", publish=(), receive=(Receive(mid="1", publication=None),))
HELLO = to_data({"hello": 1})


class World:
    """A lobby over a backend without media, in virtual time."""

    def __init__(self, auto: AutoSettings | None = None) -> None:
        numbers = itertools.count(1)
        self.backend = MemoryBackend()
        self.counters = Counters()
        self.clock = Clock()
        self.lobby = Lobby(
            self.backend,
            self.counters,
            auto=auto or AutoSettings(),
            random_text=lambda _: str(next(numbers)),
            clock=self.clock,
            call_later=self.clock.call_later,
        )

    def join(
        self,
        name: str,
        topology: Topology = "sfu",
        role: Role = "member",
        *,
        room: str = "blue",
        replaces: str | None = None,
    ) -> Member:
        join = Join(id=1, room=room, name=name, topology=topology, role=role, replaces=replaces)
        return self.lobby.join(join, Outbox())

    async def ask(self, member: Member, request: Request) -> ServerMessage:
        """Do it and return the answer, the last message queued."""
        await self.lobby.perform(member, request)
        return (await inbox(member))[-1]

    async def refused(self, member: Member, request: Request) -> ErrorCode:
        with pytest.raises(SignalingError) as caught:
            await self.lobby.perform(member, request)
        return caught.value.code


async def welcome(member: Member) -> Welcome:
    first = (await inbox(member))[0]
    assert isinstance(first, Welcome)
    return first


# -- topologies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topology", "path", "threshold", "silence", "in_backend"),
    [
        ("sfu", "sfu", None, None, True),
        ("mesh", "mesh", None, MAX_SILENCE, False),
        ("auto", "mesh", 3, MAX_SILENCE, True),
        ("broadcast", "sfu", None, None, True),
    ],
)
async def test_the_first_one_chooses(
    topology: Topology, path: str, threshold: int | None, silence: float | None, in_backend: bool
) -> None:
    world = World()
    ada, bob = world.join("Ada", topology), world.join("Bob", "mesh" if topology == "sfu" else "sfu")
    for member in (ada, bob):
        me = await welcome(member)
        assert (me.topology, me.path, me.threshold) == (topology, path, threshold)
        assert member.room.max_silence == silence
    assert (ada.id in world.backend.members) == in_backend
    await world.lobby.close()
    assert bool(world.backend.left) == in_backend
    assert world.join("Cy").room.topology == "sfu"


@pytest.mark.parametrize(
    ("topology", "request_", "allowed"),
    [
        ("sfu", OFFER, True),
        ("sfu", ANNOUNCE, False),
        ("sfu", Signal(id=8, to="p_3", data=HELLO), False),
        ("mesh", OFFER, False),
        ("mesh", Offer(sdp="v=0", publish=(), receive=(), fresh=True), False),
        ("mesh", Point(mid="0", publication=None), False),
        ("mesh", ANNOUNCE, True),
        ("mesh", Signal(id=8, to="p_3", data=HELLO), True),
        ("auto", OFFER, True),
        ("auto", ANNOUNCE, True),
        ("auto", Signal(id=8, to="p_3", data=HELLO), True),
        ("broadcast", ANNOUNCE, False),
        ("broadcast", Signal(id=8, to="p_3", data=HELLO), False),
    ],
)
async def test_what_each_topology_allows(topology: Topology, request_: Request, allowed: bool) -> None:
    world = World()
    ada, bob = world.join("Ada", topology, "publisher"), world.join("Bob")
    assert bob.id == "p_3"
    await inbox(bob)
    if allowed:
        assert not isinstance(await world.ask(ada, request_), Left)
    else:
        assert await world.refused(ada, request_) == "not-allowed"
        assert await inbox(bob) == []


async def test_the_only_member_that_is_replaced_keeps_its_room() -> None:
    world = World()
    ada = world.join("Ada", "broadcast", "publisher")
    again = world.join("Ada", "sfu", "publisher", replaces=ada.secret)
    assert (again.room.topology, again.role) == ("broadcast", "publisher")
    assert world.lobby.stats()["rooms"] == 1


# -- roles ---------------------------------------------------------------------------------------------------


async def test_one_publisher_and_viewers() -> None:
    world = World()
    eve = world.join("Eve", "broadcast", "viewer")
    ada = world.join("Ada", "broadcast", "publisher")
    bob = world.join("Bob", "broadcast", "member")
    assert [(await welcome(m)).role for m in (eve, ada, bob)] == ["viewer", "publisher", "viewer"]
    assert bob.describe().role == "viewer"
    with pytest.raises(SignalingError, match="role-taken"):
        world.join("Mallory", "broadcast", "publisher")
    assert set(world.backend.members) == {eve.id, ada.id, bob.id}
    assert isinstance(await world.ask(ada, OFFER), Answer)
    (published,) = await inbox(bob)
    assert isinstance(published, Published)
    assert isinstance(await world.ask(bob, LISTEN), Answer)
    assert isinstance(await world.ask(bob, Point(mid="1", publication=published.publication.id)), Slot)
    assert await world.refused(bob, OFFER) == "not-allowed"
    assert await world.refused(bob, Mute(publication=published.publication.id, muted=True)) == "not-yours"
    assert bob.publications == {}


async def test_another_publisher_after_the_first() -> None:
    world = World()
    ada = world.join("Ada", "broadcast", "publisher")
    world.join("Bob", "broadcast", "viewer")
    again = world.join("Ada", "broadcast", "publisher", replaces=ada.secret)
    with pytest.raises(SignalingError, match="role-taken"):
        world.join("Cy", "broadcast", "publisher", replaces=ada.secret)
    await world.lobby.leave(again, "disconnected")
    assert world.join("Cy", "broadcast", "publisher").role == "publisher"


@pytest.mark.parametrize("topology", ["sfu", "mesh", "auto"])
async def test_roles_count_in_broadcast_rooms_only(topology: Topology) -> None:
    world = World()
    assert [world.join("Ada", topology, role).role for role in ("publisher", "publisher", "viewer")] == [
        "member"
    ] * 3


# -- announcements and signals -------------------------------------------------------------------------------


async def test_announcements() -> None:
    world = World()
    ada, bob = world.join("Ada", "mesh"), world.join("Bob")
    await inbox(ada)
    await inbox(bob)
    announced = await world.ask(ada, ANNOUNCE)
    (publication,) = ada.publications
    assert announced == Announced(re=7, publications=(AnnounceResult(key="cam", publication=publication),))
    (published,) = await inbox(bob)
    assert published == Published(participant=ada.id, publication=ada.publications[publication])
    assert await world.ask(ada, Mute(id=8, publication=publication, muted=True)) == Ok(re=8)
    assert await inbox(bob) == [Muted(participant=ada.id, publication=publication, muted=True)]
    assert await world.refused(bob, Mute(publication=publication, muted=False)) == "not-yours"
    assert await world.refused(bob, Mute(publication="t_99", muted=False)) == "unknown-publication"
    cy = world.join("Cy")
    assert (await welcome(cy)).participants[0].publications[0].muted
    await world.ask(ada, Announce(publications=()))
    assert Unpublished(participant=ada.id, publication=publication) in await inbox(cy)
    assert world.lobby.stats()["publications"] == 0


async def test_signals_say_who_sent_them() -> None:
    world = World()
    ada, bob, cy = (world.join(name, "mesh") for name in ("Ada", "Bob", "Cy"))
    for member in (ada, bob, cy):
        await inbox(member)
    await world.lobby.perform(ada, Signal(to=bob.id, data=HELLO))
    assert await inbox(bob) == [Signaled(sender=ada.id, data=HELLO)]
    assert await inbox(ada) == await inbox(cy) == []
    assert await world.ask(bob, Signal(id=9, to=ada.id, data=HELLO)) == Ok(re=9)
    assert await inbox(ada) == [Signaled(sender=bob.id, data=HELLO)]
    assert world.counters.signals == 2


async def test_signals_to_nobody() -> None:
    world = World()
    ada, bob, other = world.join("Ada", "mesh"), world.join("Bob"), world.join("Cy", "mesh", room="red")
    for to in ("p_99", ada.id, other.id, "Bob"):
        assert await world.refused(ada, Signal(to=to, data=HELLO)) == "unknown-participant"
    await world.lobby.leave(bob, "left")
    assert await world.refused(ada, Signal(to=bob.id, data=HELLO)) == "unknown-participant"
    assert await world.refused(bob, Signal(to=ada.id, data=HELLO)) == "not-joined"
    assert len(await inbox(other)) == 1  # Its welcome.


async def test_signals_never_cost_their_receiver_the_connection() -> None:
    world = World()
    ada, bob, cy = (world.join(name, "mesh") for name in ("Ada", "Bob", "Cy"))
    large = Signal(to=bob.id, data=to_data({"x": "x" * 1_000_000}))
    await world.lobby.perform(ada, large)
    assert await world.refused(ada, large) == "too-many-requests"
    for _ in range(MAX_MESSAGES):
        with contextlib.suppress(SignalingError):
            await world.lobby.perform(cy, Signal(to=bob.id, data=HELLO))
    assert await world.refused(cy, Signal(to=bob.id, data=HELLO)) == "too-many-requests"
    await world.ask(ada, ANNOUNCE)
    assert bob.outbox.ending is None
    heard = await inbox(bob)
    assert isinstance(heard[-1], Published)
    await world.lobby.perform(ada, large)
    assert len(await inbox(bob)) == 1


# -- auto rooms ----------------------------------------------------------------------------------------------


async def test_there_and_back() -> None:
    world = World()
    ada, bob = world.join("Ada", "auto"), world.join("Bob")
    assert (await welcome(bob)).path == "mesh"
    await inbox(ada)
    cy = world.join("Cy")
    assert (await welcome(cy)).path == "sfu"
    assert await inbox(ada) == await inbox(bob) == [Joined(participant=cy.describe()), Path(path="sfu")]
    dan = world.join("Dan")
    assert (await welcome(dan)).path == "sfu"
    assert await inbox(cy) == [Joined(participant=dan.describe())]
    await world.lobby.leave(dan, "left")
    world.clock.forward(60)
    await world.lobby.leave(cy, "left")
    await inbox(ada)
    world.clock.forward(9.9)
    assert await inbox(ada) == []
    world.clock.forward(0.1)
    assert await inbox(ada) == [Path(path="mesh")]
    assert (await inbox(bob))[-1] == Path(path="mesh")
    assert world.counters.path_changes == 2
    assert world.clock.pending() == []


async def test_a_reload_moves_nobody() -> None:
    world = World()
    ada, bob, cy = (world.join(name, "auto") for name in ("Ada", "Bob", "Cy"))
    again = world.join("Cy", replaces=cy.secret)
    await world.lobby.leave(again, "left")
    world.clock.forward(5)
    world.join("Cy")
    world.clock.forward(60)
    assert not any(isinstance(message, Path) for message in (await inbox(ada))[4:])
    assert Path(path="mesh") not in await inbox(bob)
    assert world.clock.pending() == []


async def test_an_empty_room_leaves_no_timer() -> None:
    world = World()
    members = [world.join(name, "auto") for name in ("Ada", "Bob", "Cy")]
    for member in members:
        await world.lobby.leave(member, "left")
    assert world.clock.pending() == []
    world.clock.forward(60)
    assert world.lobby.stats()["rooms"] == 0
    assert (await welcome(world.join("Ada", "auto"))).path == "mesh"


async def test_both_ways_at_once_while_moving() -> None:
    world = World(AutoSettings(threshold=2))
    ada = world.join("Ada", "auto")
    await world.ask(ada, ANNOUNCE)
    bob = world.join("Bob")
    await inbox(bob)
    await world.ask(ada, OFFER)
    (published,) = await inbox(bob)
    assert isinstance(published, Published)
    assert published.publication.path == "sfu"
    assert sorted(p.path for p in ada.publications.values()) == ["mesh", "sfu"]
    for publication in list(ada.publications):
        assert isinstance(await world.ask(ada, Mute(publication=publication, muted=True)), Ok)
    assert len(await inbox(bob)) == 2
    await world.ask(ada, Announce(publications=()))
    (gone,) = await inbox(bob)
    assert isinstance(gone, Unpublished)
    assert list(ada.publications) == [published.publication.id]


async def moved_back() -> tuple[World, Member]:
    """A member of an auto room whose path is `mesh` again, and who still has its connection to the server."""
    world = World(AutoSettings(threshold=2, quiet=1))
    ada, bob = world.join("Ada", "auto"), world.join("Bob")
    await world.ask(ada, OFFER)
    await world.lobby.leave(bob, "left")
    world.clock.forward(1)
    assert ada.room.path == "mesh"
    return world, ada


async def test_the_connection_to_the_server_may_end_after_the_move() -> None:
    world, ada = await moved_back()
    events = world.backend.members[ada.id].events
    events.gone("disconnected")
    events.gone("disconnected")
    assert world.lobby.holds(ada)
    assert ada.outbox.ending is None
    assert ada.publications == {}
    bob = world.join("Bob")
    assert ada.room.path == "sfu"
    assert (await welcome(bob)).participants[0].publications == ()
    assert isinstance(
        await world.ask(ada, Offer(sdp="v=1", publish=OFFER.publish, receive=(), fresh=True)), Answer
    )
    assert world.backend.left.count((ada.id, "disconnected")) == 1
    events.published(next(iter(ada.publications.values())))
    assert len(await inbox(bob)) == 1  # What the dead connection says is not heard.
    world.backend.members[ada.id].events.gone("timeout")
    assert not world.lobby.holds(ada)
    assert await inbox(bob) == [Left(participant=ada.id, reason="timeout")]


async def test_a_connection_closed_late_does_not_cost_the_way_back() -> None:
    world, ada = await moved_back()
    bob = world.join("Bob")
    assert ada.room.path == "sfu"
    world.backend.members[ada.id].events.gone("disconnected")
    assert world.lobby.holds(ada)
    assert isinstance(await world.ask(ada, OFFER), Answer)
    assert world.lobby.holds(bob)


@pytest.mark.parametrize("topology", ["sfu", "auto"])
async def test_a_fresh_offer_ends_the_connection_before(topology: Topology) -> None:
    world = World(AutoSettings(threshold=2))
    ada, bob = world.join("Ada", topology), world.join("Bob")
    fresh = Offer(sdp="v=1", publish=OFFER.publish, receive=(), fresh=True)
    await world.ask(ada, fresh)
    assert world.backend.left == []
    await inbox(bob)
    (before,) = ada.publications
    await world.ask(ada, fresh)
    assert world.backend.left == [(ada.id, "left")]
    gone, published = await inbox(bob)
    assert gone == Unpublished(participant=ada.id, publication=before)
    assert isinstance(published, Published)
    assert world.lobby.holds(ada)


class Slow(MemoryBackend):
    """Lets go of nobody until it is released."""

    async def leave(self, participant: str, reason: str) -> None:
        await self.release.wait()
        await super().leave(participant, reason)  # type: ignore[arg-type]


async def test_leaving_while_the_backend_lets_go() -> None:
    backend = Slow()
    lobby = Lobby(backend, Counters())
    ada = lobby.join(Join(room="blue", name="Ada", topology="auto"), Outbox())
    await lobby.perform(ada, OFFER)
    backend.members[ada.id].events.gone("disconnected")
    offering = asyncio.ensure_future(lobby.perform(ada, OFFER))
    await asyncio.sleep(0)
    departure = lobby.remove(ada, "left")
    offering.cancel()
    backend.release.set()
    assert departure is not None
    await departure
    assert backend.members == {}
