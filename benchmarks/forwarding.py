"""Server CPU per forwarded packet: `python -m benchmarks.forwarding`.

Server on one core, this load client on another; real WebRTC connections; each publisher sends 260 video
packets of 1200 bytes a second, in frames of 9 (fewer frames where a shape would exceed the ceiling). us per
packet = CPU of all server threads / RTP packets that reached the subscribers. Both cores are kept awake: else
their clock and their sleep would be measured. The floors are bare send loops of the same datagrams.
aiosfu-mediarelay, which decodes and encodes anew, gets a real stream, 640x480 at 30 frames a second; aiosfu-clip
forwards the same one.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.load import charts, figures, floor, ratios, report, run
from benchmarks.load.awake import awake
from benchmarks.load.bench import Options
from benchmarks.load.clip import Clip, make_clip
from benchmarks.load.figures import Result
from benchmarks.load.media import Timing
from benchmarks.load.native import NativeError, open_library
from benchmarks.load.shapes import Shape, parse_shapes
from benchmarks.servers.adapter import ServerError
from benchmarks.servers.catalog import CLIPPED, SERVERS, parse_servers, shapes_of

FULL = "fanout:1,fanout:10,fanout:50,fanout:100,fanout:300,party:4,party:8,party:16,rooms:100"
QUICK = "fanout:10,fanout:50,party:8"
SATURATED = "fanout:50,party:8"
STORMED = "fanout:10"
CROWD = 100  # participants from which on the rest before the media is measured
CEILING = 50_000.0  # packets a second to all subscribers together: what the slower servers still carry
FAILURES = (ServerError, NativeError, OSError, TimeoutError, ValueError, ExceptionGroup)


@dataclass(frozen=True, slots=True)
class Settings:
    """The command line, understood."""

    servers: list[str]
    shapes: list[Shape]
    timing: Timing
    repeat: int
    audio: bool
    drain_ms: float
    cores: tuple[int, int]  # of the server, of this client
    json: Path | None
    ceiling: float = CEILING
    idle: float = 0.0
    saturate: tuple[Shape, ...] = ()
    storm: int = 0
    storm_shape: Shape | None = None
    charts: Path | None = None
    asleep: bool = False

    @property
    def units(self) -> list[tuple[str, Shape]]:
        """What is measured, ordered by shape, then server."""
        asked = {name: shapes_of(name, self.shapes) for name in self.servers}
        shapes = dict.fromkeys([*self.shapes, *(shape for listed in asked.values() for shape in listed)])
        return [(name, shape) for shape in shapes for name in self.servers if shape in asked[name]]

    def options(self, shape: Shape, first: bool) -> Options:
        """How a shape is measured; what is measured once only, when it is its `first` time."""
        return Options(
            self.timing,
            self.cores[0],
            self.audio,
            self.drain_ms,
            self.ceiling,
            self.idle if shape.members >= CROWD else 0.0,
            first and shape in self.saturate,
            self.storm if first and shape == self.storm_shape else 0,
        )


def parse(arguments: Sequence[str], available: Sequence[int]) -> Settings:
    """Read the command line; `available` are the cores it may use. Exits with a message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forwarding",
        description="Server CPU per forwarded packet, loss, latency, memory; beside bare system calls.",
    )
    add = parser.add_argument
    add(
        "--servers",
        default="all",
        help=f"comma separated: {', '.join(SERVERS)}, floor, floor-gso, ... (all)",
    )
    add("--shapes", help=f"fanout:N, party:K (all to all), rooms:R (rooms of 4); default {FULL}")
    add("--seconds", type=float, help="measured window (5; --quick: 2)")
    add("--warm-up", type=float, help="media before the window, in seconds (2; --quick: 1.2)")
    add("--repeat", type=int, help="measure each this often, report medians (3; --quick: 1)")
    add("--quick", action="store_true", help=f"a short run: {QUICK}, once, 2 s each")
    add("--audio", action="store_true", help="publishers also send 50 audio packets a second")
    add(
        "--drain-ms",
        type=float,
        default=1.0,
        help="client empties its sockets this often; 0: waits in epoll (1)",
    )
    add("--cores", help="server core and client core, such as 1,0 (the last and the first that may be used)")
    add(
        "--ceiling",
        type=float,
        default=CEILING,
        help=f"packets a second to all subscribers; shapes above it send fewer frames ({CEILING:.0f}; 0: none)",
    )
    add(
        "--asleep",
        action="store_true",
        help="let cores sleep when nobody uses them; else a loop of the lowest priority keeps them awake",
    )
    add("--idle", type=float, help=f"rest before media where {CROWD} or more are in, in s (5; --quick: 0)")
    add(
        "--saturate",
        nargs="?",
        const=SATURATED,
        metavar="SHAPES",
        help=f"there, raise the rate until the server's core is full ({SATURATED})",
    )
    add(
        "--storm",
        type=int,
        default=0,
        metavar="N",
        help="let N join at once beside flowing media (500 or so)",
    )
    add("--storm-shape", default=STORMED, metavar="SHAPE", help=f"beside whose media ({STORMED})")
    add("--charts", type=Path, metavar="FOLDER", help="also draw the results there, as PNG and SVG")
    add("--json", type=Path, metavar="FILE", help="also write the results there")
    values = parser.parse_args(arguments)
    try:
        servers = parse_servers(values.servers)
        shapes = parse_shapes(values.shapes or (QUICK if values.quick else FULL))
        saturate = parse_shapes(values.saturate) if values.saturate else []
        storm_shapes = parse_shapes(values.storm_shape) if values.storm else []
        shapes = list(dict.fromkeys([*shapes, *saturate, *storm_shapes]))
        cores = _cores(values.cores, available)
    except ValueError as error:
        parser.error(str(error))
    seconds = values.seconds if values.seconds is not None else 2.0 if values.quick else 5.0
    warm_up = values.warm_up if values.warm_up is not None else 1.2 if values.quick else 2.0
    repeat = values.repeat if values.repeat is not None else 1 if values.quick else 3
    if not 0.2 <= seconds <= 600 or not 0.5 <= warm_up <= 60 or not 1 <= repeat <= 100:
        parser.error("--seconds is 0.2 to 600, --warm-up 0.5 to 60, --repeat 1 to 100")
    if not (values.drain_ms == 0 or 0.01 <= values.drain_ms <= 100):
        parser.error("--drain-ms is 0, or 0.01 to 100")
    idle = values.idle if values.idle is not None else 0.0 if values.quick else 5.0
    if values.ceiling != 0 and not 1000 <= values.ceiling <= 1e8:
        parser.error("--ceiling is 0, or 1000 to 100000000")
    if not 0 <= idle <= 600 or not 0 <= values.storm <= 5000 or len(storm_shapes) > 1:
        parser.error("--idle is 0 to 600, --storm 0 to 5000, --storm-shape one shape")
    return Settings(
        servers=servers,
        shapes=shapes,
        timing=Timing(warm_up=warm_up, key_frames=warm_up, window=seconds),
        repeat=repeat,
        audio=values.audio,
        drain_ms=values.drain_ms,
        cores=cores,
        json=values.json,
        ceiling=values.ceiling,
        idle=idle,
        saturate=tuple(saturate),
        storm=values.storm,
        storm_shape=storm_shapes[0] if storm_shapes else None,
        charts=values.charts,
        asleep=values.asleep,
    )


