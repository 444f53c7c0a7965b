"""What is made of the signals: rate control, the loss test, probes."""

from random import Random

import pytest

from sfu.flow.bandwidth.aimd import RateControl
from sfu.flow.bandwidth.cluster import Cluster
from sfu.flow.bandwidth.loss import LossTest
from sfu.flow.bandwidth.probing import Probing
from sfu.flow.bandwidth.sent import SentPackets
from sfu.wire.transport_feedback import Feedback


def _grown(rate: RateControl, throughput: float, seconds: float) -> float:
    for step in range(int(seconds * 10) + 1):
        rate.grow(throughput, 0.05, step / 10)
    return rate.rate_bps


def test_growth_is_eight_percent_a_second() -> None:
    assert _grown(RateControl(1e6), 1e6, 1.0) == pytest.approx(1.083e6, rel=0.01)


def test_growth_ends_where_nothing_is_proven() -> None:
    assert _grown(RateControl(1e6), 5e5, 10.0) == 1e6
    assert _grown(RateControl(1e6), 8e5, 20.0) == pytest.approx(1.21e6)


def test_growth_near_the_capacity_is_slow() -> None:
    rate = RateControl(1e6)
    rate.learn(1e6)
    assert _grown(rate, 1e6, 1.0) == pytest.approx(1.032e6, rel=0.01)
    for step in range(10):
        assert rate.capacity_bps == 1e6
        rate.passed(16_250, step / 10)  # 1.3 Mbit/s: a bucket of tokens
    assert rate.capacity_bps is None  # more than it could carry has passed: it is another link


def test_backoff_is_to_085_of_what_arrives() -> None:
    rate = RateControl(3e6)
    rate.back_off(5e5, 3e6, 1.0)
    assert rate.rate_bps == pytest.approx(0.85 * 5e5)
    assert rate.capacity_bps == 5e5


def test_backoff_never_raises_and_spares_who_sends_little() -> None:
    rate = RateControl(1e6)
    rate.back_off(5e6, 6e6, 1.0)
    assert rate.rate_bps == 1e6
    rate.back_off(2e5, 2e5, 2.0)  # all of it passes
    assert rate.rate_bps == pytest.approx(0.85e6)


def _lossy(test: LossTest, share: float, seconds: float, start: float, random: Random) -> list[float]:
    """Feedback on 100 packets a second, `share` of them lost whatever is sent."""
    verdicts = []
    for step in range(int(seconds * 10)):
        now = start + step / 10
        lost = sum(random.random() < share for _ in range(10))
        test.update(lost, 10 - lost, 0, now - 0.05, now)
        verdict = test.judge(1e6 * (1 - share), now)
        if verdict is not None:
            verdicts.append(verdict)
    return verdicts


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_loss_that_stays_is_put_up_with(share: float) -> None:
    test = LossTest()
    random = Random(1)
    _lossy(test, share, 20, 0.0, random)
    assert test.inherent == pytest.approx(share, abs=share / 2)
    assert _lossy(test, share, 20, 20.0, random) == []


def test_loss_that_goes_with_the_rate_is_the_links_limit() -> None:
    test = LossTest()
    now, verdict = 0.0, None
    while verdict is None and now < 5:
        now += 0.1
        lost = 0 if test.trying else 2
        test.update(lost, 10 - lost, 0, now - 0.01, now)
        verdict = test.judge(8e5, now)
    assert verdict == pytest.approx(0.97 * 8e5)
    assert test.inherent == 0


def test_late_packets_are_no_loss() -> None:
    test = LossTest()
    for step in range(100):
        test.update(3, 7, 3 if step else 0, step / 10 - 0.05, step / 10)
        test.judge(1e6, step / 10)
        assert not test.trying


