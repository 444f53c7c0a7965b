"""The page by itself, before a server that a test makes say what it likes: encodings, views, pages, quality."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chromium import Chromium, Tab
from tests.e2e.static import static_pages
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.browser
FAKE_SERVER = (Path(__file__).parent / "fakeserver.js").read_text()
SMALL_CAMERA = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wanted) => open({
  ...wanted, video: wanted.video && { width: 640, height: 360, frameRate: 5 },
});
"""
SHOWN = "aiosfu.tiles.filter(({ shown }) => shown).map(({ participant }) => participant)"
# What is shown where: the left and top edge of each tile.
PLACES = """Object.fromEntries(aiosfu.tiles.filter(({ shown }) => shown).map(({ key, element: { style } }) =>
  [key, [style.left, style.top]]))"""
# Whole pixels of the boxes of others' pictures, all of them 16:9 here.
BOXES = """Object.fromEntries(aiosfu.tiles.filter(({ key }) => !key.startsWith('me/')).map(({ key, element }) =>
  [key, [element.style.width, element.style.height].map((length) => Math.round(parseFloat(length)))]))"""
ACTIVE = "Object.fromEntries(aiosfu.pictures[0].encodings.map(({ rid, active }) => [rid, active]))"
VIDEO_SLOTS = """aiosfu.connection.getTransceivers().filter(({ receiver, direction }) =>
  direction === 'recvonly' && receiver.track.kind === 'video').length"""
# Whether somebody's sound and picture are in slots of one sync word.
PAIRED = """(number) => {
  const syncs = new Map(fake.of('offer').flatMap(({ receive }) => receive).map(({ mid, sync }) => [mid, sync]));
  const of = (kind) => [...fake.slots].find(([, publication]) => publication === `t_${number}${kind}`)?.[0];
  return of('v') !== undefined && syncs.get(of('a')) === syncs.get(of('v'));
}"""
HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
# A report of the server in which every slot with a picture has the same figures.
REPORT = """(flow) => fake.say({ type: 'bandwidth', estimate_bps: 400000, target_bps: 350000, sent_bps: 300000,
  source: 'transport-cc', slots: [...fake.slots].filter(([, publication]) => publication?.endsWith('v')).map(([mid]) =>
    ({ mid, rid: 'q', spatial: 0, temporal: 2, height: 180, bps: 120000, limit: 'bandwidth', ...flow })) })"""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@asynccontextmanager
async def page(
    others: list[str], *, width: int = 1000, height: int = 700, query: str = "", script: str = ""
) -> AsyncIterator[Tab]:
    """The page in a room with these others; at the end it has logged no error."""
    script = SMALL_CAMERA + FAKE_SERVER + script
    async with static_pages() as url, Chromium(fps=5, init_script=script) as browser:
        link = f"{url}?room=blue&name=Ada&autojoin=1&with={','.join(others).replace('+', '%2B')}{query}"
        tab = await browser.open(link, "Ada", width=width, height=height)
        await tab.wait_for("document.body.dataset.state === 'joined'", 20.0)
        yield tab
        assert tab.errors == [], tab.report()


async def views(tab: Tab) -> list[dict[str, Any]]:
    """The entries of all `view` messages so far, with the publication that is in the slot now."""
    told = await tab.evaluate(
        "fake.of('view').flatMap(({ slots }) => slots).map((one) => ({ ...one, publication: fake.slots.get(one.mid) }))"
    )
    assert isinstance(told, list)
    return told


async def latest_views(tab: Tab) -> dict[str, dict[str, Any]]:
    return {view["publication"]: view for view in await views(tab)}


