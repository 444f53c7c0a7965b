"""Bad input of every kind, while two others see and hear each other: only the one who sends it notices."""

import asyncio
import base64
import itertools
import json
import os
import random
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from aiohttp import WSMsgType
from aiortc import MediaStreamTrack

from signaling import messages as m
from tests.integration.client import Client, Clients, SignalingRefused, until
from tests.integration.media import RED, FlatVideo, Slot
from tests.integration.network import send_protected, send_raw, stranger
from tests.integration.server import Daemon, room

Relay = Literal["forward", "media"]


@asynccontextmanager
async def undisturbed(
    server: Daemon, ada: Client, bob: Client, slots: list[Slot] | None = None
) -> AsyncIterator[None]:
    """Bob gets frames of Ada before, during and after; nothing of it reaches their signaling or fails inside."""
    await bob.frames(slots)
    heard = len(ada.messages), len(bob.messages)
    yield
    await bob.frames(slots)
    assert (len(ada.messages), len(bob.messages)) == heard
    transport = (await server.stats())["media"]["transport"]
    assert transport["dropped"]["handler-error"] == 0


async def test_frames_that_are_no_messages(server: Daemon, clients: Clients) -> None:
    ada, bob = await clients.pair()
    eve = clients.make("Eve")
    await eve.connect()
    expected = {
        "{": "bad-json",
        "[]": "bad-message",
        '"join"': "bad-message",
        "[" * 100_000: "bad-json",
        '{"type": "dance"}': "unknown-type",
        '{"type": "join", "room": "../..", "name": "Eve"}': "bad-room",
        '{"type": "join", "room": "blue", "name": ""}': "bad-name",
        '{"type": "offer", "sdp": "x", "publish": [], "receive": []}': "not-joined",
        '{"type": "point", "mid": 7, "publication": null}': "bad-message",
    }
    async with undisturbed(server, ada, bob):
        for text in expected:
            await eve.send_text(text)
        await until(lambda: len(eve.heard(m.Error)) == len(expected), "each is answered")
        assert [error.code for error in eve.heard(m.Error)] == list(expected.values())
        errors = (await server.stats())["signaling"]["errors"]
        assert errors["bad-json"] == 2
        assert errors["bad-message"] == 3


@pytest.mark.parametrize("size", [1_200_000, 3_000_000])
async def test_a_huge_message(server: Daemon, clients: Clients, size: int) -> None:
    ada, bob = await clients.pair()
    eve = clients.make("Eve")
    await eve.connect()
    assert eve.ws is not None
    async with undisturbed(server, ada, bob):
        await eve.send_text(json.dumps({"type": "ping", "more": "x" * size}))
        await until(lambda: eve.ws and eve.ws.closed, "the connection is ended")
        assert eve.ws.close_code == 1009
        assert (await server.stats())["signaling"]["errors"]["too-large"] == 1


