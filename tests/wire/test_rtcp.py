"""RTCP: rows of bytes, round trips, malformed packets, arbitrary bytes, and aiortc as a second opinion."""

import struct

import pytest
from aiortc import rtp as other
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire import rtcp
from sfu.wire.rtcp import (
    FullIntra,
    Goodbye,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtcpError,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    Unknown,
)

U8 = st.integers(0, 0xFF)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, 2**64 - 1)
S24 = st.integers(-(2**23), 2**23 - 1)
BLOCKS = st.lists(st.builds(ReportBlock, U32, U8, S24, U32, U32, U32, U32), max_size=31).map(tuple)
SSRCS = st.lists(U32, max_size=31).map(tuple)
# Exactly representable: 18 bits of mantissa.
RATES = st.builds(
    lambda mantissa, exponent: mantissa << exponent, st.integers(0, 0x3FFFF), st.integers(0, 63)
)
CNAMES = st.text(max_size=60).filter(lambda name: len(name.encode("utf-8")) <= 255)

REPORTS: st.SearchStrategy[RtcpPacket] = st.one_of(
    st.builds(SenderReport, U32, U64, U32, U32, U32, BLOCKS),
    st.builds(ReceiverReport, U32, BLOCKS),
    st.builds(SourceDescription, U32, CNAMES),
    st.builds(Goodbye, SSRCS),
)
FEEDBACK: st.SearchStrategy[RtcpPacket] = st.one_of(
    st.builds(PictureLoss, U32, U32),
    st.builds(FullIntra, U32, st.lists(st.tuples(U32, U8), min_size=1, max_size=5).map(tuple)),
    st.builds(Remb, U32, RATES, st.lists(U32, max_size=5).map(tuple)),
    st.builds(TransportFeedback, U32, U32, st.binary(max_size=30)),
    st.builds(Unknown, st.sampled_from([204, 207]), st.integers(0, 31), st.binary(max_size=30)),
)
BLOCK = ReportBlock(0x01020304, 128, -2, 0x10005, 90, 0xAABBCCDD, 0x10000)
BLOCK_HEX = "01020304 80fffffe 00010005 0000005a aabbccdd 00010000"


@pytest.mark.parametrize(
    ("packet", "data"),
    [
        (
            SenderReport(1, 0x1122334455667788, 2, 3, 4, (BLOCK,)),
            "81c8000c 00000001 11223344 55667788 00000002 00000003 00000004" + BLOCK_HEX,
        ),
        (ReceiverReport(1), "80c90001 00000001"),
        (ReceiverReport(1, (BLOCK, BLOCK)), "82c9000d 00000001" + BLOCK_HEX + BLOCK_HEX),
        (SourceDescription(1, "ab"), "81ca0003 00000001 01026162 00000000"),
        (SourceDescription(1, "a"), "81ca0002 00000001 01016100"),
        (Goodbye((1, 2)), "82cb0002 00000001 00000002"),
        (Nack(1, 2, (5,)), "81cd0003 00000001 00000002 00050000"),
        (Nack(1, 2, (5, 6, 21)), "81cd0003 00000001 00000002 00058001"),
        (Nack(1, 2, (5, 22)), "81cd0004 00000001 00000002 00050000 00160000"),
        (Nack(1, 2, (65535, 0, 15)), "81cd0003 00000001 00000002 ffff8001"),
        (PictureLoss(1, 2), "81ce0002 00000001 00000002"),
        (FullIntra(1, ((2, 7),)), "84ce0004 00000001 00000000 00000002 07000000"),
        (Remb(1, 0x3FFFF, (2,)), "8fce0005 00000001 00000000 52454d42 0103ffff 00000002"),
        (Remb(1, 0x40000, ()), "8fce0004 00000001 00000000 52454d42 00060000"),
        (TransportFeedback(1, 2, b"abcd"), "8fcd0003 00000001 00000002 61626364"),
        (TransportFeedback(1, 2, b"abc"), "afcd0003 00000001 00000002 61626301"),
        (TransportFeedback(1, 2, b"a"), "afcd0003 00000001 00000002 61000003"),
        (Unknown(204, 3, b"abcd"), "83cc0001 61626364"),
    ],
)
def test_rows(packet: RtcpPacket, data: str) -> None:
    assert packet.write() == bytes.fromhex(data)
    assert rtcp.parse(bytes.fromhex(data)) == [packet]


@settings(max_examples=200)
@given(st.lists(REPORTS | FEEDBACK, min_size=1, max_size=4))
def test_round_trip(packets: list[RtcpPacket]) -> None:
    data = b"".join([packet.write() for packet in packets])
    assert len(data) % 4 == 0
    assert rtcp.parse(data) == packets


@settings(max_examples=200)
@given(U16, st.sets(st.integers(0, 400), min_size=1, max_size=60))
def test_nack_round_trip(first: int, offsets: set[int]) -> None:
    """In order, across the wrap, in as few words as the format allows."""
    lost = tuple((first + offset) & 0xFFFF for offset in sorted(offsets))
    data = Nack(1, 2, lost).write()
    assert rtcp.parse(data) == [Nack(1, 2, lost)]
    words, covered = 0, -1
    for offset in sorted(offsets):
        if offset > covered:
            words, covered = words + 1, offset + 16
    assert len(data) == 12 + 4 * words


