"""What clients ask of a member, as values."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.rooms.member import Receiving


@pytest.mark.parametrize(
    ("sync", "stream"),
    [(None, ""), ("p_1", "p_1"), ("two words\r\na=x", "two_words__a_x"), ("ü" * 64, "_" * 64)],
)
def test_a_sync_word_names_a_stream(sync: str | None, stream: str) -> None:
    assert Receiving(None, sync).stream == stream


@given(st.text())
@settings(max_examples=100)
def test_any_word_is_safe_in_sdp_and_rtcp(sync: str) -> None:
    assert re.fullmatch(r"[0-9A-Za-z._-]{0,64}", Receiving(None, sync).stream)
