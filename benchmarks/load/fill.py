"""Fills a server's rooms with participants, and knows what that cost the server.

Knows: who joins when, what each publishes and watches.
Does not know: how a server is driven (its adapter does), what is sent later.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.load import usage
from benchmarks.load.link import Link
from benchmarks.load.media import Stream
from benchmarks.load.shapes import Shape
from benchmarks.servers.adapter import Member, Server

SETTLE = 0.5  # seconds of peace before the server's memory and CPU are read
REST_STEP = 0.05  # seconds
CONSENT_INTERVAL = 8.0  # a server calls a silent client dead after 30 s, some after 10


@dataclass(frozen=True, slots=True)
class Filled:
    """The rooms are full; what that cost the server."""

    members: list[Member]
    resident_before: int  # bytes of the server, before any subscriber came
    resident: int  # and when all were there
    join_cpu: float  # seconds, for all members


@dataclass(slots=True)
class Consents:
    """Renews each connection's consent in turn, evenly spread: all at once would be a load of its own."""

    links: Sequence[Link]
    renewed: float  # when the first of them was renewed last
    interval: float = CONSENT_INTERVAL
    _next: int = 0

    def renew(self, now: float) -> None:
        """Send what is due at `now`."""
        due = min(len(self.links), int((now - self.renewed) / self.interval * len(self.links)))
        while self._next < due:
            self.links[self._next].consent()
            self._next += 1
        if self._next == len(self.links):
            self.renewed, self._next = now, 0


async def rest(links: Sequence[Link], seconds: float) -> None:
    """Send nothing but consent, as often as browsers do (RFC 7675 5.1: every 5 s)."""
    consents = Consents(links, time.monotonic(), 5.0)
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        consents.renew(now)
        await asyncio.sleep(REST_STEP)


def server_usage(server: Server) -> usage.Usage:
    """What all processes of a server have used so far."""
    return usage.read([pid for root in server.pids for pid in usage.descendants(root)])


def streams_of(number: int, kinds: Sequence[str]) -> list[Stream]:
    """The streams that participant `number` publishes, one of each kind."""
    chosen = random.Random(number)
    return [
        Stream(
            number=2 * number + place,
            kind=kind,
            ssrc=(number + 1) << 8 | place | 0x10000000,
            mid=str(place),
            first_seq16=chosen.randrange(1 << 15),  # RFC 3711 3.3.1 likes a start below 2**15
        )
        for place, kind in enumerate(kinds)
    ]


async def fill(server: Server, shape: Shape, kinds: Sequence[str], say: Callable[[str], None]) -> Filled:
    """Let everybody in, one after the other. Raises what the adapter raises."""
    members: list[Member] = []
    await asyncio.sleep(SETTLE)
    consented = time.monotonic()
    before = subscribers_from = server_usage(server)
    for room_number, room in enumerate(shape.rooms):
        inside: list[Member] = []
        for place in range(room.members):
            say(f"joining {len(members) + 1}/{shape.members}")
            if len(members) == 1 and room.publishers == 1:
                subscribers_from = server_usage(server)
            streams = streams_of(len(members), kinds if place < room.publishers else ())
            later = max(0, room.publishers - place - 1)
            publishers = inside[: room.publishers]
            member = await server.join(f"load{room_number}", f"m{len(members)}", streams, publishers, later)
            for other in inside if streams else ():
                await server.watch(other, member)
            inside.append(member)
            members.append(member)
            if time.monotonic() - consented > CONSENT_INTERVAL:
                consented = time.monotonic()
                for link in (link for member in members for link in member.links):
                    link.consent()
    await asyncio.sleep(SETTLE)
    after = server_usage(server)
    return Filled(members, subscribers_from.resident, after.resident, (after - before).cpu)
