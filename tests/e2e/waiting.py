"""Waits for conditions instead of sleeping. Knows nothing of browsers or daemons."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
Detail = Callable[[], str]


@overload
async def wait_until(
    condition: Callable[[], Awaitable[T | None]], within: float, what: str, *, detail: Detail | None = None
) -> T: ...
@overload
async def wait_until(
    condition: Callable[[], T | None], within: float, what: str, *, detail: Detail | None = None
) -> T: ...
async def wait_until(
    condition: Callable[[], Any], within: float, what: str, *, detail: Detail | None = None
) -> Any:
    """Poll `condition` (plain or async) until it is truthy and return its value.

    Raises AssertionError naming `what`, the last value seen and `detail()` after `within` seconds.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            more = f"\n{detail()}" if detail is not None else ""
            raise AssertionError(f"waited {within} s for {what}; last seen: {value!r}{more}")
        await asyncio.sleep(0.1)
