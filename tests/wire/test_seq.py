"""Wrapping and unwrapping, by rows and against a model that never wraps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire.seq import Unwrapper16, Unwrapper32, wrap16


@pytest.mark.parametrize(
    ("seq", "seq16"), [(0, 0), (65535, 65535), (65536, 0), (65536 * 3 + 7, 7), (-1, 65535)]
)
def test_wrap16(seq: int, seq16: int) -> None:
    assert wrap16(seq) == seq16


@pytest.mark.parametrize(
    ("raw", "unwrapped"),
    [
        ([0, 1, 2], [65536, 65537, 65538]),
        ([0, 65535, 1], [65536, 65535, 65537]),  # reordered before the first: still positive
        ([65535, 0, 65534, 1], [131071, 131072, 131070, 131073]),
        ([100, 100], [65636, 65636]),
        ([0, 32767], [65536, 98303]),
        ([0, 32768], [65536, 32768]),  # exactly half a cycle is old
        ([0, 32769], [65536, 32769]),
        ([10, 40000, 11], [65546, 40000, 65547]),  # an old one does not move the reference
        ([0, 30000, 60000, 24464], [65536, 95536, 125536, 155536]),
    ],
)
def test_unwrap16(raw: list[int], unwrapped: list[int]) -> None:
    unwrapper = Unwrapper16()
    assert [unwrapper.unwrap(seq16) for seq16 in raw] == unwrapped


@pytest.mark.parametrize(
    ("raw", "unwrapped"),
    [
        ([0, 3000], [2**32, 2**32 + 3000]),
        ([0, 2**32 - 1], [2**32, 2**32 - 1]),
        ([2**32 - 1, 2999], [2**33 - 1, 2**33 + 2999]),
        ([0, 2**31 - 1], [2**32, 2**32 + 2**31 - 1]),
        ([0, 2**31], [2**32, 2**31]),
    ],
)
def test_unwrap32(raw: list[int], unwrapped: list[int]) -> None:
    unwrapper = Unwrapper32()
    assert [unwrapper.unwrap(timestamp) for timestamp in raw] == unwrapped


@settings(max_examples=100)
@given(st.integers(0, 65535), st.lists(st.integers(-32767, 32767), max_size=50))
def test_unwrap16_follows_a_counter(first: int, steps: list[int]) -> None:
    """Any walk that stays within half a cycle of its highest point comes back exactly."""
    unwrapper = Unwrapper16()
    highest = unwrapper.unwrap(first)
    for step in steps:
        seq = highest + step
        assert unwrapper.unwrap(wrap16(seq)) == seq
        highest = max(highest, seq)


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1 - 2**31, 2**31 - 1), max_size=50))
def test_unwrap32_follows_a_counter(first: int, steps: list[int]) -> None:
    unwrapper = Unwrapper32()
    highest = unwrapper.unwrap(first)
    for step in steps:
        timestamp = highest + step
        assert unwrapper.unwrap(timestamp & 0xFFFFFFFF) == timestamp
        highest = max(highest, timestamp)
