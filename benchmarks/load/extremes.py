"""What a server does at its limits, after the measured window and on the same connections.

Knows: raising the rate until a core is full, letting hundreds join while media flows.
Does not know: which rates are tried (saturation.py), who joins how (storm.py).
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.load import figures, media, usage
from benchmarks.load.bench import Bench, own_cpu
from benchmarks.load.figures import Result
from benchmarks.load.fill import server_usage
from benchmarks.load.flow import Flow
from benchmarks.load.media import Plan
from benchmarks.load.saturation import START, Step, search
from benchmarks.load.storm import LONGEST, storm

STEP = 1.0  # seconds of media at each rate
PREPARED = 30.0  # seconds of media made for a storm; of a longer one, the rest goes without
CALM = 0.5  # seconds of media before the first one joins


async def saturate(bench: Bench, plan: Plan, result: Result) -> Plan:
    """Raise the rate until the server's core is full or packets are lost; note the figures in `result`."""
    full = bench.expected(
        {out.stream.number: round(out.stream.profile.packets_per_second) for out in bench.outgoing}
    )
    last, latencies = plan, dict[Step, list[float]]()

    async def attempt(rate: float) -> Step:
        nonlocal last
        bench.say(f"saturating: {rate:,.0f} packets a second")
        last = media.more(bench.outgoing, last, STEP, rate / full)
        step, flow = await _step(bench, last)
        # Looking at samples of every step also keeps each SRTP session's idea of the rollover counter right.
        latencies[step], unproven = bench.look(flow, last)
        result.unproven += unproven if step.sustained else 0  # a lossy server may send padding instead
        return step

    found = await search(START * 1e6 / result.cpu_us_per_packet, attempt)
    result.saturation_limit = found.limit or None
    if (best := found.best) is not None:
        result.saturation_packets_per_second = best.received
        result.saturation_cores = best.server_cores
        result.saturation_latency_ms_p99 = figures.percentile(latencies[best], 99)
    result.saturation_steps = [
        {
            "offered": round(step.offered),
            "received": round(step.received),
            "loss": round(step.loss, 5),
            "behind_ms": round(1e3 * step.behind),
            "server_cores": round(step.server_cores, 3),
            "client_cores": round(step.client_cores, 3),
            "others_cores": round(step.others, 3),
        }
        for step in found.steps
    ]
    return last


async def _step(bench: Bench, plan: Plan) -> tuple[Step, Flow]:
    flow = bench.flow(plan)
    expected = bench.expected(plan.measured)
    dropped = sum(link.dropped() for link in bench.links)
    flow.take_over()
    before, client, began = server_usage(bench.server).cpu, own_cpu(), time.monotonic()
    busy = usage.core_busy(bench.options.server_core)
    await flow.play(0, len(plan.schedule.bursts))
    played = time.monotonic() - began
    client_cores = (own_cpu() - client) / played
    behind = await flow.drain(expected)
    spent = server_usage(bench.server).cpu - before
    busy = usage.core_busy(bench.options.server_core) - busy
    elapsed = time.monotonic() - began
    flow.give_back()
    step = Step(
        offered=expected / STEP,
        received=flow.received / STEP,
        loss=figures.loss(flow.received, expected),
        behind=behind,
        server_cores=spent / (played + behind),
        client_cores=client_cores,
        client_dropped=sum(link.dropped() for link in bench.links) - dropped,
        others=max(0.0, busy - spent) / elapsed,
    )
    return step, flow


async def withstand(bench: Bench, plan: Plan, result: Result) -> None:
    """Let the options' number of participants join at once beside the media; note the figures in `result`."""
    bench.say("preparing a storm")
    first_number = len(bench.members) + 1
    plan = media.more(bench.outgoing, plan, PREPARED, bench.timing.pace)
    flow = bench.flow(plan)
    flow.take_over()
    playing = asyncio.create_task(flow.play(0, len(plan.schedule.bursts)))
    try:
        await asyncio.sleep(CALM)
        bench.say(f"storm of {bench.options.storm} joins")
        client, began = own_cpu(), time.monotonic()
        happened = await storm(bench.server, bench.options.storm, first_number)
        result.storm_client_cores = (own_cpu() - client) / (time.monotonic() - began)
    finally:
        flow.stop()
        await asyncio.wait([playing], timeout=LONGEST)
    playing.result()
    flow.give_back()
    latencies, _ = bench.look(flow, plan, (happened.began_ns, happened.ended_ns))
    result.storm_joins = happened.joins - happened.failed
    result.storm_failed = happened.failed
    result.storm_joins_per_second = happened.joins_per_second
    result.storm_join_cpu_ms = 1e3 * happened.server_cpu / happened.joins
    result.storm_join_ms_p50 = figures.percentile([1e3 * wait for wait in happened.waits], 50)
    result.storm_join_ms_p99 = figures.percentile([1e3 * wait for wait in happened.waits], 99)
    result.storm_latency_ms_p50 = figures.percentile(latencies, 50)
    result.storm_latency_ms_p99 = figures.percentile(latencies, 99)
