"""The daemons of a run: one, or a tree of them; started as users do, asked by /stats what their sockets saw.

Knows: the command line of `sfu serve`, /stats, the processes' CPU time and memory.
Does not know: participants, formulas.
"""

from __future__ import annotations

import functools
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.load import usage
from benchmarks.topology.memory import private_bytes
from benchmarks.topology.packets import UDP_IP
from benchmarks.topology.report import NodeDetail
from tests.e2e.daemon import Daemon

ROOT = Path(__file__).parents[2]
LEAVES = 2  # nodes below the root of a tree; participants are dealt out to them in turn


@dataclass(frozen=True, slots=True)
class NodeSnapshot:
    """What one daemon's UDP port has seen and its process used; bytes with UDP and IP headers."""

    at: float = 0.0  # when it was asked: a busy daemon may answer late
    cpu: float = 0.0
    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    connections: int = 0
    memory: int = 0


@functools.cache
def tree_refusal() -> str:
    """Why this daemon can't be a node of a tree, or ""."""
    command = [sys.executable, "-m", "sfu.cli", "serve", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30).stdout
    return "" if "--parent" in shown else "this daemon has no --parent: it can't be a node of a relay tree"


def difference(before: NodeSnapshot, after: NodeSnapshot) -> NodeDetail:
    """What happened between two snapshots of one node."""
    return NodeDetail(
        seconds=after.at - before.at,
        connections=after.connections,
        bytes_out=after.bytes_out - before.bytes_out,
        packets_out=after.packets_out - before.packets_out,
        bytes_in=after.bytes_in - before.bytes_in,
        packets_in=after.packets_in - before.packets_in,
        cpu_seconds=after.cpu - before.cpu,
        memory_bytes=after.memory,
    )


class Nodes:
    """`async with Nodes("sfu") as nodes:` the daemons that a topology needs."""

    def __init__(self, topology: str, *, host: str = "127.0.0.1", namespace: str | None = None) -> None:
        self._topology = topology
        self._host = host
        self._namespace = namespace
        self._stack = AsyncExitStack()
        self.daemons: list[Daemon] = []

    async def __aenter__(self) -> Nodes:
        await self._stack.__aenter__()
        try:
            relay = ["--relay", "media"] if self._topology == "sfu-media" else []
            secret = ["--node-secret", secrets.token_hex(16)] if self._topology == "tree" else []
            root = await self._start([*relay, *secret])
            for _ in range(LEAVES if secret else 0):
                await self._start(["--parent", root.origin, *secret])
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _start(self, arguments: Sequence[str]) -> Daemon:
        daemon = Daemon(
            "--rtc-host", self._host, "--log-level", "warning", *arguments,
            host=self._host, namespace=self._namespace,
        )  # fmt: skip
        await self._stack.enter_async_context(daemon)
        self.daemons.append(daemon)
        return daemon

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for daemon in reversed(self.daemons):
            try:
                await daemon.stop()
            except (AssertionError, TimeoutError):
                continue  # the stack kills it
        await self._stack.aclose()

    def url_for(self, place: int) -> str:
        """The node that the participant of this number joins."""
        if self._topology != "tree":
            return self.daemons[0].origin
        return self.daemons[1 + place % LEAVES].origin

    def pids(self) -> set[int]:
        """Processes of all nodes."""
        return {pid for daemon in self.daemons for pid in usage.descendants(daemon.child.pid)}

    async def snapshots(self) -> list[NodeSnapshot]:
        """One for each node, the root first."""
        return [await self._snapshot(daemon) for daemon in self.daemons]

    async def _snapshot(self, daemon: Daemon) -> NodeSnapshot:
        media = (await daemon.stats())["media"]
        at = time.monotonic()
        pids = usage.descendants(daemon.child.pid)
        port = media["transport"]
        # A node dials its parent from a socket of its own, beside the port that the other counters are of.
        dialed = [link["connection"] for link in media.get("links", ()) if daemon is not self.daemons[0]]
        packets_in = port["datagrams_in"] + sum(each["packets_in"] for each in dialed)
        packets_out = port["datagrams_out"] + sum(each["packets_out"] for each in dialed)
        return NodeSnapshot(
            at=at,
            cpu=usage.read(pids).cpu,
            packets_in=packets_in,
            bytes_in=port["bytes_in"] + sum(each["bytes_in"] for each in dialed) + UDP_IP * packets_in,
            packets_out=packets_out,
            bytes_out=port["bytes_out"] + sum(each["bytes_out"] for each in dialed) + UDP_IP * packets_out,
            connections=port["connections"],
            memory=private_bytes(pids),
        )
