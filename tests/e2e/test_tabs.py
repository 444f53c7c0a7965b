"""A room between the tabs of one browser, from static files alone: no daemon, no signaling server."""

import asyncio
import time

import pytest

from tests.e2e.chromium import Chromium
from tests.e2e.room import INIT_SCRIPT, Person
from tests.e2e.static import static_pages

pytestmark = pytest.mark.browser


async def test_two_tabs_see_each_other_without_a_server() -> None:
    async with static_pages() as url, Chromium(init_script=INIT_SCRIPT) as browser:
        page = f"{url}tabs.html?room=blue&autojoin=1&name="
        first = await browser.open(page + "Ada", "Ada")
        second = await browser.open(page + "Bob", "Bob", beside=first)
        ada, bob = Person(first, "Ada"), Person(second, "Bob")
        await asyncio.gather(ada.joined(), bob.joined())
        await asyncio.gather(ada.sees(1), bob.sees(1))
        await asyncio.gather(ada.hears(1), bob.hears(1))
        await asyncio.gather(ada.connects_to(await bob.id()), bob.connects_to(await ada.id()))

        await ada.writes("hello, tab")
        await bob.reads("hello, tab")
        await bob.writes("hello yourself", await ada.id())
        await ada.reads("hello, tab", "hello yourself")

        await second.close()
        closed = time.monotonic()
        await ada.alone()
        assert time.monotonic() - closed < 3.0
        third = await browser.open(page + "Cleo", "Cleo", beside=first)
        cleo = Person(third, "Cleo")
        await cleo.joined()
        await asyncio.gather(ada.sees(1), cleo.sees(1))
        for tab in browser.tabs:
            assert tab.errors == [], tab.report()


async def test_tabs_in_other_rooms_are_not_met() -> None:
    async with static_pages() as url, Chromium(init_script=INIT_SCRIPT) as browser:
        page = f"{url}tabs.html?autojoin=1&camera=off&microphone=off&room="
        first = await browser.open(page + "blue&name=Ada", "Ada")
        second = await browser.open(page + "green&name=Bob", "Bob", beside=first)
        third = await browser.open(page + "blue&name=Cleo", "Cleo", beside=first)
        ada, bob, cleo = Person(first, "Ada"), Person(second, "Bob"), Person(third, "Cleo")
        await asyncio.gather(ada.joined(), bob.joined(), cleo.joined())
        await ada.connects_to(await cleo.id())
        await ada.writes("hello, blue")
        await cleo.reads("hello, blue")
        assert await bob.lines() == []
        assert await bob.look() == []
