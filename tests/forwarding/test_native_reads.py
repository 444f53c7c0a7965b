"""What the native engine reads of packets is what Python reads, whatever the bytes are."""

import dataclasses
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.history import History
from sfu.flow.layers.vp8 import Vp8Reader
from sfu.wire import extensions, rtp
from sfu.wire.codecs import keyframe_test
from tests import engines
from tests.forwarding.doubles import packet, view


@pytest.fixture
def engine_of_outlets() -> None:
    """Both are here in every test."""


@pytest.fixture(scope="module")
def core() -> Any:
    engines.engine("native")
    from sfu.forwarding.native import core

    return core


def same_reading(core: Any, data: bytes) -> None:
    found = core.parse(data)
    try:
        whole = rtp.parse(data)
    except rtp.RtpError:
        assert found is None
        return
    assert found[0] == tuple(getattr(whole, field.name) for field in dataclasses.fields(whole))[1:]
    assert found[1] == list(extensions.elements(whole))


@given(st.binary(max_size=80), st.booleans())
@settings(max_examples=500)
def test_any_bytes(core: Any, data: bytes, like_rtp: bool) -> None:
    same_reading(core, bytes((0x80 | data[0] & 0x3F,)) + data[1:] if like_rtp and data else data)


@pytest.mark.parametrize("seed", range(20))
def test_damaged_packets(core: Any, seed: int) -> None:
    random = Random(seed)
    for _ in range(500):
        elements = [
            (random.randrange(1, 16), random.randbytes(random.randrange(20)))
            for _ in range(random.randrange(5))
        ]
        block = extensions.build(elements, allow_two_byte=random.random() < 0.5)
        data = bytearray(packet(7, 9, random.randbytes(30), block=block, padding=random.choice((0, 0, 5))))
        for _ in range(random.randrange(4)):
            data[
                random.choice((0, 12, 13, 14, 15, 16, len(data) - 1, random.randrange(len(data)))) % len(data)
            ] = random.getrandbits(8)
        if random.random() < 0.2:
            del data[random.randrange(len(data)) :]
        same_reading(core, bytes(data))


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264", "av1"])
@given(payload=st.binary(min_size=1, max_size=24))
@settings(max_examples=1000)
def test_no_key_frame_is_passed_over(core: Any, codec: str, payload: bytes) -> None:
    test = keyframe_test(codec)
    assert test is not None
    assert core.may_begin_key_frame(codec, payload) or not test(payload)


def test_what_begins_a_key_frame_by_its_codec(core: Any) -> None:
    assert core.may_begin_key_frame("no such codec", b"\0")
    assert not core.may_begin_key_frame(None, b"\0")
    assert core.may_begin_key_frame("vp8", bytes.fromhex("10 00"))
    assert not core.may_begin_key_frame("vp8", bytes.fromhex("90 80 80 05 01"))


@given(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=7), st.integers(0, 3), st.integers(-2, 4)),
        min_size=1,
        max_size=40,
    ),
    st.integers(0, (1 << 32) - 1),
)
@settings(max_examples=300)
def test_layers_of_vp8(core: Any, payloads: list[tuple[bytes, int, int]], timestamp: int) -> None:
    python, native = Vp8Reader(), core.Vp8LayerReader(None)
    for payload, again, step in payloads:
        timestamp = (timestamp + step * 400_000) & 0xFFFFFFFF
        for data in (payload, *[bytes((payload[0] | 0x80,)) + payload[1:]] * again):
            one = view(0, timestamp, data)
            assert native.read(one, again == 1) == python.read(one, again == 1)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-3, 3), st.integers(-40, 40), st.sampled_from((-4000, 4000))),
            st.integers(0, 40),
            st.sampled_from((0.0, 0.01, 0.3, 3.0)),
        ),
        max_size=120,
    )
)
@settings(max_examples=300)
def test_histories(core: Any, steps: list[tuple[int, int, float]]) -> None:
    python, native = (made(16, 1.0, 200) for made in (History, core.History))
    seq, now = 70_000, 5.0
    for step, size, pause in steps:
        seq, now = seq + step, now + pause
        assert native.add(seq, bytes(size), now) == python.add(seq, bytes(size), now)
        assert native.bytes_held == python.bytes_held
        for number in range(seq - 20, seq + 3):
            assert native.get(number, now) == python.get(number, now)
            if python.get(number, now) is not None:
                assert native.added_at(number) == python.added_at(number)
        if step == 2:
            for history in (python, native):
                history.drop_older(now + 0.5)
