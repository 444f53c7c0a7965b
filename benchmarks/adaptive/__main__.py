"""`python -m benchmarks.adaptive`: run the profiles that were asked for, show, judge and write what came of them."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.adaptive import output, report, table
from benchmarks.adaptive.arguments import Settings, parse
from benchmarks.adaptive.figures import Result, result
from benchmarks.adaptive.goals import verdicts
from benchmarks.adaptive.profiles import PROFILES, Profile, alone, profile
from benchmarks.adaptive.record import Record
from benchmarks.adaptive.report import Report
from benchmarks.load.report import Progress
from benchmarks.servers.adapter import ServerError
from benchmarks.topology.output import can_draw
from benchmarks.topology.report import machine_now

FAILURES = (ServerError, OSError, TimeoutError, RuntimeError, AssertionError, ValueError)
Run = Callable[[Profile, int, Callable[[str], None]], list[Record]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0, 1 when a profile failed, 130 after Ctrl-C (what was measured is still written)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings = parse(given)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ends the children, too
    skipped: list[str] = []
    link, run, profiles = _choose(settings, skipped)
    progress = Progress(len(profiles))
    for sentence in skipped:
        progress.line(f"! {sentence}")
    results: list[Result] = []
    failed = False
    code = 0
    try:
        for each in profiles:
            progress.begin(f"{each.name}: {each.text}")
            try:
                results += _measure(each, settings.seed, run, progress.say)
            except FAILURES as failure:
                failed = True
                reason = str(failure).partition("\n")[0] or type(failure).__name__
                progress.line(f"! {each.name}: {reason}")
                skipped.append(f"{each.name} failed: {reason}")
    except KeyboardInterrupt:
        progress.line("interrupted")
        code = 130
    progress.end()
    if results:
        results.sort(key=lambda one: PROFILES.index(one.profile))
        print(table.table(results))
        document = Report(
            command=shlex.join(["python", "-m", "benchmarks.adaptive", *given]),
            link=link,
            seed=settings.seed,
            machine=machine_now(),
            results=results,
            verdicts=[each.sentence for each in verdicts(results)],
            skipped=skipped,
        )
        _write(settings, document)
    return code or int(failed)


def _choose(settings: Settings, skipped: list[str]) -> tuple[str, Run, list[Profile]]:
    """(kind of link, how a profile is run on it, the profiles that can be had)."""
    profiles = [profile(name, settings.seconds) for name in settings.profiles]
    if settings.link != "virtual":
        from benchmarks.adaptive import network  # brings aiortc, which only this needs

        refusal = network.refusal()
        if not refusal:
            for each in list(profiles):
                if reason := network.impossible(each):
                    profiles.remove(each)
                    skipped.append(f"{each.name} skipped: {reason}")
            return "netns", partial(network.run, folder=settings.record), profiles
        if settings.link == "netns":
            raise SystemExit(f"no network namespaces: {refusal}")
        skipped.append(f"links are virtual: {refusal}")
    from benchmarks.adaptive import virtual

    return "virtual", lambda each, seed, say: virtual.run(each, seed), profiles


def _measure(each: Profile, seed: int, run: Run, say: Callable[[str], None]) -> list[Result]:
    results = [result(each, record) for record in run(each, seed, say)]
    if "slow" in each.shapes:
        say("the fast subscriber alone")
        lonely = alone(each, "fast")
        for record in run(lonely, seed, say):
            record.subscriber = "fast alone"
            results.append(result(lonely, record))
    return results


def _write(settings: Settings, document: Report) -> None:
    files = output.write_all(settings.output, document)
    print(f"\n{settings.output}: {', '.join(path.name for path in files)}")
    if settings.json is not None:
        report.write(settings.json, document)
        print(settings.json)
    if not can_draw():
        print("Charts need matplotlib: pip install 'aiosfu[bench]'")


if __name__ == "__main__":
    sys.exit(main())