@settings(max_examples=100)
@given(st.lists(U16, min_size=1, max_size=30))
def test_nack_in_any_order_says_the_same(lost: list[int]) -> None:
    (nack,) = rtcp.parse(Nack(1, 2, tuple(lost)).write())
    assert isinstance(nack, Nack)
    assert set(nack.lost) == set(lost)


@pytest.mark.parametrize(
    ("lost", "written"),
    [(2**23 - 1, 2**23 - 1), (2**23, 2**23 - 1), (-(2**23), -(2**23)), (-(2**23) - 1, -(2**23)), (-1, -1)],
)
def test_packets_lost_is_clamped_and_signed(lost: int, written: int) -> None:
    (report,) = rtcp.parse(ReceiverReport(1, (ReportBlock(2, 0, lost, 0, 0, 0, 0),)).write())
    assert isinstance(report, ReceiverReport)
    assert report.reports[0].packets_lost == written


@pytest.mark.parametrize(
    ("bitrate_bps", "written"),
    [
        (0, 0),
        (1, 1),
        (262143, 262143),
        (262144, 262144),
        (262145, 262144),
        (1_500_001, 1_500_000),
        (2**90, 0x3FFFF << 63),
    ],
)
def test_remb_rounds_down(bitrate_bps: int, written: int) -> None:
    assert rtcp.parse(Remb(1, bitrate_bps, ()).write()) == [Remb(1, written, ())]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            "80c90002 00000001 deadbeef", [ReceiverReport(1)], id="profile-specific words behind a report"
        ),
        pytest.param("a0c90003 00000001 00000000 00000008", [ReceiverReport(1)], id="padding of whole words"),
        pytest.param(
            "afcd0003 00000001 00000002 61620002 80c90001 00000001",
            [TransportFeedback(1, 2, b"ab"), ReceiverReport(1)],
            id="padding before the last packet",
        ),
        pytest.param(
            "82ca0006 00000001 01016100 00000002 02016a01 01620000 00000000",
            [SourceDescription(1, "a"), SourceDescription(2, "b")],
            id="two chunks, other items, trailing words",
        ),
        pytest.param("81ca0002 00000001 00000000", [SourceDescription(1, "")], id="chunk without CNAME"),
        pytest.param("81ca0003 00000001 0102ff61 00000000", [SourceDescription(1, "a")], id="not UTF-8"),
        pytest.param("80ca0000", [], id="no chunk"),
        pytest.param("80cb0000", [Goodbye(())], id="nobody leaves"),
        pytest.param("81cb0002 00000001 03627965", [Goodbye((1,))], id="reason"),
        pytest.param(
            "8fce0003 00000001 00000000 41424344",
            [Unknown(206, 15, bytes.fromhex("000000010000000041424344"))],
            id="application feedback that is not REMB",
        ),
        pytest.param("83cd0002 00000001 00000002", [Unknown(205, 3, bytes.fromhex("0000000100000002"))]),
    ],
)
def test_accepted(data: str, expected: list[RtcpPacket]) -> None:
    assert rtcp.parse(bytes.fromhex(data)) == expected


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="empty"),
        pytest.param("80c900", id="header cut off"),
        pytest.param("80c90001", id="body cut off"),
        pytest.param("80c90001 00000001 80", id="second header cut off"),
        pytest.param("80c90001 00000001 80c90001", id="second body cut off"),
        pytest.param("40c90001 00000001", id="version 1"),
        pytest.param("a0c90000", id="padding without a byte"),
        pytest.param("a0c90002 00000001 00000000", id="padding of 0"),
        pytest.param("a0c90001 00000009", id="padding beyond the packet"),
        pytest.param("a0c90001 00000001", id="padding eats the body"),
        pytest.param("81c90001 00000001", id="block missing"),
        pytest.param("80c80005 00000001 11223344 55667788 00000002 00000003", id="sender info cut off"),
        pytest.param("81ca0000", id="chunk missing"),
        pytest.param("81ca0001 00000001", id="chunk without end"),
        pytest.param("81ca0002 00000001 01ff6162", id="item beyond the packet"),
        pytest.param("81ca0002 00000001 01026162", id="items without end"),
        pytest.param("a1ca0003 00000001 02016201 00000003", id="item without length"),
        pytest.param("82ca0002 00000001 00000000", id="second chunk missing"),
        pytest.param("82cb0001 00000001", id="source missing"),
        pytest.param("81cb0002 00000001 04627965", id="reason beyond the packet"),
        pytest.param("81cd0001 00000001", id="feedback without media source"),
        pytest.param("81cd0002 00000001 00000002", id="NACK of nothing"),
        pytest.param("a1cd0004 00000001 00000002 00050000 00000001", id="NACK with half a word"),
        pytest.param("84ce0002 00000001 00000000", id="FIR for nobody"),
        pytest.param("84ce0003 00000001 00000000 00000002", id="FIR with half an entry"),
        pytest.param("8fce0003 00000001 00000000 52454d42", id="REMB cut off"),
        pytest.param("8fce0004 00000001 00000000 52454d42 01000000", id="REMB source missing"),
    ],
)
def test_malformed(data: str) -> None:
    with pytest.raises(RtcpError):
        rtcp.parse(bytes.fromhex(data))


