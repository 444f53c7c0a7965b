"""The UDP port over loopback: batches, runs by GSO, errors that are counted, both address families."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sfu.forwarding.engine import PYTHON, Engine
from sfu.transport.outbox import GSO_MAX_BYTES, GSO_MAX_SEGMENTS, Address, Outbox
from sfu.transport.udp import MAX_BATCH, MAX_DATAGRAM, UdpPort, candidate_hosts, open_port
from tests import engines

NO_CHECKSUMS = 11  # SO_NO_CHECK; not in the socket module
IPV6_MTU = 24  # as are these
SMALLEST_MTU = 1280


class Chosen:
    """The engine of the test that runs."""

    engine: Engine = PYTHON


@pytest.fixture(params=engines.NAMES, autouse=True)
def every_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chosen, "engine", engines.engine(request.param))


@pytest.fixture
def python_only() -> None:
    if Chosen.engine is not PYTHON:
        pytest.skip("the error can't be had from the kernel")


@contextmanager
def opened(host: str = "127.0.0.1", *, gso: bool = True) -> Iterator[UdpPort]:
    port = open_port(host, 0, gso=gso, engine=Chosen.engine)
    try:
        yield port
    finally:
        port.close()


class Client:
    """A socket that talks to a port; blocking reads, as everything is on loopback."""

    def __init__(self, family: int = socket.AF_INET, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(2.0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    @property
    def address(self) -> Address:
        address: Address = self.socket.getsockname()
        return address

    def read(self, count: int) -> list[bytes]:
        return [self.socket.recv(4096) for _ in range(count)]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    made.socket.close()


@pytest.mark.parametrize("gso", [True, False])
@pytest.mark.parametrize(
    "sizes",
    [
        [100],
        [100] * 5,
        [1200] * 10 + [300],
        [300, 1200, 1200],
        [1200, 300, 1200, 300],
        [1200, 300, 300, 300, 1],
        [1000] * (GSO_MAX_SEGMENTS + 1),
        [1000] * GSO_MAX_SEGMENTS + [10, 1000],
        [1400] * (2 * GSO_MAX_BYTES // 1400),
    ],
    ids=lambda sizes: f"{len(sizes)}x{sizes[0]}",
)
async def test_runs_arrive_as_they_were_queued(client: Client, sizes: list[int], gso: bool) -> None:
    with opened(gso=gso) as port:
        packets = [bytes([n % 256]) * size for n, size in enumerate(sizes)]
        for packet in packets:
            port.queue(packet, client.address)
        port.flush()
        assert client.read(len(packets)) == packets
        assert port.counters.datagrams_out == len(packets)
        assert port.counters.bytes_out == sum(sizes)
        assert port.counters.dropped_unreachable == port.counters.dropped_send_buffer_full == 0


async def test_a_run_is_one_send(client: Client) -> None:
    with opened() as port:
        if not port.gso:
            pytest.skip("this kernel has no UDP_SEGMENT")
        for _ in range(20):
            port.queue(bytes(1200), client.address)
        port.flush()
        assert port.counters.sends == 1


async def test_a_kernel_that_knows_no_segments_is_noticed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfu.transport.outbox.UDP_SEGMENT", 9999)  # an option that none knows
    with opened() as port:
        assert not port.gso
        for n in range(20):
            port.queue(bytes([n]) * 1200, client.address)
        port.flush()
        assert client.read(20) == [bytes([n]) * 1200 for n in range(20)]
        assert port.counters.sends == 20


async def test_destinations_are_kept_apart(client: Client) -> None:
    other = Client()
    with opened() as port:
        for n in range(6):
            port.queue(bytes([n]) * 50, (client, other)[n % 2].address)
        port.flush()
        assert [packet[0] for packet in client.read(3)] == [0, 2, 4]
        assert [packet[0] for packet in other.read(3)] == [1, 3, 5]
    other.socket.close()


async def test_what_is_queued_leaves_by_itself_at_the_end_of_the_turn(client: Client) -> None:
    with opened() as port:
        port.queue(b"one", client.address)
        port.queue(b"two", client.address)
        assert port.counters.sends == 0
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert client.read(2) == [b"one", b"two"]


async def test_what_one_wake_up_reads_is_one_batch(client: Client) -> None:
    with opened() as port:
        seen: list[tuple[bytes, Address]] = []
        batches: list[float] = []
        done = asyncio.get_running_loop().create_future()

        def end(now: float) -> None:
            batches.append(now)
            if len(seen) == MAX_BATCH + 10:
                done.set_result(None)

        port.on_datagram = lambda data, address, now: seen.append((data, address))
        port.on_batch = end
        for n in range(MAX_BATCH + 10):
            client.socket.sendto(n.to_bytes(2, "big"), ("127.0.0.1", port.port))
        await asyncio.wait_for(done, 5)
        assert [data for data, _ in seen] == [n.to_bytes(2, "big") for n in range(MAX_BATCH + 10)]
        assert {address for _, address in seen} == {client.address}
        assert len(batches) == 2
        assert port.counters.datagrams_in == MAX_BATCH + 10


async def test_answers_leave_with_the_batch(client: Client) -> None:
    with opened() as port:
        port.on_datagram = lambda data, address, now: port.queue(data + b"!", address)
        client.socket.sendto(b"hi", ("127.0.0.1", port.port))
        assert await asyncio.to_thread(client.read, 1) == [b"hi!"]


async def test_a_handler_that_fails_costs_one_datagram(client: Client) -> None:
    with opened() as port:
        seen: list[bytes] = []
        done = asyncio.get_running_loop().create_future()

        def handle(data: bytes, address: Address, now: float) -> None:
            if data == b"bad":
                raise RuntimeError("defect")
            seen.append(data)

        def end(now: float) -> None:
            done.set_result(None)
            raise RuntimeError("another")

        port.on_datagram, port.on_batch = handle, end
        for data in (b"one", b"bad", b"two"):
            client.socket.sendto(data, ("127.0.0.1", port.port))
        await asyncio.wait_for(done, 5)
        await asyncio.sleep(0)
        assert seen == [b"one", b"two"]
        assert port.counters.handler_errors == 2


class Failing:
    """A socket whose sends fail; the rest is the socket's own."""

    def __init__(self, sock: socket.socket, error: OSError, *, segmented_only: bool = False) -> None:
        self._socket = sock
        self._error = error
        self._segmented_only = segmented_only

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def sendto(self, data: bytes, address: Address) -> int:
        if not self._segmented_only:
            raise self._error
        return self._socket.sendto(data, address)

    def sendmsg(self, *arguments: object) -> int:
        raise self._error


