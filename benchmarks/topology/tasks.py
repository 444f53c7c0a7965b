"""Tasks with an owner: what goes wrong in one is kept as a sentence, and all end with their owner."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from benchmarks.servers.adapter import ServerError

EXPECTED = (ServerError, ConnectionError, TimeoutError, ValueError, OSError)


class Tasks:
    """`run` coroutines, `close` ends those that still run; `problems` tells of those that failed."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._running: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(self._guard(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _guard(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except EXPECTED as error:
            self.problems.append(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)

    async def close(self) -> None:
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
