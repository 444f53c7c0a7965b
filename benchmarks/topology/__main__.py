"""`python -m benchmarks.topology`: run everything that was asked for, show it, write it down."""

from __future__ import annotations

import asyncio
import functools
import itertools
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.load.report import Progress
from benchmarks.servers.adapter import ServerError
from benchmarks.topology import namespaces, nodes, output, report, run, table
from benchmarks.topology.arguments import Settings, parse
from benchmarks.topology.clip import make_clip
from benchmarks.topology.crew import make_context
from benchmarks.topology.report import Report, Run, Topology

Measure = Callable[[Topology, int, run.Say], Awaitable[Run]]
FAILURES = (ServerError, OSError, TimeoutError, RuntimeError, AssertionError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0, 1 when something could not be measured, 130 after Ctrl-C (what was measured is still written)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings = parse(given)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends the children, too
    skipped: list[str] = []
    topologies = _possible(settings, skipped)
    progress = Progress(len(topologies) * len(settings.participants))
    for sentence in skipped:
        progress.line(f"! {sentence}")
    runs: list[Run] = []
    code = 0
    try:
        asyncio.run(_measure_all(settings, topologies, progress, runs, skipped))
    except KeyboardInterrupt:
        progress.line("interrupted")
        code = 130
    progress.end()
    if runs:
        runs.sort(key=lambda each: (settings.topologies.index(each.topology), each.participants))
        print(table.table(runs))
        command = shlex.join(["python", "-m", "benchmarks.topology", *given])
        _write(settings, Report(
            command=command, seed=settings.seed, machine=report.machine_now(), runs=runs, skipped=skipped
        ))  # fmt: skip
    return code or (1 if len(runs) < len(topologies) * len(settings.participants) else 0)


def _possible(settings: Settings, skipped: list[str]) -> list[Topology]:
    """The topologies that can be had; a sentence for each that can't."""
    topologies = list(settings.topologies)
    if "tree" in topologies and (reason := nodes.tree_refusal()):
        topologies.remove("tree")
        skipped.append(f"tree skipped: {reason}")
    return topologies


async def _measure_all(
    settings: Settings,
    topologies: Sequence[Topology],
    progress: Progress,
    runs: list[Run],
    skipped: list[str],
) -> None:
    measure = _with_python(settings, progress) if settings.clients == "python" else _with_chromium(settings)
    for n, topology in itertools.product(settings.participants, topologies):
        progress.begin(f"{topology}, {n} participants")
        try:
            runs.append(await measure(topology, n, progress.say))
        except FAILURES as failure:
            reason = str(failure).partition("\n")[0] or type(failure).__name__
            progress.line(f"! {topology} {n}: {reason}")
            skipped.append(f"{topology} with {n} participants failed: {reason}")


def _with_python(settings: Settings, progress: Progress) -> Measure:
    refusal = namespaces.refusal() if settings.uplink_bps else ""
    if refusal:
        progress.line(f"uplinks are shaped in the clients, not in namespaces: {refusal}")
    progress.say("encoding the clip")
    plan = run.Plan(
        seconds=settings.seconds,
        bitrate_bps=settings.bitrate_bps,
        encode=settings.encode,
        uplink_bps=settings.uplink_bps,
        namespaces=not refusal,
        seed=settings.seed,
        clip=() if settings.encode else tuple(make_clip(settings.bitrate_bps, settings.seed)),
    )
    return functools.partial(run.measure, make_context(), plan)


def _with_chromium(settings: Settings) -> Measure:
    from benchmarks.topology import browsers  # brings Playwright, which only this needs

    return functools.partial(browsers.measure, settings)


def _write(settings: Settings, document: Report) -> None:
    files = output.write_all(settings.out, document)
    print(f"\n{settings.out}: {', '.join(path.name for path in files)}")
    if not output.can_draw():
        print("Charts need matplotlib: pip install 'aiosfu[bench]'")


if __name__ == "__main__":
    sys.exit(main())
