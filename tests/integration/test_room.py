"""A room of stock aiortc clients: media of everybody to everybody, and what they are told of each other."""

import functools
import time

import pytest

from signaling import messages as m
from tests.integration.client import Client, Clients, SignalingRefused, all_of, until, video
from tests.integration.media import BLUE, COLOURS, GREEN, RED, FlatVideo
from tests.integration.server import Daemon, room


def shows_the_others(clients: list[Client]) -> bool:
    """Whether each video slot shows the colour of the one it belongs to."""
    colours = dict(zip((client.id for client in clients), COLOURS, strict=True))
    owners = {p.id: o.id for c in clients for o in c.others.values() for p in o.publications}
    return all(
        slot.wanted is not None and slot.shows(colours[owners[slot.wanted]])
        for client in clients
        for slot in video(client)
    )


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_three_see_and_hear_each_other(relay: str) -> None:
    async with room("media" if relay == "media" else "forward") as (_, clients):
        trio = await clients.trio()
        await all_of(*(client.frames() for client in trio))
        assert all(len(client.slots) == 4 for client in trio)
        await until(lambda: shows_the_others(trio), "everybody sees the right colours")
        await all_of(*(client.frames(more=10) for client in trio))


async def test_a_client_without_transport_wide_feedback_tells_its_bandwidth_by_remb(
    server: Daemon, clients: Clients
) -> None:
    _, bob = await clients.pair()
    # aiortc's estimator looks on for 3 s before it says anything.
    await until(lambda: server.participant(bob.id)["available_bps"] is not None, "REMB comes")


async def test_late_joiner_sees_soon(clients: Clients) -> None:
    await clients.pair()
    late = await clients("Cid")
    began = time.monotonic()
    late.receive_all()
    await late.offer()
    await until(lambda: all(slot.frames for slot in late.slots), "the late joiner sees and hears")
    first = max(slot.first_frame_at or 0.0 for slot in late.slots) - began
    assert first < 3.0  # 0.2 s on an idle machine


async def test_one_leaves(server: Daemon, clients: Clients) -> None:
    ada, bob, cid = await clients.trio()
    await all_of(bob.frames(), cid.frames())
    await ada.leave()
    for client, other in ((bob, cid), (cid, bob)):
        await client.hears(m.Left, participant=ada.id, reason="left")
        assert [slot.state for slot in client.slots].count("empty") == 2
        assert set(client.others) == {other.id}
    await until(lambda: len(server.media.hub) == 2, "its connection is closed")
    active = [slot["state"] for slot in server.participant(bob.id)["subscriptions"]]
    assert sorted(active) == ["active", "active", "empty", "empty"]
    await all_of(*(c.frames([s for s in c.slots if s.wanted]) for c in (bob, cid)))


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_point_back_and_forth(relay: str) -> None:
    async with room("media" if relay == "media" else "forward") as (_, clients):
        ada, bob, cid = await clients("Ada"), await clients("Bob"), await clients("Cid")
        for client, colour in ((ada, RED), (bob, GREEN)):
            client.publish(FlatVideo(colour), "camera")
            await client.offer()
        red, green = ada.sendings[0].publication, bob.sendings[0].publication
        assert red
        assert green
        await cid.knows(2)
        slot = cid.receive(None)
        await cid.offer()
        assert (slot.wanted, slot.state) == (None, "empty")
        for publication, colour in ((red, RED), (green, GREEN)) * 2:
            told = await cid.point(slot, publication)
            assert (told.publication, told.state) == (publication, "active")
            await until(functools.partial(slot.shows, colour), f"the slot shows {colour}")
            await cid.frames(more=3)
            assert slot.shows(colour)
        assert (await cid.point(slot, None)).state == "empty"
        with pytest.raises(SignalingRefused, match="unknown-publication"):
            await cid.point(slot, "t_nobody")
        with pytest.raises(SignalingRefused, match="unknown-mid"):
            await cid.ask(m.Point(mid="nine", publication=red), m.Slot)


