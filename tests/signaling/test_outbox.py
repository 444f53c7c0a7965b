"""The bounded queue to one client."""

import asyncio

import pytest

from signaling.outbox import LEFT, SHUTDOWN, TOO_SLOW, Outbox


async def test_order_and_end() -> None:
    outbox = Outbox()
    outbox.put("a")
    outbox.put("b")
    outbox.end(LEFT)
    outbox.put("c")
    assert [await outbox.get(), await outbox.get(), await outbox.get()] == ["a", "b", None]
    assert await outbox.ended() is LEFT


async def test_get_waits() -> None:
    outbox = Outbox()
    waiting = asyncio.ensure_future(outbox.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.put("a")
    assert await waiting == "a"
    waiting = asyncio.ensure_future(outbox.get())
    await asyncio.sleep(0)
    outbox.end(LEFT)
    assert await waiting is None


async def test_the_first_ending_counts() -> None:
    outbox = Outbox()
    outbox.end(SHUTDOWN)
    outbox.end(LEFT)
    assert await outbox.ended() is SHUTDOWN


@pytest.mark.parametrize("limits", [(3, 1000), (1000, 6)])
async def test_full_is_too_slow(limits: tuple[int, int]) -> None:
    outbox = Outbox(*limits)
    for text in ("aa", "bb", "cc"):
        outbox.put(text)
    assert outbox.ending is None
    outbox.put("dd")
    assert await outbox.ended() is TOO_SLOW
    assert await outbox.get() is None


async def test_room_comes_back() -> None:
    outbox = Outbox(max_messages=1, max_bytes=2)
    for text in ("aa", "bb"):
        outbox.put(text)
        assert await outbox.get() == text
    assert outbox.ending is None