def spoiled(sdp: str) -> list[str]:
    """SDP that no client should send after `sdp`."""
    lines = sdp.split("\r\n")
    return [
        "hello",
        "v=0\r\n",
        "\r\n".join(line for line in lines if "fingerprint" not in line),
        "\r\n".join(line for line in lines if not line.startswith("a=ice-")),
        sdp[: len(sdp) // 2].rpartition("\r\n")[0],
        "\r\n".join(random.Random(5).sample(lines, len(lines))),
        re.sub("m=video [0-9]+", "m=video nine", sdp),
        sdp.replace("a=mid:", "a=mid:\u0000\u202e"),
        # Of another RTCPeerConnection.
        re.sub("(a=fingerprint:sha-256 )..", r"\1--", sdp),
        re.sub("(a=fingerprint:sha-256 )(..)(:..)", r"\1\3\2", sdp),
    ]


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_bad_sdp(relay: Relay) -> None:
    async with room(relay) as (server, clients):
        ada, bob = await clients.pair()
        eve = await clients("Eve", room="green")
        eve.publish(FlatVideo(RED), "camera")
        await eve.pc.setLocalDescription(await eve.pc.createOffer())
        good = eve.pc.localDescription.sdp
        async with undisturbed(server, ada, bob):
            await eve.ask(m.Offer(sdp=good, publish=(), receive=()), m.Answer)
            for sdp in spoiled(good):
                with pytest.raises(SignalingRefused, match="bad-sdp"):
                    await eve.ask(m.Offer(sdp=sdp, publish=(), receive=()), m.Answer)
            for unknown in ({"publish": (m.Publish("7", "camera"),)}, {"receive": (m.Receive("7", None),)}):
                lists: dict[str, Any] = {"publish": (), "receive": (), **unknown}
                with pytest.raises(SignalingRefused, match="unknown-mid"):
                    await eve.ask(m.Offer(sdp=good, **lists), m.Answer)
            theirs = ada.sendings[0].publication
            with pytest.raises(SignalingRefused, match="unknown-publication"):
                await eve.ask(m.Offer(sdp=good, publish=(), receive=(m.Receive("0", theirs),)), m.Answer)


def garbage() -> list[bytes]:
    """Datagrams that look like each protocol of RFC 7983 and are not."""
    seed = random.Random(1)
    kinds = [0, 1, 19, 20, 22, 23, 63, 64, 127, 128, 144, 191, 192, 255]
    sizes = [0, 1, 11, 12, 19, 20, 60, 1200, 2047]
    found = [bytes([kind]) + seed.randbytes(size) for kind, size in itertools.product(kinds, sizes)]
    cookie = b"\x21\x12\xa4\x42"
    found += [
        bytes([kind]) + seed.randbytes(3) + cookie + seed.randbytes(size)
        for kind, size in itertools.product(range(4), (12, 16, 40, 400))
    ]
    # A binding request whose USERNAME promises more than there is.
    found.append(b"\x00\x01\x00\x08" + cookie + seed.randbytes(12) + b"\x00\x06\xff\xff" + b"abcd")
    return [b"", *found]


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_garbage_at_the_udp_port(relay: Relay) -> None:
    async with room(relay) as (server, clients):
        ada, bob = await clients.pair()
        eve = await clients("Eve", room="green")
        eve.publish(FlatVideo(RED), "camera")
        await eve.offer()
        await eve.connected()
        host = eve.answer_sdp.split("a=candidate:")[1].split()[4]
        async with undisturbed(server, ada, bob):
            before = (await server.stats())["media"]["transport"]
            async with stranger((host, server.rtc_port)) as nobody:
                for data in garbage():
                    nobody.send(data)
                    await send_raw(eve, data)
                await bob.frames()
            after = (await server.stats())["media"]["transport"]
            for counter in ("unknown-address", "unknown-kind"):
                assert after["dropped"][counter] > before["dropped"][counter]
            assert after["stun_rejected"]["malformed"] > before["stun_rejected"]["malformed"]
            assert server.participant(eve.id)["connection"]["srtp_rejected"] > 20
        # Forged garbage under Eve's address does not end her connection either.
        assert server.participant(eve.id)["connection"]["state"] == "connected"


class NoFrames(MediaStreamTrack):
    """A track that is there and never has a frame, so that its SSRC is free for forged packets."""

    kind = "video"

    async def recv(self) -> Any:
        await asyncio.Event().wait()


def evil_rtp(own: int) -> list[bytes]:
    """RTP that only a client with keys can send: well encrypted, of the client's own and of unknown SSRCs."""
    seed = random.Random(2)
    found = []
    payload_types = (0, 96, 97, 98, 99, 127, 0x80 | 97)
    for ssrc in (own, None):
        shapes = itertools.product((0x80, 0x8F, 0x90, 0xA0, 0xBF), payload_types, (0, 1, 2, 3, 4, 40, 1000))
        for number, (first, second, size) in enumerate(shapes):
            numbers = struct.pack("!HII", number, number * 4500, ssrc or seed.getrandbits(32))
            found.append(bytes([first, second]) + numbers + seed.randbytes(size))
    return found


def evil_rtcp() -> list[bytes]:
    """RTCP of every packet type with wrong lengths and random bodies."""
    seed = random.Random(3)
    shapes = itertools.product(range(192, 224), (0x80, 0x81, 0x8F, 0x9F, 0xA1), (0, 1, 2, 6, 255))
    return [struct.pack("!BBH", first, kind, length) + seed.randbytes(24) for kind, first, length in shapes]


@pytest.mark.parametrize("relay", ["forward", "media"])
async def test_nonsense_under_a_clients_own_key(relay: Relay) -> None:
    async with room(relay) as (server, clients):
        ada, bob = await clients.pair()
        eve = await clients("Eve")
        eve.publish(NoFrames(), "camera")
        await eve.offer()
        await bob.knows(3)
        good = list(bob.slots)
        bob.receive_all()
        await bob.offer()
        await eve.connected()
        own = int(eve.pc.localDescription.sdp.split("a=ssrc:")[1].split()[0])
        async with undisturbed(server, ada, bob, good):
            for packet in (*evil_rtp(own), *evil_rtcp()):
                await send_protected(eve, packet)
            await bob.frames(good)
        stats = server.participant(eve.id)
        assert stats["connection"]["state"] == "connected"
        if relay == "forward":
            drops = stats["drops"]
            for reason in ("malformed", "malformed-rtcp", "unknown-ssrc"):
                assert drops[reason] > 20, reason


async def test_reports_on_the_streams_of_others(server: Daemon, clients: Clients) -> None:
    """NACK, PLI and FIR for SSRCs that the client does not receive do nothing."""
    ada, bob = await clients.pair()
    eve = await clients("Eve")
    eve.publish(FlatVideo(RED), "camera")
    await eve.offer()
    await bob.knows(3)
    await eve.connected()
    slots = server.participant(bob.id)["subscriptions"]
    before = [(slot["nacks"], slot["plis"]) for slot in slots]
    async with undisturbed(server, ada, bob):
        for slot in slots:
            target = b"\x00\x00\x00\x01" + slot["ssrc"].to_bytes(4, "big")
            await send_protected(eve, b"\x81\xcd\x00\x03" + target + b"\x00\x01\xff\xff")
            await send_protected(eve, b"\x81\xce\x00\x02" + target)
        await until(
            lambda: server.participant(eve.id)["drops"].get("foreign-rtcp", 0) >= 2 * len(slots),
            "they are counted",
        )
    after = [(slot["nacks"], slot["plis"]) for slot in server.participant(bob.id)["subscriptions"]]
    assert after == before


async def test_a_client_that_never_reads(server: Daemon, clients: Clients) -> None:
    ada, bob = await clients.pair()
    deaf = await DeafClient.join(server.url)
    await ada.hears(m.Joined)
    large = clients.make("unused")
    for _ in range(60):
        large.receive(None)
    await large.pc.setLocalDescription(await large.pc.createOffer())
    transceivers = large.pc.getTransceivers()
    offer = m.Offer(
        sdp=large.pc.localDescription.sdp,
        publish=(),
        receive=tuple(m.Receive(transceiver.mid or "", None) for transceiver in transceivers),
    )
    for _ in range(40):
        deaf.send(m.encode(offer))
        await bob.frames(more=1)
        if bob.heard(m.Left):
            break
    await bob.hears(m.Left, reason="too-slow")
    deaf.close()
    async with undisturbed(server, ada, bob):
        await until(lambda: len(server.media.hub) == 2, "its connection is gone")
        signaling = (await server.stats())["signaling"]
        assert signaling["too_slow"] == 1


class DeafClient:
    """A WebSocket client that sends and never reads."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._task: list[asyncio.Task[None]] = []

    @classmethod
    async def join(cls, url: str) -> "DeafClient":
        parts = urlsplit(url)
        assert parts.hostname
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (parts.hostname, parts.port))
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = (
            f"GET /ws HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await loop.sock_sendall(sock, upgrade.encode())
        client = cls(sock)
        client.send(m.encode(m.Join(room="blue", name="Deaf")))
        return client

    def send(self, text: str) -> None:
        """RFC 6455 5.2: a text frame, masked with zeros."""
        data = text.encode()
        size = len(data)
        head = bytes([0x80 | WSMsgType.TEXT.value])
        head += (
            bytes([0x80 | size])
            if size < 126
            else (b"\xfe" + size.to_bytes(2, "big") if size < 65536 else b"\xff" + size.to_bytes(8, "big"))
        )
        sending = asyncio.get_running_loop().sock_sendall(self._socket, head + bytes(4) + data)
        self._task.append(asyncio.ensure_future(sending))

    def close(self) -> None:
        for task in self._task:
            task.cancel()
        self._socket.close()
