"""Members of a room that are on another node: who hears of them, and what stays when their node goes."""

import pytest

from signaling.errors import SignalingError
from signaling.fields import Role, Topology
from signaling.lobby import Lobby
from signaling.messages import (
    Join,
    Joined,
    Left,
    Muted,
    Participant,
    Publication,
    Published,
    Unpublished,
    Welcome,
)
from signaling.outbox import Outbox
from signaling.remote import RemoteSide
from signaling.room import Member
from tests.signaling.test_lobby import Room, inbox

CAMERA = Publication(id="t_c", kind="video", source="camera", muted=False, codec="VP8")
MUTED = Publication(id="t_c", kind="video", source="camera", muted=True, codec="VP8")
SOUND = Publication(id="t_s", kind="audio", source="microphone", muted=False, codec="opus")


def person(id: str, *publications: Publication, role: Role = "member") -> tuple[Participant, tuple[str, ...]]:
    return Participant(id=id, name=id.upper(), publications=publications, role=role), ("n_1",)


class Node:
    """A lobby, and which rooms it said to have opened."""

    def __init__(self) -> None:
        self.inside = Room()
        self.lobby: Lobby = self.inside.lobby
        self.opened: list[str] = []
        self.changes = 0
        self.lobby.on_room = self.opened.append

    def attach(self, room: str = "blue", topology: Topology = "sfu") -> RemoteSide:
        return self.lobby.attach(room, topology, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def join(self, name: str, room: str = "blue") -> Member:
        return self.inside.join(name, room)


async def test_who_comes_and_goes_elsewhere_is_told_here() -> None:
    node = Node()
    ada = node.join("Ada")
    side = node.attach()
    await inbox(ada)
    side.replace([person("p_x", CAMERA)])
    assert await inbox(ada) == [
        Joined(participant=Participant(id="p_x", name="P_X", publications=())),
        Published(participant="p_x", publication=CAMERA),
    ]
    side.replace([person("p_x", MUTED, SOUND)])
    assert await inbox(ada) == [
        Muted(participant="p_x", publication="t_c", muted=True),
        Published(participant="p_x", publication=SOUND),
    ]
    side.replace([person("p_x", SOUND)])
    assert await inbox(ada) == [Unpublished(participant="p_x", publication="t_c")]
    side.replace([])
    assert await inbox(ada) == [Left(participant="p_x", reason="left")]


async def test_telling_the_same_again_changes_nothing() -> None:
    node = Node()
    ada = node.join("Ada")
    side = node.attach()
    side.replace([person("p_x", CAMERA)])
    await inbox(ada)
    changes = node.changes
    side.replace([person("p_x", CAMERA)])
    assert await inbox(ada) == []
    assert node.changes == changes


async def test_a_newcomer_is_welcomed_with_those_elsewhere() -> None:
    node = Node()
    node.attach().replace([person("p_x", CAMERA)])
    welcome = (await inbox(node.join("Ada")))[0]
    assert isinstance(welcome, Welcome)
    assert welcome.participants == (Participant(id="p_x", name="P_X", publications=(CAMERA,)),)


async def test_a_neighbour_is_told_of_all_but_its_own() -> None:
    node = Node()
    ada = node.join("Ada")
    one, other = node.attach(), node.attach()
    one.replace([person("p_x")])
    other.replace([person("p_y")])
    assert [member.id for member in one.others()] == [ada.id, "p_y"]
    assert [member.id for member in other.others()] == [ada.id, "p_x"]
    assert {member.id: member.nodes for member in one.others()} == {ada.id: (), "p_y": ("n_1",)}


async def test_every_change_of_the_room_is_noticed() -> None:
    node = Node()
    node.attach()
    seen = [node.changes]
    ada = node.join("Ada")
    seen.append(node.changes)
    await node.inside.publish(ada, "0")
    seen.append(node.changes)
    await node.lobby.leave(ada, "left")
    seen.append(node.changes)
    assert sorted(set(seen)) == seen


async def test_an_id_that_is_here_already_stays_as_it_is() -> None:
    node = Node()
    ada, bob = node.join("Ada"), node.join("Bob")
    await inbox(bob)
    first, second = node.attach(), node.attach()
    first.replace([person("p_x")])
    second.replace([person("p_x", CAMERA), person(ada.id)])
    assert await inbox(bob) == [Joined(participant=Participant(id="p_x", name="P_X", publications=()))]
    second.close()
    assert await inbox(bob) == []
    assert node.lobby.holds(ada)


async def test_with_the_neighbour_all_its_members_go_once() -> None:
    node = Node()
    ada = node.join("Ada")
    side = node.attach()
    side.replace([person("p_x"), person("p_y")])
    await inbox(ada)
    changes = node.changes
    side.close()
    side.close()
    assert await inbox(ada) == [Left(participant=id, reason="left") for id in ("p_x", "p_y")]
    node.join("Bob")
    assert node.changes == changes + 2  # by the two who went, and by nothing after


async def test_a_room_lasts_as_long_as_either_side_needs_it() -> None:
    node = Node()
    side = node.attach()
    assert node.lobby.linkable("blue") is None  # nobody is in it yet
    assert node.lobby.stats()["rooms"] == 1
    side.replace([person("p_x")])
    assert node.lobby.linkable("blue") == "sfu"
    side.close()
    assert node.lobby.stats()["rooms"] == 0
    assert node.lobby.linkable("blue") is None


async def test_the_first_member_opens_a_room_wherever_it_is() -> None:
    node = Node()
    side = node.attach("blue")
    assert node.opened == []
    side.replace([person("p_x"), person("p_y")])
    node.join("Ada", room="blue")
    node.join("Bob", room="red")
    assert node.opened == ["blue", "red"]


@pytest.mark.parametrize("topology", ["mesh", "auto"])
async def test_rooms_that_speak_directly_stay_on_one_node(topology: Topology) -> None:
    node = Node()
    join = Join(room="blue", name="Ada", topology=topology)
    ada = node.lobby.join(join, Outbox())
    assert node.opened == []
    assert node.lobby.linkable("blue") is None
    with pytest.raises(SignalingError):
        node.attach()
    await node.lobby.leave(ada, "left")
    assert node.lobby.stats()["rooms"] == 0


async def test_a_broadcast_is_one_on_every_node() -> None:
    node = Node()
    side = node.attach(topology="broadcast")
    side.replace([person("p_x", CAMERA, role="publisher")])
    assert node.lobby.linkable("blue") == "broadcast"
    viewer = node.lobby.join(Join(room="blue", name="Ada"), Outbox())
    assert viewer.role == "viewer"
    with pytest.raises(SignalingError):
        node.lobby.join(Join(room="blue", name="Bob", topology="broadcast", role="publisher"), Outbox())
