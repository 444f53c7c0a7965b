"""The RTP header: rows, every truncation, arbitrary bytes, and aiortc as a second opinion."""

import struct

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu.wire import rtp
from sfu.wire.rtp import RtpError, RtpView


def packet(
    *,
    flags: int = 0x80,
    marker: bool = False,
    csrcs: int = 0,
    extension: bytes = b"",
    payload: bytes = b"payload",
    padding: int = 0,
) -> bytes:
    """A packet of payload type 96, sequence 0x1234, timestamp 0x89ABCDEF, SSRC 0xDEADBEEF."""
    flags |= csrcs | (0x10 if extension else 0) | (0x20 if padding else 0)
    fixed = struct.pack("!BBHII", flags, 96 | marker << 7, 0x1234, 0x89ABCDEF, 0xDEADBEEF)
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return fixed + bytes(4 * csrcs) + extension + payload + tail


EXTENSION = bytes.fromhex("bede0001 10ff0000")


def test_plain() -> None:
    data = packet()
    assert rtp.parse(data) == RtpView(data, False, 96, 0x1234, 0x89ABCDEF, 0xDEADBEEF, 0, 12, 12, 12, 19)


def test_everything() -> None:
    data = packet(marker=True, csrcs=2, extension=EXTENSION, padding=4)
    view = rtp.parse(data)
    assert (view.marker, view.payload_type) == (True, 96)
    assert view.extension_profile == 0xBEDE
    assert data[view.extension_start : view.extension_end] == EXTENSION[4:]
    assert data[view.payload_start : view.payload_end] == b"payload"
    assert view.packet is data


@pytest.mark.parametrize("extension", [b"", EXTENSION])
@pytest.mark.parametrize("padding", [0, 1, 255])
def test_empty_payload(extension: bytes, padding: int) -> None:
    view = rtp.parse(packet(extension=extension, payload=b"", padding=padding))
    assert view.payload_start == view.payload_end == 12 + len(extension)


def test_empty_extension_block() -> None:
    view = rtp.parse(packet(extension=bytes.fromhex("bede0000")))
    assert (view.extension_start, view.extension_end, view.payload_start) == (16, 16, 16)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(packet()[:11], id="shorter than the fixed header"),
        pytest.param(packet(flags=0x00), id="version 0"),
        pytest.param(packet(flags=0xC0), id="version 3"),
        pytest.param(packet(flags=0x40), id="version 1"),
        pytest.param(packet(csrcs=15, payload=b"")[:-1], id="sources cut off"),
        pytest.param(packet(flags=0x90, payload=b"\xbe\xde\x00"), id="extension header cut off"),
        pytest.param(packet(flags=0x90, payload=b"\xbe\xde\x00\x02abcdefg"), id="extension cut off"),
        pytest.param(packet(flags=0xA0, payload=b"abc\x00"), id="padding of 0"),
        pytest.param(packet(flags=0xA0, payload=b"abc\x05"), id="padding beyond the payload"),
        pytest.param(packet(flags=0xA0, payload=b""), id="padding without a byte"),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(RtpError):
        rtp.parse(data)


def test_truncated_anywhere_in_the_header() -> None:
    whole = packet(csrcs=3, extension=EXTENSION, payload=b"")
    for size in range(len(whole)):
        with pytest.raises(RtpError):
            rtp.parse(whole[:size])
    rtp.parse(whole)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", False),
        (b"\x80", False),
        (b"\x80\xbf", False),  # 191: RTP with the marker, payload type 63
        (b"\x80\xc0", True),
        (b"\x80\xc8", True),
        (b"\x80\xdf", True),
        (b"\x80\xe0", False),  # 224: RTP with the marker, payload type 96
        (b"\x80\x60", False),
    ],
)
def test_is_rtcp(data: bytes, expected: bool) -> None:
    assert rtp.is_rtcp(data) is expected


@settings(max_examples=200)
@given(st.binary(max_size=80))
@example(packet(csrcs=15, extension=EXTENSION))
def test_arbitrary_bytes(data: bytes) -> None:
    try:
        view = rtp.parse(data)
    except RtpError:
        return
    assert 12 <= view.extension_start <= view.extension_end
    assert view.extension_end <= view.payload_start <= view.payload_end <= len(data)


@settings(max_examples=100)
@given(
    payload=st.binary(max_size=40),
    marker=st.booleans(),
    csrcs=st.integers(0, 15),
    words=st.none() | st.integers(0, 3),
    padding=st.integers(0, 255),
)
def test_agrees_with_aiortc(
    payload: bytes, marker: bool, csrcs: int, words: int | None, padding: int
) -> None:
    extension = b"" if words is None else struct.pack("!HH", 0xBEDE, words) + bytes(4 * words)
    data = packet(marker=marker, csrcs=csrcs, extension=extension, payload=payload, padding=padding)
    view, other = rtp.parse(data), RtpPacket.parse(data)
    assert (view.marker, view.payload_type) == (bool(other.marker), other.payload_type)
    assert (view.seq16, view.timestamp, view.ssrc) == (other.sequence_number, other.timestamp, other.ssrc)
    assert data[view.payload_start : view.payload_end] == other.payload
