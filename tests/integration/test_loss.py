"""Seeded loss on the way of stock clients: pictures keep coming, and the counters show the repair."""

import pytest

from tests.integration.client import Clients, until
from tests.integration.media import RED, FlatVideo
from tests.integration.network import Loss
from tests.integration.server import Daemon

LOSS = 0.05


@pytest.mark.parametrize("where", ["publisher", "subscriber"])
async def test_five_percent_loss_both_ways(server: Daemon, clients: Clients, where: str) -> None:
    ada, bob = await clients("Ada"), await clients("Bob")
    # Larger pictures of noise make several packets a frame, so that there is something to lose.
    ada.publish(FlatVideo(RED, noise=True, size=(320, 240)), "camera")
    await ada.offer()
    await bob.knows(1)
    bob.receive_all()
    await bob.offer()
    await bob.frames()
    loss = Loss(ada if where == "publisher" else bob, LOSS, seed=7)
    (slot,) = bob.slots

    def repaired() -> int:
        if where == "publisher":
            encoding = server.participant(ada.id)["publications"][0]["encodings"][0]
            return min(int(encoding["nacked"]), int(encoding["repaired"]))
        subscription = server.participant(bob.id)["subscriptions"][0]
        return min(int(subscription["nacks"]), int(subscription["resent"]))

    before = slot.frames
    await until(lambda: repaired() >= 5 and loss.lost >= 10, "losses are repaired")
    assert slot.frames > before + 5
    await bob.frames(more=20)
    assert slot.shows(RED)
