"""One measurement of one server: fill the rooms, let the media flow, count, and look at what came out.

Knows: the order of the phases, which packets each connection should receive, when the server's usage is read.
Does not know: how a server is driven (its adapter does), how results are shown.
"""

from __future__ import annotations

import ctypes
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.load import figures, media, usage
from benchmarks.load.figures import Result
from benchmarks.load.fill import Filled, fill, server_usage
from benchmarks.load.flow import Flow
from benchmarks.load.link import Link
from benchmarks.load.media import Outgoing, Plan, Timing
from benchmarks.load.native import Loop
from benchmarks.load.seam import SrtpError
from benchmarks.load.shapes import Shape
from benchmarks.servers.adapter import Member, Server, ServerError

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure."""

    timing: Timing
    server_core: int
    audio: bool = False
    drain_ms: float = 1.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each publisher sends."""
        return ("video", "audio") if self.audio else ("video",)


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in the measured window."""

    spent: usage.Usage  # by the server
    resident: int  # bytes of the server at its end
    client_cpu: float  # seconds
    seconds: float
    expected: int
    received: int
    client_dropped: int


async def measure(library: ctypes.CDLL, server: Server, shape: Shape, options: Options, say: Say) -> Result:
    """Start a server, load it, stop it. Raises ServerError, ConnectionError, TimeoutError."""
    say("starting")
    try:
        await server.start(options.server_core)
        filled = await fill(server, shape, options.kinds, say)
        say("encrypting")
        links, plan = _plan(filled.members, options.timing)
        flow = Flow(_loop(library, links, plan, filled.members, options), links)
        window = await _window(server, options.timing, filled.members, plan, flow, say)
        say("checking samples")
        return _result(server.name, shape, options.timing, filled, plan, flow, window)
    finally:
        await server.stop()


def _plan(members: Sequence[Member], timing: Timing) -> tuple[list[Link], Plan]:
    links = list({id(link): link for member in members for link in member.links}.values())
    index = {id(link): place for place, link in enumerate(links)}
    outgoing = [
        Outgoing(stream, index[id(link)], link.dtls.protect)
        for member in members
        for link, stream in member.sends
    ]
    return links, media.plan(outgoing, timing)


def _expected(members: Sequence[Member], per_stream: dict[int, int]) -> int:
    """How many packets all connections should receive, when each stream sends so many."""
    return sum(per_stream[stream.number] for member in members for _, stream in member.receives)


def _loop(
    library: ctypes.CDLL, links: Sequence[Link], plan: Plan, members: Sequence[Member], options: Options
) -> Loop:
    expected = _expected(members, plan.measured)
    every = figures.sample_every(expected)
    return Loop(
        library,
        [link.sock.fileno() for link in links],
        plan.schedule,
        sample_every=every,
        sample_capacity=2 * expected // every + 1000,
        drain_ms=options.drain_ms,
    )


async def _window(
    server: Server, timing: Timing, members: Sequence[Member], plan: Plan, flow: Flow, say: Say
) -> Window:
    """Warm up, then count what a window of media costs, from silence to silence: nothing is cut off."""
    flow.take_over()
    say(f"warming up {timing.warm_up:g} s")
    await flow.play(0, plan.measured_from)
    if flow.received == 0:
        sent = flow.loop.struct.sent
        raise ServerError(f"{server.name} forwarded nothing during the warm-up ({sent} packets sent)")
    await flow.drain(_expected(members, plan.warm_up))
    flow.loop.clear()
    dropped = sum(link.dropped() for link in flow.links)
    before, client, began = server_usage(server), _own_cpu(), time.monotonic()
    say(f"measuring {timing.window:g} s")
    await flow.play(plan.measured_from, len(plan.schedule.bursts))
    expected = _expected(members, plan.measured)
    await flow.drain(expected)
    after = server_usage(server)
    result = Window(
        spent=after - before,
        resident=after.resident,
        client_cpu=_own_cpu() - client,
        seconds=time.monotonic() - began,
        expected=expected,
        received=flow.received,
        client_dropped=sum(link.dropped() for link in flow.links) - dropped,
    )
    flow.give_back()
    return result


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _result(
    name: str, shape: Shape, timing: Timing, filled: Filled, plan: Plan, flow: Flow, window: Window
) -> Result:
    latencies, unproven = _look(flow, filled.members, plan)
    each, user, system = figures.per_packet(window.spent, window.received)
    kib = 1024 * (shape.members - (1 if shape.kind == "fanout" else 0))
    return Result(
        server=name,
        shape=shape.kind,
        n=shape.n,
        cpu_us_per_packet=each,
        cpu_user_us=user,
        cpu_system_us=system,
        loss=figures.loss(window.received, window.expected),
        packets_per_second=window.received / timing.window,
        latency_ms_p50=figures.percentile(latencies, 50),
        latency_ms_p99=figures.percentile(latencies, 99),
        latency_samples=len(latencies),
        unproven=unproven,
        kib_per_subscriber=(window.resident - filled.resident_before) / kib,
        kib_per_subscriber_idle=(filled.resident - filled.resident_before) / kib,
        join_cpu_ms=filled.join_cpu / shape.members * 1e3,
        server_cores=window.spent.cpu / window.seconds,
        client_cores=window.client_cpu / window.seconds,
        client_late_ms=flow.loop.struct.late_max_ns / 1e6,
        client_dropped=window.client_dropped,
        profile=flow.links[0].dtls.profile,
        window_s=timing.window,
        rtcp=dict(sum((link.rtcp for link in flow.links), Counter())),
    )


def _look(flow: Flow, members: Sequence[Member], plan: Plan) -> tuple[list[float], int]:
    """Decrypt the samples: (latencies in ms, how many were not what was sent or not for that receiver)."""
    streams = {stream.number: stream for member in members for _, stream in member.sends}
    wanted = {(id(link), stream.number) for member in members for link, stream in member.receives}
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
        latencies.append((kept.received_ns - int(flow.loop.sent_ns[plan.base[number] + packet])) / 1e6)
    return latencies, unproven
