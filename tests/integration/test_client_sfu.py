"""The Python client in rooms of which the server carries everything."""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sfu.client import (
    ChatMessage,
    ClientError,
    Closed,
    FileDelivered,
    FileOffered,
    Joined,
    Left,
    Muted,
    Published,
    Unpublished,
    connect,
)
from tests.client.serving import (
    Picture,
    Tone,
    grey_of,
    next_event,
    serving,
    until,
    until_ended,
    until_grey,
    volume_of,
)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving() as url:
        yield url


async def test_publish_subscribe_mute_replace_unpublish(url: str) -> None:
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        events = bob.events()
        assert [one.name for one in bob.participants.values()] == ["Ada"]
        assert (bob.topology, bob.path, bob.role) == ("sfu", "sfu", "member")
        camera = await ada.publish(Picture(60))
        voice = await ada.publish(Tone())
        published = await next_event(events, Published)
        assert (published.publication.source, published.publication.codec) == ("camera", "VP8")
        heard = (await next_event(events, Published)).publication
        assert (heard.kind, heard.source, heard.participant) == ("audio", "microphone", ada.id)
        track = await bob.subscribe(published.publication)
        assert abs(await grey_of(track) - 60) < 12
        assert await volume_of(await bob.subscribe(heard)) > 50
        assert await bob.subscribe(published.publication) is track

        ada.replace(camera, Picture(180))
        await until_grey(track, 180)
        await ada.mute(voice)
        assert (await next_event(events, Muted)).publication.muted
        await ada.mute(voice, False)
        assert not (await next_event(events, Muted)).publication.muted

        await ada.unpublish(camera)
        assert (await next_event(events, Unpublished)).publication.id == published.publication.id
        await until_ended(track)
        again = await ada.publish(Picture(120), "screen")
        second = (await next_event(events, Published)).publication
        assert second.source == "screen"
        await until_grey(await bob.subscribe(second), 120)
        stats = await ada.stats()
        assert [one.to for one in stats.connections] == ["server"]
        assert stats.encodes == 2
        assert stats.bytes_out > stats.connections[0].bytes_in > 0
        assert again.ids["sfu"] == second.id


async def test_the_end_of_a_track_ends_its_publication(url: str) -> None:
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        events = bob.events()
        picture = Picture(60)
        await ada.publish(picture)
        await next_event(events, Published)
        picture.stop()
        await next_event(events, Unpublished)


async def test_slots_are_used_again(url: str) -> None:
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        await ada.publish(Picture(60))
        await ada.publish(Picture(180), "screen")
        await until(lambda: len(bob.publications) == 2)
        first, second = bob.publications
        track = await bob.subscribe(first)
        await until_grey(track, 60)
        await bob.unsubscribe(first)
        await until_ended(track)
        await until_grey(await bob.subscribe(second), 180)
        both = await asyncio.gather(bob.subscribe(first), bob.subscribe(second))
        await asyncio.gather(until_grey(both[0], 60), until_grey(both[1], 180))


async def test_texts_to_all_and_to_one(url: str) -> None:
    async with (
        connect(url, room="blue", name="Ada") as ada,
        connect(url, room="blue", name="Bob") as bob,
        connect(url, room="blue", name="Eve") as eve,
    ):
        streams = [room.events() for room in (bob, eve)]
        await bob.send("here")
        await eve.send("here too")
        mine = ada.events()
        assert {(await next_event(mine, ChatMessage)).name for _ in range(2)} == {"Bob", "Eve"}
        await ada.send("psst", to=bob.id)
        await ada.send("hi")
        first = await next_event(streams[0], ChatMessage)
        while first.text.startswith("here"):
            first = await next_event(streams[0], ChatMessage)
        assert (first.text, first.private, first.sender, first.name) == ("psst", True, ada.id, "Ada")
        assert (await next_event(streams[0], ChatMessage)).text == "hi"
        second = await next_event(streams[1], ChatMessage)
        while second.text.startswith("here"):
            second = await next_event(streams[1], ChatMessage)
        assert (second.text, second.private) == ("hi", False)
        for text, to, code in (("hi", "p_nobody", "unknown-participant"), ("", None, "bad-message")):
            with pytest.raises(ClientError) as raised:
                await ada.send(text, to=to)
            assert raised.value.code == code


