"""What the figures say in words: headlines for the page, and why a figure is off its formula.

Knows: how to read runs. Does not know: HTML, charts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.topology.looks import NAMES
from benchmarks.topology.report import Run, Topology

FAR = 10.0  # per cent off the formula that want a reason
BROKEN_LOSS = 0.02
BROKEN_FROZEN = 0.05  # share of the time


@dataclass(frozen=True, slots=True)
class Headline:
    """A large number and the sentence under it."""

    value: str
    sentence: str


def headlines(runs: Sequence[Run]) -> list[Headline]:
    """The few numbers to look at first."""
    found: list[Headline] = []
    at = {(run.topology, run.participants): run for run in runs}
    common = [n for topology, n in at if topology == "mesh" and ("sfu", n) in at]
    limited = any(run.uplink_bps for run in runs)
    if common and not limited:
        n = max(common)
        mesh, sfu = at["mesh", n], at["sfu", n]
        if ratio := _ratio(mesh, sfu, "uplink_bps_per_participant"):
            found.append(
                Headline(
                    f"{ratio:.1f}\N{MULTIPLICATION SIGN}",
                    f"what a participant sends in a mesh, over an SFU, with {n} in the room",
                )
            )
        found.append(
            Headline(
                f"{_value(mesh, 'connections_per_participant'):.0f} → {_value(sfu, 'connections_per_participant'):.0f}",
                f"connections that each of {n} participants keeps: mesh, SFU",
            )
        )
        found.append(
            Headline(
                f"{_value(sfu, 'server_out_bps') / 1e6:.0f} Mb/s",
                f"what the server sends for it, with {_value(sfu, 'server_cpu_seconds') / sfu.seconds:.2f} cores",
            )
        )
    if limited:
        found += _breaking(runs)
    found += _relay(at)
    return found


def _relay(at: Mapping[tuple[Topology, int], Run]) -> list[Headline]:
    relayed = [n for topology, n in at if topology == "sfu-media" and ("sfu", n) in at]
    whole = [n for n in relayed if _value(at["sfu-media", n], "frames_per_second_shown") >= 28.5]
    for n in [max(whole, default=max(relayed, default=0))]:
        if n and (ratio := _ratio(at["sfu-media", n], at["sfu", n], "server_cpu_seconds")):
            return [
                Headline(
                    f"{ratio:.0f}\N{MULTIPLICATION SIGN}",
                    f"server CPU of decoding and encoding (MediaRelay) over forwarding, with {n} in the room",
                )
            ]
    return []


def _breaking(runs: Sequence[Run]) -> list[Headline]:
    uplink = next(run.uplink_bps for run in runs if run.uplink_bps) / 1e6
    found = []
    for topology in dict.fromkeys(run.topology for run in runs):
        own = sorted((run for run in runs if run.topology == topology), key=lambda run: run.participants)
        bad = [run for run in own if is_broken(run)]
        if bad:
            first = bad[0]
            found.append(
                Headline(
                    f"n = {first.participants}",
                    f"where the {NAMES[topology]} breaks on uplinks of {uplink:g} Mb/s: "
                    f"{100 * _value(first, 'loss'):.0f} % of the packets lost, "
                    f"the picture stands {100 * _value(first, 'frozen_seconds') / first.seconds:.0f} % of the time",
                )
            )
        else:
            most = own[-1].participants
            found.append(
                Headline(
                    f"n = {most} ✓", f"the {NAMES[topology]} goes on at {uplink:g} Mb/s: no picture stands"
                )
            )
    return found


def is_broken(run: Run) -> bool:
    """Whether a person would say that this room doesn't work."""
    frozen = _value(run, "frozen_seconds") / run.seconds
    return _value(run, "loss") > BROKEN_LOSS or frozen > BROKEN_FROZEN


def reasons(run: Run) -> list[str]:
    """A sentence for each figure that is far off its formula."""
    found = []
    for name, figure in run.figures.items():
        if figure.deviation_percent is not None and abs(figure.deviation_percent) > FAR:
            words = name.replace("_", " ")
            head = f"{NAMES[run.topology]}, {run.participants}: {words} {figure.deviation_percent:+.0f} %"
            found.append(f"{head}: {_reason(run, name)}")
    return found


def _reason(run: Run, name: str) -> str:
    fps = _value(run, "frames_per_second_shown")
    slow = fps < 0.95 * _formula(run, "frames_per_second_shown")
    if name == "loss":
        return "the queue before the link and its burst allowance shift the share of packets that pass"
    if name == "frames_per_second_shown" and run.figures["loss"].formula:
        return "after a lost packet the picture stands until the next whole key frame"
    if run.topology == "sfu-media" and slow:
        return f"the server can't encode {run.participants * (run.participants - 1)} streams: {fps:.0f} of 30 frames/s"
    if run.topology == "sfu-media":
        return "what leaves the server was encoded anew, at its encoders' own rate"
    if late := sum(one.late_pictures for one in run.each):
        return f"the clients' cores were busy: {late} pictures were not sent in time"
    if run.encode and name == "encodes_per_participant":
        return "the clients' encoders can't keep up"
    return "not explained"


def _value(run: Run, name: str) -> float:
    return run.figures[name].measured or 0.0


def _formula(run: Run, name: str) -> float:
    return run.figures[name].formula or 0.0


def _ratio(upper: Run, lower: Run, name: str) -> float | None:
    below = _value(lower, name)
    return _value(upper, name) / below if below else None
