"""Automatic rooms: two speak directly, a third moves all to the server and back, and nobody notices."""

import asyncio
import dataclasses
import json
import time
from pathlib import Path

import pytest

from tests.e2e.continuity import TONE_SCRIPT, Continuity, viewed, watch
from tests.e2e.room import Person, Room, room
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.browser
OUT = Path(__file__).parents[1] / "out"
LONGEST_PAUSE_MS = 1000  # of one picture to the next, on a machine that runs all pages at once


async def test_the_room_moves_to_the_server_and_back_without_a_gap() -> None:
    arguments = ("--auto-quiet", "1")
    async with room(
        "Ada", "Bob", arguments=arguments, query="&topology=auto", init_script=TONE_SCRIPT
    ) as blue:
        ada, bob = blue.people
        await _is_direct(blue)
        cleo = await _at_the_door(blue, "Cleo")  # a browser that opens a page halts the others
        await watch(ada, await bob.id())
        await watch(bob, await ada.id())
        figures = {"direct, at rest": await _rest(blue.people)}

        begun = time.monotonic()
        blue.people.append(cleo)
        await cleo.click("join")
        await cleo.joined()
        await _is_served(blue)
        moved = time.monotonic() - begun
        await blue.all_see_each_other()
        figures["to the server"] = await _both(ada, bob)

        blue.leaves(cleo)
        begun = time.monotonic()
        await cleo.click("leave")
        await _is_direct(blue)
        back = time.monotonic() - begun
        await blue.all_see_each_other()
        figures["back to direct"] = await _both(ada, bob)

        _write(figures, moved, back)
        for name, move in figures.items():
            for seen in move.values():
                assert seen.frames > 2, name
                assert seen.black == seen.hidden == 0, (name, seen)
                assert max(seen.watched_picture_ms, seen.watched_sound_ms) < LONGEST_PAUSE_MS, (name, seen)
        for name, path in (("to the server", "sfu"), ("back to direct", "mesh")):
            for seen in figures[name].values():
                assert seen.paths[-1] == path
                assert seen.elements >= 1, "the picture came another way"


async def _at_the_door(blue: Room, name: str) -> Person:
    """Somebody who has opened the page and a camera, and has only to press the button."""
    tab = await blue.browser.open(blue.link(name).replace("&autojoin=1", ""), name)
    await tab.wait_for("document.getElementById('preview-video').videoWidth > 0")
    return Person(tab, name)


async def _is_direct(blue: Room) -> None:
    """Wait until two speak directly, and the server has no connection left."""
    ada, bob = blue.people
    await asyncio.gather(
        ada.connects_to(await bob.id(), within=30.0), bob.connects_to(await ada.id(), within=30.0)
    )
    for person in blue.people:
        await person.page.wait_for("document.body.dataset.path === 'mesh'")

    async def nothing() -> bool:
        return bool((await blue.daemon.stats())["media"]["transport"]["connections"] == 0)

    await wait_until(nothing, 5.0, "the server to carry nothing")


async def _is_served(blue: Room) -> None:
    """Wait until everybody has one connection, to the server."""
    await asyncio.gather(*(person.connects_to("server", within=30.0) for person in blue.people))
    for person in blue.people:
        await person.page.wait_for("document.body.dataset.path === 'sfu'")
    stats = await blue.daemon.stats()
    assert stats["media"]["transport"]["connections"] == len(blue.people)


async def _both(ada: Person, bob: Person) -> dict[str, Continuity]:
    return {"Ada": await viewed(ada), "Bob": await viewed(bob)}


async def _rest(people: list[Person]) -> dict[str, Continuity]:
    """How it is while nothing moves: what the machine alone costs."""
    await asyncio.gather(*(person.sees(1) for person in people))
    return await _both(people[0], people[1])


def _write(figures: dict[str, dict[str, Continuity]], moved: float, back: float) -> None:
    result: dict[str, object] = {"seconds_to_the_server": round(moved, 2), "seconds_back": round(back, 2)}
    for name, move in figures.items():
        result[name] = {viewer: dataclasses.asdict(seen) for viewer, seen in move.items()}
    OUT.mkdir(exist_ok=True)
    (OUT / "auto.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
