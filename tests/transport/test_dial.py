"""The dialing end of a connection between nodes: which checks it sends, whose answers it believes, what it leaves."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.transport.connection import Connection
from sfu.transport.dial import FarEnd
from sfu.transport.hub import Hub
from sfu.transport.ice import CONSENT_SECONDS, IceDialer, IceLite, parse_check
from sfu.transport.udp import UdpPort, open_port
from sfu.wire.rtp import is_rtcp

THERE = ("192.0.2.1", 5000)


def answered(dialer: IceDialer, ice: IceLite, now: float = 10.0) -> bytes:
    return ice.answer(parse_check(dialer.check(now)), THERE, now)


# -- checks, without a socket --------------------------------------------------------------------------------


def test_a_check_is_what_a_lite_agent_takes() -> None:
    ice = IceLite(0.0)
    dialer = IceDialer(ice.ufrag, ice.password)
    assert dialer.response(answered(dialer, ice), 10.0)
    assert (ice.selected, ice.nominated) == (THERE, True)


def test_checks_are_quick_until_one_is_answered() -> None:
    ice = IceLite(0.0)
    dialer = IceDialer(ice.ufrag, ice.password)
    assert dialer.interval() <= 0.05
    dialer.response(answered(dialer, ice), 10.0)
    assert dialer.interval() >= 4.0  # RFC 7675 5.1
    assert dialer.interval() < CONSENT_SECONDS / 3


def test_an_answer_counts_once() -> None:
    ice = IceLite(0.0)
    dialer = IceDialer(ice.ufrag, ice.password)
    response = answered(dialer, ice)
    assert dialer.response(response, 10.0)
    assert not dialer.response(response, 10.1)


def test_answers_of_others_are_not_believed() -> None:
    ice, stranger = IceLite(0.0), IceLite(0.0)
    dialer = IceDialer(ice.ufrag, ice.password)
    check = dialer.check(10.0)
    asked = stun.parse_message(check)
    forged = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, asked.transaction_id)
    bare = bytes(forged)
    forged.add_message_integrity(stranger.password.encode())
    unasked = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)
    unasked.add_message_integrity(ice.password.encode())
    refusal = stun.Message(stun.Method.BINDING, stun.Class.ERROR, asked.transaction_id)
    refusal.add_message_integrity(ice.password.encode())
    for data in (bare, bytes(forged), bytes(unasked), bytes(refusal), check):
        assert not dialer.response(data, 10.0)
    assert not dialer.connected


def test_unanswered_checks_are_forgotten() -> None:
    dialer = IceDialer("abcd", "0" * 22)
    for second in range(1000):
        dialer.check(float(second))
    assert len(dialer._pending) <= CONSENT_SECONDS + 1


@given(st.binary(max_size=100))
@settings(max_examples=100)
def test_any_bytes_are_no_answer(data: bytes) -> None:
    assert not IceDialer("abcd", "0" * 22).response(data, 10.0)


# -- connections, over loopback --------------------------------------------------------------------------------


class Packets:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def connected(self, now: float) -> None:
        self.ready.set()

    def receive_rtp(self, packet: bytes, now: float) -> None:
        self.received.put_nowait(packet)

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        assert is_rtcp(packet)

    def deadline(self) -> float | None:
        return None

    def pulse(self, now: float) -> None:
        raise AssertionError("nothing is due")


class Nodes:
    """Two hubs on loopback."""

    def __init__(self) -> None:
        self.parent = Hub(open_port("127.0.0.1", 0))
        self.child = Hub(open_port("127.0.0.1", 0))
        self.ended: asyncio.Queue[str] = asyncio.Queue()

    def far(self, connection: Connection, *before: tuple[str, int]) -> FarEnd:
        candidates = (*before, ("127.0.0.1", self.parent.port.port))
        return FarEnd(candidates, connection.ice.ufrag, connection.ice.password)

    def accept(self) -> tuple[Connection, Packets]:
        sink = Packets()
        connection = self.parent.open(lambda connection, reason: self.ended.put_nowait(reason))
        connection.sink = sink
        connection.begin(self.child.fingerprints)
        return connection, sink

    def dial(self, far: FarEnd, fingerprints: list[tuple[str, str]]) -> tuple[Connection, Packets]:
        sink = Packets()
        connection = self.child.dial(far, lambda connection, reason: self.ended.put_nowait(reason))
        connection.sink = sink
        connection.begin(fingerprints)
        return connection, sink


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    made = Nodes()
    yield made
    await asyncio.gather(made.parent.shutdown(), made.child.shutdown())


async def test_packets_go_both_ways_between_two_nodes(nodes: Nodes) -> None:
    accepted, there = nodes.accept()
    dialed, here = nodes.dial(nodes.far(accepted), nodes.parent.fingerprints)
    async with asyncio.timeout(10):
        await asyncio.gather(here.ready.wait(), there.ready.wait())
        for sender, receiver in ((dialed, there), (accepted, here)):
            assert sender.send_rtp(bytes((0x80, 96)) + bytes(10) + b"hello", 7, 8, 9)
            packet = await receiver.received.get()
            assert packet[2:4] + packet[12:] == b"\x00\x07hello"
    assert dialed.dtls.srtp_profile == "SRTP_AEAD_AES_128_GCM"
    assert dialed.ice.selected == dialed._port.address("127.0.0.1", nodes.parent.port.port)


async def test_the_candidate_that_answers_is_the_one(nodes: Nodes) -> None:
    accepted, there = nodes.accept()
    deaf = open_port("127.0.0.1", 0)
    try:
        far = nodes.far(accepted, ("127.0.0.1", deaf.port), ("192.0.2.1", 9), ("2001:db8::1", 9))
        dialed, here = nodes.dial(far, nodes.parent.fingerprints)
        async with asyncio.timeout(10):
            await asyncio.gather(here.ready.wait(), there.ready.wait())
    finally:
        deaf.close()
    assert dialed.ice.selected is not None
    assert dialed.ice.selected[1] == nodes.parent.port.port


async def test_another_certificate_than_announced_is_refused(nodes: Nodes) -> None:
    accepted, _ = nodes.accept()
    dialed, here = nodes.dial(nodes.far(accepted), nodes.child.fingerprints)
    async with asyncio.timeout(10):
        await nodes.ended.get()
    assert not here.ready.is_set()
    assert not dialed.ready


async def test_the_other_nodes_goodbye_is_heard(nodes: Nodes) -> None:
    accepted, there = nodes.accept()
    _, here = nodes.dial(nodes.far(accepted), nodes.parent.fingerprints)
    async with asyncio.timeout(10):
        await asyncio.gather(here.ready.wait(), there.ready.wait())
        await nodes.parent.close(accepted)
        assert await nodes.ended.get() == "left"


async def test_a_node_that_never_answers_expires(nodes: Nodes) -> None:
    accepted, _ = nodes.accept()
    deaf = open_port("127.0.0.1", 0)
    far = FarEnd((("127.0.0.1", deaf.port),), accepted.ice.ufrag, accepted.ice.password)
    dialed, _ = nodes.dial(far, nodes.parent.fingerprints)
    dialed.ice.last_check -= CONSENT_SECONDS + 1
    nodes.child._watch_consent()
    assert nodes.ended.get_nowait() == "timeout"
    deaf.close()


async def test_a_name_instead_of_an_address_opens_no_port(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[UdpPort] = []

    def spied(host: str, port: int) -> UdpPort:
        opened.append(open_port(host, port))
        return opened[-1]

    monkeypatch.setattr("sfu.transport.dial.open_port", spied)
    far = FarEnd((("127.0.0.1", 9), ("parent.example", 9)), "abcd", "0" * 22)
    with pytest.raises(ValueError, match=r"parent\.example"):
        nodes.dial(far, nodes.parent.fingerprints)
    assert opened == []
    assert len(nodes.child) == 0


async def test_closing_in_every_state_leaves_nothing(nodes: Nodes) -> None:
    tasks = asyncio.all_tasks()
    accepted, _ = nodes.accept()
    silent, _ = nodes.dial(nodes.far(accepted), nodes.parent.fingerprints)
    await nodes.child.close(silent)  # nothing was heard yet
    dialed, here = nodes.dial(nodes.far(accepted), nodes.parent.fingerprints)
    async with asyncio.timeout(10):
        await here.ready.wait()
    await asyncio.gather(nodes.child.close(dialed), nodes.child.close(dialed))
    await nodes.child.close(dialed)
    await nodes.parent.close(accepted)
    gc.collect()
    await asyncio.sleep(0)
    assert len(nodes.child) == len(nodes.parent) == 0
    assert asyncio.all_tasks() == tasks


async def test_a_close_that_is_cancelled_gives_the_port_back(nodes: Nodes) -> None:
    accepted, _ = nodes.accept()
    dialed, here = nodes.dial(nodes.far(accepted), nodes.parent.fingerprints)
    async with asyncio.timeout(10):
        await here.ready.wait()
    dialed.want_data(5000, 65_536)  # SCTP has a task to wait for
    closing = asyncio.ensure_future(nodes.child.close(dialed))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert len(nodes.child) == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        dialed._port.port  # noqa: B018
