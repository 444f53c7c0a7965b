"""From a record to the figures of one subscriber, and to the series that its charts draw.

Knows: what each figure means (README.md beside this file). Does not know: goals, tables, how the run was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from benchmarks.adaptive.camera import ENCODINGS
from benchmarks.adaptive.profiles import Profile
from benchmarks.adaptive.record import BIN, Bins, Record
from benchmarks.load.figures import percentile

SETTLE = 10.0  # seconds after the beginning, or a change, that don't count as a stable link: what climbing may take
SETTLE_SHARE = 0.5  # of a span that is not much longer
FULL = 0.85  # of the link, at which climbing has arrived
OVER = (
    1.05  # of the link, at most, when going down has arrived: single packets make a window of a second uneven
)
WINDOW = 1.0  # seconds over which a rate is taken to say that it has arrived
STEP = 0.2


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """What the charts draw; bit/s in steps of `step` seconds, the rest as (second, value)."""

    step: float
    link: list[int]
    sent: list[int]
    media: list[int]
    estimate: list[tuple[float, int]]
    target: list[tuple[float, int]]
    queue_ms: list[tuple[float, float]]  # the most in each step
    shown: list[
        list[tuple[float, int]]
    ]  # of each picture: (second, encoding from then on; -1 nothing, -2 paused)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one subscriber in one profile. null: does not apply."""

    profile: str
    subscriber: str
    text: str
    seconds: float
    utilisation: float | None
    share_of_demand: float
    received_bps: int
    queue_delay_ms_p95: float | None
    converge_down_s: float | None
    converge_up_s: float | None
    drain_s: float | None
    frozen_s: float
    freezes: int
    paused_s: float
    waiting_s: float  # until the first picture of each camera
    frames_per_second: float
    encodings: dict[str, float]
    packets: int
    overflowed: int
    lost: int
    retransmitted: int
    padding_share: float
    nacks: int
    key_frame_requests: int
    key_frames: int
    broken: int
    media_delay_ms_p95: float | None
    never: list[str]  # figures that are the whole time there was, since it did not happen in it
    remarks: list[str]
    series: Series


def result(profile: Profile, record: Record) -> Result:
    """All figures of a record."""
    spans = _spans(record)
    never: list[str] = []
    down, drain, up = _convergence(record, spans, never)
    frozen = [freeze.end - freeze.begin for display in record.displays for freeze in display.freezes]
    shown = sum(len(display.shown) for display in record.displays)
    waits = sorted(wait for _, wait in record.queue)
    passed = record.passed.total(0, record.seconds)
    return Result(
        profile=profile.name,
        subscriber=record.subscriber,
        text=profile.text,
        seconds=record.seconds,
        utilisation=_utilisation(record, spans),
        share_of_demand=record.media.total(0, record.seconds) * 8 / record.seconds / record.demand_bps,
        received_bps=round(record.media.total(0, record.seconds) * 8 / record.seconds),
        queue_delay_ms_p95=percentile(waits, 95),
        converge_down_s=down,
        converge_up_s=up,
        drain_s=drain,
        frozen_s=sum(frozen),
        freezes=len(frozen),
        paused_s=sum(pause.end - pause.begin for display in record.displays for pause in display.pauses),
        waiting_s=_held(record).get("nothing", 0.0),
        frames_per_second=shown / record.seconds / max(1, len(record.displays)),
        encodings=_shares(record),
        packets=record.packets,
        overflowed=record.overflowed,
        lost=record.lost,
        retransmitted=record.retransmitted,
        padding_share=record.padding_bytes / passed if passed else 0.0,
        nacks=record.nacks,
        key_frame_requests=record.key_frame_requests,
        key_frames=record.key_frames,
        broken=record.broken,
        media_delay_ms_p95=percentile(sorted(record.media_delay_ms), 95),
        never=never,
        remarks=list(record.remarks),
        series=series(record),
    )


def _spans(record: Record) -> list[tuple[float, float, int]]:
    """(begin, end, rate) of each rate that the link had."""
    starts = [start for start, _ in record.shape.rates] + [record.seconds]
    rates = [rate for _, rate in record.shape.rates]
    return [(begin, end, rate) for (begin, end), rate in zip(pairwise(starts), rates, strict=True)]