async def test_a_camera_is_sent_in_three_encodings_and_the_latest_word_on_each_counts() -> None:
    async with page(["Bob"]) as tab:
        assert await tab.evaluate(ACTIVE) == {"q": True, "h": True, "f": True}
        # Faster than setParameters works them off; and one for a publication that is not ours.
        await tab.evaluate(
            """() => {
              const publication = `t_own${fake.of('offer')[0].publish.find(({ source }) => source === 'camera').mid}`;
              const say = (...active) => fake.say({ type: 'encodings', publication,
                encodings: ['q', 'h', 'f'].map((rid, index) => ({ rid, active: active[index] })) });
              for (let turn = 0; turn < 10; turn++) say(turn % 2 === 0, turn % 3 === 0, false);
              fake.say({ type: 'encodings', publication: 't_other', encodings: [{ rid: 'q', active: false }] });
              say(true, false, false);
            }"""
        )
        await tab.wait_for(f"JSON.stringify({ACTIVE}) === JSON.stringify({{ q: true, h: false, f: false }})")
        await tab.page.get_by_test_id("camera").click()
        await tab.wait_for("!aiosfu.local.live('camera')")
        await tab.page.get_by_test_id("camera").click()
        await tab.wait_for("aiosfu.local.live('camera')")
        assert await tab.evaluate(ACTIVE) == {"q": True, "h": False, "f": False}


async def test_a_server_that_takes_one_encoding_gets_the_large_one() -> None:
    async with page(["Bob"], script="fake.simulcast = false;") as tab:
        sender = "aiosfu.connection.getSenders().find(({ track }) => track?.kind === 'video')"
        parameters = f"{sender}.getParameters().encodings"
        await tab.wait_for(
            f"{parameters}[0].scaleResolutionDownBy === 1 && {parameters}[0].maxBitrate > 1_000_000"
        )
        active = f"{parameters}.filter(({{ active }}) => active).length"
        await tab.wait_for(f"{active} === 1")
        for on in (False, True):
            await tab.evaluate(
                """(active) => fake.say({ type: 'encodings', encodings: [{ rid: '', active }],
                  publication: `t_own${fake.of('offer')[0].publish.find((one) => one.source === 'camera').mid}` })""",
                on,
            )
            await tab.wait_for(f"{active} === {int(on)}")


@pytest.mark.parametrize("codec", ["vp9", "av1", "h264"])
async def test_a_link_chooses_the_codec(codec: str) -> None:
    async with page(["Bob"], query=f"&codec={codec}") as tab:
        sent = f"""aiosfu.connection.getStats().then((reports) => [...reports.values()].filter((report) =>
          report.type === 'outbound-rtp' && reports.get(report.codecId)?.mimeType.toLowerCase() === 'video/{codec}'
          && report.framesEncoded > 0).length >= 2)"""
        await tab.wait_for(sent, 20.0)  # of a camera of 360 lines Chromium sends two


async def test_an_older_server_is_no_trouble() -> None:
    refuse = "fake.refuse = { view: 'unknown-type', reports: 'unknown-type' };"
    async with page(["Bob"], script=refuse) as tab:
        await tab.wait_for("fake.of('view').length === 1 && fake.of('reports').length === 1")
        await tab.page.set_viewport_size({"width": 700, "height": 500})
        await tab.wait_for(
            "aiosfu.tiles.some(({ picture, participant }) => picture && participant === 'p_1')"
        )
        assert await tab.evaluate("document.body.dataset.state") == "joined"
        assert len(await views(tab)) == 1


async def test_the_server_is_told_how_large_each_picture_is_and_whether_it_is_seen() -> None:
    async with page(["Bob", "Cleo"]) as tab:

        async def told() -> bool:
            told = await latest_views(tab)
            boxes = {f"t_{key[2]}v": box for key, box in (await tab.evaluate(BOXES)).items()}
            return {key: [view["width"], view["height"]] for key, view in told.items()} == boxes

        await wait_until(told, 5.0, "views of both pictures, as large as they are", detail=tab.report)
        assert await tab.evaluate("fake.of('reports').map(({ every_ms }) => every_ms)") == [1000]
        for view in (await latest_views(tab)).values():
            assert (view["visible"], view["pinned"], view["quality"]) == (True, False, "auto")

        before = len(await views(tab))
        await tab.evaluate(HIDE, True)
        await tab.wait_for("Object.values(aiosfu.views).every(({ visible }) => !visible)", 1.0)
        await tab.evaluate(HIDE, False)  # comes back in the same turn, not after a while
        assert await tab.evaluate("Object.values(aiosfu.views).every(({ visible }) => visible)")
        assert len(await views(tab)) == before + 4

        await tab.evaluate(REPORT, {})  # much is drawn, nothing has changed
        await tab.page.wait_for_timeout(400)
        assert len(await views(tab)) == before + 4

        await tab.evaluate(
            "aiosfu.tiles.find((tile) => tile.participant === 'p_1').element.querySelector('.tile-button').click()"
        )
        await tab.wait_for("Object.values(aiosfu.views).filter(({ pinned }) => pinned).length === 1")
        large, small = (await latest_views(tab))["t_1v"], (await latest_views(tab))["t_2v"]
        assert large["pinned"]
        assert large["height"] > 1.5 * small["height"]


