"""The bounded queue to one client."""

import asyncio

import pytest

from signaling.fields import MAX_MESSAGE_BYTES
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


@pytest.mark.parametrize(("limits", "fits"), [((8, 1000), 6), ((1000, 8), 6), ((3, 1000), 3), ((1000, 1), 0)])
async def test_others_may_not_fill_the_reserve(limits: tuple[int, int], fits: int) -> None:
    outbox = Outbox(*limits)
    assert [outbox.put_if_room("x") for _ in range(9)] == [True] * fits + [False] * (9 - fits)
    assert outbox.ending is None
    if fits == 6:
        outbox.put("yy" if limits[1] == 8 else "y")
        assert outbox.ending is None


async def test_the_largest_signal_fits_beside_the_largest_answer() -> None:
    outbox = Outbox()
    outbox.put("x" * 300_000)
    assert outbox.put_if_room("x" * (MAX_MESSAGE_BYTES + 100))
    assert not outbox.put_if_room("x" * MAX_MESSAGE_BYTES)
    outbox.put("x" * 300_000)
    assert outbox.ending is None


async def test_after_the_end_nothing_is_refused() -> None:
    outbox = Outbox(1, 1)
    outbox.end(LEFT)
    assert outbox.put_if_room("too long")
    assert await outbox.get() is None


async def test_the_latest_replaces_what_still_waits() -> None:
    outbox = Outbox(max_messages=3, max_bytes=6)
    for number in range(10):
        outbox.put_latest("level", f"l{number}")
    outbox.put("a")
    outbox.put_latest("level", "ll")
    outbox.put_latest("other", "o")
    assert [await outbox.get() for _ in range(3)] == ["a", "ll", "o"]
    outbox.put_latest("level", "mm")
    assert await outbox.get() == "mm"
    assert outbox.ending is None


async def test_bytes_of_what_was_replaced_are_free_again() -> None:
    outbox = Outbox(max_messages=10, max_bytes=10)
    outbox.put_latest("level", "x" * 8)
    outbox.put_latest("level", "x")
    outbox.put("y" * 9)
    assert outbox.ending is None
    outbox.put_latest("level", "xx")
    assert outbox.ending is TOO_SLOW


async def test_after_the_end_the_last_word_stays() -> None:
    outbox = Outbox()
    outbox.put_latest("level", "a")
    outbox.end(LEFT)
    outbox.put_latest("level", "b")
    assert [await outbox.get(), await outbox.get()] == ["a", None]
