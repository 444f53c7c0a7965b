"""Mesh rooms: media and messages go from page to page, and the server carries none of them."""

import asyncio
import time

import pytest

from tests.e2e.chromium import Chromium, Tab
from tests.e2e.room import INIT_SCRIPT, Person, Room, room
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.browser
MESH = "&topology=mesh"
GONE_WITHIN = 3.0  # the product promises it, also of those who vanish without a word


async def _server_carries_nothing(blue: Room) -> None:
    media = (await blue.daemon.stats())["media"]
    assert media["transport"]["connections"] == 0
    for person in blue.people:
        assert "server" not in await person.others()


async def test_three_pages_speak_directly_and_one_leaves() -> None:
    async with room("Ada", "Bob", "Cleo", fps=5, query=MESH) as blue:
        ada, bob, cleo = blue.people
        await asyncio.gather(*(person.hears(2) for person in blue.people))
        ids = {person: await person.id() for person in blue.people}
        for person in blue.people:
            await person.connects_to(*(id for one, id in ids.items() if one is not person))
        await _server_carries_nothing(blue)

        await ada.writes("to <b>all</b>")
        await cleo.reads("to <b>all</b>")
        await bob.reads("to <b>all</b>")
        await cleo.writes("to Bob", ids[bob])
        await bob.reads("to <b>all</b>", "to Bob")
        await bob.writes("to all")
        await ada.reads("to <b>all</b>", "to all")

        blue.leaves(cleo)
        left = time.monotonic()
        await cleo.click("leave")
        await asyncio.gather(ada.shows(1), bob.shows(1))
        assert time.monotonic() - left < 2.0, "who leaves is gone at once, not after silence"
        await asyncio.gather(ada.connects_to(ids[bob]), bob.connects_to(ids[ada]))
        await blue.all_see_each_other()
        await _server_carries_nothing(blue)


async def test_mute_and_screen_for_camera_while_connected() -> None:
    async with room("Ada", "Bob", query=MESH) as blue:
        ada, bob = blue.people
        id = await ada.id()
        await ada.click("mute")
        await bob.page.wait_for(
            "window.aiosfu.tiles.some((tile) => tile.participant !== aiosfu.me && tile.muted)"
        )
        await bob.sees(1, sound=False)
        await ada.click("mute")
        await bob.page.wait_for("window.aiosfu.tiles.every((tile) => !tile.muted)")

        await ada.click("screen")
        await bob.sees_of(id, "screen")
        await ada.click("camera")
        await wait_until(lambda: _pictures(bob, {"screen"}), 5.0, "Ada's camera to be off at Bob's")
        await bob.sees_of(id, "screen")
        await ada.click("camera")
        await bob.sees_of(id, "camera")
        await ada.click("screen")
        await bob.shows(1)
        await blue.all_see_each_other()
        await _server_carries_nothing(blue)


async def _pictures(viewer: Person, sources: set[str]) -> bool:
    return {seen.source for seen in await viewer.look() if seen.picture} == sources


async def test_who_vanishes_without_a_word_is_dropped_and_may_come_back() -> None:
    async with (
        room("Ada", "Bob", fps=5, query=MESH) as blue,
        Chromium(fps=5, init_script=INIT_SCRIPT) as elsewhere,
    ):
        ada, bob = blue.people
        cleo = Person(await elsewhere.open(blue.link("Cleo"), "Cleo"), "Cleo")
        await cleo.joined()
        await asyncio.gather(ada.sees(2), bob.sees(2), cleo.sees(2))

        elsewhere.freeze()  # no goodbye, no reset: its sockets are still open
        frozen = time.monotonic()
        await asyncio.gather(ada.shows(1), bob.shows(1))
        took = time.monotonic() - frozen
        print(f"a frozen browser was dropped after {took:.2f} s")
        assert took < GONE_WITHIN
        await asyncio.gather(ada.connects_to(await bob.id()), bob.connects_to(await ada.id()))
        await blue.all_see_each_other()

        elsewhere.thaw()
        await asyncio.gather(ada.sees(2, within=20.0), bob.sees(2, within=20.0), cleo.sees(2, within=20.0))

        elsewhere.kill()
        killed = time.monotonic()
        await asyncio.gather(ada.shows(1), bob.shows(1))
        took = time.monotonic() - killed
        print(f"a killed browser was dropped after {took:.2f} s")
        assert took < GONE_WITHIN
        await blue.all_see_each_other()


async def test_group_chat_without_camera_and_microphone() -> None:
    async with room("Ada", "Bob", "Cleo", query=MESH, media=False) as blue:
        ada, bob, cleo = blue.people
        for person in blue.people:
            await person.page.wait_for("window.aiosfu.peers.length === 2")
            assert isinstance(person.page, Tab)
            assert await person.page.evaluate("window.moments.getUserMedia ?? null") is None
            assert await person.page.evaluate(
                "aiosfu.peers.every(({ pc }) => pc.getTransceivers().length === 0)"
            )
        await ada.writes("hello")
        await asyncio.gather(bob.reads("hello"), cleo.reads("hello"))
        await bob.writes("for Cleo", await cleo.id())
        await cleo.reads("hello", "for Cleo")
        await cleo.writes("bye")
        await asyncio.gather(ada.reads("hello", "bye"), bob.reads("hello", "for Cleo", "bye"))
        await _server_carries_nothing(blue)
