"""People in a room, seen through their pages: joins, looks at tiles and statistics, presses buttons.

Knows the page's data-testids and `window.aiosfu`; works alike for Chromium and Firefox. Knows nothing of how
pages are opened or of the server's inside.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from tests.e2e.chromium import Chromium, Tab
from tests.e2e.daemon import Daemon
from tests.e2e.waiting import wait_until

JOIN_TIMEOUT = 20.0
# Before each page's own scripts: a small camera (the pages share one machine), and the moments of joining.
INIT_SCRIPT = """
window.moments = {};
const media = navigator.mediaDevices;
if (media) {
  const open = media.getUserMedia.bind(media);
  media.getUserMedia = (wanted) => {
    window.moments.getUserMedia ??= performance.now();
    if (wanted?.video) {
      const video = wanted.video === true ? {} : wanted.video;
      wanted = { ...wanted, video: { ...video, width: { ideal: 640 }, height: { ideal: 360 } } };
    }
    return open(wanted);
  };
}
for (const name of ['WebSocket', 'RTCPeerConnection']) {
  window[name] = class extends window[name] {
    constructor(...given) {
      super(...given);
      window.moments[name] ??= performance.now();
    }
  };
}
const watch = setInterval(() => {
  for (const video of document.querySelectorAll('[data-testid=tile]:not(.own) video')) {
    if (!video.getVideoPlaybackQuality().totalVideoFrames) continue;
    window.moments.frame = performance.now();
    clearInterval(watch);
    return;
  }
}, 5);
"""
LOOK = """async () => {
  const room = window.aiosfu;
  if (!room?.connection) return [];
  const reports = new Map();
  for (const report of (await room.connection.getStats()).values()) {
    if (report.type === 'inbound-rtp') reports.set(report.trackIdentifier, report);
  }
  const of = (element) => reports.get(element?.srcObject?.getTracks()[0]?.id) ?? {};
  return room.tiles.filter((tile) => tile.participant !== room.me).map((tile) => {
    const [video, audio] = [of(tile.video), of(tile.element.querySelector('audio'))];
    return {
      participant: tile.participant, source: tile.source, muted: tile.muted, picture: tile.picture,
      frames: video.framesDecoded ?? 0, frozen: video.totalFreezesDuration ?? 0,
      packets: audio.packetsReceived ?? 0, sound: audio.totalAudioEnergy ?? 0,
    };
  });
}"""

WRITE = """([text, to]) => {
  const find = (id) => document.querySelector(`[data-testid=${id}]`);
  find('chat-to').value = to;
  find('chat-input').value = text;
  find('chat-send').click();
}"""
LINES = "[...document.querySelectorAll('[data-testid=chat-line] p')].map((line) => line.textContent)"
CHOOSE = """(quality) => {
  document.querySelector('.tile:not(.own) [data-testid=tile-quality]').click();
  document.querySelector(`[data-testid=tile-menu] [data-choice=${quality}]`).click();
}"""
# Of the pictures that are received, or sent: the shorter side in pixels.
HEIGHTS = """async (type) => [...(await aiosfu.connection.getStats()).values()]
  .filter((report) => report.type === type && report.kind === 'video' && report.frameHeight)
  .filter((report) => report.framesDecoded || report.framesEncoded)
  .map((report) => Math.min(report.frameHeight, report.frameWidth))"""


class Page(Protocol):
    """What Chromium's tabs and Firefox have in common."""

    name: str
    errors: list[str]

    async def evaluate(self, expression: str, argument: object = None) -> Any: ...
    async def wait_for(self, expression: str, within: float = 10.0, argument: object = None) -> Any: ...
    def report(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What one page shows and plays of somebody else: one tile.

    frames are decoded ones, frozen is in seconds; packets are received ones of its sound, sound is the
    accumulated energy of what was played.
    """

    participant: str
    source: str
    muted: bool
    picture: bool
    frames: int
    frozen: float
    packets: int
    sound: float


class Person:
    """One participant, through its page."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    async def joined(self) -> None:
        """Wait until the page says that media flows."""
        await self.page.wait_for("document.body.dataset.state === 'joined'", JOIN_TIMEOUT)

    async def id(self) -> str:
        return str(await self.page.evaluate("window.aiosfu.me"))

    async def look(self) -> list[Seen]:
        """The tiles of all others, as they are now."""
        return [Seen(**tile) for tile in await self.page.evaluate(LOOK)]

    async def click(self, testid: str) -> None:
        await self.page.evaluate(f"document.querySelector('[data-testid={testid}]').click()")

    async def writes(self, text: str, to: str = "") -> None:
        """Write a chat line, to everybody or to one participant id."""
        await self.page.evaluate(WRITE, [text, to])

    async def lines(self) -> list[str]:
        """What stands in the chat panel."""
        return [str(line) for line in await self.page.evaluate(LINES)]

    async def reads(self, *texts: str, within: float = 5.0) -> None:
        """Wait until exactly these lines stand in the chat panel."""

        async def there() -> bool:
            return await self.lines() == list(texts)

        await wait_until(there, within, f"{texts} in the chat of {self.name}", detail=self.page.report)

    async def others(self) -> list[str]:
        """Who is at the other end of each connection: participant ids, or "server"; those connected only."""
        connected = "window.aiosfu.peers.filter(({ state }) => state === 'connected').map(({ id }) => id)"
        return sorted(await self.page.evaluate(connected))

    async def connects_to(self, *ids: str, within: float = 10.0) -> None:
        """Wait until exactly these connections are there, participant ids or "server"."""

        async def right_ones() -> bool:
            there = await self.page.evaluate("window.aiosfu.peers.length")
            return there == len(ids) and await self.others() == sorted(ids)

        what = f"connections of {self.name} to {ids}"
        await wait_until(right_ones, within, what, detail=self.page.report)

    async def shows(self, tiles: int, within: float = 10.0) -> list[Seen]:
        """Wait until exactly so many tiles of others are there, one or more."""

        async def right_number() -> list[Seen] | None:
            seen = await self.look()
            return seen if len(seen) == tiles else None

        what = f"{tiles} tiles of others at {self.name}"
        return await wait_until(right_number, within, what, detail=self.page.report)

    async def alone(self, within: float = 10.0) -> list[Seen]:
        """Wait until there is no tile of anybody else."""

        async def nobody() -> bool:
            return not await self.look()

        await wait_until(nobody, within, f"{self.name} to be alone", detail=self.page.report)
        return []

    async def sees(self, tiles: int, *, sound: bool = True, within: float = 15.0) -> None:
        """Wait until exactly so many others are shown, of each 5 more frames and 10 sound packets came."""
        start: dict[tuple[str, str], Seen] = {}
        latest: list[Seen] = []

        async def all_advance() -> bool:
            latest[:] = await self.look()
            done = len(latest) == tiles
            for seen in latest:
                before = start.setdefault((seen.participant, seen.source), seen)
                done &= seen.picture and seen.frames >= before.frames + 5
                done &= not sound or seen.packets >= before.packets + 10
            return done

        def detail() -> str:
            return f"started from {start}\nnow {latest}\n{self.page.report()}"

        await wait_until(all_advance, within, f"{tiles} moving pictures at {self.name}", detail=detail)

    async def hears(self, tiles: int, within: float = 15.0) -> None:
        """Wait until sound with energy in it was played of exactly so many others."""

        async def all_audible() -> bool:
            return sum(seen.sound > 0 for seen in await self.look()) == tiles

        await wait_until(all_audible, within, f"{self.name} to hear {tiles} others", detail=self.page.report)

    async def sees_of(self, other: str, source: str, within: float = 10.0) -> None:
        """Wait until the picture of this source of this participant id moves."""
        start: list[Seen] = []

        async def advances() -> bool:
            found = [seen for seen in await self.look() if (seen.participant, seen.source) == (other, source)]
            start.extend(found if not start else [])
            return bool(found) and found[0].picture and found[0].frames >= start[0].frames + 5

        await wait_until(advances, within, f"{other}'s {source} at {self.name}", detail=self.page.report)

    async def chooses(self, quality: str) -> None:
        """Set how good the picture of the first of the others is to be: auto, low, medium, high."""
        await self.page.evaluate(CHOOSE, quality)

    async def heights(self, *, sent: bool = False) -> list[int]:
        """The heights in pixels of the pictures that this page receives, or sends."""
        return [int(h) for h in await self.page.evaluate(HEIGHTS, f"{'out' if sent else 'in'}bound-rtp")]

    async def sees_lines(self, lines: int, within: float = 10.0) -> None:
        """Wait until the only picture that is received has so many lines."""
        begun = time.monotonic()
        while (latest := await self.heights()) != [lines]:
            assert time.monotonic() - begun < within, (
                f"waited {within} s for {lines} lines; {latest}\n"
                f"{await self.page.evaluate('aiosfu.bandwidth')}\n{self.page.report()}"
            )
            await asyncio.sleep(0.02)

    async def longest_standstill(self, seconds: float) -> float:
        """Watch all tiles for so long; the longest time, in seconds, one of them decoded no frame."""
        begun = time.monotonic()
        last: dict[str, tuple[int, float]] = {}
        longest = 0.0
        while (now := time.monotonic()) < begun + seconds:
            for seen in await self.look():
                frames, since = last.setdefault(seen.participant, (seen.frames, now))
                longest = max(longest, now - since)
                if seen.frames != frames:
                    last[seen.participant] = (seen.frames, now)
            await asyncio.sleep(0.05)
        assert last, f"{self.name} shows nobody"
        return longest


@dataclass(frozen=True, slots=True)
class Room:
    """A running daemon, one Chromium and the people in it."""

    daemon: Daemon
    browser: Chromium
    people: list[Person]
    name: str = "blue"
    query: str = ""  # further parts of the link, such as "&topology=mesh"

    def link(self, name: str) -> str:
        """The link with which somebody of this name joins."""
        return self.daemon.room_url(self.name, name) + self.query

    async def join(self, name: str) -> Person:
        """Somebody more, by link, until media flows."""
        tab = await self.browser.open(self.link(name), name)
        person = Person(tab, name)
        self.people.append(person)
        await person.joined()
        return person

    async def all_see_each_other(self, within: float = 15.0) -> None:
        others = len(self.people) - 1
        await asyncio.gather(*(person.sees(others, within=within) for person in self.people))

    def leaves(self, person: Person) -> Tab:
        """Take the person off the list; its tab is the caller's to close."""
        self.people.remove(person)
        assert isinstance(person.page, Tab)
        return person.page


@asynccontextmanager
async def room(
    *names: str,
    fps: int = 10,
    arguments: tuple[str, ...] = (),
    query: str = "",
    init_script: str = "",
    media: bool = True,
) -> AsyncIterator[Room]:
    """A daemon on this machine and a Chromium with one page per name, all joined and seeing each other.

    Without `media` nobody has a camera or a microphone, and nobody is waited to be seen. At the end, if all
    went well: no page logged an error, and neither did the daemon.
    """
    script = INIT_SCRIPT + init_script
    query += "" if media else "&camera=off&microphone=off"
    async with Daemon(*arguments) as daemon, Chromium(fps=fps, init_script=script) as browser:
        made = Room(daemon, browser, [], query=query)
        await asyncio.gather(*(made.join(name) for name in names))
        if media:
            await made.all_see_each_other()
        yield made
        for tab in browser.tabs:
            assert tab.errors == [], tab.report()
        assert daemon.complaints() == []
