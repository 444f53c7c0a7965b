"""Speakers, last-N, views and reports through the whole server, with the Python client."""

from collections.abc import AsyncIterator, Mapping

import pytest

from sfu.client import ClientError, SpeakersChanged, connect
from sfu.rooms.member import View
from sfu.rooms.participant import Participant
from tests.client.serving import Picture, Speech, Tone, next_event, serving, until
from tests.integration.server import daemon


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
