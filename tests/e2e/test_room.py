"""Pages in a room on this machine: they see and hear each other, leave, mute, share, reload, chat."""

import asyncio
import json
import statistics
import time
from pathlib import Path

import pytest

from tests.e2e.chromium import Chromium, Tab
from tests.e2e.daemon import Daemon
from tests.e2e.room import INIT_SCRIPT, Person, room
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.browser
OUT = Path(__file__).parents[1] / "out"
TARGET_BPS = """(window.aiosfu.connection.getStats().then((reports) => Math.max(
  ...[...reports.values()].filter((report) => report.type === 'outbound-rtp').map((report) => report.targetBitrate ?? 0)
)))"""
APART_MS = """async () => {
  const at = {};
  for (const report of (await window.aiosfu.connection.getStats()).values()) {
    if (report.type === 'inbound-rtp') at[report.kind] = report.estimatedPlayoutTimestamp;
  }
  return at.audio && at.video ? at.audio - at.video : null;
}"""
TILE = "document.querySelector('[data-testid=tile][data-participant=\"' + id + '\"]')"


async def test_three_pages_see_and_hear_each_other_and_grids_close_up() -> None:
    async with room("Ada", "Bob", "Cleo") as blue:
        ada, bob, cleo = blue.people
        await asyncio.gather(*(person.hears(2) for person in blue.people))
        assert await ada.page.evaluate("document.querySelectorAll('[data-testid=tile]').length") == 3
        assert isinstance(ada.page, Tab)
        OUT.mkdir(exist_ok=True)
        await ada.page.page.screenshot(path=OUT / "three.png")
        small = await _tile_area(ada, await bob.id())

        await cleo.click("leave")
        blue.leaves(cleo)
        await asyncio.gather(ada.shows(1), bob.shows(1))
        await blue.all_see_each_other()
        assert await ada.page.evaluate("document.querySelectorAll('[data-testid=tile]').length") == 2
        assert await _tile_area(ada, await bob.id()) > small

        tab = blue.leaves(bob)
        await tab.close()  # without a word
        await ada.alone(5.0)


async def _tile_area(viewer: Person, participant: str) -> float:
    """Square pixels of the tile, once it has stopped moving."""
    box = f"(id) => {{ const box = {TILE}.getBoundingClientRect(); return box.width * box.height; }}"
    areas: list[float] = [-1.0]

    async def steady() -> bool:
        areas.append(float(await viewer.page.evaluate(box, participant)))
        return areas[-1] == areas[-2]

    await wait_until(steady, 5.0, "a tile at rest")
    return areas[-1]


async def test_mute_is_seen_and_unmute_is_heard() -> None:
    async with room("Ada", "Bob") as blue:
        ada, bob = blue.people
        await bob.hears(1)
        await ada.click("mute")
        muted = "(id) => window.aiosfu.tiles.some((tile) => tile.participant === id && tile.muted)"
        await bob.page.wait_for(muted, argument=await ada.id())
        await bob.sees(1, sound=False)
        await wait_until(lambda: _silent(bob), 5.0, "nothing of Ada to be heard at Bob's")
        await ada.click("mute")
        await bob.page.wait_for("window.aiosfu.tiles.every((tile) => !tile.muted)")
        await bob.sees(1)

        async def audible() -> bool:
            return not await _silent(bob)

        await wait_until(audible, 5.0, "Ada to be heard again")


async def _silent(listener: Person) -> bool:
    """Whether no energy was played for longer than the fake microphone's pause between two beeps."""
    (before,) = await listener.look()
    await asyncio.sleep(1.5)
    (after,) = await listener.look()
    return after.sound - before.sound < 1e-6


async def test_camera_is_switched_for_screen_and_back() -> None:
    async with room("Ada", "Bob") as blue:
        ada, bob = blue.people
        id = await ada.id()
        await ada.click("screen")
        await bob.sees_of(id, "screen")
        await ada.click("camera")
        await wait_until(
            lambda: _has_picture(bob, id, "camera", False), 5.0, "Ada's camera to be off at Bob's"
        )
        await bob.sees_of(id, "screen")
        await ada.click("screen")
        await bob.shows(1)
        await ada.click("camera")
        await bob.sees(1)
        await ada.sees(1)


async def _has_picture(viewer: Person, participant: str, source: str, expected: bool) -> bool:
    seen = [seen for seen in await viewer.look() if (seen.participant, seen.source) == (participant, source)]
    return len(seen) == 1 and seen[0].picture is expected


async def test_reload_comes_back_and_leaves_no_ghost() -> None:
    async with room("Ada", "Bob") as blue:
        ada, bob = blue.people
        assert isinstance(ada.page, Tab)
        before = await ada.id()
        await ada.page.page.reload(wait_until="domcontentloaded")
        await ada.joined()
        await asyncio.gather(ada.sees(1), bob.sees(1))
        assert [seen.participant for seen in await bob.look()] == [await ada.id()]
        assert await ada.id() != before


