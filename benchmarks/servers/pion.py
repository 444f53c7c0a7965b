"""Drives a plain forwarding server on Pion (Go), whose source is beside this file, over its HTTP requests.

Knows: its one request; what a member sends and what it watches are two connections.
Does not know: the load, nor how it is measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.load.link import Link
from benchmarks.load.media import Stream
from benchmarks.load.sdp import Section, read_answer, write_offer
from benchmarks.load.seam import certificate
from benchmarks.servers.adapter import LOGS, Member, Process, ServerError, free_port
from benchmarks.servers.building import go_build, missing_go, until_healthy

SOURCE = Path(__file__).parent / "pion"


@dataclass(slots=True)
class Seat:
    """What this adapter keeps of a member: the connection by which it watches, the server's number of it."""

    room: str
    link: Link | None = None
    address: tuple[str, int] = ("", 0)
    peer: int = 0
    sections: list[Section] = field(default_factory=list)


class Pion:
    """The Go program as a process of its own; `go build` makes it when it is first wanted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = Process(LOGS / f"{name}.log")
        self._certificate = certificate()
        self._session: aiohttp.ClientSession | None = None
        self._url = ""
        self._seats: dict[str, Seat] = {}
        self._links: list[Link] = []

    @property
    def _program(self) -> Path:
        return LOGS / "pion"

    def missing(self) -> str | None:
        return missing_go(self._program)

    @property
    def pids(self) -> Sequence[int]:
        return self._process.pids

    async def start(self, core: int) -> None:
        await go_build(SOURCE, self._program)
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        await self._process.start(
            [str(self._program), "-listen", f"127.0.0.1:{port}"], core, {"GOMAXPROCS": "1"}
        )
        self._session = aiohttp.ClientSession()
        await until_healthy(self.name, self._process, self._session, f"{self._url}/healthz")

    async def _join(self, **fields: object) -> dict[str, Any]:
        assert self._session is not None
        async with self._session.post(f"{self._url}/join", json=fields) as response:
            if response.status != 200:
                raise ServerError(f"join refused: {(await response.text()).strip()}")
            answer: dict[str, Any] = await response.json(content_type=None)
            return answer

    # -- members ---------------------------------------------------------------------------------------------

    async def join(
        self, room: str, name: str, streams: Sequence[Stream], watch: Sequence[Member], later: int
    ) -> Member:
        del later  # whom it watches later costs a renegotiation then
        member = Member(name)
        seat = self._seats[name] = Seat(room)
        if streams:
            link = self._link()
            sections = [Section(stream.mid, stream.kind, stream) for stream in streams]
            offer = write_offer(link, name, sections, link.bind("127.0.0.1"))
            kinds = [stream.kind for stream in streams]
            answer = await self._join(room=room, name=name, publish=kinds, watch=[], peer=0, sdp=offer)
            await link.connect(read_answer(answer["sdp"]))
            member.sends = [(link, stream) for stream in streams]
        if watch:
            await self._watch(seat, member, watch)
        return member

    async def watch(self, member: Member, other: Member) -> None:
        await self._watch(self._seats[member.name], member, [other])

    async def _watch(self, seat: Seat, member: Member, others: Sequence[Member]) -> None:
        mids = itertools.count(len(seat.sections))
        streams = [stream for other in others for _, stream in other.sends]
        seat.sections += [Section(str(next(mids)), stream.kind) for stream in streams]
        first = seat.link is None
        if seat.link is None:
            seat.link = self._link()
            seat.address = seat.link.bind("127.0.0.1")
        offer = write_offer(seat.link, member.name, seat.sections, seat.address)
        watch = [other.name for other in others]
        answer = await self._join(
            room=seat.room, name=member.name, publish=[], watch=watch, peer=seat.peer, sdp=offer
        )
        seat.peer = answer["peer"]
        if first:
            await seat.link.connect(read_answer(answer["sdp"]))
        member.receives += [(seat.link, stream) for stream in streams]

    def _link(self) -> Link:
        link = Link(self._certificate)
        self._links.append(link)
        return link

    async def stop(self) -> None:
        for link in self._links:
            await link.close()
        if self._session is not None:
            await self._session.close()
        await self._process.stop()
