"""Header extensions: the framing rules of RFC 8285 by rows, round trips, arbitrary blocks."""

import pytest
from aiortc.rtp import pack_header_extensions, unpack_header_extensions
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire import extensions, rtp
from sfu.wire.rtp import RtpView

ONE_BYTE_ELEMENTS = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16)), max_size=6)
ELEMENTS = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=6)


def view(block: bytes) -> RtpView:
    """A packet with this extension block (profile and length included) and some payload."""
    first = 0x90 if block else 0x80
    return rtp.parse(bytes((first, 96)) + bytes(10) + block + b"payload")


def values(block: bytes) -> list[tuple[int, bytes]]:
    parsed = view(block)
    return [(i, parsed.packet[start:end]) for i, start, end in extensions.elements(parsed)]


def value(block: bytes, wanted_id: int) -> bytes | None:
    parsed = view(block)
    found = extensions.find(parsed, wanted_id)
    return None if found is None else parsed.packet[found[0] : found[1]]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param("", [], id="no extension"),
        pytest.param("bede0000", [], id="empty block"),
        pytest.param("bede0001 10aa0000", [(1, "aa")], id="padding behind"),
        pytest.param("bede0002 0010aa00 21bbcc00", [(1, "aa"), (2, "bbcc")], id="padding between"),
        pytest.param("bede0002 10aaf000 20bb0000", [(1, "aa")], id="id 15 ends the block"),
        pytest.param("bede0002 10aa0100 20bb0000", [(1, "aa")], id="id 0 with a length ends it"),
        pytest.param("bede0001 10aa23bb", [(1, "aa")], id="element beyond the block"),
        pytest.param("bede0001 10aa0020", [(1, "aa")], id="element without data"),
        pytest.param("bede0001 10aa10bb", [(1, "aa"), (1, "bb")], id="same id twice"),
        pytest.param("10000002 0101aa02 00000000", [(1, "aa"), (2, "")], id="two-byte, one empty"),
        pytest.param("100f0001 0f01aa00", [(15, "aa")], id="application bits, id 15 is plain"),
        pytest.param("10000001 ff02aabb", [(255, "aabb")], id="two-byte, largest id"),
        pytest.param("10000001 0101aa07", [(1, "aa")], id="two-byte without a length"),
        pytest.param("10000001 01ffaabb", [], id="two-byte beyond the block"),
        pytest.param("10100001 0101aa00", [], id="unknown profile"),
        pytest.param("00000001 0101aa00", [], id="profile 0"),
    ],
)
def test_elements_and_find(block: str, expected: list[tuple[int, str]]) -> None:
    wanted = [(i, bytes.fromhex(data)) for i, data in expected]
    assert values(bytes.fromhex(block)) == wanted
    for wanted_id in range(256):
        first = next((data for i, data in wanted if i == wanted_id), None)
        assert value(bytes.fromhex(block), wanted_id) == first


@pytest.mark.parametrize(
    ("elements", "allow_two_byte", "block"),
    [
        ([], True, ""),
        ([(1, b"a")], False, "bede0001 10610000"),
        ([(14, b"abc")], True, "bede0001 e2616263"),
        ([(1, bytes(16))], True, "bede0005 1f" + "00" * 19),
        ([(1, b"a"), (15, b"b")], True, "10000002 0101610f 01620000"),
        ([(1, b"a"), (15, b"b")], False, "bede0001 10610000"),
        ([(1, b"")], True, "10000001 01000000"),
        ([(1, b"")], False, ""),
        ([(1, bytes(17))], False, ""),
        ([(1, bytes(17))], True, "10000005 0111" + "00" * 18),
    ],
)
def test_build(elements: list[tuple[int, bytes]], allow_two_byte: bool, block: str) -> None:
    assert extensions.build(elements, allow_two_byte) == bytes.fromhex(block)


@settings(max_examples=100)
@given(ELEMENTS)
def test_round_trip(elements: list[tuple[int, bytes]]) -> None:
    block = extensions.build(elements, True)
    assert len(block) % 4 == 0
    assert values(block) == elements


@settings(max_examples=100)
@given(ELEMENTS)
def test_round_trip_one_byte_only(elements: list[tuple[int, bytes]]) -> None:
    block = extensions.build(elements, False)
    assert values(block) == [(i, data) for i, data in elements if i <= 14 and 1 <= len(data) <= 16]


@settings(max_examples=100)
@given(ONE_BYTE_ELEMENTS | ELEMENTS)
def test_build_agrees_with_aiortc(elements: list[tuple[int, bytes]]) -> None:
    profile, body = pack_header_extensions(elements)
    block = extensions.build(elements, True)
    assert block[4:] == body
    assert int.from_bytes(block[:2], "big") == profile
    assert unpack_header_extensions(profile, block[4:]) == elements


@settings(max_examples=200)
@given(st.sampled_from([0xBEDE, 0x1000, 0x100F]) | st.integers(0, 0xFFFF), st.binary(max_size=48))
def test_arbitrary_blocks(profile: int, body: bytes) -> None:
    """Nothing raises, nothing lies outside the block, and find() is the first of elements()."""
    body += bytes(-len(body) % 4)
    block = (profile << 16 | len(body) // 4).to_bytes(4, "big") + body
    parsed = view(block)
    found: dict[int, tuple[int, int]] = {}
    for element_id, start, end in extensions.elements(parsed):
        assert parsed.extension_start < start <= end <= parsed.extension_end
        found.setdefault(element_id, (start, end))
    for wanted_id in range(256):
        assert extensions.find(parsed, wanted_id) == found.get(wanted_id)


@pytest.mark.parametrize(
    ("now", "expected"),
    [(0.0, "000000"), (1.0, "040000"), (0.5, "020000"), (64.0, "000000"), (65.0, "040000")],
)
def test_abs_send_time(now: float, expected: str) -> None:
    assert extensions.abs_send_time(now) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param("bede0001 10aa0000", (42, True), id="voice"),
        pytest.param("bede0001 102a0000", (42, False), id="no voice"),
        pytest.param("bede0001 10800000", (0, True), id="loudest"),
        pytest.param("bede0001 107f0000", (127, False), id="silent"),
        pytest.param("bede0001 11aa0000", None, id="two bytes are no level"),
        pytest.param("bede0001 20aa0000", None, id="another element"),
        pytest.param("bede0002 20551085 00000000", (5, True), id="behind another"),
        pytest.param("10000001 0101aa00", (42, True), id="two-byte header"),
        pytest.param("10000001 01000000", None, id="empty"),
        pytest.param("", None, id="no extension"),
    ],
)
def test_audio_level(block: str, expected: tuple[int, bool] | None) -> None:
    assert extensions.audio_level(view(bytes.fromhex(block)), 1) == expected


@given(
    st.binary(max_size=40).map(lambda data: data[: len(data) // 4 * 4]), st.booleans(), st.integers(1, 255)
)
def test_audio_level_of_any_bytes(body: bytes, two_byte: bool, level_id: int) -> None:
    profile = 0x1000 if two_byte else 0xBEDE
    block = profile.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + body
    found = extensions.audio_level(view(block), level_id)
    assert found is None or 0 <= found[0] <= 127
    first = value(block, level_id)
    assert (found is None) == (first is None or len(first) != 1)