def _utilisation(record: Record, spans: Sequence[tuple[float, float, int]]) -> float | None:
    """Media over the link's rate while the link was stable; None where the demand does not exceed it."""
    used = possible = 0.0
    for begin, end, rate in spans:
        if rate < record.demand_bps:
            settled = begin + min(SETTLE, (end - begin) * SETTLE_SHARE)
            used += record.media.total(settled, end) * 8
            possible += rate * (end - settled)
    return used / possible if possible else None


def _convergence(
    record: Record, spans: Sequence[tuple[float, float, int]], never: list[str]
) -> tuple[float | None, float | None, float | None]:
    """(down, until the queue was short again, up); the longest of each kind, the whole span if never.

    Down: from the change until no more is sent than the link carries, for WINDOW. Up: from the change, or the
    beginning, until FULL of the link is filled, over WINDOW.
    """
    downs: list[float] = []
    drains: list[float] = []
    ups: list[float] = []
    before = 0
    for begin, end, rate in spans:
        length = end - begin
        if rate < before:
            at = _first(record.sent, begin, end, most=rate * OVER)
            downs.append(length if at is None else at - begin)
            never += ["converge_down_s"] if at is None else []
            long = [when for when, wait in record.queue if begin <= when < end and wait > 100]
            drains.append(max(long, default=begin) - begin)
        elif rate < record.demand_bps:
            at = _first(record.media, begin, end, least=rate * FULL)
            ups.append(length if at is None else at + WINDOW - begin)
            never += ["converge_up_s"] if at is None else []
        before = rate
    return max(downs, default=None), max(drains, default=None), max(ups, default=None)


def _first(
    bins: Bins, begin: float, end: float, least: float = 0.0, most: float = float("inf")
) -> float | None:
    """The beginning of the first window whose rate is within these bounds, bit/s."""
    for place in range(int((end - begin - WINDOW) / BIN) + 1):
        at = begin + place * BIN
        if least <= bins.total(at, at + WINDOW) * 8 / WINDOW <= most:
            return at
    return None


def _held(record: Record) -> dict[str, float]:
    """Seconds, all pictures together, that each encoding was on the screen, or "nothing" (yet), or "paused"."""
    held: dict[str, float] = {}
    for track in _tracks(record):
        for (begin, value), (end, _) in pairwise([*track, (record.seconds, -1)]):
            name = {-1: "nothing", -2: "paused"}.get(value) or ENCODINGS[value].rid
            held[name] = held.get(name, 0.0) + end - begin
    return held


def _shares(record: Record) -> dict[str, float]:
    """The same as shares of the time."""
    held = _held(record)
    total = sum(held.values()) or 1.0
    return {name: time / total for name, time in sorted(held.items())}


def _tracks(record: Record) -> list[list[tuple[float, int]]]:
    """Of each picture, what was shown from when on."""
    tracks = []
    for display in record.displays:
        changes = [(0.0, -1)]
        # The last pictures before a pause arrive after the word of it.
        events = [
            (shown.at, shown.encoding)
            for shown in display.shown
            if not any(pause.begin <= shown.at < pause.end for pause in display.pauses)
        ]
        events += [(pause.begin, -2) for pause in display.pauses]
        for at, value in sorted(events):
            if value != changes[-1][1] and at < record.seconds:
                changes.append((at, value))
        tracks.append(changes)
    return tracks


def series(record: Record) -> Series:
    """The record as charts draw it."""
    steps = [place * STEP for place in range(int(record.seconds / STEP))]
    most: dict[int, float] = {}
    for at, wait in record.queue:
        place = int(at / STEP)
        most[place] = max(most.get(place, 0.0), wait)
    return Series(
        step=STEP,
        link=[record.shape.rate_at(at) for at in steps],
        sent=[round(record.sent.total(at, at + STEP) * 8 / STEP) for at in steps],
        media=[round(record.media.total(at, at + STEP) * 8 / STEP) for at in steps],
        estimate=[(round(each.at, 2), each.estimate_bps) for each in record.opinions],
        target=[(round(each.at, 2), each.target_bps) for each in record.opinions],
        queue_ms=[(round(place * STEP, 2), round(wait, 1)) for place, wait in sorted(most.items())],
        shown=[[(round(at, 2), value) for at, value in track] for track in _tracks(record)],
    )
