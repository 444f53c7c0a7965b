"""The C loop and the floors between local sockets."""

import contextlib
import ctypes
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.load import floor, seam
from benchmarks.load.link import dropped
from benchmarks.load.native import (
    BURST,
    FloorStruct,
    Loop,
    NativeError,
    Schedule,
    build,
    open_library,
    pointer,
)


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return open_library()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected UDP sockets; the second has kernel receive times."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as left,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as right,
    ):
        left.bind(("127.0.0.1", 0))
        right.bind(("127.0.0.1", 0))
        left.connect(right.getsockname())
        right.connect(left.getsockname())
        right.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        yield left, right


def media(number: int, size: int = 100) -> bytes:
    return bytes([0x80, 96]) + number.to_bytes(2, "big") + bytes(size - 4)


def schedule(datagrams: list[bytes], bursts: list[tuple[int, int, int, int, int]]) -> Schedule:
    offsets = np.cumsum([0, *map(len, datagrams)]).astype(np.uint64)
    return Schedule(np.frombuffer(b"".join(datagrams), np.uint8), offsets, np.array(bursts, BURST))


def test_sends_on_schedule_counts_and_samples(
    library: ctypes.CDLL, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    datagrams = [media(number, 100 + number) for number in range(20)]
    plan = schedule(datagrams, [(0, 0, 9, 0, 0), (5_000_000, 9, 9, 0, 0), (10_000_000, 18, 2, 0, 0)])
    loop = Loop(library, [left.fileno(), right.fileno()], plan, sample_every=4)
    loop.start(time.monotonic_ns())
    loop.run(0, 3, 20_000_000)
    assert loop.packets.tolist() == [0, 20]
    assert loop.bytes.tolist() == [0, sum(map(len, datagrams))]
    assert (loop.struct.sent, loop.struct.send_errors) == (20, 0)
    samples = loop.samples()
    # The packets 3, 7, 11, ... of socket 1: receivers look at different packets of a frame.
    assert [sample.data for sample in samples] == [datagrams[number] for number in (3, 7, 11, 15, 19)]
    assert {sample.socket for sample in samples} == {1}
    for sample, number in zip(samples, (3, 7, 11, 15, 19), strict=True):
        assert 0 <= sample.received_ns - int(loop.sent_ns[number]) < 1_000_000_000
    assert loop.sent_ns[9] - loop.sent_ns[0] >= 5_000_000 - loop.struct.late_max_ns
    assert loop.sent_ns[0] == loop.sent_ns[8], "a frame is handed over at once"


def test_phases_are_counted_alone(library: ctypes.CDLL, pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    plan = schedule([media(number) for number in range(5)], [(0, 0, 3, 0, 0), (8_000_000, 3, 2, 0, 0)])
    loop = Loop(library, [left.fileno(), right.fileno()], plan, sample_every=1)
    loop.start(time.monotonic_ns())
    loop.run(0, 1, 4_000_000)
    assert loop.packets.tolist() == [0, 3]
    loop.clear()
    loop.run(1, 2, 12_000_000)
    assert loop.packets.tolist() == [0, 2]
    assert [sample.data[3] for sample in loop.samples()] == [3, 4]


@pytest.mark.parametrize("drain_ms", [1.0, 0.0])
def test_what_is_not_media_is_handed_up(
    library: ctypes.CDLL, pair: tuple[socket.socket, socket.socket], drain_ms: float
) -> None:
    left, right = pair
    others = [
        b"",
        b"\x00\x01stun",
        b"\x16dtls",
        b"\x80\xc8" + bytes(20),
        b"\x81\xcd" + bytes(30),
        b"\x80\x60short",
    ]
    for datagram in [*others, media(1)]:
        left.send(datagram)
    loop = Loop(library, [right.fileno()], Schedule.empty(), drain_ms=drain_ms)
    loop.start(time.monotonic_ns())
    loop.run(0, 0, 5_000_000)
    assert loop.packets.tolist() == [1]
    taken = loop.take_others()
    assert [kept.data for kept in taken] == others
    assert all(kept.received_ns for kept in taken)
    assert loop.take_others() == []


def test_too_many_others_lose_the_oldest(
    library: ctypes.CDLL, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    for number in range(7):
        left.send(bytes([number]))
    loop = Loop(library, [right.fileno()], Schedule.empty(), others_capacity=4)
    loop.start(time.monotonic_ns())
    loop.run(0, 0, 1_000_000)
    assert [kept.data for kept in loop.take_others()] == [bytes([number]) for number in (3, 4, 5, 6)]


def test_more_samples_than_room_are_left_out(
    library: ctypes.CDLL, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    plan = schedule([media(number) for number in range(100)], [(0, 0, 100, 0, 0)])
    loop = Loop(library, [left.fileno(), right.fileno()], plan, sample_every=1, sample_capacity=10)
    loop.start(time.monotonic_ns())
    loop.run(0, 1, 3_000_000)
    assert loop.packets.tolist() == [0, 100]
    assert len(loop.samples()) == 10


def test_a_refused_datagram_is_counted_and_the_next_one_sent(
    library: ctypes.CDLL, pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    too_long = bytes([0x80, 96]) + bytes(70_000)
    plan = schedule([media(0), too_long, media(2)], [(0, 0, 3, 0, 0)])
    loop = Loop(library, [left.fileno(), right.fileno()], plan)
    loop.start(time.monotonic_ns())
    loop.run(0, 1, 2_000_000)
    assert (loop.struct.sent, loop.struct.send_errors, int(loop.packets[1])) == (2, 1, 2)


def test_what_a_full_buffer_costs_is_known(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    right.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's minimum: a few datagrams
    for number in range(50):
        left.send(media(number, 1000))
    right.setblocking(False)
    kept = 0
    with contextlib.suppress(BlockingIOError):
        while right.recv(2048):
            kept += 1
    assert dropped(right) == 50 - kept > 0


def test_stop_ends_a_long_run(library: ctypes.CDLL, pair: tuple[socket.socket, socket.socket]) -> None:
    loop = Loop(library, [pair[1].fileno()], Schedule.empty())
    loop.start(time.monotonic_ns())
    loop.stop()
    loop.run(0, 0, 1 << 62)


def test_a_closed_socket_is_an_error(library: ctypes.CDLL) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        number = gone.fileno()
    loop = Loop(library, [number], Schedule.empty())
    with pytest.raises(NativeError, match="could not start"):
        loop.run(0, 0, 0)


@pytest.mark.parametrize("mode", list(floor.MODES.values()))
@pytest.mark.parametrize("srtp", [False, True])
@pytest.mark.parametrize("rotate", [False, True])
def test_floors_send_every_packet_to_everybody(
    library: ctypes.CDLL, mode: int, srtp: bool, rotate: bool
) -> None:
    receivers = floor.Receivers.open(3)
    sessions = [seam.srtp_sender(bytes(28)) for _ in range(3)]
    pointers = np.array([seam.session_pointer(session) for session in sessions], np.uint64)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        struct = FloorStruct(
            addresses=pointer(receivers.addresses),
            address_count=3,
            rotate=rotate,
            socket=sender.fileno(),
            mode=mode,
            packets=9,
            size=200,
            frames=3,
            protect=seam.protect_pointer() if srtp else None,
            sessions=pointer(pointers),
        )
        assert library.floor_run(ctypes.byref(struct)) == 0
    each = 18 if rotate else 27
    assert (struct.sent, struct.errors) == (3 * each, 0)
    assert struct.cpu_ns > 0
    loop = Loop(library, [sock.fileno() for sock in receivers.sockets], Schedule.empty())
    loop.start(time.monotonic_ns())
    loop.run(0, 0, 1_000_000)
    receivers.close()
    assert loop.packets.tolist() == [each] * 3
    assert loop.bytes.tolist() == [each * (216 if srtp else 200)] * 3


def test_a_missing_or_failing_compiler_is_told(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "false")
    with pytest.raises(NativeError, match="could not build"):
        build(tmp_path)  # type: ignore[arg-type]
