"""The Python client in mesh rooms: everybody connected with everybody, the server passes signals only."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from sfu.client import ChatMessage, FileOffered, Left, Muted, Published, Room, Unpublished, connect
from sfu.client.mesh_link import MeshLink
from sfu.client.mesh_peer import MeshPeer
from tests.client.serving import Picture, Tone, next_event, serving, until, until_ended, until_grey, volume_of


@pytest.fixture(autouse=True)
def _connected_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A connection that is lost is made again: no test may pass by that."""
    calls: list[tuple[MeshLink, str]] = []
    make = MeshLink._open

    def noted(link: MeshLink, other: str, *, call: str, calling: bool) -> MeshPeer:
        calls.append((link, other))
        return make(link, other, call=call, calling=calling)

    monkeypatch.setattr(MeshLink, "_open", noted)
    yield
    assert len(calls) == len(set(calls))


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving() as url:
        yield url


@contextlib.asynccontextmanager
async def people(url: str, *names: str) -> AsyncIterator[list[Room]]:
    async with contextlib.AsyncExitStack() as stack:
        rooms = [
            await stack.enter_async_context(connect(url, room="blue", name=name, topology="mesh"))
            for name in names
        ]
        yield rooms


async def test_everybody_sees_everybody(url: str) -> None:
    async with people(url, "Ada", "Bob", "Eve") as rooms:
        for index, room in enumerate(rooms):
            assert (room.topology, room.path) == ("mesh", "mesh")
            await room.publish(Picture(60 + 60 * index))
        await rooms[0].publish(Tone())
        await until(lambda: [len(room.publications) for room in rooms] == [2, 3, 3])
        for room in rooms:
            for publication in room.publications:
                track = await room.subscribe(publication)
                if publication.kind == "audio":
                    assert await volume_of(track) > 50
                    continue
                owner = [one.id for one in rooms].index(publication.participant)
                await until_grey(track, 60 + 60 * owner)
        stats = await rooms[0].stats()
        assert {one.to for one in stats.connections} == {rooms[1].id, rooms[2].id}
        assert stats.encodes == 4
        assert all(one.state == "connected" and one.bytes_out > 0 for one in stats.connections)


async def test_tracks_come_change_and_go_while_connected(url: str) -> None:
    async with people(url, "Ada", "Bob") as (ada, bob):
        await bob.send("connected?")
        events = bob.events()
        await next_event(ada.events(), ChatMessage)
        camera = await ada.publish(Picture(60))
        first = (await next_event(events, Published)).publication
        track = await bob.subscribe(first)
        await until_grey(track, 60)
        ada.replace(camera, Picture(180))
        await until_grey(track, 180)
        await ada.mute(camera)
        assert (await next_event(events, Muted)).publication.muted
        await ada.mute(camera, False)
        await until_grey(track, 180)
        await ada.unpublish(camera)
        await next_event(events, Unpublished)
        await until_ended(track)
        await ada.publish(Picture(120), "screen")
        second = (await next_event(events, Published)).publication
        await until_grey(await bob.subscribe(second), 120)


async def test_offers_that_cross(url: str) -> None:
    """Both sides add tracks of either kind at the same moment, again and again."""
    async with people(url, "Ada", "Bob") as rooms:
        for source in ("camera", "screen", "other"):
            await asyncio.gather(
                rooms[0].publish(Tone(), source),
                rooms[1].publish(Picture(120), source),
                rooms[0].publish(Picture(60), source),
                rooms[1].publish(Tone(), source),
            )
        await until(lambda: all(len(room.publications) == 6 for room in rooms))
        for room, grey in zip(rooms, (120, 60), strict=True):
            for publication in room.publications:
                track = await room.subscribe(publication)
                await (volume_of(track) if publication.kind == "audio" else until_grey(track, grey))


async def test_offers_that_cross_with_different_kinds(url: str) -> None:
    """Connected already, one adds sound and the other a picture: both on what would be the same m-line."""
    async with people(url, "Ada", "Bob") as (ada, bob):
        await bob.send("connected?")
        await next_event(ada.events(), ChatMessage)
        await asyncio.gather(ada.publish(Tone()), bob.publish(Picture(120)))
        await until(lambda: ada.publications and bob.publications)
        await until_grey(await ada.subscribe(ada.publications[0]), 120)
        assert await volume_of(await bob.subscribe(bob.publications[0])) > 50
        await asyncio.gather(ada.publish(Picture(60)), bob.publish(Tone()))
        await until(lambda: len(ada.publications) == len(bob.publications) == 2)
        await until_grey(await bob.subscribe(bob.publications[1]), 60)
        assert await volume_of(await ada.subscribe(ada.publications[1])) > 50


async def test_a_group_chat_without_cameras(url: str) -> None:
    async with people(url, "Ada", "Bob", "Eve") as (ada, bob, eve):
        streams = {room.id: room.events() for room in (ada, bob, eve)}
        for room in (ada, bob, eve):
            await room.send(f"from {room.name}")
        await eve.send("psst", to=ada.id)
        heard = [await next_event(streams[ada.id], ChatMessage) for _ in range(3)]
        assert sorted((message.name, message.text) for message in heard)[-1] == ("Eve", "psst")
        assert [message.private for message in heard] == [False, False, True]
        assert {(await next_event(streams[bob.id], ChatMessage)).name for _ in range(2)} == {"Ada", "Eve"}


async def test_a_file_to_two_at_once(url: str) -> None:
    content = random.Random(1).randbytes(2_000_000)
    async with people(url, "Ada", "Bob", "Eve") as (ada, bob, eve):
        streams = [room.events() for room in (bob, eve)]
        shared = await ada.send_file(content, name="noise.bin")
        offers = [await next_event(stream, FileOffered) for stream in streams]
        received = await asyncio.gather(bob.receive_file(offers[0]), eve.receive_file(offers[1]))
        assert list(received) == [content, content]
        await asyncio.gather(shared.delivered(bob.id), shared.delivered(eve.id))
        assert shared.progress == {bob.id: len(content), eve.id: len(content)}


async def test_who_leaves_is_gone_at_once(url: str) -> None:
    async with people(url, "Ada", "Bob") as (ada, bob):
        events = bob.events()
        await ada.publish(Picture(60))
        track = await bob.subscribe((await next_event(events, Published)).publication)
        await until_grey(track, 60)
        await ada.close()
        assert (await next_event(events, Left)).reason == "left"
        await until_ended(track)
        await until(lambda: not bob.publications)
        assert (await bob.stats()).connections == ()