def failing(port: UdpPort, error: OSError, *, segmented_only: bool = False) -> None:
    assert isinstance(port._outbox, Outbox)
    port._outbox._socket = Failing(port._socket, error, segmented_only=segmented_only)  # type: ignore[assignment]


@pytest.mark.usefixtures("python_only")
@pytest.mark.parametrize("code", [errno.EIO, errno.EINVAL, errno.EMSGSIZE])
async def test_without_segmentation_on_the_route_packets_go_one_by_one(client: Client, code: int) -> None:
    with opened() as port:
        failing(port, OSError(code, ""), segmented_only=True)
        packets = [bytes([n]) * 100 for n in range(5)]
        for packet in packets:
            port.queue(packet, client.address)
        port.flush()
        assert client.read(5) == packets
        assert port.counters.datagrams_out == 5


async def test_a_kernel_that_refuses_segments_gets_packets_one_by_one(client: Client) -> None:
    with opened() as port:
        if not port.gso:
            pytest.skip("this kernel has no UDP_SEGMENT")
        # The kernel can't segment what it may not compute the checksum of.
        port._socket.setsockopt(socket.SOL_SOCKET, NO_CHECKSUMS, 1)
        packets = [bytes([n]) * 100 for n in range(70)]
        for packet in packets:
            port.queue(packet, client.address)
        port.flush()
        assert client.read(70) == packets
        assert (port.counters.datagrams_out, port.counters.sends) == (70, 70)


