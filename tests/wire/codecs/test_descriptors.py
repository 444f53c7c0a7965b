"""Payload descriptors of VP8 and VP9, field by field, cut anywhere, and in arbitrary bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire.codecs import frame_size, vp8, vp9
from tests.flow.layers.svc import Bits


def eight(payload: str) -> vp8.Descriptor | None:
    data = bytes.fromhex(payload)
    return vp8.read_descriptor(b"head" + data + b"tail", 4, 4 + len(data))


def nine(payload: str) -> vp9.Descriptor | None:
    data = bytes.fromhex(payload)
    return vp9.read_descriptor(b"head" + data + b"tail", 4, 4 + len(data))


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("90e0 8102 03 60 aa", vp8.Descriptor(6, 0x102, 15, 3, 1, True)),
        ("80f0 ffff ff df aa", vp8.Descriptor(6, 0x7FFF, 15, 255, 3, False)),
        ("9080 7f aa", vp8.Descriptor(3, 127, 7, -1, 0, False)),
        ("91c0 05 09", vp8.Descriptor(4, 5, 7, 9, 0, False)),
        ("b090 8001 1f", vp8.Descriptor(5, 1, 15, -1, 0, False)),
        ("90a0 8001 a0", vp8.Descriptor(5, 1, 15, -1, 2, True)),
        ("9060 03 60 aa", None),  # no picture id
        ("1080 7f aa", None),  # no extension
        ("9080 80", None),  # picture id cut off
    ],
)
def test_vp8(payload: str, expected: vp8.Descriptor | None) -> None:
    assert eight(payload) == expected


def test_every_cut_of_vp8() -> None:
    whole = bytes.fromhex("90f081020360")
    assert vp8.read_descriptor(whole, 0, 6) is not None
    assert [vp8.read_descriptor(whole, 0, end) for end in range(6)] == [None] * 6


def test_vp9_flexible() -> None:
    found = nine("fd 9234 55 03 04 aa")
    assert found is not None
    assert (found.size, found.picture_id, found.picture_id_bits) == (6, 0x1234, 15)
    assert (found.ends, found.predicted) == (True, True)
    assert (found.temporal, found.up_switch, found.spatial, found.inter_layer) == (2, True, 2, True)
    assert (found.tl0_index, found.sizes) == (-1, ())


def test_vp9_not_flexible() -> None:
    found = nine("e8 7f 22 ab aa")
    assert found is not None
    assert (found.size, found.picture_id, found.picture_id_bits, found.tl0_index) == (4, 127, 7, 0xAB)
    assert (found.ends, found.predicted) == (False, True)
    assert (found.temporal, found.up_switch, found.spatial, found.inter_layer) == (1, False, 1, False)


def test_vp9_without_layers() -> None:
    found = nine("8c 8001 aa")
    assert found is not None
    assert (found.size, found.spatial, found.temporal, found.tl0_index) == (3, 0, 0, -1)
    assert nine("0c 8001 aa") is None  # no picture id


@pytest.mark.parametrize(
    ("structure", "sizes", "length"),
    [
        ("50 0140 00b4 0280 0168 0500 02d0", ((320, 180), (640, 360), (1280, 720)), 13),
        # Two pictures in the group, one with one reference and one with two.
        ("58 0140 00b4 0280 0168 0500 02d0 02 04 01 28 01 02", ((320, 180), (640, 360), (1280, 720)), 19),
        ("00", (), 1),
        ("10 0000 00b4", (), 5),  # no size at all
    ],
)
def test_vp9_structure(structure: str, sizes: tuple[tuple[int, int], ...], length: int) -> None:
    found = nine(f"ba 8001 00 {structure} aaaaaa")
    assert found is not None
    assert (found.sizes, found.size) == (sizes, 4 + length)


def test_every_cut_of_vp9() -> None:
    whole = bytes.fromhex("fa 8001 40 03 04 58 0140 00b4 0280 0168 0500 02d0 02 14 01 24 02")
    found = vp9.read_descriptor(whole, 0, len(whole))
    assert found is not None
    assert found.size == len(whole)
    assert [vp9.read_descriptor(whole, 0, end) for end in range(len(whole))] == [None] * len(whole)


def test_vp9_has_at_most_three_references() -> None:
    assert nine("d8 01 03 05 06 aa") is not None
    assert nine("d8 01 03 05 07 06 aa") is None


@settings(max_examples=500)
@given(st.binary(max_size=40), st.integers(0, 8), st.integers(0, 45))
def test_arbitrary_bytes(data: bytes, start: int, end: int) -> None:
    end = min(end, len(data))
    for read in (vp8.read_descriptor, vp9.read_descriptor):
        found = read(data, start, end)
        if found is not None:
            assert start + found.size <= end
            assert 0 <= found.picture_id < 1 << found.picture_id_bits


@pytest.mark.parametrize(
    ("codec", "payload", "expected"),
    [
        ("VP8", "10 10029d 9d012a 4001 b400 aa", (320, 180)),
        ("VP8", "10 10029d 9d012a 4041 b480 aa", (320, 180)),  # scaling bits
        ("VP8", "90e0 8102 03 20 10029d 9d012a 0005 d002 aa", (1280, 720)),
        ("VP8", "10 11029d 9d012a 4001 b400 aa", None),  # no key frame
        ("VP8", "10 10029d 9d012b 4001 b400 aa", None),  # no start code
        ("VP8", "10 10029d 9d012a 4001 b4", None),
        ("VP8", "10 10029d 9d012a 0000 b400", None),
        ("VP9", "8c 8001 82498342 2013f00b30", (320, 180)),
        ("VP9", "8c 8001 82498342 2013f0", None),
        ("VP9", "cc 8001 82498342 2013f00b30", None),
        ("VP9", "ae 8001 00 00 30 0140 00b4 0280 0168 82", (640, 360)),
        ("H264", "68 ce3c80", None),
        ("opus", "10", None),
    ],
)
def test_frame_size(codec: str, payload: str, expected: tuple[int, int] | None) -> None:
    assert frame_size(codec, bytes.fromhex(payload)) == expected


def parameter_set(
    profile: int, width: int, height: int, *, order: int = 0, interlaced: bool = False, crop: int = 0
) -> bytes:
    """A sequence parameter set (H.264 section 7.3.2.1.1) with `crop` rows of chroma samples cut at the bottom."""
    bits = Bits()
    for value, count in ((0x67, 8), (profile, 8), (0, 8), (31, 8)):
        bits.put(value, count)
    golomb(bits, 0)
    if profile == 100:
        for value in (1, 0, 0):  # 4:2:0, 8 bits
            golomb(bits, value)
        bits.put(0, 2)
    golomb(bits, 4)
    golomb(bits, order)
    if order == 0:
        golomb(bits, 2)
    elif order == 1:
        bits.put(0, 1)
        for value in (0, 0, 2, 5, 6):
            golomb(bits, value)
    golomb(bits, 1)
    bits.put(0, 1)
    golomb(bits, width // 16 - 1)
    golomb(bits, height // (32 if interlaced else 16) - 1)
    bits.put(0b00 if interlaced else 0b1, 2 if interlaced else 1)
    bits.put(1, 1)
    bits.put(crop > 0, 1)
    if crop:
        for value in (0, 0, 0, crop):
            golomb(bits, value)
    bits.put(0, 1)
    return bits.bytes()


def golomb(bits: Bits, value: int) -> None:
    size = (value + 1).bit_length()
    bits.put(value + 1, 2 * size - 1)


def test_parameter_sets_of_h264() -> None:
    baseline = parameter_set(66, 640, 368, crop=4)
    assert frame_size("H264", baseline) == (640, 360)
    assert frame_size("H264", parameter_set(100, 1920, 1088, crop=4)) == (1920, 1080)
    assert frame_size("H264", parameter_set(100, 1920, 1088, interlaced=True, crop=2)) == (1920, 1080)
    assert frame_size("H264", parameter_set(77, 320, 176, order=1)) == (320, 176)
    assert frame_size("H264", parameter_set(77, 320, 176, order=2)) == (320, 176)
    aggregate = b"\x78\x00\x02\x09\x00" + len(baseline).to_bytes(2, "big") + baseline + b"\x00\x02\x68\xce"
    assert frame_size("H264", aggregate) == (640, 360)
    for end in range(len(baseline) - 1):
        assert frame_size("H264", baseline[:end]) is None


def test_a_three_behind_two_zeros_is_no_data() -> None:
    """The identifier of the level makes two zero bytes here, so that a 3 has to stand behind them."""
    plain = parameter_set(66, 640, 368)
    guarded = plain[:2] + b"\x00\x00\x03" + plain[4:]
    assert frame_size("H264", guarded) == (640, 368)


def sequence_header(width: int, height: int, *, timing: bool = False) -> bytes:
    """AV1 section 5.5.1, in an element without length; two operating points."""
    bits = Bits()
    bits.put(0, 5)  # profile, still picture, reduced header
    bits.put(timing, 1)
    if timing:
        bits.put(1, 32)
        bits.put(30, 32)
        bits.put(1, 1)
        golomb(bits, 3)
        bits.put(1, 1)
        bits.put(9, 5)
        bits.put(1, 42)
    bits.put(1, 1)
    bits.put(1, 5)
    for level in (8, 4):
        bits.put(0x101, 12)
        bits.put(level, 5)
        if level > 7:
            bits.put(1, 1)
        if timing:
            bits.put(1, 1)
            bits.put(0, 21)
        bits.put(1, 1)
        bits.put(7, 4)
    bits.put(width.bit_length() - 1, 4)
    bits.put(height.bit_length() - 1, 4)
    bits.put(width - 1, width.bit_length())
    bits.put(height - 1, height.bit_length())
    return bits.bytes()


@pytest.mark.parametrize("timing", [False, True])
def test_sequence_headers_of_av1(timing: bool) -> None:
    header = sequence_header(1280, 720, timing=timing)
    for unit in (b"\x08", b"\x0c\x00", b"\x0a" + bytes([len(header)])):
        assert frame_size("AV1", b"\x18" + unit + header) == (1280, 720)
    behind = b"\x20" + bytes([2]) + b"\x10\x00" + b"\x08" + header
    assert frame_size("AV1", behind) == (1280, 720)
    assert frame_size("AV1", b"\x98\x08" + header) is None
    assert frame_size("AV1", b"\x10\x30" + header) is None
    for end in range(len(header)):
        assert frame_size("AV1", b"\x18\x08" + header[:end]) is None


@settings(max_examples=500)
@given(st.binary(max_size=48), st.sampled_from(["VP8", "VP9", "H264", "AV1"]), st.booleans())
def test_frame_size_never_raises(data: bytes, codec: str, likely: bool) -> None:
    begins = {"VP8": "1010029d9d012a", "VP9": "088249834220", "H264": "6742c01f", "AV1": "100a0b"}
    size = frame_size(codec, bytes.fromhex(begins[codec]) + data if likely else data)
    assert size is None or (0 < size[0] <= 65536 and 0 < size[1] <= 65536)
