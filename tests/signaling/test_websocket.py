"""The pump over real WebSockets on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from signaling import websocket
from signaling.messages import (
    Answer,
    Bye,
    Error,
    Join,
    Joined,
    Leave,
    Left,
    Mute,
    Offer,
    Ping,
    Point,
    Pong,
    Publication,
    Publish,
    Published,
    ServerMessage,
    Welcome,
    encode,
)
from tests.signaling.house import House, Peer, open_house

CAMERA = (Publish(mid="0", source="camera"),)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as house:
        yield house


async def test_two_in_a_room(house: House) -> None:
    ada = await house.join("Ada")
    bob = await house.join("Bob")
    assert bob.me is not None
    joined = await ada.receive()
    assert isinstance(joined, Joined)
    assert joined.participant.id == bob.me.participant
    answer = await ada.ask(Offer(id=2, sdp="v=0", publish=CAMERA, receive=()))
    assert isinstance(answer, Answer)
    assert answer.re == 2
    published = await bob.receive()
    assert isinstance(published, Published)
    assert published.publication.id == answer.publish[0].publication
    assert await bob.ask(Ping(id=3)) == Pong(re=3)
    await bob.send(Leave())
    assert await bob.closed() == 1000
    assert await ada.receive() == Left(participant=bob.me.participant, reason="left")
    assert house.counters.connections == 2
    assert house.counters.messages_in == 5
    assert house.counters.messages_out == 7


async def test_closing_the_websocket_is_leaving(house: House) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    await bob.socket.close()
    left = await ada.receive()
    assert isinstance(left, Left)
    assert left.reason == "left"


async def test_a_broken_connection(house: House) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    connection = bob.socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()
    left = await ada.receive()
    assert isinstance(left, Left)
    assert left.reason == "disconnected"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad-json"),
        ("[]", "bad-message"),
        ('{"type":"dance"}', "unknown-type"),
        ('{"type":"join","room":"blue","name":"Eve"}', "already-joined"),
        ('{"type":"offer","sdp":"bad","publish":[],"receive":[]}', "bad-sdp"),
        ('{"type":"offer","sdp":"crash","publish":[],"receive":[]}', "internal"),
        ('{"type":"point","mid":"9","publication":null}', "unknown-mid"),
        ('{"type":"mute","publication":"t_99","muted":true}', "unknown-publication"),
    ],
)
async def test_errors_stay_with_the_one_who_made_them(house: House, text: str, code: str) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    await bob.socket.send_str(text)
    error = await bob.receive()
    assert isinstance(error, Error)
    assert error.code == code
    assert "42" not in error.message
    assert await bob.ask(Ping()) == Pong()
    assert await ada.ask(Ping()) == Pong()
    assert house.counters.errors == {code: 1}


async def test_binary_frames(house: House) -> None:
    ada = await house.join("Ada")
    await ada.socket.send_bytes(encode(Ping()).encode())
    error = await ada.receive()
    assert isinstance(error, Error)
    assert error.code == "bad-message"


async def test_not_joined(house: House) -> None:
    peer = await house.connect()
    error = await peer.ask(Offer(id=2, sdp="v=0", publish=(), receive=()))
    assert error == Error(re=2, code="not-joined", message="Join a room first, and wait for its welcome.")


async def test_a_failed_join_can_be_repeated(house: House) -> None:
    peer = await house.connect()
    error = await peer.ask(Join(id=1, room="blue", name="crash"))
    assert isinstance(error, Error)
    assert (error.re, error.code) == (1, "internal")
    assert isinstance(await peer.ask(Join(id=2, room="blue", name="Ada")), Welcome)


async def test_nobody_mutes_for_another(house: House) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    answer = await ada.ask(Offer(sdp="v=0", publish=CAMERA, receive=()))
    assert isinstance(answer, Answer)
    await bob.receive()
    error = await bob.ask(Mute(id=3, publication=answer.publish[0].publication, muted=True))
    assert isinstance(error, Error)
    assert (error.re, error.code) == (3, "not-yours")
    assert await ada.ask(Ping()) == Pong()


@pytest.mark.parametrize("size", [1_200_000, 3_000_000])
async def test_too_large(house: House, size: int) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    await bob.socket.send_str('{"type":"ping","more":"' + "x" * size + '"}')
    if size < websocket.MAX_FRAME_BYTES:
        error = await bob.receive()
        assert isinstance(error, Error)
        assert error.code == "too-large"
        assert await bob.closed() == 1009
    left = await ada.receive()
    assert isinstance(left, Left)
    assert left.reason == "disconnected"
    assert house.counters.errors == {"too-large": 1}


async def test_requests_are_answered_in_order_and_a_slow_one_blocks_only_its_own(house: House) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    await ada.send(Offer(id=2, sdp="slow", publish=(), receive=()))
    await ada.send(Point(id=3, mid="0", publication=None))
    assert await ada.ask(Ping(id=4)) == Pong(re=4)
    assert isinstance(await bob.ask(Offer(id=2, sdp="v=0", publish=(), receive=())), Answer)
    house.backend.release.set()
    answer, error = await ada.receive(), await ada.receive()
    assert isinstance(answer, Answer)
    assert isinstance(error, Error)
    assert (error.re, error.code) == (3, "unknown-mid")


async def test_leaving_during_a_slow_offer(house: House) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    await bob.send(Offer(id=2, sdp="slow", publish=(), receive=()))
    await bob.ask(Ping())
    await bob.send(Leave())
    assert isinstance(await ada.receive(), Left)
    assert await bob.closed() == 1000
    assert house.backend.offers_cancelled == 1


async def test_replaces(house: House) -> None:
    ada = await house.join("Ada")
    assert ada.me is not None
    again = await house.join("Ada", replaces=ada.me.session)
    assert again.me is not None
    assert again.me.participants == ()
    assert await ada.receive() == Bye(reason="replaced")
    assert await ada.closed() == 1000


async def test_a_dead_media_connection(house: House) -> None:
    ada = await house.join("Ada")
    assert ada.me is not None
    house.backend.members[ada.me.participant].events.gone("timeout")
    assert await ada.receive() == Bye(reason="timeout")
    assert await ada.closed() == 1008


async def test_shutdown_says_bye(house: House) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    closing = asyncio.ensure_future(house.sockets.close())
    for peer in (ada, bob):
        message = await peer.receive()
        while isinstance(message, Left):
            message = await peer.receive()
        assert message == Bye(reason="shutdown")
        assert await peer.closed() == 1001
    await closing
    assert sorted(reason for _, reason in house.backend.left) == ["shutdown", "shutdown"]
    refused = await house.client.get("/ws")
    assert refused.status == 503


async def test_join_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.session.JOIN_TIMEOUT", 0.05)
    async with open_house() as house:
        peer = await house.connect()
        assert await peer.receive() == Bye(reason="timeout")
        assert await peer.closed() == 1008


async def test_dead_tcp_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HEARTBEAT", 0.1)
    async with open_house() as house:
        silent = Peer(await house.client.ws_connect("/ws", autoping=False))
        assert isinstance(await silent.ask(Join(room="blue", name="Silent")), Welcome)
        ada = await house.join("Ada")
        waiting = asyncio.ensure_future(ada.receive())  # Answers pings meanwhile.
        left = await waiting
        assert isinstance(left, Left)
        assert left.reason == "timeout"


def _join_and_never_read(house: House, name: str) -> socket.socket:
    """A client with its own ideas of TCP: sends a handshake and a join, then sleeps."""
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.connect(("127.0.0.1", house.client.port))
    handshake = (
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    join = encode(Join(room="blue", name=name)).encode()
    assert len(join) < 126
    silent.sendall(handshake.encode() + bytes((0x81, 0x80 | len(join), 0, 0, 0, 0)) + join)
    return silent


async def test_who_does_not_read_is_dropped_and_the_room_goes_on() -> None:
    async with open_house(max_waiting_bytes=50_000) as house:
        ada, bob = await house.join("Ada"), await house.join("Bob")
        assert ada.me is not None
        await bob.ask(Ping())
        ada_events = house.backend.members[ada.me.participant].events
        with _join_and_never_read(house, "Silent"):
            while not isinstance(joined := await bob.receive(), Joined):
                pass
            heard: list[ServerMessage] = []
            while not (heard and isinstance(heard[-1], Left)):
                assert len(heard) < 500
                big = Publication(id="t_1", kind="video", source="camera", muted=False, codec="x" * 10_000)
                ada_events.published(big)
                heard.append(await bob.receive())
            assert heard[-1] == Left(participant=joined.participant.id, reason="too-slow")
        assert all(isinstance(message, Published) for message in heard[:-1])
        assert house.counters.too_slow == 1
        assert isinstance(await bob.ask(Ping()), Published | Pong)


async def test_a_flood_is_answered_slowly_and_hurts_nobody(house: House) -> None:
    ada, bob = await house.join("Ada"), await house.join("Bob")
    await ada.receive()
    for _ in range(230):
        await bob.send(Ping())
    replies = [await bob.receive() for _ in range(210)]
    assert Pong() in replies
    assert {reply.code for reply in replies if isinstance(reply, Error)} == {"too-many-requests"}
    assert await ada.ask(Ping()) == Pong()
