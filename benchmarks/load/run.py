"""One measurement of one server: fill the rooms, let the media flow, count, and look at what came out.

Knows: the order of the phases, which packets each connection should receive, when the server's usage is read.
Does not know: how a server is driven (its adapter does), how results are shown.
"""

from __future__ import annotations

import asyncio
import ctypes
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.load import figures, media, usage
from benchmarks.load.figures import Result
from benchmarks.load.link import Link
from benchmarks.load.media import Outgoing, Plan, Stream, Timing
from benchmarks.load.native import Loop
from benchmarks.load.seam import SrtpError
from benchmarks.load.shapes import Shape
from benchmarks.servers.adapter import Member, Server, ServerError

SETTLE = 0.5  # seconds of peace before the server's memory and CPU are read
DRAIN = 0.15  # seconds to wait for the last packets of a phase; shorter than Timing.quiet
LEAD = 0.05  # seconds from the call of the loop to time zero of the schedule
PUMP_INTERVAL = 0.05  # seconds between looks at what the loop handed up
CONSENT_INTERVAL = 8.0  # a server calls a silent client dead after 30 s, some after 10

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to measure."""

    timing: Timing
    server_core: int
    audio: bool = False
    drain_ms: float = 1.0


@dataclass(frozen=True, slots=True)
class Filled:
    """The rooms are full; what that cost the server."""

    members: list[Member]
    resident_before: int  # bytes of the server, before any subscriber came
    resident: int  # and when all were there
    join_cpu: float  # seconds, for all members


async def measure(library: ctypes.CDLL, server: Server, shape: Shape, options: Options, say: Say) -> Result:
    """Start a server, load it, stop it. Raises ServerError, ConnectionError, TimeoutError."""
    say("starting")
    try:
        await server.start(options.server_core)
        await asyncio.sleep(SETTLE)
        filled = await _fill(server, shape, options, say)
        say("encrypting")
        links, plan = _plan(filled.members, options.timing)
        return await _flow(library, server, shape, options, filled, links, plan, say)
    finally:
        await server.stop()


def _usage(server: Server) -> usage.Usage:
    return usage.read([pid for root in server.pids for pid in usage.descendants(root)])


def _streams(number: int, publishes: bool, options: Options) -> list[Stream]:
    """The streams of participant `number`."""
    kinds = ("video", "audio") if options.audio else ("video",)
    chosen = random.Random(number)
    return [
        Stream(
            number=2 * number + place,
            kind=kind,
            ssrc=(number + 1) << 8 | place | 0x10000000,
            mid=str(place),
            first_seq16=chosen.randrange(1 << 15),  # RFC 3711 3.3.1 likes a start below 2**15
        )
        for place, kind in enumerate(kinds if publishes else ())
    ]


async def _fill(server: Server, shape: Shape, options: Options, say: Say) -> Filled:
    members: list[Member] = []
    consented = time.monotonic()
    before = subscribers_from = _usage(server)
    for room_number, room in enumerate(shape.rooms):
        inside: list[Member] = []
        for place in range(room.members):
            say(f"joining {len(members) + 1}/{shape.members}")
            if len(members) == 1 and room.publishers == 1:
                subscribers_from = _usage(server)
            streams = _streams(len(members), place < room.publishers, options)
            publishers = inside[: room.publishers]
            later = max(0, room.publishers - place - 1)
            member = await server.join(f"load{room_number}", f"m{len(members)}", streams, publishers, later)
            if member.sends:
                for other in inside:
                    await server.watch(other, member)
            inside.append(member)
            members.append(member)
            if time.monotonic() - consented > CONSENT_INTERVAL:
                consented = time.monotonic()
                for link in (link for member in members for link in member.links):
                    link.consent()
    await asyncio.sleep(SETTLE)
    after = _usage(server)
    return Filled(members, subscribers_from.resident, after.resident, (after - before).cpu)


def _plan(members: Sequence[Member], timing: Timing) -> tuple[list[Link], Plan]:
    links = list({id(link): link for member in members for link in member.links}.values())
    index = {id(link): place for place, link in enumerate(links)}
    outgoing = [
        Outgoing(stream, index[id(link)], link.dtls.protect)
        for member in members
        for link, stream in member.sends
    ]
    return links, media.plan(outgoing, timing)


async def _flow(
    library: ctypes.CDLL,
    server: Server,
    shape: Shape,
    options: Options,
    filled: Filled,
    links: list[Link],
    plan: Plan,
    say: Say,
) -> Result:
    timing = options.timing
    expected = sum(plan.measured[stream.number] for member in filled.members for _, stream in member.receives)
    every = figures.sample_every(expected)
    loop = Loop(
        library,
        [link.sock.fileno() for link in links],
        plan.schedule,
        sample_every=every,
        sample_capacity=2 * expected // every + 1000,
        drain_ms=options.drain_ms,
    )
    for link in links:
        link.consent()
        link.release()
    loop.start(time.monotonic_ns() + int(LEAD * 1e9))
    say(f"warming up {timing.warm_up:g} s")
    await _run(loop, links, 0, plan.measured_from, timing.warm_up + DRAIN)
    warm = int(loop.packets.sum())
    if warm == 0:
        raise ServerError(
            f"{server.name} forwarded nothing during the warm-up ({loop.struct.sent} packets sent)"
        )
    loop.clear()
    before, before_client, began = _usage(server), _own_cpu(), time.monotonic()
    say(f"measuring {timing.window:g} s")
    await _run(
        loop,
        links,
        plan.measured_from,
        len(plan.schedule.bursts),
        timing.window_start + timing.window + DRAIN,
    )
    spent, seconds = _usage(server) - before, time.monotonic() - began
    client = _own_cpu() - before_client
    resident = _usage(server).resident
    for link in links:
        link.regain()
        link.consent()
    say("checking samples")
    received = int(loop.packets.sum())
    latencies, unproven = _look(loop, links, filled.members, plan)
    each, user, system = figures.per_packet(spent, received)
    kib = 1024 * (shape.members - (1 if shape.kind == "fanout" else 0))
    return Result(
        server=server.name,
        shape=shape.kind,
        n=shape.n,
        cpu_us_per_packet=each,
        cpu_user_us=user,
        cpu_system_us=system,
        loss=figures.loss(received, expected),
        packets_per_second=received / timing.window,
        latency_ms_p50=figures.percentile(latencies, 50),
        latency_ms_p99=figures.percentile(latencies, 99),
        latency_samples=len(latencies),
        unproven=unproven,
        kib_per_subscriber=(resident - filled.resident_before) / kib,
        kib_per_subscriber_idle=(filled.resident - filled.resident_before) / kib,
        join_cpu_ms=filled.join_cpu / shape.members * 1e3,
        server_cores=spent.cpu / seconds,
        client_cores=client / seconds,
        client_late_ms=loop.struct.late_max_ns / 1e6,
        profile=links[0].dtls.profile,
        window_s=timing.window,
        rtcp=dict(sum((link.rtcp for link in links), Counter())),
    )


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _run(loop: Loop, links: Sequence[Link], first: int, last: int, end: float) -> None:
    """Run the C loop in a thread; answer STUN, count RTCP meanwhile. Cancelled, it ends the thread first."""
    running = asyncio.ensure_future(asyncio.to_thread(loop.run, first, last, round(end * 1e9)))
    consented = time.monotonic()
    try:
        while True:
            done, _ = await asyncio.wait([running], timeout=PUMP_INTERVAL)
            for kept in loop.take_others():
                links[kept.socket].receive(kept.data)
            if done:
                return running.result()
            if time.monotonic() - consented > CONSENT_INTERVAL:
                consented = time.monotonic()
                for link in links:
                    link.consent()
    finally:
        loop.stop()
        await asyncio.wait([running])
        loop.struct.stop = 0


def _look(
    loop: Loop, links: Sequence[Link], members: Sequence[Member], plan: Plan
) -> tuple[list[float], int]:
    """Decrypt the samples: (latencies in ms, how many were not what was sent or not for that receiver)."""
    streams = {stream.number: stream for member in members for _, stream in member.sends}
    wanted = {(id(link), stream.number) for member in members for link, stream in member.receives}
    latencies: list[float] = []
    unproven = 0
    for kept in loop.samples():
        link = links[kept.socket]
        try:
            payload = media.payload_of(link.dtls.unprotect(kept.data))
        except SrtpError:
            unproven += 1
            continue
        number, packet = media.identify(payload) or (-1, -1)
        frame = plan.frame_of(number, packet)
        if (
            (id(link), number) not in wanted
            or frame is None
            or not media.proven(payload, streams[number], frame, packet)
        ):
            unproven += 1
            continue
        latencies.append((kept.received_ns - int(loop.sent_ns[plan.base[number] + packet])) / 1e6)
    return latencies, unproven
