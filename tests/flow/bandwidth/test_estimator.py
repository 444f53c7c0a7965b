"""The facade: sources, silence, bounds, deadlines, and that no report makes it fail."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.bandwidth import BandwidthEstimator, Probe, Source
from sfu.flow.feedback import TransportWideArrivals
from sfu.wire.transport_feedback import Feedback


def _flow(estimator: BandwidthEstimator, since: float, until: float, every: float = 0.01) -> None:
    """Packets on a link without limits; each tenth of a second feedback on them."""
    arrivals = TransportWideArrivals()
    told, now = since, since
    while now < until:
        arrivals.receive(estimator.sent(500, now), 100 + now)
        now += every
        if now - told >= 0.1:
            told = now
            for feedback in arrivals.build(now):
                estimator.feedback(feedback, now)


def test_numbers_wrap_at_16_bits() -> None:
    estimator = BandwidthEstimator()
    numbers = [estimator.sent(100, 0.0) for _ in range(0x10002)]
    assert numbers[:2] == [0, 1]
    assert numbers[-3:] == [0xFFFF, 0, 1]


def test_before_any_report() -> None:
    estimator = BandwidthEstimator(start_bps=400_000)
    estimator.wish(5_000_000, 0.0)
    estimator.sent(100, 0.0)
    assert estimator.target_bps == 400_000
    assert estimator.source is Source.NONE
    assert str(estimator.source) == "none"
    assert estimator.probe(5.0) is None
    assert estimator.deadline() is None
    assert estimator.target_bps == 400_000


def test_remb_is_taken_as_it_is() -> None:
    estimator = BandwidthEstimator(floor_bps=50_000, ceiling_bps=2_000_000)
    estimator.wish(5_000_000, 0.0)
    assert estimator.remb(700_000, 1.0)
    assert estimator.source == "remb"
    assert estimator.target_bps == 700_000
    assert not estimator.remb(705_000, 1.2)
    assert estimator.target_bps == 705_000
    assert estimator.remb(10_000, 1.4)
    assert estimator.target_bps == 50_000
    estimator.remb(2**60, 1.6)
    assert estimator.target_bps == 2_000_000
    assert estimator.probe(3.0) is None


def test_remb_yields_to_transport_wide_feedback() -> None:
    estimator = BandwidthEstimator()
    estimator.remb(700_000, 0.0)
    _flow(estimator, 0.0, 0.3)
    assert estimator.source == "transport-cc"
    assert estimator.target_bps >= 700_000
    assert not estimator.remb(100_000, 0.3)
    assert estimator.target_bps >= 700_000


def test_probes_begin_with_the_first_feedback() -> None:
    estimator = BandwidthEstimator()
    estimator.wish(5_000_000, 0.0)
    _flow(estimator, 0.0, 0.3)
    deadline = estimator.deadline()
    assert deadline is not None
    assert deadline <= 0.3
    probe = estimator.probe(0.3)
    assert isinstance(probe, Probe)
    assert 800_000 < probe.rate_bps < 1_200_000
    assert estimator.probe(0.31) is None


def test_no_probe_beyond_the_wish() -> None:
    estimator = BandwidthEstimator()
    estimator.wish(250_000, 0.0)
    _flow(estimator, 0.0, 0.3)
    assert estimator.probe(0.3) is None


def test_silence_lowers_the_target() -> None:
    estimator = BandwidthEstimator(start_bps=1_000_000)
    _flow(estimator, 0.0, 2.0)
    before = estimator.target_bps
    for step in range(1000):
        now = 2.0 + step / 100
        estimator.sent(500, now)
        deadline = estimator.deadline()
        if deadline is not None and deadline <= now:
            estimator.probe(now)
        if step == 90:
            assert estimator.target_bps == before
    assert estimator.target_bps == 30_000


def test_silence_while_nothing_is_sent_means_nothing() -> None:
    estimator = BandwidthEstimator(start_bps=1_000_000)
    _flow(estimator, 0.0, 1.0)
    estimator.sent(500, 1.0)  # of which nothing is ever told
    before = estimator.target_bps
    for step in range(20, 200):
        estimator.probe(step / 10)
        assert estimator.target_bps == before


def test_the_deadline_moves_on() -> None:
    estimator = BandwidthEstimator(start_bps=1_000_000)
    estimator.wish(5_000_000, 0.0)
    _flow(estimator, 0.0, 1.0)
    estimator.sent(500, 1.0)
    for step in range(100):
        now = 1.0 + step / 20
        estimator.probe(now)
        deadline = estimator.deadline()
        assert deadline is not None
        assert deadline > now


def test_stats_are_complete() -> None:
    estimator = BandwidthEstimator()
    _flow(estimator, 0.0, 1.0)
    stats = estimator.stats(1.0)
    assert stats["source"] == "transport-cc"
    assert stats["target_bps"] == estimator.target_bps
    assert stats["loss"] == 0


_DELTAS = st.lists(st.none() | st.integers(-0x8000, 0x7FFF), min_size=1, max_size=80).map(tuple)
_FEEDBACK = st.builds(
    Feedback,
    base_seq16=st.integers(0, 300) | st.integers(0, 0xFFFF),
    reference_time=st.integers(0, 50) | st.integers(-0x800000, 0x7FFFFF),
    feedback_count=st.integers(0, 255),
    deltas=_DELTAS,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 2), st.none() | _FEEDBACK), max_size=25))
def test_invented_feedback_does_no_harm(script: list[tuple[int, float, Feedback | None]]) -> None:
    estimator = BandwidthEstimator(ceiling_bps=10_000_000)
    estimator.wish(10_000_000, 0.0)
    now = 0.0
    for count, passed, feedback in script:
        for _ in range(count):
            estimator.sent(1200, now)
        now += passed
        if feedback is not None:
            estimator.feedback(feedback, now)
        probe = estimator.probe(now)
        if probe is not None:
            for _ in range(probe.bytes // 250 + 1):
                estimator.sent(250, now, probe.id)
        estimator.stats(now)
        assert 30_000 <= estimator.target_bps <= 10_000_000
