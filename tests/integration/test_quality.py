"""Speakers, last-N, views and reports through the whole server, with the Python client."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping

import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from sfu.client import (
    Bandwidth,
    ClientError,
    EventStream,
    Flow,
    Paused,
    Publication,
    Resumed,
    SpeakersChanged,
    connect,
)
from sfu.config import Config
from sfu.rooms.member import View
from sfu.rooms.participant import Participant
from signaling import messages as m
from signaling.quality import Encodings, EncodingState, SlotWish, Speakers
from signaling.quality import View as ViewSlots
from tests.client.serving import PATIENCE, Picture, Speech, Tone, next_event, serving, until
from tests.integration.server import daemon, room


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving() as url:
        yield url


async def test_everybody_is_told_who_speaks(url: str) -> None:
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        events = bob.events()
        await bob.publish(Tone())  # a hum is no speech
        voice = await ada.publish(Speech())
        assert (await next_event(events, SpeakersChanged)).participants == (ada.id,)
        await until(lambda: ada.speakers == bob.speakers == (ada.id,))
        async with connect(url, room="blue", name="Cy") as cy:
            await until(lambda: cy.speakers == (ada.id,))
            await ada.mute(voice)
            assert (await next_event(events, SpeakersChanged)).participants == ()
            await until(lambda: cy.speakers == ())
            await ada.mute(voice, False)
            await until(lambda: cy.speakers == (ada.id,))
        await ada.close()
        await until(lambda: bob.speakers == ())


async def test_who_speaks_at_another_node_is_told_at_this_one() -> None:
    async with (
        daemon(secret="between us") as root,
        daemon(parent=root.url, secret="between us") as leaf,
        connect(root.url, room="blue", name="Ada") as ada,
    ):
        await ada.publish(Speech())
        async with connect(leaf.url, room="blue", name="Bob") as bob:
            await until(lambda: bob.publications)
            assert bob.speakers == ()  # nobody takes that sound here
            await bob.subscribe(bob.publications[0])
            await until(lambda: bob.speakers == (ada.id,))
            await until(lambda: ada.speakers == (ada.id,))
        await until(lambda: not leaf.media.stats()["rooms"])


async def test_reports_and_views_are_for_those_who_have_media_at_the_server(url: str) -> None:
    async with connect(url, room="direct", name="Ada", topology="mesh") as ada:
        with pytest.raises(ClientError, match="not-allowed"):
            await ada.reports(1.0)
    async with connect(url, room="blue", name="Ada") as ada:
        with pytest.raises(ClientError, match="bad-message"):
            await ada.reports(0.1)
        with pytest.raises(ClientError, match="unknown-publication"):
            await ada.view("t_nobody", width=100)


async def test_a_view_goes_with_its_video_from_slot_to_slot(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Mapping[str, View]] = []
    original = Participant.view

    def view(self: Participant, views: Mapping[str, View], now: float) -> None:
        told.append(views)
        original(self, views, now)

    monkeypatch.setattr(Participant, "view", view)
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        await ada.publish(Picture(60), "camera")
        await ada.publish(Picture(180), "screen")
        await until(lambda: len(bob.publications) == 2)
        camera, screen = bob.publications
        await bob.view(camera, width=640, height=360, quality="low")
        assert told == []  # there is no slot for it yet
        await bob.subscribe(camera)
        (mid,) = told[0]
        assert told == [{mid: View(640, 360, quality="low")}]
        await bob.unsubscribe(camera)
        await bob.subscribe(screen)
        assert told[1:] == [{mid: View()}]
        await bob.view(screen, pinned=True)
        await bob.view(screen, pinned=True)
        assert told[2:] == [{mid: View(pinned=True)}]
        await bob.subscribe(camera)
        (other,) = told[3]
        assert other != mid
        assert told[3:] == [{other: View(640, 360, quality="low")}]


async def test_statistics_tell_speakers_and_last_n() -> None:
    async with daemon() as server, connect(server.url, room="blue", name="Ada") as ada:
        await ada.publish(Speech())
        await until(lambda: ada.speakers)
        (room,) = (await server.stats())["media"]["rooms"]
        assert (room["speakers"], room["last_n"]) == ([ada.id], 0)


# -- what is sent --------------------------------------------------------------------------------------------


class Watch:
    """Counts the pictures of a track."""

    def __init__(self, track: MediaStreamTrack) -> None:
        self.pictures = 0
        self.at = time.monotonic()
        self._task = asyncio.create_task(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self.pictures += 1
                self.at = time.monotonic()

    async def more(self) -> float:
        """Wait for a picture that is yet to come; how many seconds it took."""
        before, start = self.pictures, time.monotonic()
        await until(lambda: self.pictures > before)
        return time.monotonic() - start

    async def still(self, seconds: float = 0.5) -> float:
        """Wait until nothing has come for so long; after how many seconds the last picture came."""
        start = time.monotonic()
        await until(lambda: time.monotonic() - self.at > seconds)
        return self.at - start

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def next_pause(events: EventStream) -> Paused | Resumed:
    async with asyncio.timeout(PATIENCE):
        async for event in events:
            if isinstance(event, Paused | Resumed):
                return event
    raise AssertionError("the room was closed")


async def flow_of(events: EventStream, publication: Publication, *, sent: bool) -> Flow:
    """How a publication comes, as soon as a report tells that something (or nothing) is sent."""
    while True:
        for flow in (await next_event(events, Bandwidth)).flows:
            if flow.publication == publication.id and bool(flow.bps) == sent:
                return flow


async def test_a_hidden_video_stops_within_a_second_and_comes_back(url: str) -> None:
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        await ada.publish(Picture(60))
        await until(lambda: bob.publications)
        (camera,) = bob.publications
        watch = Watch(await bob.subscribe(camera))
        await watch.more()
        await bob.reports(0.2)
        events = bob.events()
        await bob.view(camera, visible=False)
        assert await watch.still() < 1.0
        assert (await flow_of(events, camera, sent=False)).limit == "hidden"
        await bob.view(camera, width=64, height=64)
        assert await watch.more() < 1.0
        assert (await flow_of(events, camera, sent=True)).limit == "none"
        await bob.reports(0)
        await watch.stop()


async def test_last_n_pauses_those_who_did_not_speak() -> None:
    config = Config(rtc_host="127.0.0.1", rtc_port=0, last_n=1)
    async with (
        serving(config) as url,
        connect(url, room="blue", name="Ada") as ada,
        connect(url, room="blue", name="Bob") as bob,
        connect(url, room="blue", name="Cy") as cy,
    ):
        for each in (ada, bob):
            await each.publish(Picture(60))
        await until(lambda: len(cy.publications) == 2)
        first, second = cy.publications
        events = cy.events()
        watch, other = Watch(await cy.subscribe(first)), Watch(await cy.subscribe(second))
        paused = await next_event(events, Paused)
        assert (paused.publication.id, paused.reason) == (second.id, "last-n")
        assert paused.message.endswith(".")
        await watch.more()
        await other.still()
        speaker = ada if second.participant == ada.id else bob
        await speaker.publish(Speech())
        pauses = [await next_pause(events), await next_pause(events)]
        assert {(type(one), one.publication.id) for one in pauses} == {
            (Paused, first.id),
            (Resumed, second.id),
        }
        await other.more()
        await watch.still()
        await watch.stop()
        await other.stop()


async def test_a_room_without_a_narrow_link_gives_everybody_everything(url: str) -> None:
    async with connect(url, room="blue", name="Ada") as ada, connect(url, room="blue", name="Bob") as bob:
        for number in range(3):
            await ada.publish(Picture(60 + 40 * number), "camera" if number else "screen")
        await until(lambda: len(bob.publications) == 3)
        events = bob.events()
        watches = [Watch(await bob.subscribe(one)) for one in bob.publications]
        for watch in watches:
            await watch.more()
        await bob.reports(0.5)
        reports: list[Bandwidth] = []
        async with asyncio.timeout(PATIENCE):
            while len(reports) < 8:
                event = await anext(events)
                assert not isinstance(event, Paused)
                if isinstance(event, Bandwidth):
                    reports.append(event)
        assert [flow.limit for flow in reports[-1].flows] == ["none"] * 3
        for watch in watches:
            await watch.more()
            await watch.stop()


async def test_a_publisher_is_told_what_nobody_takes() -> None:
    async with room() as (_, clients):
        ada, bob = await clients.pair()
        camera, microphone = (sending.publication for sending in ada.sendings)
        assert camera is not None
        slot = bob.slot_of(camera)

        def active(*, wanted: bool) -> tuple[EncodingState, ...]:
            return (EncodingState(rid="", active=wanted),)

        await bob.ask(ViewSlots(slots=(SlotWish(mid=slot.mid, visible=False),)), m.Ok)
        await ada.hears(Encodings, publication=camera, encodings=active(wanted=False))
        await bob.ask(ViewSlots(slots=(SlotWish(mid=slot.mid),)), m.Ok)
        await ada.hears(Encodings, publication=camera, encodings=active(wanted=True))
        await bob.frames()
        await bob.leave()
        await until(lambda: len(ada.heard(Encodings, encodings=active(wanted=False))) == 2)
        assert ada.heard(Encodings, publication=microphone) == []
        assert ada.heard(Speakers) == []
