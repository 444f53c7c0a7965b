"""Broadcasts: one sends, all others watch and are asked for nothing."""

import asyncio

import pytest

from tests.e2e.chromium import Chromium, Tab
from tests.e2e.daemon import Daemon
from tests.e2e.room import INIT_SCRIPT, Person

pytestmark = pytest.mark.browser
VISIBLE = "(id) => document.querySelector(`[data-testid=${id}]`)?.checkVisibility() ?? false"


async def test_one_sends_and_viewers_watch() -> None:
    async with Daemon() as daemon, Chromium(init_script=INIT_SCRIPT) as browser:

        async def enter(name: str, role: str) -> Tab:
            return await browser.open(f"{daemon.url}b/stage?name={name}&autojoin=1{role}", name)

        bob, cleo = Person(await enter("Bob", ""), "Bob"), Person(await enter("Cleo", ""), "Cleo")
        await bob.joined()
        await bob.page.wait_for(f"({VISIBLE})('invite')")  # nothing to see yet
        stage = await enter("Ada", "&role=publisher")
        ada = Person(stage, "Ada")
        await asyncio.gather(ada.joined(), cleo.joined())
        await asyncio.gather(bob.sees(1), cleo.sees(1))
        await asyncio.gather(bob.hears(1), cleo.hears(1))

        for viewer in (bob, cleo):
            assert await viewer.page.evaluate("window.moments.getUserMedia ?? null") is None, (
                "asked for a device"
            )
            assert await viewer.page.evaluate("window.aiosfu.role") == "viewer"
            for button in ("mute", "camera", "screen"):
                assert not await viewer.page.evaluate(VISIBLE, button)
            sending = "aiosfu.peers.some(({ pc }) => pc.getSenders().some(({ track }) => track))"
            assert not await viewer.page.evaluate(sending)
            await viewer.connects_to("server")
        assert await ada.look() == []
        assert await stage.page.get_by_test_id("viewer-count").inner_text() == "2\nviewers"
        assert (await daemon.stats())["publications"] == 2

        await stage.page.get_by_test_id("mute").click()
        await bob.page.wait_for("window.aiosfu.tiles.some((tile) => tile.muted)")

        assert isinstance(cleo.page, Tab)
        await cleo.page.close()
        await stage.wait_for(
            "document.querySelector('[data-testid=viewer-count]').innerText === '1\\nviewer'"
        )
        late = await enter("Dora", "&role=publisher")
        await late.wait_for("document.body.dataset.state === 'failed'")
        refused = await late.page.get_by_test_id("ended").inner_text()
        assert "Somebody else is publishing" in refused, refused
        await late.close()
        await bob.sees(1, sound=False)

        await stage.page.get_by_test_id("leave").click()
        await bob.alone()
        await bob.page.wait_for(f"({VISIBLE})('invite')")
        again = Person(await enter("Ada", "&role=publisher"), "Ada")
        await again.joined()
        await bob.sees(1)
        for tab in browser.tabs:
            assert tab.errors == [], tab.report()
        assert daemon.complaints() == [], daemon.log_tail()
