"""Pictures that can be read back, the clip, packets and frames, what a receiver makes of loss."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.topology.clip import FPS, KEY_INTERVAL, Frame, make_clip, read_counters
from benchmarks.topology.packets import Assembler, Packetizer, descriptor_length, packet_count, wire_bytes
from benchmarks.topology.pictures import HEIGHT, WIDTH, Pictures, read

U32 = st.integers(0, 2**32 - 1)


@given(U32, U32)
@settings(max_examples=30)
def test_counter_and_time_are_read_back(counter: int, time_ms: int) -> None:
    picture = Pictures(1).draw(counter, time_ms)
    assert picture.shape == (HEIGHT * 3 // 2, WIDTH)
    assert read(picture[:HEIGHT]) == (counter, time_ms)


def test_a_picture_without_the_strip_has_no_counter() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH), np.uint8)
    assert read(noise) is None
    assert read(noise[:10]) is None


def test_the_clip_has_the_rate_the_keys_and_readable_counters() -> None:
    clip = make_clip(400_000, seed=1, seconds=3)
    assert [frame.counter for frame in clip if frame.key] == [0, KEY_INTERVAL]
    rate = sum(len(frame.data) for frame in clip) * 8 * FPS / len(clip)
    assert 0.8 < rate / 400_000 < 1.3
    assert read_counters(frame.data for frame in clip) == [frame.counter for frame in clip]
    assert make_clip(400_000, seed=1, seconds=1) == clip[:FPS]


def frame(size: int, key: bool, number: int = 0) -> Frame:
    data = bytes([0 if key else 1]) + random.Random(number).randbytes(size - 1)
    return Frame(data, number, key, number)


def test_frames_become_packets_and_frames_again() -> None:
    packetizer, assembler = Packetizer(7, 65534), Assembler(keep=True)
    sent = [frame(5000, True), frame(1, False), frame(1184, False), frame(1185, False)]
    sizes = []
    for number, each in enumerate(sent):
        packets = list(packetizer.packets_of(each, 3000 * number))
        assert len(packets) == packet_count(len(each.data))
        assert sum(len(packet) + 16 + 28 for packet in packets) == wire_bytes(len(each.data))
        sizes += [len(packet) for packet in packets]
        for packet in packets:
            assembler.receive(packet, number / 30)
    assert max(sizes) <= 1200
    arrived = assembler.finish()
    assert [each.data for each in arrived] == [each.data for each in sent]
    assert all(each.whole and each.shown for each in arrived)
    assert not assembler.broken


def test_after_a_lost_packet_nothing_is_shown_until_a_key_frame() -> None:
    packetizer, assembler = Packetizer(7, 100), Assembler()
    for number in range(6):
        packets = list(packetizer.packets_of(frame(3000, key=number in (0, 4)), 3000 * number))
        for packet in packets[1:] if number == 1 else packets:
            assembler.receive(packet, number / 30)
        assert assembler.broken == (number in (2, 3))  # a gap shows when the next frame is whole
    shown = {each.timestamp // 3000: each.shown for each in assembler.finish()}
    assert shown == {0: True, 1: False, 2: False, 3: False, 4: True, 5: True}


def test_packets_of_a_frame_may_come_in_any_order_and_twice() -> None:
    packets = list(Packetizer(7, 65530).packets_of(frame(9000, True), 0))
    assembler = Assembler()
    for packet in [*reversed(packets[1:]), packets[1], packets[0]]:
        assembler.receive(packet, 0.0)
    assert [each.whole for each in assembler.finish()] == [True]


@given(st.binary(min_size=12, max_size=60))
@settings(max_examples=200)
def test_any_packet_is_taken(data: bytes) -> None:
    Assembler().receive(b"\x80" + data[1:], 0.0)
    assert descriptor_length(data) >= 1
