"""Offers, answers, ICE and DTLS of the load client: against the product's parsers, aioice, and each other."""

import asyncio
import socket

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import seam
from benchmarks.load.ice import Agent
from benchmarks.load.link import Link
from benchmarks.load.media import ABS_SEND_TIME_ID, MID_ID, Stream
from benchmarks.load.sdp import Section, read_answer, write_offer
from sfu.wire import extensions
from sfu.wire import sdp as product

ANSWER = "\r\n".join(
    [
        "v=0",
        "a=ice-lite",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789abcdef01234567",
        "a=fingerprint:sha-256 AA:BB",
        "a=setup:passive",
        "a=candidate:1 1 tcp 1 10.0.0.1 9 typ host tcptype passive",
        "a=candidate:2 1 udp 1 fd00::1 5000 typ host",
        "a=candidate:3 1 UDP 1 10.0.0.1 5001 typ host",
    ]
)


async def test_the_product_understands_the_offer() -> None:
    link = Link(seam.certificate())
    stream = Stream(number=0, kind="video", ssrc=77, mid="0", first_seq16=0)
    sections = [Section("0", "video", stream), Section("r0", "video"), Section("r1", "audio")]
    offer = product.parse(write_offer(link, "m0", sections))
    link.sock.close()
    assert offer.bundle == ("0", "r0", "r1")
    assert (offer.ice_ufrag, offer.ice_pwd, offer.setup) == (link.agent.ufrag, link.agent.pwd, "actpass")
    sending, receiving, audio = offer.sections
    assert (sending.ssrcs[0].ssrc, sending.direction, receiving.direction) == (77, "sendonly", "recvonly")
    assert sending.extensions == {extensions.MID: MID_ID, extensions.ABS_SEND_TIME: ABS_SEND_TIME_ID}
    assert [codec.name for codec in (*sending.codecs, *audio.codecs)] == ["VP8", "opus"]
    assert sending.codecs[0].rtx_payload_type is None


def test_answers() -> None:
    remote = read_answer(ANSWER)
    assert remote.address == ("10.0.0.1", 5001)
    assert (remote.ufrag, remote.fingerprints, remote.setup) == ("abcd", [("sha-256", "AA:BB")], "passive")
    local = read_answer(ANSWER + "\r\na=candidate:4 1 udp 1 127.0.0.1 5002 typ host")
    assert local.address == ("127.0.0.1", 5002), "loopback is preferred"


@pytest.mark.parametrize("name", ["ice-ufrag", "ice-pwd", "fingerprint", "setup", "candidate"])
def test_what_an_answer_lacks_is_named(name: str) -> None:
    lines = [line for line in ANSWER.splitlines() if not line.startswith(f"a={name}")]
    with pytest.raises(ValueError, match=name):
        read_answer("\n".join(lines))


def pair() -> tuple[Agent, Agent]:
    ours, theirs = Agent(("192.0.2.1", 1)), Agent(("192.0.2.2", 2))
    ours.remote_ufrag, ours.remote_pwd = theirs.ufrag, theirs.pwd
    theirs.remote_ufrag, theirs.remote_pwd = ours.ufrag, ours.pwd
    return ours, theirs


def test_a_check_nominates_and_its_answer_connects() -> None:
    ours, theirs = pair()
    request = ours.request()
    message = stun.parse_message(request)
    assert message.attributes["USERNAME"] == f"{theirs.ufrag}:{ours.ufrag}"
    assert "USE-CANDIDATE" in message.attributes
    answer = theirs.receive(request)
    assert answer is not None
    assert stun.parse_message(answer).attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.2", 2)
    assert not ours.connected
    assert ours.receive(answer) is None
    assert ours.connected


def test_a_wrong_password_is_not_answered_and_does_not_connect() -> None:
    ours, theirs = pair()
    ours.remote_pwd = "wrong"
    assert theirs.receive(ours.request()) is None
    answer = theirs.receive(pair()[0].request())
    assert answer is None
    assert not ours.connected


@given(st.binary(max_size=80))
def test_garbage_is_ignored(data: bytes) -> None:
    ours, _ = pair()
    assert ours.receive(data) is None
    assert not ours.connected


async def test_dtls_yields_keys_that_fit() -> None:
    certificate = seam.certificate()
    client: seam.Dtls
    server: seam.Dtls
    client = seam.Dtls(certificate, lambda data: server.feed(data))
    server = seam.Dtls(certificate, lambda data: client.feed(data))
    async with asyncio.timeout(10):
        await asyncio.gather(
            client.handshake([server.fingerprint]), server.handshake([client.fingerprint], server=True)
        )
    assert client.profile == server.profile == "AEAD_AES_128_GCM"
    packet = bytes([0x80, 96]) + bytes(50)
    assert server.unprotect(client.protect(packet)) == packet
    with pytest.raises(seam.SrtpError):
        server.unprotect(bytes([0x80, 96]) + bytes(60))
    await client.close()
    await server.close()


async def test_a_wrong_fingerprint_is_refused() -> None:
    certificate = seam.certificate()
    server: seam.Dtls
    client = seam.Dtls(certificate, lambda data: server.feed(data))
    server = seam.Dtls(certificate, client.feed)
    algorithm, _ = server.fingerprint
    async with asyncio.timeout(10):
        done = await asyncio.gather(
            client.handshake([(algorithm, "00")]),
            server.handshake([client.fingerprint], server=True),
            return_exceptions=True,
        )
    assert isinstance(done[0], ConnectionError)
    await client.close()
    await server.close()


async def test_a_link_answers_the_servers_checks() -> None:
    """A full ICE agent checks, too."""
    link = Link(seam.certificate())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(2)
        link.sock.connect(peer.getsockname())
        theirs = Agent(("192.0.2.1", 1), remote_ufrag=link.agent.ufrag, remote_pwd=link.agent.pwd)
        link.receive(theirs.request())
        theirs.receive(peer.recv(2048))
    assert theirs.connected
    await link.close()
