"""Firefox and Chromium in one room: both see and hear each other."""

import asyncio
import socket

import pytest

from tests.e2e import firefox
from tests.e2e.firefox import Firefox
from tests.e2e.room import INIT_SCRIPT, Person, room


@pytest.mark.browser
async def test_firefox_and_chromium_see_and_hear_each_other() -> None:
    if reason := firefox.missing() or _only_loopback():
        pytest.skip(reason)
    async with Firefox(init_script=INIT_SCRIPT) as browser, room("Ada") as blue:
        (ada,) = blue.people
        await browser.goto(blue.daemon.room_url(blue.name, "Bob"))
        bob = Person(browser, "Bob")
        await bob.joined()
        await asyncio.gather(ada.sees(1), bob.sees(1))
        await asyncio.gather(ada.hears(1), bob.hears(1))
        # Firefox sends in several encodings too, those that are asked for: of 360 lines they are two.
        for quality, lines in (("low", 180), ("high", 360)):
            await ada.chooses(quality)
            await ada.sees_lines(lines)
        await browser.goto("about:blank")
        await ada.alone()


def _only_loopback() -> str:
    """ "" or why not: Firefox refuses candidates of 127.0.0.1, so the machine needs another address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # sends nothing (RFC 5737 address)
        except OSError as error:
            return f"this machine has no address but loopback, which Firefox refuses: {error}"
    return ""
