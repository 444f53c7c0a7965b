"""What the phases of a measurement share: options, connections, streams, and what is read from samples.

Knows: which packets each connection should receive, how a sampled one is judged.
Does not know: in which order things happen.
"""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.load import figures, media
from benchmarks.load.flow import Flow
from benchmarks.load.link import Link
from benchmarks.load.media import Outgoing, Plan, Timing
from benchmarks.load.native import Loop
from benchmarks.load.seam import SrtpError
from benchmarks.load.shapes import Shape
from benchmarks.servers.adapter import Member, Server

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure."""

    timing: Timing
    server_core: int
    audio: bool = False
    drain_ms: float = 1.0
    ceiling: float = 0.0  # forwarded packets a second in the window; above, frames get fewer; 0: no limit
    idle: float = 0.0  # seconds of rest before any media
    saturate: bool = False
    storm: int = 0  # joins

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each publisher sends."""
        return ("video", "audio") if self.audio else ("video",)

    def timing_of(self, shape: Shape) -> Timing:
        """The phases, with the pace that keeps a shape below the ceiling."""
        rate = shape.pairs * sum(media.PROFILES[kind].packets_per_second for kind in self.kinds)
        pace = min(1.0, self.ceiling / rate) if self.ceiling else 1.0
        return replace(self.timing, pace=pace)


def own_cpu() -> float:
    """Seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@dataclass(slots=True)
class Bench:
    """One server with everybody in it."""

    library: ctypes.CDLL
    server: Server
    options: Options
    timing: Timing
    members: Sequence[Member]
    links: list[Link]
    outgoing: list[Outgoing]
    recognised: bool  # what arrives is what was sent, not encoded anew
    say: Say

    def expected(self, per_stream: dict[int, int]) -> int:
        """How many packets all connections should receive, when each stream sends so many."""
        return sum(per_stream[stream.number] for member in self.members for _, stream in member.receives)

    def flow(self, plan: Plan) -> Flow:
        """What sends `plan` and receives."""
        expected = self.expected(plan.measured)
        every = figures.sample_every(expected)
        loop = Loop(
            self.library,
            [link.sock.fileno() for link in self.links],
            plan.schedule,
            sample_every=every,
            sample_capacity=2 * expected // every + 1000,
            drain_ms=self.options.drain_ms,
        )
        return Flow(loop, self.links)

    def look(self, flow: Flow, plan: Plan, sent: tuple[int, int] | None = None) -> tuple[list[float], int]:
        """Decrypt the samples: (latencies in ms, how many were not what was sent or not for that receiver).

        With `sent`, only what was sent between these two wall-clock times, in nanoseconds.
        """
        streams = {stream.number: stream for member in self.members for _, stream in member.sends}
        wanted = {(id(link), stream.number) for member in self.members for link, stream in member.receives}
        latencies: list[float] = []
        unproven = 0
        for kept in flow.loop.samples():
            link = flow.links[kept.socket]
            try:
                payload = media.payload_of(link.dtls.unprotect(kept.data))
            except SrtpError:
                unproven += 1
                continue
            number, packet = media.identify(payload) or (-1, -1)
            frame = plan.frame_of(number, packet)
            if frame is None or (id(link), number) not in wanted:
                unproven += 1
                continue
            if not media.proven(payload, streams[number], frame, packet):
                unproven += 1
                continue
            sent_ns = int(flow.loop.sent_ns[plan.base[number] + packet])
            if sent is None or sent[0] <= sent_ns <= sent[1]:
                latencies.append((kept.received_ns - sent_ns) / 1e6)
        return latencies, unproven
