"""Rooms over several nodes without sockets: who is known where, what is told once, and rings that come to rest."""

import asyncio
import itertools
from typing import Any, cast

import msgspec
import pytest

from sfu.cluster import messages as wire
from sfu.roomlink import RoomLink
from sfu.rooms.pipe import Pipe
from sfu.rooms.room import Room
from signaling.counters import Counters
from signaling.lobby import Lobby
from signaling.messages import Join
from signaling.outbox import Outbox
from signaling.room import Member
from tests.forwarding.doubles import FakeOutlet, Track
from tests.signaling.doubles import MemoryBackend


class Backend(MemoryBackend):
    """Signaling's double, with media rooms for pipes."""

    def __init__(self) -> None:
        super().__init__()
        self.rooms: dict[str, Room] = {}
        self.pipes = 0

    def open_pipe(self, room: str, outlet: Any, on_demand: Any) -> tuple[Pipe, Room]:
        self.pipes += 1
        media = self.rooms.setdefault(room, Room(room))
        return Pipe(media, outlet, on_demand), media

    def close_pipe(self, room: str, pipe: Pipe) -> None:
        self.pipes -= 1
        pipe.close()


class Connection(FakeOutlet):
    """The media connection of a link."""

    sink: Any = None

    def stats(self) -> dict[str, object]:
        return {"state": "connected"}


class Node:
    def __init__(self, name: str) -> None:
        self.name = name
        self.backend = Backend()
        self.lobby = Lobby(self.backend, Counters())
        self.links: list[RoomLink] = []

    def join(self, name: str) -> Member:
        return self.lobby.join(Join(room="blue", name=name), Outbox())

    def link(self, neighbour: str) -> RoomLink:
        link = RoomLink(
            "blue", "sfu", self.name, neighbour, self.lobby, cast(Any, self.backend), cast(Any, Connection()),
            asyncio.Event(),
        )  # fmt: skip
        self.links.append(link)
        return link

    def known(self) -> set[str]:
        """The names of everybody in the room."""
        room = self.lobby._rooms.get("blue")
        return {member.name for member in room.members.values()} if room is not None else set()


async def news(link: RoomLink) -> list[wire.AnyMessage]:
    """What the neighbour is told now; nothing if nothing changed."""
    try:
        async with asyncio.timeout(0):
            return await link.news()
    except TimeoutError:
        return []


def pair(one: Node, other: Node) -> tuple[RoomLink, RoomLink]:
    return one.link(other.name), other.link(one.name)


async def settle(*pairs: tuple[RoomLink, RoomLink], rounds: int = 20) -> None:
    """Carry messages until nobody has anything to say any more; fails if they never end."""
    for _ in range(rounds):
        said = 0
        for one, other in pairs:
            for sender, receiver in ((one, other), (other, one)):
                for message in await news(sender):
                    said += 1
                    receiver.receive(wire.decode(wire.encode(message)))
        if not said:
            return
    raise AssertionError("they go on for ever")


async def test_everybody_is_known_on_every_node_of_a_chain() -> None:
    nodes = [Node(f"n_{n}") for n in range(4)]
    for node in nodes:
        node.join(f"of {node.name}")
    links = [pair(one, other) for one, other in itertools.pairwise(nodes)]
    await settle(*links)
    assert [node.known() for node in nodes] == [{f"of n_{n}" for n in range(4)}] * 4
    for one, other in links[1:2]:  # the middle breaks
        one.close()
        other.close()
    await settle(links[0], links[2])
    assert [node.known() for node in nodes] == [{"of n_0", "of n_1"}] * 2 + [{"of n_2", "of n_3"}] * 2


async def test_two_children_of_one_parent_know_each_other() -> None:
    parent, left, right = Node("n_p"), Node("n_l"), Node("n_r")
    left.join("Ada")
    right.join("Bob")
    await settle(pair(parent, left), pair(parent, right))
    assert parent.known() == left.known() == right.known() == {"Ada", "Bob"}