def _cluster(rate: float, link: float, bytes_: int, jitter: float = 0.0, lose: int = 0) -> Cluster:
    """A cluster sent at `rate` through a link of `link` bit/s, and told of."""
    random = Random(3)
    packets = SentPackets()
    cluster = Cluster(1, rate, bytes_, bytes_ * 8 / rate, jitter > 0)
    free = 0.0
    arrivals: list[int | None] = []
    for index in range(bytes_ // 250):
        now = index * 2000 / rate
        cluster.sent(packets.sent(250, now, 1), 250)
        free = max(free, now) + 2000 / link
        arrival = round((free + random.uniform(0, jitter)) * 4000)
        arrivals.append(None if lose and index % lose == 1 else arrival)
    deltas: list[int | None] = []
    last = 0
    for at in arrivals:
        deltas.append(None if at is None else at - last)
        last = last if at is None else at
    feedback = Feedback(0, 0, 0, tuple(deltas))
    told = cluster.read(packets, feedback)
    if lose:  # one more feedback is waited for
        assert not told
        packets.match(feedback)
        told = cluster.read(packets, feedback)
    assert told
    return cluster


def test_a_cluster_that_passes() -> None:
    cluster = _cluster(2e6, 10e6, 7500)
    assert cluster.result(0.0) == pytest.approx(2e6, rel=0.05)
    assert not cluster.limited


def test_a_cluster_that_fills_the_link() -> None:
    cluster = _cluster(4e6, 1e6, 7500)
    assert cluster.result(0.0) == pytest.approx(0.95e6, rel=0.05)
    assert cluster.limited


def test_a_cluster_under_jitter() -> None:
    assert _cluster(2e6, 10e6, 60_000, jitter=0.1).result(0.0) == pytest.approx(2e6, rel=0.1)
    assert _cluster(4e6, 2e6, 100_000, jitter=0.1).result(0.0) == pytest.approx(1.9e6, rel=0.1)


def test_a_cluster_with_loss() -> None:
    assert _cluster(2e6, 10e6, 7500, lose=10).result(0.1) == pytest.approx(2e6, rel=0.1)
    assert _cluster(2e6, 10e6, 7500, lose=2).result(0.0) is None


def test_probing_goes_on_while_it_works() -> None:
    probing = Probing()
    probe = probing.begin(300_000, 10e6, 0, 0.0, 0.0)
    assert probe is not None
    assert probe.rate_bps == 900_000
    assert probe.bytes == 3375
    assert probing.begin(300_000, 10e6, 3e5, 0.0, 0.1) is None  # one at a time
    probing.cluster = _cluster(9e5, 10e6, probe.bytes)
    assert probing.result(0.0, 3e5, 0.2) == pytest.approx(9e5, rel=0.05)
    probe = probing.begin(9e5, 1.2e6, 3e5, 0.0, 0.2)
    assert probe is not None
    assert probe.rate_bps == pytest.approx(1.2e6 * 1.1)  # hardly further than the wish


def test_probing_rests_when_it_leads_nowhere() -> None:
    probing = Probing()
    assert probing.begin(1e6, 3e6, 1e6, 0.0, 0.0)
    probing.cluster = _cluster(3e6, 1e6, 7500)
    probing.result(0.0, 1e6, 0.2)
    assert probing.begin(1e6, 3e6, 1e6, 0.0, 2.0) is None
    probe = probing.begin(1e6, 3e6, 1e6, 0.0, 4.3)
    assert probe is not None
    assert probe.rate_bps == 900_000  # fully used: 1.5 times with the media, so that little is in the way


def test_probing_gives_up_what_is_not_sent() -> None:
    probing = Probing()
    assert probing.begin(1e6, 3e6, 0, 0.0, 0.0)
    probing.expire(0.1, 1.0)
    assert probing.cluster
    probing.expire(0.1, 2.0)
    assert probing.cluster is None
    assert probing.failed == 1


def test_a_deep_drop_is_tried_again_soon() -> None:
    probing = Probing()
    probing.dropped(2e6, 5e5, 10.0, full=True)
    assert probing.begin(5e5, 3e6, 5e5, 0.0, 10.5) is None
    probe = probing.begin(5e5, 3e6, 0, 0.0, 11.1)
    assert probe is not None
    assert probe.rate_bps == 1_500_000  # no more than three times what is left


def test_no_probe_without_a_wish() -> None:
    assert Probing().begin(1e6, 1.02e6, 1e6, 0.0, 0.0) is None
