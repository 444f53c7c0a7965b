"""Transport-wide feedback: chunk by chunk in bytes, round trips, malformed and arbitrary bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire import rtcp
from sfu.wire.rtcp import RtcpError, TransportFeedback
from sfu.wire.transport_feedback import Feedback, parse_fci, write_fci

DELTA = st.none() | st.integers(0, 255) | st.integers(-(2**15), 2**15 - 1)
RUNS = st.lists(st.tuples(DELTA, st.integers(1, 40)), min_size=1, max_size=12)


def head(count: int) -> str:
    return f"0099{count:04x}3de80217"


def feedback(*deltas: int | None) -> Feedback:
    return Feedback(0x99, 0x3DE802, 0x17, deltas)


@pytest.mark.parametrize(
    ("deltas", "rest"),
    [
        pytest.param([148], "2001 94", id="one small delta"),
        pytest.param([0], "2001 00", id="zero is small"),
        pytest.param([255], "2001 ff", id="largest small"),
        pytest.param([256], "4001 0100", id="smallest large"),
        pytest.param([-1], "4001 ffff", id="negative is large"),
        pytest.param([-32768, 32767], "4002 8000 7fff", id="limits"),
        pytest.param([None, None, 1], "8800 01", id="one-bit vector"),
        pytest.param([1, None, 300], "d200 01 012c", id="two-bit vector"),
        pytest.param([1] * 14 + [None], "200e 0001" + "01" * 14, id="run of a vector's length"),
        pytest.param([1] * 13 + [None, 2], "bffe 2001" + "01" * 13 + "02", id="vector, then the rest"),
        pytest.param([300] * 7 + [1], "4007 2001" + "012c" * 7 + "01", id="run of large ones"),
        pytest.param([1, *[None] * 9000, 2], None, id="runs beyond 13 bits"),
    ],
)
def test_rows(deltas: list[int | None], rest: str | None) -> None:
    value = feedback(*deltas)
    data = write_fci(value)
    if rest is not None:
        assert data == bytes.fromhex(head(len(deltas)) + rest)
    assert parse_fci(data) == value


def test_whole_packet_as_a_browser_sends_it() -> None:
    data = bytes.fromhex("afcd0005 fa17fa17 43032fa0 00990001 3de80217 20019401")
    (packet,) = rtcp.parse(data)
    assert isinstance(packet, TransportFeedback)
    assert (packet.sender_ssrc, packet.media_ssrc) == (0xFA17FA17, 0x43032FA0)
    assert parse_fci(packet.fci) == feedback(148)
    assert packet.write() == data


@pytest.mark.parametrize(
    ("data", "deltas"),
    [
        pytest.param(head(1) + "2001 94 00", [148], id="zero padding"),
        pytest.param(head(1) + "2001 94 00000000 00", [148], id="more padding"),
        pytest.param(head(2) + "2005 01 02", [1, 2], id="run beyond the count"),
        pytest.param(head(2) + "afff 01", [1, None], id="one-bit vector beyond the count"),
        pytest.param(head(2) + "c3ff", [None, None], id="two-bit vector beyond the count, reserved symbols"),
        pytest.param(head(1) + "2000 2001 05", [5], id="empty run"),
        pytest.param(head(8) + "4007 8000 " + "0001" * 7, [1] * 7 + [None], id="large run, vector"),
    ],
)
def test_accepted(data: str, deltas: list[int | None]) -> None:
    assert parse_fci(bytes.fromhex(data)) == feedback(*deltas)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="empty"),
        pytest.param(head(1)[:-2], id="header cut off"),
        pytest.param(head(0), id="no packet"),
        pytest.param(head(1), id="no chunk"),
        pytest.param(head(1) + "20", id="chunk cut off"),
        pytest.param(head(8) + "2007" + "01" * 7, id="too few chunks"),
        pytest.param(head(2) + "2002 01", id="delta missing"),
        pytest.param(head(1) + "4001 01", id="large delta cut off"),
        pytest.param(head(1) + "6001 0101", id="reserved symbol in a run"),
        pytest.param(head(1) + "f000 0101", id="reserved symbol in a vector"),
    ],
)
def test_malformed(data: str) -> None:
    with pytest.raises(RtcpError):
        parse_fci(bytes.fromhex(data))


@pytest.mark.parametrize("reference_time", [0, 1, -1, 2**23 - 1, -(2**23)])
def test_reference_time_is_signed(reference_time: int) -> None:
    value = Feedback(0, reference_time, 0, (1,))
    assert parse_fci(write_fci(value)) == value


def test_reference_time_and_count_wrap() -> None:
    assert parse_fci(write_fci(Feedback(0, 2**23, 256, (1,)))) == Feedback(0, -(2**23), 0, (1,))


@settings(max_examples=200)
@given(st.integers(0, 65535), st.integers(-(2**23), 2**23 - 1), st.integers(0, 255), RUNS)
def test_round_trip(
    base_seq16: int, reference_time: int, count: int, runs: list[tuple[int | None, int]]
) -> None:
    deltas = tuple([delta for delta, length in runs for _ in range(length)])
    value = Feedback(base_seq16, reference_time, count, deltas)
    data = TransportFeedback(1, 2, write_fci(value)).write()
    assert len(data) % 4 == 0
    (packet,) = rtcp.parse(data)
    assert isinstance(packet, TransportFeedback)
    assert parse_fci(packet.fci) == value
    assert parse_fci(packet.fci + b"\x00\x00\x00") == value
    # No larger than two-bit vectors throughout would be.
    assert len(packet.fci) <= 8 + 2 * -(-len(deltas) // 7) + sum(
        0 if d is None else 1 if 0 <= d <= 255 else 2 for d in deltas
    )


@settings(max_examples=100)
@given(RUNS)
def test_truncated(runs: list[tuple[int | None, int]]) -> None:
    data = write_fci(feedback(*[delta for delta, length in runs for _ in range(length)]))
    for size in {0, 7, 8, 9, 10, len(data) // 2, len(data) - 1} - {len(data)}:
        with pytest.raises(RtcpError):
            parse_fci(data[:size])


@settings(max_examples=200)
@given(st.binary(max_size=60), st.integers(0, 40))
def test_arbitrary_bytes(data: bytes, count: int) -> None:
    for candidate in (data, bytes.fromhex(head(count)) + data):
        try:
            value = parse_fci(candidate)
        except RtcpError:
            continue
        assert parse_fci(write_fci(value)) == value
