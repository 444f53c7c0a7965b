"""What an adapter does so that the load client can drive a server, and how servers' processes are kept.

Knows: starting a process on one core, its log, stopping it.
Does not know: any particular server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import ifaddr

from benchmarks.load.link import Link
from benchmarks.load.media import Stream

STOP_TIMEOUT = 5.0
LOGS = Path(__file__).parent.parent / "out"


class ServerError(RuntimeError):
    """A server can't be started or refused something; the message says which and why."""


@dataclass(slots=True)
class Member:
    """One participant of a room: its connections, and which streams leave and arrive by each."""

    name: str
    sends: list[tuple[Link, Stream]] = field(default_factory=list)
    receives: list[tuple[Link, Stream]] = field(default_factory=list)

    @property
    def links(self) -> list[Link]:
        """Each connection once."""
        return list({id(link): link for link, _ in (*self.sends, *self.receives)}.values())


class Server(Protocol):
    """A server under load. One is made for each measurement, started, filled, stopped."""

    name: str

    def missing(self) -> str | None:
        """Why it can't run on this machine and how to get it, or None when it can."""

    async def start(self, core: int) -> None:
        """Start its processes on one core; return when it takes connections. Raises ServerError."""

    @property
    def pids(self) -> Sequence[int]:
        """Its processes (children are found by themselves)."""

    async def join(
        self, room: str, name: str, streams: Sequence[Stream], watch: Sequence[Member], later: int
    ) -> Member:
        """Let a participant in: it publishes `streams`, watches these members, later `later` more."""

    async def watch(self, member: Member, other: Member) -> None:
        """Let a member also receive what another, who came later, publishes."""

    async def stop(self) -> None:
        """End every connection and process; may be called at any time."""


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Pin the calling thread, and what it starts meanwhile, to one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True)
class Process:
    """A server's process with its output in a log file; `piped`: stdout and stdin are for its adapter."""

    log: Path
    piped: bool = False
    process: asyncio.subprocess.Process | None = None

    async def start(self, command: Sequence[str], core: int, environment: Mapping[str, str]) -> None:
        """Start it on one core, in a session of its own (Ctrl-C is for the benchmark). Raises ServerError."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log, on_core(core):
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE if self.piped else asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE if self.piped else log,
                    stderr=log,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
            except OSError as error:
                raise ServerError(f"{command[0]} does not start: {error.strerror}") from error

    @property
    def pids(self) -> list[int]:
        return [self.process.pid] if self.process else []

    @property
    def output(self) -> asyncio.StreamReader | None:
        """What it writes, when it is piped."""
        return self.process.stdout if self.process else None

    def say(self, line: str) -> None:
        """Write it a line, when it is piped."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    def tail(self, lines: int = 15) -> str:
        """The end of its log, for error messages."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def check(self) -> None:
        """Raises ServerError when it has ended."""
        if self.process is None or self.process.returncode is not None:
            raise ServerError(f"the server ended early; the end of {self.log.name}:\n{self.tail()}")

    async def stop(self) -> None:
        """SIGTERM, after 5 s SIGKILL."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def udp_port() -> int:
    """The same for UDP."""
    return free_port(socket.SOCK_DGRAM)


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback if it has one: some servers offer no other.

    What is sent to it stays inside the machine.
    """
    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return next((ip for ip in found if not ip.startswith("127.")), "127.0.0.1")
