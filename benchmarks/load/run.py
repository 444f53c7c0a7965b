"""One measurement of one server: fill the rooms, let the media flow, count, and look at what came out.

Knows: the order of the phases, when the server's usage is read, what becomes of the counts.
Does not know: how a server is driven (its adapter does), how results are shown.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections import Counter
from dataclasses import dataclass

from benchmarks.load import figures, media, usage
from benchmarks.load.bench import Bench, Options, Say, own_cpu
from benchmarks.load.clip import Clip, Sender
from benchmarks.load.extremes import saturate, withstand
from benchmarks.load.figures import Result
from benchmarks.load.fill import Filled, fill, rest, server_usage
from benchmarks.load.flow import Flow
from benchmarks.load.link import Link
from benchmarks.load.media import Outgoing, Plan
from benchmarks.load.shapes import Shape
from benchmarks.servers.adapter import Member, Server, ServerError

__all__ = ["Options", "measure"]


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
    busy: float  # seconds, of the server's core, with whatever


async def measure(
    library: ctypes.CDLL, server: Server, shape: Shape, options: Options, say: Say, clip: Clip | None = None
) -> Result:
    """Start a server, load it, stop it. Raises ServerError, ConnectionError, TimeoutError.

    With a `clip` the media is real, for servers that encode it anew: nothing is known then of loss and latency.
    """
    say("starting")
    try:
        await server.start(options.server_core)
        filled = await fill(server, shape, options.kinds, say)
        links = list({id(link): link for member in filled.members for link in member.links}.values())
        idle = await _idle(server, links, options.idle, say)
        say("encrypting")
        timing = options.timing if clip else options.timing_of(shape)
        outgoing = _outgoing(filled.members, links, clip)
        plan = (
            media.encrypt(outgoing, clip.listings(outgoing, timing)) if clip else media.plan(outgoing, timing)
        )
        plan.begin_measuring(timing)
        bench = Bench(library, server, options, timing, filled.members, links, outgoing, clip is None, say)
        flow = bench.flow(plan)
        window = await _window(bench, plan, flow)
        say("checking samples")
        result = _result(bench, shape, filled, plan, flow, window)
        result.idle_cpu_percent = idle
        if bench.recognised and options.saturate:
            plan = await saturate(bench, plan, result)
        if bench.recognised and options.storm:
            await withstand(bench, plan, result)
        return result
    finally:
        await server.stop()


def _outgoing(members: list[Member], links: list[Link], clip: Clip | None) -> list[Outgoing]:
    index = {id(link): place for place, link in enumerate(links)}
    return [
        Outgoing(
            stream,
            index[id(link)],
            link.dtls.protect,
            Sender(clip).packets if clip and stream.kind == "video" else media.packets,
        )
        for member in members
        for link, stream in member.sends
    ]


async def _idle(server: Server, links: list[Link], seconds: float, say: Say) -> float | None:
    """Per cent of a core that the server takes while nobody sends anything; None for no `seconds`."""
    if not seconds:
        return None
    say(f"resting {seconds:g} s")
    before, began = server_usage(server).cpu, time.monotonic()
    await rest(links, seconds)
    return 100 * (server_usage(server).cpu - before) / (time.monotonic() - began)


async def _window(bench: Bench, plan: Plan, flow: Flow) -> Window:
    """Warm up, then count what a window of media costs, from silence to silence: nothing is cut off."""
    server, timing = bench.server, bench.timing
    flow.take_over()
    bench.say(f"warming up {timing.warm_up:g} s")
    await flow.play(0, plan.measured_from)
    if flow.received == 0:
        sent = flow.loop.struct.sent
        raise ServerError(f"{server.name} forwarded nothing during the warm-up ({sent} packets sent)")
    await flow.drain(bench.expected(plan.warm_up))
    flow.loop.clear()
    dropped = sum(link.dropped() for link in flow.links)
    before, client, began = server_usage(server), own_cpu(), time.monotonic()
    busy = usage.core_busy(bench.options.server_core)
    bench.say(f"measuring {timing.window:g} s")
    await flow.play(plan.measured_from, len(plan.schedule.bursts))
    expected = bench.expected(plan.measured)
    await flow.drain(expected if bench.recognised else 1 << 62)
    after = server_usage(server)
    result = Window(
        spent=after - before,
        resident=after.resident,
        client_cpu=own_cpu() - client,
        seconds=time.monotonic() - began,
        expected=expected,
        received=flow.received,
        client_dropped=sum(link.dropped() for link in flow.links) - dropped,
        busy=usage.core_busy(bench.options.server_core) - busy,
    )
    flow.give_back()
    return result


def _result(bench: Bench, shape: Shape, filled: Filled, plan: Plan, flow: Flow, window: Window) -> Result:
    latencies, unproven = bench.look(flow, plan) if bench.recognised else ([], 0)
    each, user, system = figures.per_packet(window.spent, window.received)
    kib = 1024 * (shape.members - (1 if shape.kind == "fanout" else 0))
    grown = window.resident - filled.resident_before
    join_cpu_ms = filled.join_cpu / shape.members * 1e3
    return Result(
        server=bench.server.name,
        shape=shape.kind,
        n=shape.n,
        cpu_us_per_packet=each,
        cpu_user_us=user,
        cpu_system_us=system,
        loss=figures.loss(window.received, window.expected) if bench.recognised else math.nan,
        packets_per_second=window.received / bench.timing.window,
        video_pps=media.PROFILES["video"].packets_per_second * bench.timing.pace
        if bench.recognised
        else None,
        latency_ms_p50=figures.percentile(latencies, 50),
        latency_ms_p99=figures.percentile(latencies, 99),
        latency_ms_p999=figures.percentile(latencies, 99.9),
        latency_samples=len(latencies),
        unproven=unproven,
        kib_per_subscriber=grown / kib,
        kib_per_subscriber_idle=(filled.resident - filled.resident_before) / kib,
        kib_per_room=grown / 1024 / len(shape.rooms),
        join_cpu_ms=join_cpu_ms,
        joins_per_core_second=1e3 / join_cpu_ms if join_cpu_ms else None,
        server_cores=window.spent.cpu / window.seconds,
        others_cores=max(0.0, window.busy - window.spent.cpu) / window.seconds,
        client_cores=window.client_cpu / window.seconds,
        client_late_ms=flow.loop.struct.late_max_ns / 1e6,
        client_dropped=window.client_dropped,
        profile=flow.links[0].dtls.profile,
        window_s=bench.timing.window,
        rtcp=dict(sum((link.rtcp for link in flow.links), Counter())),
    )
