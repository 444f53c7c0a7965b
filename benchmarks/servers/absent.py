"""A server that is known by name and can't be measured here; the benchmark skips it with a sentence.

Knows: why.
Does not know: anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.load.media import Stream
from benchmarks.servers.adapter import Member, ServerError


class Absent:
    """It never starts."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self._reason = reason

    def missing(self) -> str | None:
        return self._reason

    @property
    def pids(self) -> Sequence[int]:
        return ()

    async def start(self, core: int) -> None:
        del core
        raise ServerError(self._reason)

    async def join(
        self, room: str, name: str, streams: Sequence[Stream], watch: Sequence[Member], later: int
    ) -> Member:
        raise ServerError(self._reason)

    async def watch(self, member: Member, other: Member) -> None:
        raise ServerError(self._reason)

    async def stop(self) -> None:
        return