def _cores(text: str | None, available: Sequence[int]) -> tuple[int, int]:
    if text is None:
        return max(available), min(available)
    words = text.split(",")
    if len(words) != 2 or not all(word.isdigit() and int(word) in available for word in words):
        raise ValueError(f"--cores wants two of the cores {list(available)}, as in 1,0")
    return int(words[0]), int(words[1])


async def measure_all(
    settings: Settings, progress: report.Progress, runs: dict[tuple[str, Shape], list[Result]]
) -> set[str]:
    """Measure everything, round by round, so that a bad minute of the machine hits one repeat of each.

    Returns the servers that were skipped, since they are not on this machine.
    """
    library = open_library()
    clip: Clip | None = None
    skipped: set[str] = set()
    for name in settings.servers:
        if name in SERVERS and (reason := SERVERS[name]().missing()):
            progress.line(f"{name} skipped: {reason}")
            skipped.add(name)
    for number in range(settings.repeat):
        for name, shape in settings.units:
            progress.begin(f"{name} {shape}" + (f" #{number + 1}" if settings.repeat > 1 else ""))
            if name in skipped:
                continue
            if name in CLIPPED and clip is None:
                progress.say("encoding a clip")
                clip = make_clip()
            options = settings.options(shape, number == 0)
            try:
                result = await _one(library, name, shape, options, progress, clip)
            except FAILURES as failure:
                progress.line(f"! {name} {shape}: {failure or type(failure).__name__}")
            else:
                runs.setdefault((name, shape), []).append(result)
    return skipped