async def test_chat_reaches_everybody_once_as_text() -> None:
    async with room("Ada", "Bob", "Cleo") as blue:
        ada, *others = blue.people
        await ada.click("chat-toggle")
        await ada.writes("hello <b>all</b>")
        for person in (ada, *others):
            await person.reads("hello <b>all</b>")


async def test_prejoin_form_and_statistics_panel() -> None:
    async with Daemon() as daemon, Chromium(init_script=INIT_SCRIPT) as browser:
        tab = await browser.open(daemon.url, "Ada")
        ada = Person(tab, "Ada")
        await tab.page.get_by_test_id("room").fill("green")
        await tab.page.get_by_test_id("name").fill("Ada")
        await tab.page.get_by_test_id("join").click()
        await ada.joined()
        bob = Person(await browser.open(daemon.room_url("green", "Bob"), "Bob"), "Bob")
        await bob.joined()
        await asyncio.gather(ada.sees(1), bob.sees(1))
        await ada.click("stats-toggle")
        panel = "document.querySelector('[data-testid=stats-panel]')"
        await tab.wait_for(f"{panel}.checkVisibility() && /VP8|VP9|AV1|H264/.test({panel}.innerText)")
        assert tab.errors == []
        assert daemon.complaints() == []


async def test_late_joiner_sees_a_first_frame_soon() -> None:
    """From opening the WebSocket to the first frame of anybody; ten joiners one after the other."""
    async with room("Ada", "Bob", fps=20) as blue:
        from_join: list[float] = []
        from_offer: list[float] = []
        for number in range(10):
            late = await blue.join(f"Late {number}")
            await late.page.wait_for("window.moments.frame", 5.0)
            moments = await late.page.evaluate("window.moments")
            from_join.append(moments["frame"] - moments["WebSocket"])
            from_offer.append(moments["frame"] - moments["RTCPeerConnection"])
            await blue.leaves(late).close()
            await asyncio.gather(*(person.shows(1) for person in blue.people))
        result = {
            "median_ms": round(statistics.median(from_join)),
            "median_from_peer_connection_ms": round(statistics.median(from_offer)),
            "each_ms": [round(value) for value in from_join],
        }
        OUT.mkdir(exist_ok=True)
        (OUT / "first_frame.json").write_text(json.dumps(result, indent=2) + "\n")
        print("time to first frame:", result)
        assert max(from_join) < 5000
        await wait_until(lambda: _only(blue.daemon, 2), 5.0, "the server to forget who left")


async def _only(daemon: Daemon, people: int) -> bool:
    stats = await daemon.stats()
    return bool(stats["participants"] == stats["media"]["transport"]["connections"] == people)


async def test_daemon_ends_in_time_and_pages_join_the_next_one() -> None:
    async with room("Ada", "Bob") as blue:
        took = await blue.daemon.stop()
        print(f"daemon with two people ended {took:.2f} s after SIGINT")
        for person in blue.people:
            await person.page.wait_for("document.body.dataset.state === 'reconnecting'")
        async with Daemon(port=blue.daemon.port) as second:
            begun = time.monotonic()
            await blue.all_see_each_other(within=30.0)
            print(f"pages see each other {time.monotonic() - begun:.1f} s after the next daemon started")
            assert second.complaints() == []
        for person in blue.people:
            person.page.errors.clear()  # of the failed attempts in between


async def test_rate_leaves_its_start_and_lips_are_in_sync() -> None:
    async with room("Ada", "Bob") as blue:
        ada, bob = blue.people
        await ada.page.wait_for(f"{TARGET_BPS}.then((rate) => rate > 400_000)", 20.0)  # it starts at 300,000
        # Known once sender reports of both have come (Chromium sends those of audio every 5 s).
        apart_ms = await bob.page.wait_for(f"({APART_MS})().then((apart) => apart && [apart])", 20.0)
        print(f"sound and picture play {apart_ms[0]:.0f} ms apart")
        assert abs(apart_ms[0]) < 250


async def test_media_relay_mode_shows_the_same_room() -> None:
    async with room("Ada", "Bob", arguments=("--relay", "media")) as blue:
        await asyncio.gather(*(person.hears(1) for person in blue.people))
        # It takes one encoding, which has to be the whole picture then: the least of a camera of 360 lines has 180.
        for person in blue.people:

            async def large(person: Person = person) -> bool:
                heights = [*await person.heights(), *await person.heights(sent=True)]
                return len(heights) == 2 and min(heights) > 180

            await wait_until(large, 15.0, f"large pictures at {person.name}", detail=person.page.report)
