"""Rooms, presence and who hears what; no sockets."""

import asyncio
import itertools

import pytest

from signaling.counters import Counters
from signaling.errors import SignalingError
from signaling.lobby import Lobby
from signaling.messages import (
    Answer,
    Join,
    Joined,
    Left,
    Mute,
    Muted,
    Offer,
    Ok,
    Participant,
    Point,
    Publish,
    Published,
    Receive,
    ServerMessage,
    Slot,
    Unpublished,
    Welcome,
    decode_server,
)
from signaling.outbox import REPLACED, Ending, Outbox
from signaling.room import Member
from tests.signaling.doubles import MemoryBackend


class Room:
    """A lobby, its backend, and the messages each member got."""

    def __init__(self, max_room_size: int = 100) -> None:
        numbers = itertools.count(1)
        self.backend = MemoryBackend()
        self.counters = Counters()
        self.lobby = Lobby(
            self.backend, self.counters, max_room_size=max_room_size, random_text=lambda _: str(next(numbers))
        )

    def join(self, name: str, room: str = "blue", replaces: str | None = None) -> Member:
        return self.lobby.join(Join(id=1, room=room, name=name, replaces=replaces), Outbox())

    async def publish(self, member: Member, *mids: str) -> None:
        publish = tuple(Publish(mid=mid, source="camera") for mid in mids)
        await self.lobby.perform(member, Offer(id=2, sdp="v=0", publish=publish, receive=()))


async def inbox(member: Member) -> list[ServerMessage]:
    """Drain what waits for a member."""
    messages: list[ServerMessage] = []
    while True:
        getting = asyncio.ensure_future(member.outbox.get())
        await asyncio.sleep(0)
        if not getting.done():
            getting.cancel()
            return messages
        text = getting.result()
        if text is None:
            return messages
        messages.append(decode_server(text))


async def test_presence() -> None:
    room = Room()
    ada = room.join("Ada")
    (welcome,) = await inbox(ada)
    assert welcome == Welcome(
        re=1,
        participant=ada.id,
        session=ada.secret,
        room="blue",
        topology="sfu",
        path="sfu",
        role="member",
        participants=(),
    )
    await room.publish(ada, "0")
    bob = room.join("Bob")
    (welcome,) = await inbox(bob)
    assert isinstance(welcome, Welcome)
    assert welcome.participants == (ada.describe(),)
    assert [publication.codec for publication in welcome.participants[0].publications] == ["VP8"]
    answer, joined = await inbox(ada)
    assert isinstance(answer, Answer)
    assert joined == Joined(participant=Participant(id=bob.id, name="Bob", publications=()))
    await room.lobby.leave(bob, "left")
    await room.lobby.leave(bob, "timeout")
    assert await inbox(ada) == [Left(participant=bob.id, reason="left")]
    assert room.backend.left == [(bob.id, "left")]
    assert room.lobby.stats() == {"rooms": 1, "participants": 1, "publications": 1}
    await room.lobby.leave(ada, "left")
    assert room.lobby.stats() == {"rooms": 0, "participants": 0, "publications": 0}
    assert (room.counters.joins, room.counters.departures) == (2, 2)


async def test_rooms_do_not_hear_each_other() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob", room="red")
    await inbox(ada)
    await room.publish(bob, "0")
    assert await inbox(ada) == []


async def test_publications_are_announced_and_withdrawn() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob")
    await inbox(ada)
    await room.publish(bob, "0", "1")
    await room.publish(bob, "1")
    first, second, gone = await inbox(ada)
    assert isinstance(first, Published)
    assert isinstance(second, Published)
    assert gone == Unpublished(participant=bob.id, publication=first.publication.id)
    assert list(bob.publications) == [second.publication.id]


async def test_answers_carry_the_request_id() -> None:
    room = Room()
    ada = room.join("Ada")
    await inbox(ada)
    offer = Offer(
        id=7,
        sdp="v=0",
        publish=(Publish(mid="0", source="camera"),),
        receive=(Receive(mid="1", publication=None),),
    )
    await room.lobby.perform(ada, offer)
    await room.lobby.perform(ada, Point(id=8, mid="1", publication="t_1"))
    await room.lobby.perform(ada, Mute(id=9, publication="t_1", muted=True))
    answer, slot, ok = await inbox(ada)
    assert isinstance(answer, Answer)
    assert (answer.re, answer.publish[0].publication) == (7, "t_1")
    assert slot == Slot(re=8, mid="1", publication="t_1", state="active")
    assert ok == Ok(re=9)


async def test_mute_is_told_to_the_others_and_remembered() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob")
    await room.publish(ada, "0")
    await inbox(bob)
    await room.lobby.perform(ada, Mute(publication="t_1", muted=True))
    assert await inbox(bob) == [Muted(participant=ada.id, publication="t_1", muted=True)]
    eve = room.join("Eve")
    (welcome,) = await inbox(eve)
    assert isinstance(welcome, Welcome)
    assert welcome.participants[0].publications[0].muted