async def _one(
    library: ctypes.CDLL,
    name: str,
    shape: Shape,
    options: Options,
    progress: report.Progress,
    clip: Clip | None,
) -> Result:
    if name not in SERVERS:
        # A bare loop is the same from its first packet to the last: half the time says as much.
        half = replace(options, timing=replace(options.timing, window=options.timing.window / 2))
        return await floor.measure(library, name, shape, half, progress.say)
    media = clip if name in CLIPPED else None
    return await run.measure(library, SERVERS[name](), shape, options, progress.say, media)


def summarise(settings: Settings, runs: dict[tuple[str, Shape], list[Result]]) -> list[Result]:
    """Medians, ordered by shape, then server."""
    return [figures.median_result(runs[key]) for key in settings.units if key in runs]


def many_files() -> None:
    """Let this process and its children open as many sockets as the machine allows it: each participant has one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0, 1 when something could not be measured, 130 after Ctrl-C (what was measured is still shown)."""
    settings = parse(sys.argv[1:] if arguments is None else arguments, sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, {settings.cores[1]})
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends servers, too
    many_files()
    progress = report.Progress(len(settings.units) * settings.repeat)
    if settings.cores[0] == settings.cores[1]:
        progress.line("! one core only: server and client share it, latency and loss suffer")
    runs: dict[tuple[str, Shape], list[Result]] = {}
    code = 0
    skipped: set[str] = set()
    try:
        with awake(set() if settings.asleep else set(settings.cores)):
            skipped = asyncio.run(measure_all(settings, progress, runs))
    except KeyboardInterrupt:
        progress.line("interrupted")
        code = 130
    except NativeError as error:
        progress.line(f"! {error}")
        code = 1
    progress.end()
    results = summarise(settings, runs)
    if results:
        print(report.table(results))
        if compared := ratios.table(results):
            print(f"\n{compared}")
        if settings.json:
            report.write_json(settings.json, _options(settings), results)
        if settings.charts:
            charts.write(settings.charts, results)
    wanted = [key for key in settings.units if key[0] not in skipped]
    return code or (0 if len(results) == len(wanted) else 1)


def _options(settings: Settings) -> dict[str, object]:
    return {
        "seconds": settings.timing.window,
        "warm_up": settings.timing.warm_up,
        "repeat": settings.repeat,
        "audio": settings.audio,
        "drain_ms": settings.drain_ms,
        "ceiling": settings.ceiling,
        "idle": settings.idle,
        "asleep": settings.asleep,
        "saturate": [str(shape) for shape in settings.saturate],
        "storm": settings.storm,
        "server_core": settings.cores[0],
        "client_core": settings.cores[1],
    }


if __name__ == "__main__":
    sys.exit(main())
