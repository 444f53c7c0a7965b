"""One piece of work in each turn of the event loop, and what else is due between them."""

import asyncio

import pytest

from sfu.transport.turns import Turns


async def test_others_get_their_turn_between_two_pieces() -> None:
    turns, done = Turns(), list[str]()
    for name in ("first", "second", "third"):
        assert turns.put(lambda name=name: done.append(name))  # type: ignore[misc]
    assert done == []
    while len(done) < 5:
        await asyncio.sleep(0)
        done.append("media")
    assert done[:5] == ["first", "media", "second", "media", "third"]


async def test_who_waits_comes_in_order() -> None:
    turns, done = Turns(), list[int]()

    async def one(number: int) -> None:
        await turns.come()
        done.append(number)

    await asyncio.gather(*(one(number) for number in range(5)))
    assert done == [0, 1, 2, 3, 4]


async def test_who_does_not_wait_any_more_holds_up_nobody() -> None:
    turns = Turns()
    gone = asyncio.ensure_future(turns.come())
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(5):
        await turns.come()
    assert gone.cancelled()


async def test_a_failure_is_told_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    turns = Turns()
    assert turns.put(lambda: 1 // 0)
    async with asyncio.timeout(5):
        await turns.come()
    assert "ZeroDivisionError" in caplog.text


async def test_what_waits_is_bounded() -> None:
    turns, done = Turns(most=3), list[int]()
    taken = [turns.put(lambda number=number: done.append(number)) for number in range(5)]  # type: ignore[misc]
    assert taken == [True, True, True, False, False]
    async with asyncio.timeout(5):
        await turns.come()
    assert done == [0, 1, 2]
    assert turns.put(lambda: None)