async def test_a_panel_over_everything_hides_the_pictures_on_a_phone() -> None:
    async with page(["Bob"], width=390, height=800) as tab:
        await tab.wait_for("Object.values(aiosfu.views).some(({ visible }) => visible)")
        await tab.page.get_by_test_id("bandwidth-toggle").click()
        await tab.wait_for("Object.values(aiosfu.views).every(({ visible }) => !visible)", 1.0)
        await tab.page.keyboard.press("Escape")
        await tab.wait_for("Object.values(aiosfu.views).every(({ visible }) => visible)", 1.0)


async def test_in_a_large_room_speakers_come_into_view_without_an_offer() -> None:
    async with page([*LETTERS[:14]], width=1280, height=760) as tab:
        await tab.wait_for("aiosfu.tiles.filter(({ picture }) => picture).length === 12", 20.0)
        offers = await tab.evaluate("fake.of('offer').length")
        assert await tab.evaluate(SHOWN) == [f"p_{number}" for number in range(12)]
        slots = await tab.evaluate(VIDEO_SLOTS)
        assert slots <= 12
        assert (
            await tab.evaluate("document.querySelector('[data-testid=page-label]').textContent") == "1 of 2"
        )
        places = await tab.evaluate(PLACES)

        await tab.evaluate("fake.say({ type: 'speakers', participants: ['p_3'] })")
        assert await tab.evaluate(
            "aiosfu.tiles.filter(({ speaking }) => speaking).map(({ key }) => key)"
        ) == ["p_3/camera"]
        await tab.page.wait_for_timeout(300)
        assert await tab.evaluate(PLACES) == places  # who is in view stays in place

        await tab.evaluate("fake.say({ type: 'speakers', participants: ['p_13'] })")
        await tab.wait_for(f"{SHOWN}.includes('p_13')", 1.0)
        after = await tab.evaluate(PLACES)
        gone = places.keys() - after.keys()
        assert after.keys() - places.keys() == {"p_13/camera"}
        assert len(gone) == 1
        assert "p_3/camera" not in gone  # it spoke before
        assert after["p_13/camera"] == places[gone.pop()]  # the place that was left
        assert {key: place for key, place in after.items() if key in places}.items() <= places.items()
        await tab.wait_for("[...fake.slots.values()].includes('t_13v')")
        await tab.wait_for("aiosfu.tiles.find(({ key }) => key === 'p_13/camera').picture")

        await tab.page.keyboard.press("PageDown")
        await tab.wait_for(f"{SHOWN}.length === 3")
        await tab.wait_for("aiosfu.tiles.filter(({ picture }) => picture).length === 3")
        assert not await tab.evaluate(
            "[...fake.slots.values()].includes('t_13v')"
        )  # out of view, not received
        assert await tab.evaluate("[...fake.slots.values()].includes('t_13a')")  # but heard
        assert await tab.page.get_by_test_id("absent").count() == 11
        await tab.evaluate("fake.say({ type: 'speakers', participants: ['p_2'] })")
        await tab.page.wait_for_timeout(300)
        assert len(await tab.evaluate(SHOWN)) == 3  # who looks at a page is not taken away from it
        await tab.page.get_by_test_id("page-back").click()
        await tab.wait_for(f"{SHOWN}.length === 12 && {SHOWN}.includes('p_2') && {SHOWN}.includes('p_13')")

        # Once nobody would hear it move, sound sits in the pair of its picture: they are played in step.
        assert await tab.evaluate(PAIRED, 13) is False
        await tab.evaluate("fake.say({ type: 'speakers', participants: [] })")
        await tab.page.wait_for_timeout(3200)
        await tab.evaluate("fake.say({ type: 'speakers', participants: ['p_14'] })")
        await tab.wait_for(f"({PAIRED})(13)", 2.0)

        assert await tab.evaluate("fake.of('offer').length") == offers
        assert await tab.evaluate(VIDEO_SLOTS) == slots


