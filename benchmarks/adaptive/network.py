"""The room in network namespaces: the daemon as users start it, its clients behind links that the kernel shapes.

Knows: namespaces, processes, who starts when, what the kernel says of the queues.
Does not know: what clients do inside (client.py), figures.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.adaptive import client, recording
from benchmarks.adaptive.client import Order
from benchmarks.adaptive.demand import demand_bps
from benchmarks.adaptive.profiles import Profile, Shape
from benchmarks.adaptive.record import Record
from benchmarks.servers.adapter import ServerError
from benchmarks.topology import namespaces
from benchmarks.topology.packets import SRTP_TAG, UDP_IP
from tests.e2e import netns
from tests.e2e.daemon import Daemon

PUBLISHERS = 4
WARM_UP = 2.0  # seconds that publishers are there before
POLL = 0.1  # seconds between two looks at a queue
LATE_SHARE = 0.01  # of the time: beyond it, figures are the machine's rather than the server's
READY_TIMEOUT = 30.0
END_TIMEOUT = 5.0
OVERHEAD = (
    SRTP_TAG + UDP_IP + client.ETHERNET
)  # bytes that a real link counts for each packet of RTP beyond it
PROGRAM = ("sfu.cli",)
RECORDER = ("benchmarks.adaptive.recorder",)
Say = Callable[[str], None]


def refusal() -> str:
    """Why there can't be such links here, or ""."""
    return namespaces.refusal()


def impossible(profile: Profile) -> str:
    """Why a profile can't be had, or ""."""
    if netns.capabilities().netem and any(shape.burst for shape in profile.shapes.values()):
        return "netem, which shapes links here, has no token bucket"
    return netns.capabilities().delay if profile.jitter else ""


def run(profile: Profile, seed: int, say: Say, folder: Path | None = None) -> list[Record]:
    """Run a profile; one record for each of its subscribers. Raises one of `__main__.FAILURES`.

    `folder`: where what their estimators were told is written, too.
    """
    with netns.Network() as network, TemporaryDirectory() as raw:
        publishers = network.link()
        links = {name: network.link() for name in profile.shapes}
        for link in (publishers, *links.values()):
            link.impair()
        program = (*RECORDER, raw) if folder is not None else PROGRAM
        watched = asyncio.run(_run(profile, seed, say, network.hub, publishers, links, program))
        if folder is not None:
            _keep(profile, watched, Path(raw), folder)
        return [record for record, _ in watched]


async def _run(
    profile: Profile,
    seed: int,
    say: Say,
    hub: str,
    publishers: netns.Link,
    links: dict[str, netns.Link],
    program: Sequence[str],
) -> list[tuple[Record, float]]:
    """The records, each with when it began by the machine's clock."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([client.__name__])
    async with AsyncExitStack() as stack:
        say("starting the server")
        host = netns.HUB_ADDRESS
        daemon = Daemon(
            "--rtc-host", host, "--log-level", "warning", host=host, namespace=hub, program=program
        )
        await stack.enter_async_context(daemon)

        async def start(what: Order) -> _Hand:
            hand = _Hand(context, what)
            stack.push_async_callback(hand.end)
            await hand.answer("ready", READY_TIMEOUT)
            return hand

        say("publishers join")

        def order(link: netns.Link, name: str | None, record: Record | None) -> Order:
            namespace, address = link.namespace, link.address
            return Order(name, daemon.origin, hub, namespace, address, seed, PUBLISHERS, record)

        await start(order(publishers, None, None))
        await asyncio.sleep(WARM_UP)
        say("subscribers join")
        watched = []
        for name, link in links.items():
            shape = profile.shapes[name]
            _shape(link, shape, 0.0)
            record = Record(name, shape, profile.seconds, demand_bps=demand_bps(PUBLISHERS))
            hand = await start(order(link, name, record))
            began = await hand.answer("began", READY_TIMEOUT)
            watch = asyncio.create_task(_watch(link, shape, began, profile.seconds, record))
            stack.callback(watch.cancel)
            watched.append((hand, watch, record, began))
        end = max(began for _, _, _, began in watched) + profile.seconds
        while (left := end - time.monotonic()) > 0:
            say(f"{left:.0f} s to go")
            await asyncio.sleep(min(1.0, left))
        records = [(await _collect(*each), each[-1]) for each in watched]
        if program is not PROGRAM:
            await daemon.stop()  # it writes when it ends
        return records


def _keep(profile: Profile, watched: Sequence[tuple[Record, float]], raw: Path, folder: Path) -> None:
    """Write what the daemon has left in `raw` for each subscriber, with what is known of its link."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(raw.iterdir())
    for (record, began), file in zip(watched, files, strict=True):
        told = recording.read(file)
        first, *later = (bps for _, bps in record.shape.rates)
        changes = [began + at - told.began for at in record.changed]
        rates = ((0.0, first), *zip(changes, later, strict=True))
        shape = replace(record.shape, rates=rates, delay_ms=0.0)
        words = [profile.name, record.subscriber, "alone" if record.subscriber and len(watched) == 1 else ""]
        name = "-".join(filter(None, words)) + recording.SUFFIX
        recording.write(folder / name, told.of(profile.text, shape, OVERHEAD, began + record.seconds))