@pytest.fixture
def six() -> Iterator[Client]:
    try:
        made = Client(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    yield made
    made.socket.close()


async def test_packets_above_the_mtu_go_one_by_one_in_fragments(six: Client) -> None:
    with opened("::1") as port:
        if not port.gso:
            pytest.skip("this kernel has no UDP_SEGMENT")
        # The kernel makes no segments that would have to be fragmented.
        port._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU, SMALLEST_MTU)
        packets = [bytes([n]) * size for n, size in enumerate([1400] * 5 + [700] * 5)]
        for packet in packets:
            port.queue(packet, six.address)
        port.flush()
        assert six.read(10) == packets
        # The last of the first run is shorter, the others are a run of their own.
        assert (port.counters.datagrams_out, port.counters.sends) == (10, 6 + 1)
        assert port.counters.bytes_out == 5 * 2100
        assert port.counters.dropped_unreachable == port.counters.dropped_send_buffer_full == 0


@pytest.mark.parametrize("gso", [True, False])
async def test_what_the_send_buffer_can_not_hold_is_counted(six: Client, gso: bool) -> None:
    with opened("::1", gso=gso) as port:
        port._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU, SMALLEST_MTU)
        port._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel's least
        # The fragments of a datagram are there at once.
        for size in (30_000, 100, 20_000, 25_000):
            port.queue(bytes(size), six.address)
        port.flush()
        assert [len(packet) for packet in six.read(1)] == [100]
        assert port.counters.dropped_send_buffer_full == 3
        assert (port.counters.datagrams_out, port.counters.dropped_unreachable) == (1, 0)


@pytest.mark.parametrize("gso", [True, False])
async def test_what_may_not_be_sent_is_counted(client: Client, gso: bool) -> None:
    with opened(gso=gso) as port:
        everybody: Address = ("255.255.255.255", 9)  # not without SO_BROADCAST
        for size in (10, 10, 5, 10):
            port.queue(bytes(size), everybody)
        port.queue(b"x", client.address)
        port.flush()
        assert client.read(1) == [b"x"]
        assert (port.counters.dropped_unreachable, port.counters.datagrams_out) == (4, 1)


@pytest.mark.parametrize("gso", [True, False])
async def test_what_can_not_be_sent_is_counted_and_costs_no_other_its_packets(
    client: Client, gso: bool
) -> None:
    with opened(gso=gso) as port:
        nowhere: Address = ("8.8.8.8", 9)  # no route for a socket that is bound to loopback
        for n in range(3):
            port.queue(bytes([n]), nowhere)
            port.queue(bytes([n]) * 10, client.address)
        port.flush()
        assert client.read(3) == [bytes([n]) * 10 for n in range(3)]
        assert port.counters.dropped_unreachable == port.counters.datagrams_out == 3


async def test_more_than_memory_is_kept_for_is_sent_in_parts(client: Client) -> None:
    with opened() as port:
        for n in range(10_000):
            port.queue(n.to_bytes(2, "big") + bytes(1198), client.address)
        port.flush()
        assert port.counters.datagrams_out == 10_000
        got = client.read(300)
        assert [packet[:2] for packet in got] == [n.to_bytes(2, "big") for n in range(300)]


async def test_strangers_are_forgotten(client: Client) -> None:
    with opened() as port:
        for n in range(1, 3000):
            port.queue(b"x", ("127.0.0.1", n))
            port.flush()
        port.queue(b"still", client.address)
        port.flush()
        assert client.read(1) == [b"still"]


@pytest.mark.usefixtures("python_only")
@pytest.mark.parametrize(
    ("error", "full", "unreachable"),
    [
        (BlockingIOError(errno.EAGAIN, ""), 3, 0),
        (OSError(errno.ENOBUFS, ""), 3, 0),
        (OSError(errno.ENETUNREACH, ""), 0, 3),
        (PermissionError(errno.EPERM, ""), 0, 3),
    ],
)
@pytest.mark.parametrize("gso", [True, False])
async def test_sends_that_fail_are_counted(
    client: Client, error: OSError, full: int, unreachable: int, gso: bool
) -> None:
    with opened(gso=gso) as port:
        failing(port, error)
        for _ in range(3):
            port.queue(b"x", client.address)
        port.flush()
        assert port.counters.dropped_send_buffer_full == full
        assert port.counters.dropped_unreachable == unreachable
        assert port.counters.datagrams_out == 0


async def test_a_packet_that_no_datagram_holds_is_counted(client: Client) -> None:
    with opened() as port:
        port.queue(bytes(70_000), client.address)
        port.flush()
        assert port.counters.dropped_unreachable == 1


