"""The estimator on links and machines that mislead it: buckets of tokens, stalls, outages."""

from collections.abc import Callable

import pytest

from sfu.flow.bandwidth import BandwidthEstimator
from sfu.flow.bandwidth.busy import BusyRate
from sfu.flow.feedback import TransportWideArrivals
from tests.flow.bandwidth.path import Path

BUCKET = 16_000  # bytes, as token bucket filters are often given


def _constant(bps: float) -> Callable[[float], float]:
    return lambda now: bps


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("bps", [4e5, 2e6])
def test_a_bucket_of_tokens_is_used_but_not_believed(bps: float, seed: int) -> None:
    figures = Path(rate=_constant(bps), seconds=30, bucket=BUCKET, wish=_constant(6e6), seed=seed).run()
    assert figures.delivered_bps(5, 30) >= 0.85 * bps
    assert figures.highest(5, 30) < 1.45 * bps
    assert figures.queue_p95(5, 30) < 0.1
    assert figures.overflowed < 0.005 * len(figures.sent)


@pytest.mark.parametrize("media", [1.5e5, 2.5e5])
def test_without_media_a_bucket_is_not_believed_either(media: float) -> None:
    path = Path(rate=_constant(4e5), seconds=30, bucket=BUCKET, wish=_constant(6e6), media=_constant(media))
    assert path.run().highest(5, 30) < 7e5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_long_probe_ends_when_it_has_filled_the_link(seed: int) -> None:
    """Sent to its end, it fills a queue of 0.7 s."""
    path = Path(
        rate=_constant(4e5), seconds=40, queue=1.0, bucket=3000, wish=_constant(6e6), media=_constant(3.5e5), seed=seed
    )  # fmt: skip
    figures = path.run()
    assert figures.probes > 2
    assert max(wait for at, wait in figures.queued if at > 5) < 0.5


def test_a_link_that_carries_more_is_found_in_spite_of_a_bucket() -> None:
    path = Path(rate=lambda now: 5e5 if now < 12 else 3e6, seconds=30, bucket=BUCKET)
    assert path.run().reached(0.85 * 3e6, since=12) < 12


@pytest.mark.parametrize("media", [None, 2.5e5, 6e4])
@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_machines_that_stop_for_moments_cost_nothing(who: str, media: float | None) -> None:
    def stops(now: float) -> bool:
        return now > 3 and now % 2 < 0.3

    def never(now: float) -> bool:
        return False

    path = Path(
        rate=_constant(1e6),
        seconds=25,
        wish=_constant(3e6),
        media=None if media is None else _constant(media),
        sender_stops=stops if who == "sender" else never,
        receiver_stops=stops if who == "receiver" else never,
    )
    assert path.run().lowest(3, 25) > 0.8e6


@pytest.mark.parametrize("media", [None, 6e4])
def test_after_an_outage_it_is_back_at_once(media: float | None) -> None:
    path = Path(
        rate=_constant(4e5),
        seconds=15,
        wish=_constant(3e6),
        media=None if media is None else _constant(media),
        outage=(5, 8),
    )
    figures = path.run()
    assert figures.lowest(7, 8) < 1.5e5
    assert figures.reached(2.9e5, since=8) < 2


def test_sound_alone_is_enough_to_climb_from_the_floor() -> None:
    """Small packets all the time, as a microphone sends them, after the link was away."""
    estimator = BandwidthEstimator(start_bps=300_000)
    estimator.wish(3_000_000, 0.0)
    arrivals = TransportWideArrivals()
    free = probed = 0.0
    probe_id, probe_bps, left = 0, 1.0, 0
    told = lowest = 0.0
    reached = None
    for tick in range(20_000):
        now = tick / 1000
        rate = 2e4 if 5 <= now < 8 else 4e5
        sizes = [(110, 0)] if tick % 20 == 0 else []
        if (due := estimator.deadline()) is not None and due <= now and left <= 0:
            probe = estimator.probe(now)
            if probe is not None:
                probe_id, probe_bps, left, probed = probe.id, probe.rate_bps, probe.bytes, now
        while left > 0 and now >= probed:
            sizes.append((250, probe_id))
            left -= 250
            probed += 250 * 8 / probe_bps
        for size, probe_of in sizes:
            number = estimator.sent(size, now, probe_of)
            if free - now < 0.3:  # what the queue holds
                free = max(free, now) + size * 8 / rate
                arrivals.receive(number, 50 + free)
        if now - told >= 0.1:
            told = now
            for feedback in arrivals.build(now):
                estimator.feedback(feedback, now)
        if 7 <= now < 8:
            lowest = estimator.target_bps
        if now >= 8 and reached is None and estimator.target_bps >= 190_000:
            reached = now - 8
    assert lowest < 100_000
    assert reached is not None
    assert reached < 4


def test_what_arrives_is_the_links_rate_only_while_packets_wait() -> None:
    busy = BusyRate()
    sends = [n * 0.02 for n in range(20)]
    busy.update(sends, [send + 0.05 for send in sends], [1000] * 20, 0.05, 1.0)
    assert not busy.fresh(0.0)
    sends = [1 + n * 0.004 for n in range(40)]  # 2 Mbit/s into a link of one
    arrivals = [1.05 + n * 0.00835 for n in range(40)]
    busy.update(sends, arrivals, [1000] * 40, 0.05, 2.0)
    assert busy.fresh(1.5)
    assert busy.rate_bps == pytest.approx(8000 / 0.00835, rel=0.03)
