"""Files shared in a room arrive whole, at all or at one: from page to page in a mesh, else through the server."""

import asyncio
import hashlib
import random

import pytest
from playwright.async_api import FilePayload

from tests.e2e.chromium import Tab
from tests.e2e.room import Person, room

pytestmark = pytest.mark.browser
SIZE = 5_000_000  # no multiple of anything that files are cut into
ROW = """(name) => document.querySelector(`[data-testid=file-row][data-name="${name}"]`)"""
STATE = f"(name) => ({ROW})(name)?.dataset.state"


def _content(seed: int) -> bytes:
    return random.Random(seed).randbytes(SIZE)


async def _share(sender: Person, name: str, content: bytes, to: str = "") -> None:
    """Choose a file in the chat panel, for everybody or for one participant id."""
    assert isinstance(sender.page, Tab)
    page = sender.page.page
    await page.get_by_test_id("chat-to").select_option(to, force=True)
    file = FilePayload(name=name, mimeType="application/octet-stream", buffer=content)
    await page.get_by_test_id("file-input").set_input_files(file)
    await sender.page.wait_for(f"({STATE})({name!r}) === 'offered'")


async def _receive(receiver: Person, name: str, content: bytes) -> None:
    """Take the file that is offered, save it, and compare that with what was sent."""
    await receiver.page.wait_for(f"({STATE})({name!r}) === 'offered'")
    await receiver.page.evaluate(f"({ROW})({name!r}).querySelector('[data-testid=file-receive]').click()")
    await receiver.page.wait_for(f"['done', 'damaged'].includes(({STATE})({name!r}))", 30.0)
    words = await receiver.page.evaluate(
        f"({ROW})({name!r}).querySelector('[data-testid=file-status]').textContent"
    )
    assert "the same as what was sent (SHA-256)" in words, words
    assert isinstance(receiver.page, Tab)
    row = receiver.page.page.locator(f'[data-testid=file-row][data-name="{name}"]')
    async with receiver.page.page.expect_download() as saving:
        await row.get_by_test_id("file-save").click()
    saved = (await (await saving.value).path()).read_bytes()
    assert len(saved) == len(content)
    assert hashlib.sha256(saved).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize("topology", ["mesh", "sfu"])
async def test_five_megabytes_arrive_whole_at_all_and_at_one(topology: str) -> None:
    async with room("Ada", "Bob", "Cleo", query=f"&topology={topology}", media=False) as blue:
        ada, bob, cleo = blue.people
        for person in blue.people:
            await person.click("chat-toggle")
        ids = [await person.id() for person in blue.people]
        if topology == "mesh":
            await asyncio.gather(ada.connects_to(*ids[1:]), bob.connects_to(ids[0], ids[2]))
        else:
            await asyncio.gather(*(person.connects_to("server") for person in blue.people))

        for_all, for_bob = _content(1), _content(2)
        await _share(ada, "all.bin", for_all)
        await asyncio.gather(_receive(bob, "all.bin", for_all), _receive(cleo, "all.bin", for_all))
        await ada.page.wait_for(f"({STATE})('all.bin') === 'sent'")

        await _share(cleo, "one.bin", for_bob, ids[1])
        await _receive(bob, "one.bin", for_bob)
        await cleo.page.wait_for(f"({STATE})('one.bin') === 'sent'")
        await ada.writes("did you get it?")
        await asyncio.gather(bob.reads("did you get it?"), cleo.reads("did you get it?"))
        assert not await ada.page.evaluate(f"!!({ROW})('one.bin')"), "it was for Bob alone"
