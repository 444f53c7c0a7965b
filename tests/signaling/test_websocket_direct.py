"""Rooms whose members speak directly, over real WebSockets on loopback: signals, silence, departures, moves."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from signaling.auto import AutoSettings
from signaling.fields import Topology
from signaling.messages import (
    Announce,
    Announced,
    Bye,
    Error,
    Joined,
    Left,
    Offer,
    Ok,
    Path,
    Ping,
    Pong,
    Publish,
    Published,
    ServerMessage,
    Signal,
    Signaled,
    Track,
    from_data,
    to_data,
)
from tests.signaling.house import House, Peer, open_house

HELLO = to_data({"hello": 1})
CAMERA = (Track(key="cam", kind="video", source="camera"),)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as house:
        yield house


async def test_three_in_a_mesh(house: House) -> None:
    ada = await house.join("Ada", topology="mesh")
    bob = await house.join("Bob")
    cy = await house.join("Cy")
    assert isinstance(await ada.receive(), Joined)
    assert isinstance(await ada.receive(), Joined)
    assert isinstance(await bob.receive(), Joined)
    announced = await ada.ask(Announce(id=2, publications=CAMERA))
    assert isinstance(announced, Announced)
    for peer in (bob, cy):
        published = await peer.receive()
        assert isinstance(published, Published)
        assert published.publication.id == announced.publications[0].publication
    await cy.socket.send_str(f'{{"type":"signal","to":"{ada.id}","from":"{bob.id}","data":{{"n":[1, 2]}}}}')
    signal = await ada.receive()
    assert isinstance(signal, Signaled)
    assert (signal.sender, from_data(signal.data)) == (cy.id, {"n": [1, 2]})
    assert await ada.ask(Signal(id=3, to=cy.id, data=HELLO)) == Ok(re=3)
    assert await cy.receive() == Signaled(sender=ada.id, data=HELLO)
    assert house.backend.members == {}


async def test_a_burst_of_signals_arrives_whole_and_in_order(house: House) -> None:
    ada, bob = await house.join("Ada", topology="mesh"), await house.join("Bob")
    await ada.receive()
    for number in range(150):
        await ada.send(Signal(to=bob.id, data=to_data({"n": number})))
    for number in range(150):
        assert await bob.receive() == Signaled(sender=ada.id, data=to_data({"n": number}))
    assert await ada.ask(Ping()) == Pong()


async def test_a_flood_of_signals_is_refused(house: House) -> None:
    ada, bob = await house.join("Ada", topology="mesh"), await house.join("Bob")
    await ada.receive()
    for _ in range(230):
        await ada.send(Signal(to=bob.id, data=HELLO))
    refused = await ada.receive()
    assert isinstance(refused, Error)
    assert refused.code == "too-many-requests"
    assert isinstance(await bob.receive(), Signaled)


async def keep_alive(peer: Peer) -> None:
    while True:
        await asyncio.sleep(0.05)
        await peer.send(Ping())


async def heard(peer: Peer) -> ServerMessage:
    """The next message that is no pong."""
    while isinstance(message := await peer.receive(), Pong):
        pass
    return message


@pytest.mark.parametrize("topology", ["mesh", "auto"])
async def test_silence(topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.room.MAX_SILENCE", 0.3)
    async with open_house() as house:
        ada = await house.join("Ada", topology=topology)
        alive = asyncio.create_task(keep_alive(ada))
        started = time.monotonic()
        silent = await house.join("Silent")
        assert isinstance(await heard(ada), Joined)
        assert await heard(ada) == Left(participant=silent.id, reason="timeout")
        assert 0.2 < time.monotonic() - started < 2
        assert await silent.receive() == Bye(reason="timeout")
        assert await silent.closed() == 1008
        assert await ada.ask(Announce(id=5, publications=())) is not None
        alive.cancel()


@pytest.mark.parametrize("topology", ["sfu", "broadcast"])
async def test_silence_where_media_tells(topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.room.MAX_SILENCE", 0.05)
    async with open_house() as house:
        ada, bob = await house.join("Ada", topology=topology), await house.join("Bob")
        assert isinstance(await ada.receive(), Joined)
        await asyncio.sleep(0.3)
        assert await ada.ask(Ping()) == await bob.ask(Ping()) == Pong()


@pytest.mark.parametrize("topology", ["sfu", "mesh", "auto", "broadcast"])
async def test_a_connection_that_breaks_is_told_at_once(house: House, topology: Topology) -> None:
    ada, bob = await house.join("Ada", topology=topology), await house.join("Bob")
    await ada.receive()
    connection = bob.socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    started = time.monotonic()
    connection.transport.abort()
    assert await ada.receive() == Left(participant=bob.id, reason="disconnected")
    assert time.monotonic() - started < 1


async def test_an_auto_room_moves_there_and_back() -> None:
    async with open_house(auto=AutoSettings(threshold=3, quiet=0.2)) as house:
        ada, bob = await house.join("Ada", topology="auto"), await house.join("Bob")
        assert bob.me is not None
        assert (bob.me.path, bob.me.threshold) == ("mesh", 3)
        cy = await house.join("Cy")
        assert cy.me is not None
        assert cy.me.path == "sfu"
        assert isinstance(await ada.receive(), Joined)
        for peer in (ada, bob):
            assert isinstance(await peer.receive(), Joined)
            assert await peer.receive() == Path(path="sfu")
        await cy.socket.close()
        for peer in (ada, bob):
            assert isinstance(await peer.receive(), Left)
            assert await peer.receive() == Path(path="mesh")
        assert house.counters.path_changes == 2


async def test_roles(house: House) -> None:
    ada = await house.join("Ada", topology="broadcast", role="publisher")
    bob = await house.join("Bob", topology="broadcast", role="viewer")
    assert bob.me is not None
    assert (bob.me.role, bob.me.participants[0].role) == ("viewer", "publisher")
    assert isinstance(await ada.receive(), Joined)
    camera = (Publish(mid="0", source="camera"),)
    refused = await bob.ask(Offer(id=2, sdp="v=0", publish=camera, receive=()))
    assert isinstance(refused, Error)
    assert (refused.re, refused.code) == (2, "not-allowed")
    late = await house.connect()
    join = '{"type":"join","id":1,"room":"blue","name":"Cy","topology":"broadcast","role":"publisher"}'
    await late.socket.send_str(join)
    refused = await late.receive()
    assert isinstance(refused, Error)
    assert (refused.re, refused.code) == (1, "role-taken")
    await late.socket.send_str(join.replace("publisher", "viewer"))
    assert isinstance(await ada.receive(), Joined)


async def test_who_does_not_read_is_not_dropped_for_what_others_signal() -> None:
    async with open_house(max_waiting_bytes=60_000) as house:
        ada, bob = await house.join("Ada", topology="mesh"), await house.join("Bob")
        await ada.receive()
        large = to_data({"x": "x" * 50_000})
        refused = await ada.ask(Signal(id=1, to=bob.id, data=large))
        assert isinstance(refused, Error)
        assert refused.code == "too-many-requests"
        assert await bob.ask(Ping()) == Pong()
