"""A join storm: many participants come as fast as they can while others' media flows.

Knows: who of them goes where, how many come at a time, what to keep of the time it took.
Does not know: servers, how media is sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load.fill import server_usage, streams_of
from benchmarks.servers.adapter import Member, Server

ROOM_OF = 4  # they meet in rooms of this many, each publishes (silently) and watches who is there already
AT_ONCE = 32  # rooms under way; inside one, they come in turn
LONGEST = 120.0  # seconds


@dataclass(slots=True)
class Storm:
    """What a storm was like."""

    joins: int
    failed: int = 0
    seconds: float = 0.0
    server_cpu: float = 0.0  # seconds
    began_ns: int = 0  # wall-clock time, to find the media of that time
    ended_ns: int = 0
    waits: list[float] = field(default_factory=list)  # seconds, of each join

    @property
    def joins_per_second(self) -> float:
        return (self.joins - self.failed) / self.seconds if self.seconds else 0.0


async def storm(server: Server, joins: int, first_number: int) -> Storm:
    """Let `joins` participants in; their streams are numbered from participant `first_number` on."""
    result = Storm(joins)
    gate = asyncio.Semaphore(AT_ONCE)
    before, began, result.began_ns = server_usage(server), time.monotonic(), time.time_ns()
    rooms = [range(place, min(place + ROOM_OF, joins)) for place in range(0, joins, ROOM_OF)]

    async def room(number: int, places: Sequence[int]) -> None:
        async with gate:
            inside: list[Member] = []
            for place in places:
                wait = time.monotonic()
                streams = streams_of(first_number + place, ("video",))
                name = f"s{first_number + place}"
                try:
                    inside.append(await server.join(f"storm{number}", name, streams, inside[:], 0))
                except (OSError, RuntimeError, TimeoutError):
                    result.failed += 1
                else:
                    result.waits.append(time.monotonic() - wait)

    async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
        for number, places in enumerate(rooms):
            group.create_task(room(number, places))
    result.seconds, result.ended_ns = time.monotonic() - began, time.time_ns()
    result.server_cpu = (server_usage(server) - before).cpu
    return result
