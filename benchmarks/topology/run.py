"""One run: start the nodes, let the participants in one after the other, let media flow, count, end everything.

Knows: the order of the phases. Does not know: what participants do inside, formulas, reports' looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext

from benchmarks.topology import figures
from benchmarks.topology.clip import FPS, Frame
from benchmarks.topology.crew import Crew
from benchmarks.topology.figures import Measured
from benchmarks.topology.formulas import Room
from benchmarks.topology.namespaces import shaped
from benchmarks.topology.nodes import LEAVES, Nodes
from benchmarks.topology.records import Order
from benchmarks.topology.report import Run, Topology
from tests.e2e.netns import HUB_ADDRESS, Link

JOIN_TIMEOUT = 40.0
SHOWN_TIMEOUT = 10.0  # a room that is too much for its links or cores is measured all the same
JOIN_INTERVAL = 0.4  # seconds: more than encoders leave between two key frames on request
SETTLE = 1.0
SETTLE_SHAPED = 4.0  # a link that is only a little too small takes seconds to fill its queue
LEAD = 0.3  # seconds between the order to count and the window
LATE_SHARE = 0.02  # of the pictures: beyond it the client itself was the bottleneck

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the same for all runs of one call."""

    seconds: float
    bitrate_bps: int
    encode: bool
    uplink_bps: int | None
    namespaces: bool  # shape by namespaces; else, if there is an uplink, in the clients
    seed: int
    clip: tuple[Frame, ...]


async def measure(context: ForkServerContext, plan: Plan, topology: Topology, n: int, say: Say) -> Run:
    """Measure one room. Raises ServerError, OSError, TimeoutError, RuntimeError (namespaces), AssertionError."""
    with _network(plan, n) as (hub, links):
        host = HUB_ADDRESS if hub else "127.0.0.1"
        say("starting the server")
        async with Nodes(topology, host=host, namespace=hub) as nodes:
            orders = _orders(plan, topology, n, nodes, links)
            async with Crew(context, orders) as crew:
                measured, remarks = await _flow(plan, crew, nodes, say)
    return _result(plan, topology, n, measured, remarks)


@contextlib.contextmanager
def _network(plan: Plan, n: int) -> Iterator[tuple[str | None, Sequence[Link]]]:
    if plan.uplink_bps is None or not plan.namespaces:
        yield None, ()
        return
    with shaped(n, plan.uplink_bps) as network:
        yield network


def _orders(plan: Plan, topology: Topology, n: int, nodes: Nodes, links: Sequence[Link]) -> list[Order]:
    seeds = random.Random(f"{plan.seed} {topology} {n}")
    return [
        Order(
            name=f"p{place}",
            url=nodes.url_for(place),
            room="bench",
            direct=topology == "mesh",
            participants=n,
            clip=plan.clip,
            bitrate_bps=plan.bitrate_bps,
            encode=plan.encode,
            decode=topology == "sfu-media",
            uplink_bps=plan.uplink_bps,
            namespace=links[place].namespace if links else None,
            address=links[place].address if links else "127.0.0.1",
            seed=seeds.randrange(1 << 30),
        )
        for place in range(n)
    ]


async def _flow(plan: Plan, crew: Crew, nodes: Nodes, say: Say) -> tuple[Measured, list[str]]:
    remarks: list[str] = []
    at_once = plan.uplink_bps is None  # a full link would drop the handshakes of those who come later
    for place, hand in enumerate(crew.hands):
        say(f"joining {place + 1}/{len(crew.hands)}")
        hand.tell("join")
        await hand.answer("joined", JOIN_TIMEOUT)
        if at_once:
            hand.tell("film")
            await hand.answer("films", JOIN_TIMEOUT)
            await asyncio.sleep(JOIN_INTERVAL)
    if not at_once:
        for hand in crew.hands:
            hand.tell("film")
        for hand in crew.hands:
            await hand.answer("films", JOIN_TIMEOUT)
    say("waiting for pictures")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*(hand.shown.wait() for hand in crew.hands)), SHOWN_TIMEOUT)
    if blind := [hand.order.name for hand in crew.hands if not hand.shown.is_set()]:
        remarks.append(f"{', '.join(blind)} did not see everybody within {SHOWN_TIMEOUT:.0f} s")
    say("settling")
    await asyncio.sleep(SETTLE if at_once else SETTLE_SHAPED)
    begin = time.monotonic() + LEAD
    end = begin + plan.seconds
    for hand in crew.hands:
        hand.tell("window", begin, end)
    await asyncio.sleep(begin - time.monotonic())
    before = await nodes.snapshots()
    while (left := end - time.monotonic()) > 0:
        say(f"measuring, {left:.0f} s to go")
        await asyncio.sleep(min(1.0, left))
    after = await nodes.snapshots()
    say("collecting")
    outcomes = [await hand.answer("outcome", 60 + 10 * plan.seconds) for hand in crew.hands]
    for outcome in outcomes:
        remarks += [f"{outcome.name}: {problem}" for problem in outcome.problems]
    late = sum(outcome.after.late - outcome.before.late for outcome in outcomes)
    share = late / (plan.seconds * FPS * len(outcomes))
    if share > LATE_SHARE:
        remarks.append(f"the clients got too little CPU: {share:.0%} of their pictures were not sent in time")
    return Measured(outcomes, before, after, begin, end, at_once), remarks


def _result(plan: Plan, topology: Topology, n: int, measured: Measured, remarks: list[str]) -> Run:
    each, servers = figures.participants(measured, FPS), figures.nodes(measured)
    b, p = figures.sent_once(measured)
    room = Room(topology, n, b, p, FPS, plan.uplink_bps, LEAVES)
    return Run(
        topology=topology,
        participants=n,
        bitrate_bps=plan.bitrate_bps,
        offered_bps=b,
        offered_packets_per_second=p,
        seconds=plan.seconds,
        encode=plan.encode,
        uplink_bps=plan.uplink_bps,
        shaped_by="" if plan.uplink_bps is None else "tbf" if plan.namespaces else "client",
        figures=figures.summarise(room, each, servers, plan.seconds),
        each=each,
        nodes=servers,
        remarks=remarks,
    )
