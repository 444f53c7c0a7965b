"""What is shared where a client gives only an estimate of its own."""

from types import SimpleNamespace
from typing import cast

from sfu.forwarding.egress import Egress
from sfu.forwarding.slot import Slot
from sfu.rooms.budget import LEAST_SHARED_BY_REMB, UNLIMITED_BPS, Budget
from tests.forwarding.doubles import FakeOutlet


class Client:
    """Takes what is shared, up to `wish_bps`, and tells an estimate each second."""

    def __init__(self, wish_bps: float) -> None:
        self.egress = Egress(FakeOutlet())
        self.wish_bps = wish_bps
        self.slot = SimpleNamespace(bytes_sent=0, kind="video", encoding=None)
        self.budget = Budget(self.egress, {"1": cast(Slot, self.slot)})
        self.now = 10.0

    def tell(self, estimate_bps: float) -> int:
        """What is shared a second after this estimate."""
        self.egress.remb(round(estimate_bps), self.now)
        shared = 0
        for _ in range(10):
            self.now += 0.1
            shared = self.budget.video_bps(self.now)
            self.slot.bytes_sent += round(min(shared, self.wish_bps) / 80)
        return shared


def test_before_any_report_everything_is_shared() -> None:
    assert Client(1e6).budget.video_bps(10.0) == UNLIMITED_BPS


def test_an_estimate_that_was_made_of_a_still_picture_does_not_starve_the_next_one() -> None:
    client = Client(3e6)
    assert client.tell(5_000) == LEAST_SHARED_BY_REMB
    estimate = 5_000.0
    for _ in range(30):
        estimate *= 1.08
        shared = client.tell(estimate)
    assert shared > 3e6
    assert client.egress.pacer.rate_bps > 3e6
    assert client.budget.settling(client.now)  # nothing is paused for it


def test_an_estimate_that_stays_below_what_is_sent_is_the_limit() -> None:
    client = Client(3e6)
    for _ in range(10):
        shared = client.tell(600_000)
    assert shared == 600_000


def test_an_estimate_that_little_is_sent_of_is_no_limit() -> None:
    client = Client(4e5)
    for _ in range(5):
        shared = client.tell(600_000)
    assert shared == 1_200_000
