"""The search for the highest rate, against servers that are a formula."""

import dataclasses

import pytest

from benchmarks.load.saturation import MOST, RISE, Search, Step, search


def step(offered: float, capacity: float, *, client: float = 0.5) -> Step:
    received = min(offered, capacity)
    return Step(
        offered=offered,
        received=received,
        loss=1 - received / offered,
        behind=0.0,
        server_cores=min(1.0, offered / capacity),
        client_cores=client,
    )


async def found(start: float, capacity: float) -> Search:
    async def attempt(rate: float) -> Step:
        return step(rate, capacity)

    return await search(start, attempt)


@pytest.mark.parametrize("capacity", [900.0, 10_000.0, 123_456.0, 390_000.0])
async def test_finds_the_capacity_to_within_a_few_per_cent(capacity: float) -> None:
    result = await found(10_000.0, capacity)
    assert result.best is not None
    assert capacity * 0.85 <= result.best.received <= capacity
    assert result.limit == "core"
    assert len(result.steps) <= MOST


async def test_gives_up_on_a_server_that_forwards_nothing() -> None:
    result = await found(10_000.0, 0.001)
    assert result.best is None
    assert len(result.steps) < 15


async def test_a_server_without_limits_ends_the_search_too() -> None:
    result = await found(100.0, 1e12)
    assert len(result.steps) == MOST
    assert result.limit == ""
    assert result.best is not None
    assert result.best.offered == pytest.approx(100.0 * RISE ** (MOST - 1))


async def test_one_bad_moment_is_not_believed() -> None:
    hiccups = iter([False, True] + [False] * 100)

    async def attempt(rate: float) -> Step:
        return step(rate, 1.0 if next(hiccups) else 50_000.0)

    result = await search(10_000.0, attempt)
    assert result.best is not None
    assert result.best.received > 45_000


async def test_what_others_disturb_is_tried_again() -> None:
    moments = iter([True, True, False] * 100)

    async def attempt(rate: float) -> Step:
        disturbed = next(moments)
        return dataclasses.replace(
            step(rate, 5000.0 if disturbed else 50_000.0), others=0.4 if disturbed else 0.0
        )

    result = await search(10_000.0, attempt)
    assert result.best is not None
    assert result.best.received > 35_000


async def test_a_machine_that_never_rests_is_told() -> None:
    async def attempt(rate: float) -> Step:
        return dataclasses.replace(step(rate, 20_000.0), others=0.5)

    result = await search(10_000.0, attempt)
    assert result.limit == "others"


@pytest.mark.parametrize(
    ("outcome", "limit"),
    [
        (Step(100, 100, 0.0, 0.1, 0.5, 0.5), ""),
        (Step(100, 90, 0.1, 0.1, 0.99, 0.5), "core"),
        (Step(100, 100, 0.0, 0.4, 0.99, 0.5), "core"),
        (Step(100, 90, 0.1, 0.1, 0.6, 0.5), "loss"),
        (Step(100, 90, 0.1, 0.1, 0.99, 0.99), "client"),
        (Step(100, 90, 0.1, 0.1, 0.99, 0.5, client_dropped=1), "client"),
        (Step(100, 90, 0.1, 0.1, 0.5, 0.5, others=0.5), "others"),
        (Step(100, 100, 0.0, 0.1, 0.5, 0.5, others=0.5), ""),
    ],
)
def test_what_stopped_a_rate(outcome: Step, limit: str) -> None:
    assert outcome.limit == limit
