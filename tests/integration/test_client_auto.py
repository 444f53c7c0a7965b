"""The Python client in auto rooms: directly while there are two, through the server from the third on, and back."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from aiortc import MediaStreamTrack

from sfu.client import ChatMessage, FileOffered, PathChanged, Published, connect
from sfu.client.mesh_link import MeshLink
from sfu.client.mesh_peer import MeshPeer
from sfu.config import Config
from tests.client.serving import Picture, Tone, next_event, serving, until, until_grey


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
    async with serving(Config(rtc_host="127.0.0.1", rtc_port=0, auto_quiet=1)) as url:
        yield url


class Watch:
    """Reads a track all the time; the longest silence between two frames, in seconds."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self.longest = 0.0
        self.backwards = 0
        self._task = asyncio.create_task(self._run(track))

    async def _run(self, track: MediaStreamTrack) -> None:
        last, last_pts = time.monotonic(), -1
        while True:
            frame = await track.recv()
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            self.backwards += (frame.pts or 0) <= last_pts
            last, last_pts = now, frame.pts or 0

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_there_and_back_without_a_gap(url: str) -> None:
    async with (
        connect(url, room="blue", name="Ada", topology="auto") as ada,
        connect(url, room="blue", name="Bob") as bob,
    ):
        assert (ada.topology, bob.topology, ada.path, bob.path) == ("auto", "auto", "mesh", "mesh")
        events = bob.events()
        own = [await ada.publish(Picture(60)), await ada.publish(Tone())]
        publications = [(await next_event(events, Published)).publication for _ in range(2)]
        tracks = [await bob.subscribe(publication) for publication in publications]
        await asyncio.gather(until_grey(tracks[0], 60), tracks[1].recv())
        watches = [Watch(track) for track in tracks]

        async with connect(url, room="blue", name="Eve") as eve:
            assert (await next_event(events, PathChanged)).path == "sfu"
            await until(lambda: len(eve.publications) == 2)
            await until_grey(await eve.subscribe(eve.publications[0]), 60)
            await until(lambda: all(set(one.ids) == {"sfu"} for one in own))
            connections = [one.to for room in (ada, bob) for one in (await room.stats()).connections]
            assert connections == ["server", "server"]
            await bob.send("through the server")
            assert (await next_event(eve.events(), ChatMessage)).text == "through the server"

        assert (await next_event(events, PathChanged)).path == "mesh"
        await until(lambda: all(set(one.ids) == {"mesh"} for one in own))
        assert [one.to for one in (await bob.stats()).connections] == [ada.id]
        for watch in watches:
            await watch.stop()
            assert watch.backwards == 0
        assert {publication.id for publication in bob.publications} == {one.id for one in publications}
        # Frames come every 50 and 20 ms; the rest is for a machine that does other things too.
        assert max(watch.longest for watch in watches) < 1.0, [watch.longest for watch in watches]


async def test_a_file_goes_on_when_the_room_moves(url: str) -> None:
    content = random.Random(1).randbytes(6_000_000)
    async with (
        connect(url, room="blue", name="Ada", topology="auto") as ada,
        connect(url, room="blue", name="Bob") as bob,
    ):
        await ada.send_file(content)
        progress: list[int] = []
        offer = await next_event(bob.events(), FileOffered)
        receiving = asyncio.create_task(bob.receive_file(offer, None, progress.append))
        await until(lambda: progress)
        async with connect(url, room="blue", name="Eve"):
            await until(lambda: ada.path == "sfu")
            assert progress[-1] < len(content)
            assert await receiving == content


async def test_a_hidden_video_does_not_hold_up_the_move(url: str) -> None:
    async with (
        connect(url, room="blue", name="Ada", topology="auto") as ada,
        connect(url, room="blue", name="Bob") as bob,
    ):
        events = bob.events()
        await ada.publish(Picture(60))
        camera = (await next_event(events, Published)).publication
        track = await bob.subscribe(camera)
        await until_grey(track, 60)
        await bob.view(camera, visible=False)  # it has no effect on what comes directly
        await until_grey(track, 60)
        async with connect(url, room="blue", name="Eve"):
            assert (await next_event(events, PathChanged)).path == "sfu"
            start = time.monotonic()
            while {one.to for one in (await bob.stats()).connections} != {"server"}:
                assert time.monotonic() - start < 8
                await asyncio.sleep(0.05)
            await bob.view(camera)
            await until_grey(track, 60)