async def _collect(hand: _Hand, watch: asyncio.Task[None], seen: Record, began: float) -> Record:
    """What the subscriber has recorded, with what was seen of its link."""
    record: Record = await hand.answer("record", END_TIMEOUT + 5)
    await watch
    if record.late_s > seen.seconds * LATE_SHARE:
        share = record.late_s / seen.seconds
        record.remarks.append(
            f"the machine is too busy: the subscriber waited for its processor {share:.0%} of the time"
        )
    record.sent, record.queue, record.overflowed = seen.sent, seen.queue, seen.overflowed
    record.changed = seen.changed
    return record


def _shape(link: netns.Link, shape: Shape, second: float) -> None:
    kbps, queue = shape.rate_at(second) // 1000, shape.queue_ms
    link.impair(towards=netns.Impairment(shape.loss, 0, kbps, queue, shape.jitter_ms, shape.burst))


async def _watch(link: netns.Link, shape: Shape, began: float, seconds: float, record: Record) -> None:
    """Change the link as its shape says, and note what the kernel says of its queue."""
    changes = [start for start, _ in shape.rates if start > 0]
    before = await asyncio.to_thread(link.queue)
    at = time.monotonic() - began
    begun = before
    while at < seconds:
        if changes and at >= changes[0]:
            changes.pop(0)
            await asyncio.to_thread(_shape, link, shape, at)
            record.changed.append(time.monotonic() - began)
        now = await asyncio.to_thread(link.queue)
        passed, at = at, time.monotonic() - began
        # The kernel counts dropped packets, not their bytes: they are taken for as large as those that passed.
        packets = max(1, now["packets"] - before["packets"])
        mean = (now["bytes"] - before["bytes"]) / packets
        came = now["bytes"] - before["bytes"] + now["backlog"] - before["backlog"]
        came += round((now["drops"] - before["drops"]) * mean)
        record.sent.add((passed + at) / 2, max(0, round(came)))
        if not shape.jitter_ms:  # a queue that delays holds more than what waits
            record.queue.append((at, now["backlog"] * 8 / shape.rate_at(at) * 1000))
        before = now
        await asyncio.sleep(POLL)
    record.overflowed = before["drops"] - begun["drops"]


class _Hand:
    """The benchmark's end of one client process."""

    def __init__(self, context: ForkServerContext, order: Order) -> None:
        self._pipe, theirs = context.Pipe()
        self._told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._process: BaseProcess = context.Process(target=client.main, args=(order, theirs), daemon=True)
        self._process.start()
        theirs.close()
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            self._told.put_nowait(self._pipe.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self._told.put_nowait(("failed", "a client ended unasked"))

    async def answer(self, word: str, timeout: float) -> Any:  # noqa: ASYNC109 (one wait, named by what it is for)
        """Wait for this word. Raises ServerError when something else is said, TimeoutError."""
        try:
            said, value = await asyncio.wait_for(self._told.get(), timeout)
        except TimeoutError:
            raise TimeoutError(f"a client has not said {word} within {timeout:.0f} s") from None
        if said != word:
            raise ServerError(str(value))
        return value

    async def end(self) -> None:
        """Close the pipe, which the client takes as the end; kill it if it does not."""
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        self._pipe.close()
        await asyncio.to_thread(self._process.join, END_TIMEOUT)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
