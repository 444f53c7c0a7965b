"""Where key frames begin: rows per codec, and no payload makes a test raise."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire.codecs import av1, h264, keyframe_test, vp8, vp9

TESTS = [vp8.is_keyframe, vp9.is_keyframe, h264.is_keyframe, av1.is_keyframe]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param("10 10029d", True, id="bare descriptor"),
        pytest.param("10 11029d", False, id="inter frame"),
        pytest.param("00 10029d", False, id="continuation"),
        pytest.param("11 10029d", False, id="start of a later partition"),
        pytest.param("30 10", True, id="non-reference bit"),
        pytest.param("90 00 10", True, id="X with nothing behind"),
        pytest.param("90 80 7f 10", True, id="picture id of 7 bits"),
        pytest.param("90 80 ffff 10", True, id="picture id of 15 bits"),
        pytest.param("90 80 ffff 11", False, id="picture id of 15 bits, inter frame"),
        pytest.param("90 e0 8001 01 20 10", True, id="I L T"),
        pytest.param("90 f0 8001 01 20 11", False, id="I L T K, inter frame"),
        pytest.param("90 10 20 10", True, id="K alone"),
        pytest.param("90 80", False, id="picture id missing"),
        pytest.param("90 80 80 01", False, id="payload missing"),
        pytest.param("90 f0 8001 01 20", False, id="nothing behind a full descriptor"),
        pytest.param("10", False, id="descriptor alone"),
    ],
)
def test_vp8(payload: str, expected: bool) -> None:
    assert vp8.is_keyframe(bytes.fromhex(payload)) is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param("08 82", True, id="B alone"),
        pytest.param("48 82", False, id="P: inter picture"),
        pytest.param("00 82", False, id="not the beginning of a frame"),
        pytest.param("8c 7f 82", True, id="picture id of 7 bits"),
        pytest.param("8c ffff 82", True, id="picture id of 15 bits"),
        pytest.param("aa 8001 00 01 18 82", True, id="layers, not flexible, with a scalability structure"),
        pytest.param("b8 8001 00 82", True, id="layers, flexible"),
        pytest.param("b8 8001 02 82", False, id="spatial layer 1"),
        pytest.param("a8 8001 03 01 82", False, id="spatial layer 1, predicted from layer 0"),
        pytest.param("a8 8001 f0 01 82", True, id="temporal bits do not matter"),
        pytest.param("a8 8001", False, id="layers missing"),
        pytest.param("a8 8001 00 01", False, id="payload missing"),
        pytest.param("8c 80 01", False, id="payload missing behind the picture id"),
        pytest.param("08", False, id="descriptor alone"),
    ],
)
def test_vp9(payload: str, expected: bool) -> None:
    assert vp9.is_keyframe(bytes.fromhex(payload)) is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param("67 42c01f", True, id="SPS"),
        pytest.param("68 ce3c80", False, id="PPS"),
        pytest.param("65 888040", True, id="IDR slice"),
        pytest.param("65 408040", False, id="later slice of an IDR picture"),
        pytest.param("41 9a0000", False, id="non-IDR slice"),
        pytest.param("06 0000", False, id="SEI"),
        pytest.param("78 0004 6742c01f 0003 68ce3c", True, id="STAP-A of SPS and PPS"),
        pytest.param("78 0002 0900 0003 658880", True, id="STAP-A of delimiter and IDR"),
        pytest.param("78 0003 68ce3c 0003 419a00", False, id="STAP-A without"),
        pytest.param("78 00ff 6742c01f", False, id="STAP-A beyond the payload"),
        pytest.param("78 0000 0003 6742c0", False, id="STAP-A with an empty unit"),
        pytest.param("78 0001 65 80", False, id="STAP-A, IDR without a slice"),
        pytest.param("78 00", False, id="STAP-A cut off"),
        pytest.param("7c 85 888040", True, id="FU-A, first fragment of an IDR"),
        pytest.param("7c 87 42c01f", True, id="FU-A, first fragment of an SPS"),
        pytest.param("7c 85 408040", False, id="FU-A, later slice"),
        pytest.param("7c 05 888040", False, id="FU-A, later fragment"),
        pytest.param("7c 45 888040", False, id="FU-A, last fragment"),
        pytest.param("7c 81 9a0000", False, id="FU-A, non-IDR"),
        pytest.param("7c 85", False, id="FU-A cut off"),
        pytest.param("e7 42c01f", False, id="forbidden bit"),
        pytest.param("65", False, id="header alone"),
    ],
)
def test_h264(payload: str, expected: bool) -> None:
    assert h264.is_keyframe(bytes.fromhex(payload)) is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param("18 0a0b", True, id="N"),
        pytest.param("98 0a0b", False, id="N contradicted by Z"),
        pytest.param("10 08aabb", True, id="sequence header, no length"),
        pytest.param("10 30aabb", False, id="frame, no length"),
        pytest.param("20 02 08aa 30bb", True, id="sequence header with length, then a frame"),
        pytest.param("00 02 08aa 02 30bb", True, id="every element with length"),
        pytest.param("20 01 10 08aa", True, id="temporal delimiter, then sequence header"),
        pytest.param("20 01 10 30aa", False, id="temporal delimiter, then a frame"),
        pytest.param("00 01 10", False, id="temporal delimiter alone"),
        pytest.param("20 8200 08aa 30bb", True, id="length in two bytes"),
        pytest.param("90 08aabb", False, id="continuation"),
        pytest.param("00 05 08aa", False, id="element beyond the payload"),
        pytest.param("00 00 08aa", False, id="empty element"),
        pytest.param("00 808080", False, id="length cut off"),
        pytest.param("00 ffffffffffffffffffff", False, id="length too long"),
        pytest.param("10 88aabb", False, id="forbidden bit"),
        pytest.param("18", False, id="aggregation header alone"),
    ],
)
def test_av1(payload: str, expected: bool) -> None:
    assert av1.is_keyframe(bytes.fromhex(payload)) is expected


@settings(max_examples=200)
@given(st.binary(max_size=24))
def test_never_raises(payload: bytes) -> None:
    for test in TESTS:
        assert test(payload) in (True, False)
        for size in range(len(payload)):
            assert test(payload[:size]) in (True, False)


def test_by_name() -> None:
    assert [keyframe_test(name) for name in ("VP8", "vp9", "H264", "Av1")] == TESTS
    assert [keyframe_test(name) for name in ("opus", "PCMU", "H265", "red", "")] == [None] * 5