@settings(max_examples=60)
@given(st.lists(REPORTS | FEEDBACK, min_size=1, max_size=2))
def test_truncated(packets: list[RtcpPacket]) -> None:
    """Cut anywhere but between packets it raises, trailing bytes raise."""
    parts = [packet.write() for packet in packets]
    data = b"".join(parts)
    for size in {*range(min(len(data), 80)), len(data) - 1} - {len(parts[0])}:
        with pytest.raises(RtcpError):
            rtcp.parse(data[:size])
    with pytest.raises(RtcpError):
        rtcp.parse(data + b"\x80\xc9")


def _framed(first: int, packet_type: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("!BBH", 0x80 | first, packet_type, len(body) // 4) + body


FRAMED = st.builds(
    _framed, st.integers(0, 63), st.integers(192, 223) | st.integers(200, 206), st.binary(max_size=60)
)


@settings(max_examples=200)
@given(st.binary(max_size=100) | FRAMED)
def test_arbitrary_bytes(data: bytes) -> None:
    """RtcpError or packets that can be written, and then read the same."""
    try:
        packets = rtcp.parse(data)
    except RtcpError:
        return
    written = b"".join([packet.write() for packet in packets])
    if packets:
        assert rtcp.parse(written) == packets


@settings(max_examples=60)
@given(REPORTS.filter(lambda packet: not isinstance(packet, SourceDescription)))
def test_aiortc_reads_and_writes_the_same_reports(packet: RtcpPacket) -> None:
    data = packet.write()
    (theirs,) = other.RtcpPacket.parse(data)
    assert bytes(theirs) == data


def test_aiortc_reads_fields() -> None:
    data = SenderReport(1, 2**63 + 5, 2, 3, 4, (BLOCK,)).write() + SourceDescription(1, "name").write()
    report, description = other.RtcpPacket.parse(data)
    assert isinstance(report, other.RtcpSrPacket)
    assert report.sender_info == other.RtcpSenderInfo(2**63 + 5, 2, 3, 4)
    assert report.reports == [other.RtcpReceiverInfo(0x01020304, 128, -2, 0x10005, 90, 0xAABBCCDD, 0x10000)]
    assert isinstance(description, other.RtcpSdesPacket)
    assert description.chunks == [other.RtcpSourceInfo(1, [(1, b"name")])]
    assert rtcp.parse(bytes(description)) == [SourceDescription(1, "name")]


@settings(max_examples=60)
@given(U32, U32, st.sets(st.integers(0, 65535), min_size=1, max_size=40))
def test_aiortc_reads_and_writes_the_same_nack(sender: int, media: int, lost: set[int]) -> None:
    numbers = sorted(lost)
    data = Nack(sender, media, tuple(numbers)).write()
    assert bytes(other.RtcpRtpfbPacket(1, sender, media, numbers)) == data
    (theirs,) = other.RtcpPacket.parse(data)
    assert isinstance(theirs, other.RtcpRtpfbPacket)
    assert (theirs.ssrc, theirs.media_ssrc, theirs.lost) == (sender, media, numbers)


@settings(max_examples=60)
@given(U32, U32, RATES, st.lists(U32, max_size=5))
def test_aiortc_reads_and_writes_the_same_payload_feedback(
    sender: int, media: int, bitrate_bps: int, ssrcs: list[int]
) -> None:
    (loss,) = other.RtcpPacket.parse(PictureLoss(sender, media).write())
    assert loss == other.RtcpPsfbPacket(other.RTCP_PSFB_PLI, sender, media)
    data = Remb(sender, bitrate_bps, tuple(ssrcs)).write()
    (remb,) = other.RtcpPacket.parse(data)
    assert isinstance(remb, other.RtcpPsfbPacket)
    assert other.unpack_remb_fci(remb.fci) == (bitrate_bps, ssrcs)
    theirs = other.RtcpPsfbPacket(15, sender, 0, other.pack_remb_fci(bitrate_bps, ssrcs))
    assert rtcp.parse(bytes(theirs)) == [Remb(sender, bitrate_bps, tuple(ssrcs))]
    (intra,) = other.RtcpPacket.parse(FullIntra(sender, ((media, 3),)).write())
    assert intra == other.RtcpPsfbPacket(other.RTCP_PSFB_FIR, sender, 0, struct.pack("!IB3x", media, 3))


def test_aiortc_frames_padded_feedback() -> None:
    """It knows no transport-wide feedback, but sees its padding taken away and the packet behind it."""
    data = TransportFeedback(1, 2, bytes(9)).write() + PictureLoss(1, 2).write()
    with pytest.raises(ValueError, match="RTP feedback length"):  # nine bytes: the padding is gone
        other.RtcpPacket.parse(data)
    assert len(other.RtcpPacket.parse(TransportFeedback(1, 2, bytes(12)).write() + data[24:])) == 2
