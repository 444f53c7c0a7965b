"""What the MediaRelay mode does that forwarding does not: transcode, and hold decoded frames."""

from typing import Any

from sfu.media.relay import RelayParticipant
from tests.integration.client import until, video
from tests.integration.media import RED, FlatVideo
from tests.integration.server import room


async def test_one_codec_becomes_another() -> None:
    async with room("media") as (_, clients):
        ada, bob = await clients.pair()
        cid = await clients("Cid")
        slot = cid.receive(next(iter(cid.offered("video"))))
        slot.only("video/H264")
        await cid.offer()
        assert slot.state == "active"
        await until(lambda: slot.shows(RED), "VP8 arrives as H264")
        await bob.frames()
        assert len(ada.sendings) == 2


async def test_frames_that_nobody_takes_are_not_kept() -> None:
    async with room("media") as (server, clients):
        ada = await clients("Ada")
        ada.publish(FlatVideo(RED), "camera")
        await ada.offer()
        (seat,) = server.media.backend._seats.values()
        assert isinstance(seat.member, RelayParticipant)
        (publication,) = seat.member._publications.values()
        track: Any = publication.track
        await until(lambda: track._offset is not None, "frames are decoded")
        bob = await clients("Bob")
        await bob.knows(1)
        bob.receive_all()
        await bob.offer()
        await bob.frames(more=20)
        receiver: Any = publication.receiver
        assert receiver._track._queue.qsize() < 3
        assert video(bob)[0].shows(RED)