async def test_each_newcomer_is_told_of_the_others_as_they_are_then() -> None:
    room = Room()
    ada = room.join("Ada")

    async def told() -> list[bool]:
        """Whether each of Ada's publications is muted."""
        (welcome, *_) = await inbox(room.join("Eve"))
        assert isinstance(welcome, Welcome)
        return [publication.muted for publication in welcome.participants[0].publications]

    assert await told() == []
    await room.publish(ada, "0", "1")
    assert await told() == [False, False]
    first, second = ada.publications
    await room.lobby.perform(ada, Mute(id=3, publication=second, muted=True))
    assert await told() == [False, True]
    ada.unpublished(first)
    assert await told() == [True]


async def test_nobody_mutes_for_another() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob")
    await room.publish(ada, "0")
    await inbox(ada)
    with pytest.raises(SignalingError) as caught:
        await room.lobby.perform(bob, Mute(publication="t_1", muted=True))
    assert caught.value.code == "not-yours"
    assert await inbox(ada) == []
    assert not ada.publications["t_1"].muted


async def test_slots_changed_by_the_server_are_told_to_the_one() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob")
    await inbox(ada)
    await inbox(bob)
    slot = Slot(mid="1", publication="t_9", state="unsupported-codec", message="No.")
    room.backend.members[ada.id].events.slot(slot)
    assert await inbox(ada) == [slot]
    assert await inbox(bob) == []


async def test_a_dead_media_connection_ends_the_membership() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob")
    await inbox(ada)
    events = room.backend.members[bob.id].events
    events.gone("timeout")
    events.gone("timeout")
    events.unpublished("t_1")
    events.muted("t_1", True)
    assert bob.outbox.ending == Ending("timeout", "timeout", 1008)
    assert await inbox(ada) == [Left(participant=bob.id, reason="timeout")]
    await room.lobby.close()
    assert (bob.id, "timeout") in room.backend.left
    with pytest.raises(SignalingError, match="not-joined"):
        await room.lobby.perform(bob, Point(mid="1", publication=None))


async def test_room_full() -> None:
    room = Room(max_room_size=2)
    ada = room.join("Ada")
    room.join("Bob")
    with pytest.raises(SignalingError) as caught:
        room.join("Eve")
    assert caught.value.code == "room-full"
    assert len(room.backend.members) == 2
    room.join("Eve", room="red")
    again = room.join("Ada", replaces=ada.secret)
    assert again.id != ada.id
    assert room.lobby.stats()["participants"] == 3


async def test_replaces() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob")
    await inbox(bob)
    again = room.join("Ada", replaces=ada.secret)
    assert ada.outbox.ending is REPLACED
    left, joined = await inbox(bob)
    assert left == Left(participant=ada.id, reason="replaced")
    assert joined == Joined(participant=again.describe())
    (welcome,) = await inbox(again)
    assert isinstance(welcome, Welcome)
    assert welcome.participants == (bob.describe(),)
    await room.lobby.close()
    assert room.backend.left[0] == (ada.id, "replaced")


async def test_replacing_the_only_member_of_a_room() -> None:
    room = Room()
    ada = room.join("Ada")
    again = room.join("Ada", replaces=ada.secret)
    assert room.lobby.stats()["participants"] == 1
    assert room.lobby.holds(again)


@pytest.mark.parametrize("secret", ["p_1", "p_1.", "p_1.3", "p_2.2", "", "é", "p_9.9"])
async def test_a_wrong_secret_replaces_nobody(secret: str) -> None:
    room = Room()
    ada = room.join("Ada")
    assert ada.secret == "p_1.2"
    room.join("Bob", replaces=secret)
    assert room.lobby.holds(ada)


async def test_a_backend_that_refuses_a_member_changes_nothing() -> None:
    room = Room()
    ada = room.join("Ada")
    await inbox(ada)
    with pytest.raises(RuntimeError):
        room.join("crash", replaces=ada.secret)
    assert room.lobby.holds(ada)
    assert await inbox(ada) == []


async def test_a_slow_offer_blocks_nobody_else() -> None:
    room = Room()
    ada, bob = room.join("Ada"), room.join("Bob")
    slow = asyncio.ensure_future(
        room.lobby.perform(ada, Offer(sdp="slow", publish=(Publish(mid="0", source="camera"),), receive=()))
    )
    await asyncio.sleep(0)
    await room.publish(bob, "0")
    assert not slow.done()
    room.backend.release.set()
    await slow
    assert len(ada.publications) == 1


async def test_ids_and_secrets_are_random() -> None:
    lobby = Lobby(MemoryBackend(), Counters())
    members = [lobby.join(Join(room="blue", name="Ada"), Outbox()) for _ in range(100)]
    assert len({member.id for member in members}) == 100
    assert all(member.id.startswith("p_") and len(member.secret) <= 128 for member in members)
    assert "secret" not in repr(members[0].describe())
