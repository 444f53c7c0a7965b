"""The process of one participant: obeys the benchmark over a pipe, joins, sends, counts, hands its outcome back.

One process holds one participant, so that its CPU time and memory are exactly what the kernel says of the process.
Knows: the commands, which counters are read when.
Does not know: the other processes, formulas, reports.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import time
from multiprocessing.connection import Connection
from typing import Any

import aiohttp

from benchmarks.load.seam import certificate
from benchmarks.servers.adapter import ServerError
from benchmarks.servers.aiosfu import Signaling
from benchmarks.topology.clip import read_counters
from benchmarks.topology.ice import Counters
from benchmarks.topology.link import Uplink
from benchmarks.topology.media import Media
from benchmarks.topology.memory import private_bytes
from benchmarks.topology.namespaces import link_counters
from benchmarks.topology.records import Order, Outcome, Snapshot, Stream
from benchmarks.topology.room_mesh import MeshRoom
from benchmarks.topology.room_sfu import SfuRoom
from benchmarks.topology.shaper import Shaper

CLONE_NEWNET = 0x40000000  # linux/sched.h
DRAIN = 0.5  # seconds after the window in which its last frames may still arrive
FAILURES = (ServerError, ConnectionError, TimeoutError, ValueError, OSError, aiohttp.ClientError)


def main(order: Order, pipe: Connection) -> None:
    """The whole life of the process; it ends when the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the benchmark, which then closes the pipe
    if order.namespace is not None:
        enter_namespace(order.namespace)
    gc.freeze()  # what was there before the fork stays shared with the other participants
    asyncio.run(Participant(order, pipe).run())


def enter_namespace(name: str) -> None:
    """Move this process into a network namespace made by `ip netns add`. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        if libc.setns(handle, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"can't enter network namespace {name}")
    finally:
        os.close(handle)


class Participant:
    """Commands: ("join",), ("film",), ("window", begin, end, clean end). Each is answered by (word, ...)."""

    def __init__(self, order: Order, pipe: Connection) -> None:
        self._order = order
        self._pipe = pipe
        self._commands: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self._counters = Counters()
        self._media = Media(order)
        self._room: MeshRoom | SfuRoom | None = None
        self._joined_at = 0.0

    async def run(self) -> None:
        """Serve until the pipe is closed, or something fails (which is told)."""
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._readable)
        async with aiohttp.ClientSession() as session:
            signaling: Signaling | None = None
            try:
                while (command := await self._commands.get())[0] != "end":
                    if command[0] == "join":
                        signaling = await self._join(session)
                        self._tell("joined")
                    elif command[0] == "film":
                        self._media.start()
                        self._watch = asyncio.create_task(self._tell_when_all_shown())
                        self._tell("films")
                    else:
                        assert signaling is not None
                        outcome = await self._window(command[1], command[2], signaling)
                        self._tell("outcome", outcome)
            except FAILURES as error:
                self._tell("failed", f"{type(error).__name__}: {error}".removesuffix(": "))
            finally:
                asyncio.get_running_loop().remove_reader(self._pipe.fileno())
                await self._leave(signaling)

    def _readable(self) -> None:
        try:
            self._commands.put_nowait(self._pipe.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._commands.put_nowait(("end",))

    def _tell(self, word: str, value: object = None) -> None:
        try:
            self._pipe.send((word, value))
        except OSError:
            self._commands.put_nowait(("end",))

    async def _join(self, session: aiohttp.ClientSession) -> Signaling:
        order = self._order
        self._joined_at = time.monotonic()
        signaling = Signaling(await session.ws_connect(f"{order.url}/ws", max_msg_size=1 << 21))
        shaper = Shaper(order.uplink_bps) if order.uplink_bps and not order.namespace else None
        uplink = Uplink(certificate(), order.address, self._counters, shaper)
        kind = MeshRoom if order.direct else SfuRoom
        self._room = kind(order, signaling, uplink, self._media)
        self._shaper = shaper
        await self._room.join()
        return signaling

    async def _tell_when_all_shown(self) -> None:
        await self._media.all_shown.wait()
        self._tell("shown")

    def _snapshot(self) -> Snapshot:
        counters = self._counters
        packets_out, bytes_out = counters.packets_out, counters.bytes_out
        if self._order.namespace is not None:
            packets_out, bytes_out = link_counters()
        return Snapshot(
            cpu=time.process_time(),
            packets_out=packets_out,
            bytes_out=bytes_out,
            packets_in=counters.packets_in,
            bytes_in=counters.bytes_in,
            late=self._media.late,
            encoded=self._media.produced,
        )

    async def _window(self, begin: float, end: float, signaling: Signaling) -> Outcome:
        assert self._room is not None
        await asyncio.sleep(begin - time.monotonic())
        before = self._snapshot()
        await asyncio.sleep(end - time.monotonic())
        after = self._snapshot()
        memory = private_bytes([os.getpid()])
        connected = [link for link in self._room.links if link.connected]
        await asyncio.sleep(end + DRAIN - time.monotonic())
        outcome = Outcome(
            name=self._order.name,
            joined_at=self._joined_at,
            before=before,
            after=after,
            connections=len(connected),
            memory=memory,
            profile=connected[0].profile if connected else "",
            sent={to: outgoing.sent for to, outgoing in self._media.outgoing.items()},
            received={},
            shaper_dropped=self._shaper.dropped if self._shaper else 0,
            problems=list(self._room.problems),
        )
        await self._leave(signaling)
        outcome.received = {name: self._stream(name) for name in self._media.incoming}
        return outcome

    def _stream(self, name: str) -> Stream:
        assembler = self._media.incoming[name].assembler
        frames = assembler.finish()
        counters: dict[int, int] = {}
        if self._order.decode:
            places = [place for place, frame in enumerate(frames) if frame.shown]
            seen = read_counters(frames[place].data for place in places)
            counters = {
                place: counter for place, counter in zip(places, seen, strict=True) if counter is not None
            }
            frames = [frame.without_data() for frame in frames]
        return Stream(frames, counters, assembler.first_shown)

    async def _leave(self, signaling: Signaling | None) -> None:
        await self._media.stop()
        if signaling is not None and not signaling.socket.closed:
            await signaling.close()
        if self._room is not None:
            await self._room.close()
