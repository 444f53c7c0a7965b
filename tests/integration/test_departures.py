"""The ways a media connection ends or moves: close_notify, silence, another address, a wrong certificate."""

import re

import aioice.ice
import pytest

from sfu.transport import hub, ice
from signaling import messages as m
from tests.integration.client import Clients, until, video
from tests.integration.media import RED, FlatVideo
from tests.integration.network import (
    binding_request,
    cut,
    send_raw,
    server_address,
    stranger,
    unprotect,
)
from tests.integration.server import Daemon, room


async def test_close_notify_is_a_departure(server: Daemon, clients: Clients) -> None:
    ada, bob = await clients.pair()
    cid = await clients("Cid")
    await ada.pc.close()
    await bob.hears(m.Left, participant=ada.id, reason="disconnected")
    await cid.hears(m.Left, participant=ada.id)
    await ada.hears(m.Bye)
    await until(lambda: len(server.media.hub) == 1, "its connection is gone")
    assert [slot.state for slot in bob.slots] == ["empty", "empty"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed after 2 s instead of 30, and clients say something every 0.3 s instead of 5."""
    monkeypatch.setattr(ice, "CONSENT_SECONDS", 2.0)
    monkeypatch.setattr(hub, "CONSENT_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.3)


@pytest.mark.parametrize("relay", ["forward", "media"])
@pytest.mark.usefixtures("impatient")
async def test_silence_is_a_departure(relay: str) -> None:
    async with room("media" if relay == "media" else "forward") as (server, clients):
        ada, bob = await clients.pair()
        cut(ada)
        await bob.hears(m.Left, participant=ada.id, reason="timeout")
        await ada.hears(m.Bye, reason="timeout")
        await until(lambda: len(server.media.hub) == 1, "its connection is gone")
        stats = await server.stats()
        assert stats["media"]["transport"]["expired"] == 1
        assert stats["participants"] == 1


@pytest.mark.usefixtures("impatient")
async def test_a_client_that_offers_and_never_connects(server: Daemon, clients: Clients) -> None:
    ada, bob = await clients("Ada"), await clients("Bob")
    ada.publish(FlatVideo(RED), "camera")
    await ada.pc.setLocalDescription(await ada.pc.createOffer())
    await ada.ask(m.Offer(sdp=ada.pc.localDescription.sdp, publish=(), receive=()), m.Answer)
    assert len(server.media.hub) == 1
    await bob.hears(m.Left, participant=ada.id, reason="timeout")
    await until(lambda: len(server.media.hub) == 0, "its connection is gone")


async def test_media_follows_the_client_to_another_address(server: Daemon, clients: Clients) -> None:
    ada, bob = await clients.pair()
    async with stranger(server_address(bob)) as elsewhere:
        # Who has not the password moves nothing.
        elsewhere.send(binding_request(bob, nominate=True, password="wrong"))
        await until(lambda: elsewhere.received, "the forged check is answered with an error")
        await bob.frames()
        assert not elsewhere.media
        # Nor does a check that nominates nothing.
        elsewhere.received.clear()
        elsewhere.send(binding_request(bob, nominate=False))
        await until(lambda: elsewhere.received, "the check is answered")
        await bob.frames()
        assert not elsewhere.media
        elsewhere.send(binding_request(bob, nominate=True))
        await until(lambda: len(elsewhere.media) > 10, "media arrives at the new address")
        ssrcs = {unprotect(bob, data)[8:12] for data in elsewhere.media[:10]}
        own = {slot["ssrc"].to_bytes(4, "big") for slot in server.participant(bob.id)["subscriptions"]}
        assert ssrcs <= own
        assert server.participant(bob.id)["connection"]["migrations"] == 1
        # And back, from the client's own socket.
        await send_raw(bob, binding_request(bob, nominate=True))
        await bob.frames(more=10)
    stats = server.participant(bob.id)
    assert stats["connection"]["migrations"] == 2
    assert (await server.stats())["media"]["transport"]["stun_rejected"]["bad-integrity"] == 1
    await ada.leave()


async def test_a_publisher_may_move_too(server: Daemon, clients: Clients) -> None:
    ada, bob = await clients.pair()
    async with stranger(server_address(ada)) as elsewhere:
        elsewhere.send(binding_request(ada, nominate=True))
        await until(lambda: elsewhere.received, "the check is answered")
        # Its packets still come from the address before, which stays valid (RFC 8445 12.2).
        await bob.frames(more=10)
        assert server.participant(ada.id)["connection"]["migrations"] == 1


async def test_a_wrong_certificate_is_refused(server: Daemon, clients: Clients) -> None:
    _, bob = await clients.pair()
    eve = await clients("Eve")
    eve.publish(FlatVideo(RED), "camera")
    eve.receive(bob.slots[0].wanted, bob.slots[0].kind)

    def other_fingerprint(sdp: str) -> str:
        def other(match: re.Match[str]) -> str:
            return match[1] + match[2].translate(str.maketrans("01234567", "12345670"))

        return re.sub("(a=fingerprint:[^ ]+ )([0-9A-F:]+)", other, sdp)

    await eve.offer(other_fingerprint)
    await bob.hears(m.Left, participant=eve.id, reason="disconnected")
    await eve.hears(m.Bye)
    await until(lambda: len(server.media.hub) == 2, "its connection is gone")
    assert eve.slots[0].frames == 0
    await bob.frames()
    assert video(bob)[0].shows(RED)
