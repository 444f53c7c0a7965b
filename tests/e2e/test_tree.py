"""A relay tree: a page at the parent node and a page at the child node are in one room."""

import asyncio

import pytest

from tests.e2e.chromium import Chromium
from tests.e2e.daemon import Daemon
from tests.e2e.room import INIT_SCRIPT, Person

pytestmark = pytest.mark.browser
SECRET = ("--node-secret", "a word between nodes")


async def test_pages_at_two_nodes_see_each_other() -> None:
    async with (
        Daemon(*SECRET) as root,
        Daemon(*SECRET, "--parent", root.origin) as leaf,
        Chromium(init_script=INIT_SCRIPT) as browser,
    ):
        ada = Person(await browser.open(root.room_url("blue", "Ada"), "Ada"), "Ada")
        bob = Person(await browser.open(leaf.room_url("blue", "Bob"), "Bob"), "Bob")
        await asyncio.gather(ada.joined(), bob.joined())
        await asyncio.gather(ada.sees(1), bob.sees(1))
        await asyncio.gather(ada.hears(1), bob.hears(1))
        names = "window.aiosfu.participants.map(({ name }) => name)"
        assert (await ada.page.evaluate(names), await bob.page.evaluate(names)) == (["Bob"], ["Ada"])
        for node in (root, leaf):
            media = (await node.stats())["media"]
            assert len(media["links"]) == 1
            assert media["transport"]["connections"] == 2, "its own page, and the other node"

        await bob.click("mute")
        await ada.page.wait_for(
            "window.aiosfu.tiles.some((tile) => tile.participant !== aiosfu.me && tile.muted)"
        )
        await bob.click("leave")
        await ada.alone(5.0)
        late = Person(await browser.open(leaf.room_url("blue", "Cleo"), "Cleo"), "Cleo")
        await late.joined()
        await asyncio.gather(ada.sees(1), late.sees(1))
        for tab in browser.tabs:
            assert tab.errors == [], tab.report()
        for node in (root, leaf):
            assert node.complaints() == [], node.log_tail()
