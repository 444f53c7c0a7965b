"""A whole leg in virtual time: two sources by turns over a lossy path, repaired by NACK out of histories."""

import pytest

from sfu.flow.arrivals import Arrivals
from sfu.flow.history import History
from sfu.flow.renumber import Renumber
from sfu.flow.resend import ResendBudget
from sfu.wire.seq import Unwrapper16
from tests.net import Link

RATE = 90000
PACE = 0.004  # 250 packets a second


class Leg:
    """Source -> renumber -> lossy link -> receiver, whose NACKs come back over a lossy link of their own.

    A datagram is a letter (M media, R retransmission), the out number and the original (source, number).
    """

    def __init__(self, seed: int, loss: float, delay: float, jitter: float) -> None:
        self.out = Link(seed, loss=loss, delay=delay, jitter=jitter)
        self.back = Link(seed + 1, loss=loss, delay=delay, jitter=jitter)
        self.rtt = 2 * delay + jitter
        self.renumber = Renumber(65000, 0xFFFF0000)
        self.histories = {"a": History(), "b": History()}
        self.budget = ResendBudget()
        self.arrivals = Arrivals(RATE, nack=True)
        self.unwrapper = Unwrapper16()
        self.received: dict[int, str] = {}  # by unwrapped out number
        self.sent: list[str] = []

    def send(self, source: str, seq: int, now: float) -> None:
        payload = f"{source}{seq}"
        answer = self.renumber.forward(seq, int(now * RATE) & 0xFFFFFFFF)
        assert answer is not None
        self.histories[source].add(seq, payload.encode(), now)
        self.budget.sent(1000, now)
        self.sent.append(payload)
        self.out.send(f"M {answer[0]} {payload}".encode(), now)

    def step(self, now: float) -> None:
        for datagram in self.out.deliver(now):
            kind, number, payload = datagram.decode().split()
            seq = self.unwrapper.unwrap(int(number))
            if kind == "M":
                new = self.arrivals.receive(seq, int(now * RATE) & 0xFFFFFFFF, now)
            else:
                new = self.arrivals.recovered(seq, now)
            if new:
                assert seq not in self.received
                self.received[seq] = payload
        for seq in self.arrivals.nacks(now, self.rtt):
            self.back.send(f"{seq & 0xFFFF}".encode(), now)
        for datagram in self.back.deliver(now):
            seq16 = int(datagram)
            origin = self.renumber.origin(seq16)
            assert origin is not None
            assert isinstance(origin.source, str)
            packet = self.histories[origin.source].get(origin.seq, now)
            if packet is not None and self.budget.allow(seq16, 1000, now, self.rtt):
                self.out.send(f"R {seq16} {packet.decode()}".encode(), now)


@pytest.mark.parametrize(("loss", "seed"), [(0.0, 1), (0.01, 2), (0.05, 3), (0.1, 4), (0.1, 5)])
def test_everything_arrives_in_its_place_over_switches(loss: float, seed: int) -> None:
    leg = Leg(seed, loss, delay=0.03, jitter=0.005)
    seqs = {"a": 70000, "b": 131000}
    now, source = 10.0, "a"
    leg.renumber.start(source, seqs[source], int(now * RATE) & 0xFFFFFFFF, RATE, now)
    for n in range(5000):  # 20 s, a switch every 1.6 s
        if n % 400 == 399:
            source = "b" if source == "a" else "a"
            seqs[source] += 17  # what passed while it was not selected
            leg.renumber.start(source, seqs[source], int(now * RATE) & 0xFFFFFFFF, RATE, now)
        leg.send(source, seqs[source], now)
        seqs[source] += 1
        for part in range(4):
            leg.step(now + part * PACE / 4)
        now += PACE
    for _ in range(2000):
        leg.step(now)
        now += 0.001
    first = min(leg.received)
    lost_at_start = leg.sent.index(leg.received[first])  # nothing before the first is asked for
    in_order = [leg.received.get(first + n) for n in range(len(leg.sent) - lost_at_start)]
    missing = in_order.count(None)
    assert [got or sent for got, sent in zip(in_order, leg.sent[lost_at_start:], strict=True)] == leg.sent[
        lost_at_start:
    ]
    # The very last may be lost without a later one to tell; else ten tries against loss both ways suffice.
    assert missing <= 1
    assert leg.arrivals.given_up == 0
    assert (leg.arrivals.repaired > 0) == (loss > 0)
    assert leg.arrivals.packets_lost == pytest.approx(5000 * loss, rel=0.35, abs=2)
    if loss == 0.0:
        assert leg.arrivals.nacked == 0  # 5 ms of jitter is within the reorder guard


def test_an_outage_ends_in_a_key_frame_request_not_in_a_flood() -> None:
    leg = Leg(9, loss=0.0, delay=0.03, jitter=0.0)
    now = 10.0
    leg.renumber.start("a", 70000, 0, RATE, now)
    for n in range(1500):
        leg.out.loss = 1.0 if 250 <= n < 750 else 0.0  # two seconds of nothing
        leg.send("a", 70000 + n, now)
        leg.step(now)
        now += PACE
    assert leg.arrivals.lost_beyond_repair
    assert leg.arrivals.nacked == 0
    assert leg.arrivals.given_up == 500
    assert leg.arrivals.packets_lost == 500
