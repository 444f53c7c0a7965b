"""The native reader: what goes to a connection decrypted, what goes up as it came, and what hostile bytes do."""

import gc
import socket
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from pylibsrtp import Policy

from sfu.transport.seam import Srtp, SrtpWorkspace
from sfu.wire.rtcp import PictureLoss
from tests import engines
from tests.forwarding.doubles import packet
from tests.forwarding.worlds import session

MOST = 256


@pytest.fixture
def engine_of_outlets() -> None:
    """There is only one engine with this part."""


class Reader:
    """An inbox with a link to one known sender."""

    def __init__(self) -> None:
        engine = engines.engine("native")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.known, self.stranger = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sender in (self.known, self.stranger):
            sender.connect(self.socket.getsockname())
        inbox = engine.inbox(self.socket.fileno())
        link = engine.link(engine.outbox(-1, False, lambda: None))
        assert inbox is not None
        assert link is not None
        self.inbox, self.link = inbox, link
        self.rtp: list[bytes] = []
        self.others: list[tuple[bytes, Any]] = []
        self.failures = 0
        link.on_rtp = lambda data, now: self.rtp.append(data)
        self.srtp = Srtp(session(Policy.SSRC_ANY_INBOUND), session(Policy.SSRC_ANY_OUTBOUND), SrtpWorkspace())
        inbox.route(self.known.getsockname(), link)

    def handshake(self) -> None:
        self.link.open(self.srtp, *self.srtp.addresses())

    def read(self) -> tuple[int, int]:
        time.sleep(0.001)  # loopback delivers before sendto returns; other kernels may not
        self.inbox.read(
            MOST, 10.0, lambda data, address, now: self.others.append((data, address)), self._failed
        )
        return self.inbox.counts()

    def _failed(self) -> None:
        self.failures += 1


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    for each in (made.socket, made.known, made.stranger):
        each.close()


def test_srtp_of_a_known_sender_is_decrypted(reader: Reader) -> None:
    reader.handshake()
    plain = [packet(n, n, bytes([n]) * n) for n in range(1, 100)]
    for one in plain:
        reader.known.send(session(Policy.SSRC_ANY_OUTBOUND).protect(one))
    assert reader.read()[0] == 99
    assert reader.rtp == plain
    assert reader.others == []
    assert (reader.link.packets_in, reader.link.rejected) == (99, 0)


def test_everything_else_goes_up_as_it_came(reader: Reader) -> None:
    reader.handshake()
    rtcp = reader.srtp.protect_rtcp(PictureLoss(1, 2).write())
    odd = [b"", b"\x80", b"\x16dtls", b"\x00" * 20, rtcp, b"\x80\x60" + bytes(9), b"\xff" * 40]
    for one in odd:
        reader.known.send(one)
    strange = packet(1, 1, b"who?")
    reader.stranger.send(strange)
    reader.read()
    assert [data for data, _ in reader.others] == [*odd, strange]
    assert {address for _, address in reader.others[:-1]} == {reader.known.getsockname()}
    assert reader.others[-1][1] == reader.stranger.getsockname()
    assert reader.rtp == []


def test_before_the_handshake_and_after_the_end_it_goes_up(reader: Reader) -> None:
    reader.known.send(packet(1))
    reader.read()
    reader.handshake()
    reader.link.close()
    reader.known.send(packet(2))
    reader.inbox.route(reader.known.getsockname(), None)
    reader.known.send(packet(3))
    reader.read()
    assert [data for data, _ in reader.others] == [packet(1), packet(2), packet(3)]


def test_a_handler_that_fails_costs_one_packet(reader: Reader) -> None:
    reader.handshake()
    seen: list[bytes] = []

    def handle(data: bytes, now: float) -> None:
        seen.append(data)
        if len(seen) == 2:
            raise RuntimeError("defect")

    reader.link.on_rtp = handle
    protector = session(Policy.SSRC_ANY_OUTBOUND)
    for n in range(5):
        reader.known.send(protector.protect(packet(n)))
    reader.read()
    assert (len(seen), reader.failures) == (5, 1)


def test_closed_while_it_reads(reader: Reader) -> None:
    for n in range(100):
        reader.stranger.send(packet(n))
    got: list[bytes] = []

    def handle(data: bytes, address: object, now: float) -> None:
        got.append(data)
        reader.inbox.close()

    reader.inbox.read(MOST, 10.0, handle, reader._failed)
    assert len(got) <= 64
    assert not reader.inbox.read(MOST, 10.0, handle, reader._failed)


def test_a_connection_that_ends_with_one_of_its_packets(reader: Reader) -> None:
    reader.handshake()
    protector = session(Policy.SSRC_ANY_OUTBOUND)
    seen: list[bytes] = []

    def handle(data: bytes, now: float) -> None:
        seen.append(data)
        reader.inbox.route(reader.known.getsockname(), None)
        reader.link.close()
        del reader.srtp  # and its sessions with it
        gc.collect()

    reader.link.on_rtp = handle
    for n in range(5):
        reader.known.send(protector.protect(packet(n)))
    reader.read()
    assert (seen, len(reader.others), reader.failures) == ([packet(0)], 4, 0)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_are_counted_and_nothing_else(reader: Reader, seed: int) -> None:
    reader.handshake()
    random = Random(seed)
    protector = session(Policy.SSRC_ANY_OUTBOUND)
    sent = genuine = 0
    for n in range(200):
        data = bytearray(
            protector.protect(packet(n, n, random.randbytes(random.randrange(1300)), marker=n % 5 == 0))
        )
        if random.random() < 0.2:
            genuine += 1
        elif random.random() < 0.5:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        elif random.random() < 0.5:
            del data[random.randrange(len(data)) :]
        else:
            data = bytearray(random.randbytes(random.randrange(3000)))
            if len(data) > 2:
                data[0] = 0x80 | random.getrandbits(6)
        reader.known.send(data)
        sent += 1
        if n % 20 == 0:
            reader.read()
    reader.read()
    assert len(reader.rtp) == genuine == reader.link.packets_in - reader.link.rejected
    assert len(reader.rtp) + reader.link.rejected + len(reader.others) == sent
    assert reader.failures == 0