async def test_a_phone_shows_half_a_page_and_who_is_touched() -> None:
    async with page([*LETTERS[:8]], width=390, height=800) as tab:
        await tab.wait_for("aiosfu.tiles.filter(({ picture }) => picture).length === 6", 20.0)
        assert await tab.evaluate(VIDEO_SLOTS) <= 6
        last = tab.page.get_by_test_id("absent").last
        name = await last.get_by_role("button").get_attribute("title")
        assert name == "h"
        await last.get_by_role("button").click()
        await tab.wait_for(f"{SHOWN}.includes('p_8') && {SHOWN}.length === 6")
        overflow = "document.documentElement.scrollWidth - innerWidth"
        assert await tab.evaluate(overflow) <= 0


async def test_tiles_say_how_good_a_picture_is_why_and_take_a_choice() -> None:
    async with page(["Bob", "Cleo"]) as tab:
        await tab.wait_for("aiosfu.tiles.filter(({ picture }) => picture).length === 3", 20.0)
        await tab.evaluate(REPORT, {})
        button = tab.page.get_by_test_id("tile-quality").nth(1)
        await button.focus()
        assert await button.inner_text() == "180p"
        await tab.page.keyboard.press("Enter")
        menu = tab.page.get_by_test_id("tile-menu")
        assert (
            "Your connection carries 400 kbit/s; this is the best picture that fits."
            in await menu.inner_text()
        )
        assert await tab.evaluate("document.activeElement.textContent") == "Automatic"
        await tab.evaluate(REPORT, {"limit": "source"})  # said while it is open
        assert "device sends no larger picture now." in await menu.inner_text()
        for _ in range(3):
            await tab.page.keyboard.press("ArrowDown")
        await tab.page.keyboard.press("Enter")
        await tab.wait_for(
            "Object.values(aiosfu.views).filter(({ quality }) => quality === 'low').length === 1"
        )
        assert (await latest_views(tab))["t_1v"]["quality"] == "low"
        assert await tab.evaluate("document.activeElement.dataset.testid") == "tile-quality"

        pause = """(state) => { const [mid] = [...fake.slots].find(([, publication]) => publication === 't_2v');
          fake.say({ type: 'slot', mid, publication: 't_2v', ...state }); }"""
        await tab.evaluate(pause, {"state": "paused", "reason": "bandwidth", "message": "The link."})
        note = "document.querySelector('.tile.paused [data-testid=tile-note]')"
        await tab.wait_for(f"{note}?.checkVisibility()")
        assert "too slow" in await tab.evaluate(f"{note}.textContent")
        await tab.evaluate(pause, {"state": "active"})
        await tab.wait_for(f"!{note} && aiosfu.tiles.filter(({{ picture }}) => picture).length === 3")


async def test_the_bandwidth_panel_draws_what_the_server_reports() -> None:
    async with page(["Bob"]) as tab:
        await tab.wait_for("[...fake.slots.values()].includes('t_1v')")
        await tab.page.keyboard.press("b")
        for _ in range(3):
            await tab.evaluate(REPORT, {})
            await tab.page.wait_for_timeout(50)
        chart = tab.page.get_by_test_id("bandwidth-chart")
        lines = "[...document.querySelectorAll('#bandwidth-chart .chart-line')].map((line) => line.getAttribute('d'))"
        drawn = await tab.evaluate(lines)
        assert len(drawn) == 3
        heights = [float(line.rsplit(",", 1)[1]) for line in drawn]
        assert heights[0] < heights[1] < heights[2]  # more is further up
        words = await chart.get_attribute("aria-label")
        assert words is not None
        assert "estimate is 400 kbit/s, allocated 350 kbit/s, sent 300 kbit/s" in words
        assert "120 kbit/s" in await tab.page.get_by_test_id("bandwidth-picture").inner_text()
        width = await tab.evaluate("document.querySelector('#bandwidth-chart').viewBox.baseVal.width")
        await tab.page.set_viewport_size({"width": 500, "height": 700})
        await tab.wait_for(
            "document.querySelector('#bandwidth-chart').viewBox.baseVal.width !== " + str(width)
        )