async def test_a_file(url: str, tmp_path: Path) -> None:
    source = tmp_path / "noise.bin"
    source.write_bytes(random.Random(1).randbytes(5_000_000))
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        await bob.send("ready")
        mine, others = ada.events(), bob.events()
        await next_event(mine, ChatMessage)
        shared = await ada.send_file(source)
        offer = await next_event(others, FileOffered)
        assert (offer.name, offer.size, offer.sender) == ("noise.bin", 5_000_000, ada.id)
        progress: list[int] = []
        folder = tmp_path / "into"
        folder.mkdir()
        path = await bob.receive_file(offer, folder, progress.append)
        assert path == folder / "noise.bin"
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
        assert progress[-1] == 5_000_000
        await shared.delivered(bob.id)
        assert await next_event(mine, FileDelivered) == FileDelivered(shared.id, bob.id)
        with pytest.raises(FileExistsError):
            await bob.receive_file(offer, folder)

        empty = await ada.send_file(b"", name="empty", to=bob.id)
        offer = await next_event(others, FileOffered)
        assert offer.private
        assert await bob.receive_file(offer) == b""
        ada.withdraw_file(empty)
        with pytest.raises(ClientError) as raised:
            await bob.receive_file(offer)
        assert raised.value.code == "cancelled"


async def test_who_leaves_ends_what_it_sends(url: str) -> None:
    async with connect(url, room="blue", name="Bob") as bob:
        events = bob.events()
        async with connect(url, room="blue", name="Ada") as ada:
            await ada.publish(Picture(60))
            await ada.send("ready")
            await next_event(events, ChatMessage)
            await ada.send_file(bytes(50_000_000))
            offer = await next_event(events, FileOffered)
            receiving = asyncio.create_task(bob.receive_file(offer))
            track = await bob.subscribe(bob.publications[0])
            await grey_of(track)
        left = await next_event(events, Left)
        assert (left.participant.name, left.reason) == ("Ada", "left")
        assert not bob.participants
        with pytest.raises(ClientError) as raised:
            await receiving
        assert raised.value.code == "closed"
        await until_ended(track)


async def test_errors(url: str) -> None:
    with pytest.raises(ClientError) as raised:
        async with connect("http://127.0.0.1:9", room="blue", name="Ada"):
            pass
    assert raised.value.code == "unreachable"
    with pytest.raises(ClientError) as raised:
        async with connect(url, room="a/b", name="Ada"):
            pass
    assert raised.value.code == "bad-room"
    async with connect(url, room="blue", name="Ada") as ada:
        with pytest.raises(ClientError) as raised:
            await ada.subscribe("t_nothing")
        assert raised.value.code == "unknown-publication"
    with pytest.raises(ClientError) as raised:
        await ada.send("hi")
    assert raised.value.code == "closed"


async def test_the_end_of_the_server() -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving() as url:
            ada = await stack.enter_async_context(connect(url, room="blue", name="Ada"))
            events = ada.events()
        assert [event async for event in events] == [Closed("shutdown")]
        assert [event async for event in ada.events()] == [Closed("shutdown")]
        with pytest.raises(ClientError) as raised:
            await ada.send("hi")
        assert raised.value.code == "closed"


async def test_broadcast(url: str) -> None:
    async with (
        connect(url, room="stage", name="Ada", topology="broadcast", role="publisher") as ada,
        connect(url, room="stage", name="Bob") as bob,
    ):
        assert (bob.topology, bob.role) == ("broadcast", "viewer")
        await ada.publish(Picture(60))
        published = await next_event(bob.events(), Published)
        await until_grey(await bob.subscribe(published.publication), 60)
        with pytest.raises(ClientError) as raised:
            await bob.publish(Picture(60))
        assert raised.value.code == "not-allowed"
        await until_grey(await bob.subscribe(published.publication), 60)
        with pytest.raises(ClientError) as raised:
            async with connect(url, room="stage", name="Eve", role="publisher"):
                pass
        assert raised.value.code == "role-taken"
        assert isinstance(await next_event(ada.events(), Joined), Joined)