async def test_both_families_over_one_socket(client: Client) -> None:
    try:
        six = Client(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with opened("") as port:

        def thrice(data: bytes, address: Address, now: float) -> None:
            for _ in range(3):
                port.queue(data, address)

        port.on_datagram = thrice
        for one, host in ((client, "127.0.0.1"), (six, "::1")):
            one.socket.sendto(b"echo", (host, port.port))
            assert await asyncio.to_thread(one.read, 3) == [b"echo"] * 3
    six.socket.close()


async def test_closing_twice_and_after() -> None:
    port = open_port("127.0.0.1", 0, engine=Chosen.engine)
    port.close()
    port.close()
    port.queue(b"late", ("127.0.0.1", 9))
    port.flush()
    assert port.counters.sends == 0


async def test_closing_flushes(client: Client) -> None:
    port = open_port("127.0.0.1", 0, engine=Chosen.engine)
    port.queue(b"bye", client.address)
    port.close()
    assert client.read(1) == [b"bye"]


async def test_a_port_that_is_taken() -> None:
    with opened() as port, pytest.raises(OSError, match="in use"):
        open_port("127.0.0.1", port.port)


@pytest.mark.parametrize(
    ("host", "public", "expected"),
    [
        ("", ("203.0.113.5", "2001:db8::5"), ["203.0.113.5", "2001:db8::5"]),
        ("192.0.2.8", ("203.0.113.5",), ["203.0.113.5"]),
        ("192.0.2.8", (), ["192.0.2.8"]),
        ("127.0.0.1", (), ["127.0.0.1"]),
        ("::1", (), ["::1"]),
    ],
)
def test_the_addresses_announced(host: str, public: tuple[str, ...], expected: list[str]) -> None:
    assert candidate_hosts(host, public) == expected


class _Ip:
    def __init__(self, ip: object) -> None:
        self.ip = ip


class _Adapter:
    def __init__(self, *ips: object) -> None:
        self.ips = [_Ip(ip) for ip in ips]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", ["192.0.2.1", "10.0.0.2", "2001:db8::1"]),
        ("::", ["192.0.2.1", "10.0.0.2", "2001:db8::1"]),
        ("0.0.0.0", ["192.0.2.1", "10.0.0.2"]),
    ],
)
def test_the_machines_own_addresses(monkeypatch: pytest.MonkeyPatch, host: str, expected: list[str]) -> None:
    adapters = [
        _Adapter("127.0.0.1", ("::1", 0, 0)),
        _Adapter("192.0.2.1", "169.254.1.1", ("fe80::1%eth0", 0, 2), ("2001:db8::1", 0, 0)),
        _Adapter("10.0.0.2", "192.0.2.1"),
    ]
    monkeypatch.setattr("sfu.transport.udp.ifaddr.get_adapters", lambda: adapters)
    assert candidate_hosts(host, ()) == expected


def test_loopback_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.transport.udp.ifaddr.get_adapters", lambda: [_Adapter("127.0.0.1")])
    assert candidate_hosts("", ()) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "sizes",
    [
        [1100] * 9,
        [1101] * 9 + [7],
        [1102] * 50 + [1],
        [7] * 60 + [1000] * 3 + [1000],
        [3000] * 4,
        [1000] * (MAX_BATCH + 40),
    ],
    ids=lambda sizes: f"{len(sizes)}x{sizes[0]}",
)
async def test_runs_that_come_as_one_message_are_datagrams_again(sizes: list[int]) -> None:
    packets = [bytes([128 + n % 60]) * size for n, size in enumerate(sizes)]
    with opened() as sender, opened() as port:
        seen: list[bytes] = []
        senders: set[Address] = set()
        all_came = asyncio.Event()

        def note(data: bytes, address: Address, now: float) -> None:
            seen.append(data)
            senders.add(address)
            if len(seen) == len(packets):
                all_came.set()

        port.on_datagram = note
        for packet in packets:
            sender.queue(packet, ("127.0.0.1", port.port))
        sender.flush()
        await asyncio.wait_for(all_came.wait(), 5)
        assert seen == [packet[:MAX_DATAGRAM] for packet in packets]
        assert senders == {("127.0.0.1", sender.port)}
        assert port.counters.datagrams_in == len(packets)
        assert port.counters.bytes_in == sum(len(packet) for packet in seen)
