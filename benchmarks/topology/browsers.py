"""One run with pages of a real Chromium as clients: the room's own page, counted by its own statistics.

The browser's processes are not one page's each: CPU and memory are the whole browser's, shared out evenly. There is
no frame latency: pages decode, and tell nothing of single frames. b is what one outgoing video stream weighs.

Knows: pages, getStats (browser.js). Does not know: formulas, reports' looks.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import usage
from benchmarks.topology import figures
from benchmarks.topology.arguments import Settings
from benchmarks.topology.formulas import Room
from benchmarks.topology.memory import private_bytes
from benchmarks.topology.nodes import Nodes, difference
from benchmarks.topology.packets import SRTP_TAG, UDP_IP
from benchmarks.topology.pictures import HEIGHT, WIDTH, Pictures
from benchmarks.topology.report import ParticipantDetail, Run, Topology
from tests.e2e.chromium import Chromium, Tab
from tests.e2e.waiting import wait_until

FPS = 10  # of the fake camera: four pages and their codecs share one machine
SCRIPT = (Path(__file__).parent / "browser.js").read_text()
JOIN_TIMEOUT = 30.0
FILM_SECONDS = 3
RAMP = 6.0  # seconds in which congestion control finds the rate


async def measure(settings: Settings, topology: Topology, n: int, say: Callable[[str], None]) -> Run:
    """Measure one room. Raises AssertionError, TimeoutError and Playwright's errors when it doesn't come about."""
    say("starting the server and Chromium")
    asyncio.get_running_loop().set_exception_handler(_report)
    with tempfile.TemporaryDirectory(prefix="aiosfu-bench-") as folder:
        film = write_film(Path(folder) / "film.y4m", settings.seed)
        return await _measure(settings, topology, n, say, film)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ctrl-C ends Playwright's driver, too, which then complains in futures that nobody waits for."""
    if "reading from the driver" not in str(context.get("exception")):
        loop.default_exception_handler(context)


def write_film(path: Path, seed: int) -> Path:
    """The test pictures as YUV4MPEG2, which Chromium's fake camera plays in a loop."""
    pictures = Pictures(seed)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FILM_SECONDS * FPS):
            file.write(b"FRAME\n" + pictures.draw(number, number * 1000 // FPS).tobytes())
    return path


async def _measure(
    settings: Settings, topology: Topology, n: int, say: Callable[[str], None], film: Path
) -> Run:
    camera = f"--use-file-for-fake-video-capture={film}"
    async with Nodes(topology) as nodes, Chromium(camera, fps=FPS, init_script=SCRIPT) as browser:
        tabs: list[Tab] = []
        wish = "mesh" if topology == "mesh" else "sfu"
        for place in range(n):
            say(f"joining {place + 1}/{n}")
            query = f"?room=bench&name=p{place}&autojoin=1&microphone=off&topology={wish}"
            tabs.append(await browser.open(nodes.url_for(place) + "/" + query, f"p{place}"))
            await _all_see(tabs)
        say("finding the rate")
        await _evaluate(tabs, f"window.bench.limit({settings.bitrate_bps})")
        await asyncio.sleep(RAMP)
        pids = [pid for pid in usage.descendants(os.getpid()) if pid not in {os.getpid(), *nodes.pids()}]
        server_before, before, cpu = await nodes.snapshots(), await _count(tabs), usage.read(pids).cpu
        began = time.monotonic()
        while (left := began + settings.seconds - time.monotonic()) > 0:
            say(f"measuring, {left:.0f} s to go")
            await asyncio.sleep(min(1.0, left))
        server_after, after = await nodes.snapshots(), await _count(tabs)
        seconds = time.monotonic() - began
        cpu = usage.read(pids).cpu - cpu
        memory = private_bytes(pids)
        errors = [f"{tab.name}: {error}" for tab in tabs for error in tab.errors]
    changes = [
        {name: late[name] - early[name] for name in late} for early, late in zip(before, after, strict=True)
    ]
    each = [
        _detail(f"p{place}", change, late, cpu / n, memory // n, seconds)
        for place, (change, late) in enumerate(zip(changes, after, strict=True))
    ]
    servers = [difference(*pair) for pair in zip(server_before, server_after, strict=True)]
    b, p = _one_stream(changes, after)
    summary = figures.summarise(Room(topology, n, b, p, FPS), each, servers, seconds)
    for name in ("server_encodes", "participant_memory_bytes") if topology == "sfu-media" else ():
        summary.pop(name, None)
    return Run(
        topology=topology,
        participants=n,
        bitrate_bps=settings.bitrate_bps,
        offered_bps=b,
        offered_packets_per_second=p,
        seconds=seconds,
        clients="chromium",
        encode=True,
        figures=summary,
        each=each,
        nodes=servers,
        remarks=errors,
    )


async def _evaluate(tabs: list[Tab], expression: str) -> list[Any]:
    return list(await asyncio.gather(*(tab.evaluate(expression) for tab in tabs)))


async def _count(tabs: list[Tab]) -> list[dict[str, float]]:
    return await _evaluate(tabs, "window.bench.count()")


async def _all_see(tabs: list[Tab]) -> None:
    """Wait until every page shows moving pictures of all others."""

    async def shown() -> bool:
        counts = await _count(tabs)
        return all(each["streamsIn"] >= len(tabs) - 1 and each["decoded"] for each in counts)

    if len(tabs) > 1:
        await wait_until(shown, JOIN_TIMEOUT, f"{len(tabs)} pages to see each other", detail=tabs[-1].report)
    else:
        await tabs[0].wait_for("document.body.dataset.state === 'joined'", JOIN_TIMEOUT)


def _detail(
    name: str, change: dict[str, float], after: dict[str, float], cpu: float, memory: int, seconds: float
) -> ParticipantDetail:
    streams = max(1.0, after["streamsIn"])
    expected = change["lost"] + change["received"]
    window = (change["at"] / 1000) or seconds  # the page's own, between its two counts
    return ParticipantDetail(
        name=name,
        connections=int(after["connections"]),
        bytes_out=round((change["bytesOut"] + UDP_IP * change["packetsOut"]) * seconds / window),
        packets_out=round(change["packetsOut"] * seconds / window),
        bytes_in=round((change["bytesIn"] + UDP_IP * change["packetsIn"]) * seconds / window),
        packets_in=round(change["packetsIn"] * seconds / window),
        encodes=change["encoded"] / (FPS * window),
        cpu_seconds=cpu,
        memory_bytes=memory,
        time_to_first_frame_ms=after["first"] or None,
        loss=change["lost"] / expected if expected else 0.0,
        frames_per_second_shown=change["decoded"] / streams / window,
        frozen_seconds=change["frozen"] / streams,
    )


def _one_stream(changes: list[dict[str, float]], after: list[dict[str, float]]) -> tuple[float, float]:
    """(bit/s, packets/s) of one outgoing video stream on the wire: the mean over all pages and connections."""
    streams = sum(each["streamsOut"] for each in after) or 1
    window = sum(each["at"] for each in changes) / len(changes) / 1000
    packets = sum(each["streamPackets"] for each in changes)
    size = sum(each["streamBytes"] for each in changes) + packets * (SRTP_TAG + UDP_IP)
    return size * 8 / streams / window, packets / streams / window
