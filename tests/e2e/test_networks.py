"""Pages behind bad networks: lossy links, and links that go away for five seconds."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.e2e import netns
from tests.e2e.chromium import Chromium
from tests.e2e.daemon import Daemon
from tests.e2e.netns import HUB_ADDRESS, Impairment, Link, Network
from tests.e2e.room import INIT_SCRIPT, Person
from tests.e2e.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.netns]


@asynccontextmanager
async def behind(network: Network, *links: Link) -> AsyncIterator[tuple[Daemon, list[Chromium]]]:
    """A daemon in the hub, and one Chromium behind each link."""
    async with AsyncExitStack() as stack:
        daemon = await stack.enter_async_context(Daemon(host=HUB_ADDRESS, namespace=network.hub))
        browsers = [
            await stack.enter_async_context(
                Chromium(namespace=link.namespace, trusted_origins=(daemon.origin,), init_script=INIT_SCRIPT)
            )
            for link in links
        ]
        yield daemon, browsers
        assert daemon.complaints() == []


async def join(browser: Chromium, daemon: Daemon, name: str) -> Person:
    person = Person(await browser.open(daemon.room_url("blue", name), name), name)
    await person.joined()
    return person


def total(stats: Any, matches: Callable[[str], bool]) -> int:
    """The sum of all numbers in a JSON value whose key matches."""
    if isinstance(stats, dict):
        own = sum(value for key, value in stats.items() if matches(key) and isinstance(value, int))
        return own + sum(total(value, matches) for value in stats.values())
    return sum(total(value, matches) for value in stats) if isinstance(stats, list) else 0


@pytest.mark.parametrize("loss", [1, 5, 10])
async def test_video_does_not_freeze_under_loss(loss: int) -> None:
    """Each packet passes the lossy link twice: from its publisher to the server, and on to its subscriber."""
    if reason := netns.capabilities().loss:
        pytest.skip(reason)
    with Network() as network:
        link = network.link()
        link.impair(towards=Impairment(loss=loss), away=Impairment(loss=loss))
        async with behind(network, link) as (daemon, (browser,)):
            people = [await join(browser, daemon, "Ada"), await join(browser, daemon, "Bob")]
            await asyncio.gather(*(person.sees(1, within=20.0) for person in people))
            before = [(await person.look())[0] for person in people]
            stills = await asyncio.gather(*(person.longest_standstill(10.0) for person in people))
            after = [(await person.look())[0] for person in people]
            stats = await daemon.stats()
            frames = [late.frames - early.frames for early, late in zip(before, after, strict=True)]
            frozen = [late.frozen - early.frozen for early, late in zip(before, after, strict=True)]
            nacks = total(stats, lambda key: "nack" in key)
            repairs = total(stats, lambda key: "rtx" in key or "repair" in key or "resen" in key)
            print(f"{loss} %: {frames=} {frozen=} {stills=} {nacks=} {repairs=}")
            assert nacks > 0, json.dumps(stats)
            assert repairs > 0, json.dumps(stats)
            assert max(stills) < 1.0
            assert min(frames) > 50  # of 100
            assert max(frozen) < 1.0


@pytest.mark.parametrize("kind", ["silent", "told"])
async def test_five_seconds_without_network(kind: str) -> None:
    """`silent`: packets vanish on the way. `told`: the interface itself goes away, and the browser knows."""
    with Network() as network:
        first, second = network.link(), network.link()
        async with behind(network, first, second) as (daemon, browsers):
            names = zip(browsers, ("Ada", "Bob"), strict=True)
            people = list(await asyncio.gather(*(join(browser, daemon, name) for browser, name in names)))
            await asyncio.gather(*(person.sees(1) for person in people))
            (first.down if kind == "silent" else first.interface_down)()
            await asyncio.sleep(5.0)
            (first.up if kind == "silent" else first.interface_up)()
            begun = time.monotonic()
            await wait_until(lambda: both_advance(people), 20.0, "both to see each other again")
            print(f"{kind}: pictures move again {time.monotonic() - begun:.1f} s after the network came back")
            await asyncio.gather(*(person.sees(1) for person in people))
            for person in people:
                await person.joined()


async def both_advance(people: list[Person]) -> bool:
    """Whether each shows one other whose picture moves within a second."""
    before = [await person.look() for person in people]
    await asyncio.sleep(0.5)
    after = [await person.look() for person in people]
    return all(
        len(early) == len(late) == 1 and late[0].picture and late[0].frames > early[0].frames > 0
        for early, late in zip(before, after, strict=True)
    )