async def test_mute_is_told(clients: Clients) -> None:
    ada, bob = await clients.pair()
    camera = ada.sendings[0]
    assert camera.publication is not None
    await ada.mute(camera.publication, True)
    await bob.hears(m.Muted, publication=camera.publication, muted=True)
    assert bob.publication(camera.publication).muted
    camera.muted = False
    await ada.offer()
    await bob.hears(m.Muted, publication=camera.publication, muted=False)
    with pytest.raises(SignalingRefused, match="not-yours"):
        await bob.mute(camera.publication, True)
    with pytest.raises(SignalingRefused, match="unknown-publication"):
        await bob.mute("t_nobody", True)
    late = await clients("Cid")
    assert not late.publication(camera.publication).muted


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_offers_that_add_stop_and_start_again(relay: str) -> None:
    async with room("media" if relay == "media" else "forward") as (_, clients):
        ada, bob = await clients.pair()
        first = ada.sendings[0].publication
        # A second publication, in an m-line that is added.
        screen = ada.publish(FlatVideo(BLUE), "screen")
        await ada.offer()
        assert screen.publication
        assert ada.sendings[0].publication == first
        await bob.knows(3)
        bob.receive_all()
        await bob.offer()
        await until(lambda: bob.slot_of(screen.publication or "").shows(BLUE), "Bob sees the screen")
        # Stop publishing the camera: not listed any more.
        camera = ada.sendings.pop(0)
        await ada.offer()
        await bob.hears(m.Unpublished, publication=first)
        assert [slot.state for slot in bob.slots].count("empty") == 1
        # Publish on the same m-line again: a new publication.
        ada.sendings.insert(0, camera)
        await ada.offer()
        assert camera.publication not in (None, first)
        await until(lambda: camera.publication in bob.offered(), "Bob knows the new one")
        empty = next(slot for slot in bob.slots if slot.state == "empty")
        await bob.point(empty, camera.publication)
        await bob.frames()
        assert empty.shows(RED)
        # Slots that are no longer listed end.
        bob.slots.remove(empty)
        answer = await bob.offer()
        assert empty.mid not in [entry.mid for entry in answer.receive]
        await bob.frames()


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_what_cannot_be_asked_changes_nothing(relay: str) -> None:
    async with room("media" if relay == "media" else "forward") as (_, clients):
        ada, bob = await clients.pair()
        picture, sound = (next(s for s in bob.slots if s.kind == kind) for kind in ("video", "audio"))
        shown = picture.wanted, sound.wanted
        with pytest.raises(SignalingRefused, match="unknown-mid"):
            await bob.point(picture, sound.wanted)
        picture.wanted, sound.wanted = sound.wanted, picture.wanted
        with pytest.raises(SignalingRefused, match="unknown-mid"):
            await bob.ask(await bob.prepare_offer(), m.Answer)
        picture.wanted, sound.wanted = shown
        await bob.frames()
        assert picture.shows(RED)
        ada.sendings[0].muted = True
        await ada.offer()
        await bob.hears(m.Muted, publication=picture.wanted, muted=True)


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_another_source_is_another_publication(relay: str) -> None:
    async with room("media" if relay == "media" else "forward") as (_, clients):
        ada, bob = await clients.pair()
        first = ada.sendings[0].publication
        ada.sendings[0].source = "screen"
        await ada.offer()
        await bob.hears(m.Unpublished, publication=first)
        await until(lambda: ada.sendings[0].publication in bob.offered(), "Bob knows the screen")
        (slot,) = video(bob)
        await bob.point(slot, ada.sendings[0].publication)
        await bob.frames()


async def test_replaces(server: Daemon, clients: Clients) -> None:
    ada, bob = await clients.pair()
    again = clients.make("Ada")
    await again.join(replaces=ada.session)
    assert ada.id not in again.others
    await ada.hears(m.Bye, reason="replaced")
    await bob.hears(m.Left, participant=ada.id, reason="replaced")
    await until(lambda: len(server.media.hub) == 1, "the old media connection is closed")
    again.publish_both(GREEN)
    await again.offer()
    await bob.knows(2)
    for id in bob.offered():
        kind = bob.publication(id).kind
        await bob.point(next(s for s in bob.slots if s.kind == kind), id)
    await bob.frames()
    await until(lambda: video(bob)[0].shows(GREEN), "Bob sees the new camera")


async def test_a_codec_that_cannot_be_received(clients: Clients) -> None:
    ada, bob = await clients.pair()
    cid = await clients("Cid")
    slot = cid.receive(next(id for id in cid.offered("video")))
    slot.only("video/H264")
    await cid.offer()
    assert slot.state == "unsupported-codec"
    assert slot.message
    assert "VP8" in slot.message
    assert slot.wanted == ada.sendings[0].publication
    await cid.connected()
    await bob.frames()
    assert slot.frames == 0
    with pytest.raises(SignalingRefused, match="unknown-mid"):
        await cid.point(slot, ada.sendings[1].publication)
