"""The virtual link itself: order, loss, duplication, rate, queue, repeatability."""

import pytest

from tests.net import Link


def _send(link: Link, count: int, pace: float = 0.01) -> list[bytes]:
    packets = [n.to_bytes(4, "big") for n in range(count)]
    for n, packet in enumerate(packets):
        link.send(packet, n * pace)
    return packets


def test_perfect_link_delivers_in_order_after_the_delay() -> None:
    link = Link(1, delay=0.05)
    packets = _send(link, 3)
    assert link.deadline() == pytest.approx(0.05)
    assert link.deliver(0.049) == []
    assert link.deliver(0.065) == packets[:2]
    assert link.deliver(1.0) == packets[2:]
    assert link.deadline() is None


def test_same_seed_same_fate() -> None:
    fates = []
    for seed in (7, 7, 8):
        link = Link(seed, loss=0.2, delay=0.02, jitter=0.05, duplicate=0.1)
        _send(link, 200)
        fates.append(link.deliver(10.0))
    assert fates[0] == fates[1] != fates[2]


def test_loss_and_duplication_come_near_their_probabilities() -> None:
    link = Link(3, loss=0.1, duplicate=0.05)
    _send(link, 2000)
    arrived = link.deliver(100.0)
    assert 150 < link.lost < 250
    assert 60 < link.duplicated < 130
    assert len(arrived) == link.delivered == link.sent - link.lost + link.duplicated


def test_jitter_lets_packets_overtake_each_other() -> None:
    link = Link(4, delay=0.01, jitter=0.03)
    packets = _send(link, 100)
    arrived = link.deliver(10.0)
    assert sorted(arrived) == packets != arrived


def test_one_setting_does_not_change_the_fate_under_another() -> None:
    plain, double = Link(5, loss=0.3), Link(5, loss=0.3, duplicate=1.0)
    _send(plain, 100)
    _send(double, 100)
    assert plain.deliver(10.0) == double.deliver(10.0)[::2]


def test_rate_spaces_packets_and_the_queue_drops_at_its_tail() -> None:
    link = Link(6, delay=0.1, rate_bps=80_000, queue_limit=2500)  # 1000 bytes take 0.1 s
    for n in range(10):
        link.send(bytes([n]) * 1000, 0.0)
    assert link.overflowed == 7  # the fourth found 3000 bytes waiting
    assert [packet[0] for packet in link.deliver(0.25)] == [0]
    assert [packet[0] for packet in link.deliver(1.0)] == [1, 2]
    link.send(b"x" * 1000, 2.0)
    assert link.deadline() == pytest.approx(2.2)