async def test_many_changes_are_one_message() -> None:
    node = Node("n_1")
    link = node.link("n_2")
    assert len(await news(link)) == 2
    members = [node.join(f"guest {n}") for n in range(50)]
    for member in members[1:]:
        await node.lobby.leave(member, "left")
    told = await news(link)
    assert [type(message) for message in told] == [wire.Members]
    assert [member.name for member in cast(wire.Members, told[0]).members] == ["guest 0"]
    assert await news(link) == []


@pytest.mark.parametrize("size", [2, 3])
async def test_a_ring_of_nodes_forgets_who_left(size: int) -> None:
    nodes = [Node(f"n_{n}") for n in range(size)]
    ring = [pair(nodes[n], nodes[(n + 1) % size]) for n in range(size)]
    ada, bob = nodes[0].join("Ada"), nodes[1].join("Bob")
    await settle(*ring)
    assert all(node.known() == {"Ada", "Bob"} for node in nodes)
    # What a node says while news of a departure goes round the other way: it still has Ada in it.
    stale = [(one, other, other._members(), one._members()) for one, other in ring]
    await nodes[0].lobby.leave(ada, "left")
    await settle(*ring)
    for one, other, to_one, to_other in stale:
        one.receive(to_one)
        other.receive(to_other)
    for one, other in ring:  # and then as it is
        one._told = other._told = None
        one._changed.set()
        other._changed.set()
    await settle(*ring)
    assert all(node.known() == {"Bob"} for node in nodes)
    await nodes[1].lobby.leave(bob, "left")
    await settle(*ring)
    assert not any(node.known() for node in nodes)
    assert not any(link.needed for one in ring for link in one)


async def test_what_left_us_is_not_taken_back() -> None:
    node = Node("n_1")
    link = node.link("n_2")
    link.receive(wire.Members((wire.PipeMember("p_1", "Ada", "member", ("n_1", "n_2"), ()),)))
    assert node.known() == set()


async def test_a_chain_without_end_ends() -> None:
    node = Node("n_1")
    far, near = node.link("n_2"), node.link("n_3")
    nodes = tuple(f"n_{n}" for n in range(10, 10 + wire.MAX_NODES_PASSED))
    far.receive(wire.Members((wire.PipeMember("p_1", "Ada", "member", nodes, ()),)))
    assert node.known() == {"Ada"}
    told = (await news(near))[0]
    assert wire.decode(wire.encode(told)) == wire.Members(())


async def test_media_is_there_before_anybody_hears_of_it() -> None:
    one, other = Node("n_1"), Node("n_2")
    ada = one.join("Ada")
    links = pair(one, other)
    track = Track()
    track.publication.participant = ada.id
    one.backend.rooms["blue"].publications["t_1"] = track.publication
    links[0]._changed.set()
    heard: list[bool] = []
    other.lobby._rooms["blue"].observers.append(
        lambda: heard.append("t_1" in other.backend.rooms["blue"].publications)
    )
    await settle(links)
    assert heard
    assert all(heard)


@pytest.mark.parametrize(
    "message",
    [
        wire.Hello("blue", "sfu", "n_2", (("sha-256", "AB"),)),
        wire.Members((wire.PipeMember("p_1", "line\nbreak", "member", ("n_2",), ()),)),
        wire.Members((wire.PipeMember("p_1", "  ", "member", ("n_2",), ()),)),
    ],
)
async def test_what_may_not_be_said_changes_nothing(message: wire.AnyMessage) -> None:
    node = Node("n_1")
    link = node.link("n_2")
    with pytest.raises((ValueError, msgspec.ValidationError)):
        link.receive(message)
    assert node.known() == set()
    assert node.backend.rooms["blue"].publications == {}


async def test_a_closed_link_hears_nothing_and_leaves_nothing() -> None:
    node = Node("n_1")
    link = node.link("n_2")
    ada = wire.PipeMember("p_1", "Ada", "member", ("n_2",), ())
    link.receive(wire.Members((ada,)))
    link.close()
    link.close()
    assert link.over.is_set()
    link.receive(wire.Members((ada,)))
    assert node.known() == set()
    assert node.backend.pipes == 0
    assert node.lobby.stats()["rooms"] == 0
