"""What the load client sends: the product's own parsers as a second opinion."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load import media
from benchmarks.load.media import Frame, Outgoing, Stream, Timing
from sfu.wire import extensions, rtp
from sfu.wire.codecs import vp8

VIDEO = Stream(number=6, kind="video", ssrc=0x10000310, mid="0", first_seq16=65_530)
AUDIO = Stream(number=7, kind="audio", ssrc=0x10000311, mid="1", first_seq16=5)
TIMING = Timing(warm_up=1.5, key_frames=1.0, quiet=0.3, window=2.0)


def all_packets(stream: Stream) -> Iterator[tuple[Frame, int, bytes]]:
    for frame in media.frames(stream.profile, TIMING, 0.0):
        for position, packet in enumerate(media.packets(stream, frame)):
            yield frame, position, packet


@pytest.mark.parametrize(("stream", "rate"), [(VIDEO, 260), (AUDIO, 50)])
def test_rate_and_phases(stream: Stream, rate: float) -> None:
    listed = list(media.frames(stream.profile, TIMING, 0.5))
    measured = [frame for frame in listed if frame.measured]
    count = sum(frame.count for frame in measured)
    assert count == pytest.approx(rate * TIMING.window, rel=0.02)
    assert all(frame.due >= TIMING.window_start for frame in measured)
    assert all(frame.due < TIMING.warm_up + stream.profile.interval for frame in listed if not frame.measured)
    assert [frame.first for frame in listed] == [n * stream.profile.burst for n in range(len(listed))]


def test_video_packets_are_rtp_of_the_stated_size() -> None:
    for number, (frame, position, packet) in enumerate(all_packets(VIDEO)):
        view = rtp.parse(packet)
        assert len(packet) == 1200
        assert (view.payload_type, view.ssrc) == (96, VIDEO.ssrc)
        assert view.seq16 == (VIDEO.first_seq16 + number) & 0xFFFF
        assert view.marker == (position == 8)
        assert view.timestamp == int(frame.due * 90_000)
        assert extensions.find(view, media.ABS_SEND_TIME_ID) is not None
        mid = extensions.find(view, media.MID_ID)
        assert (mid is not None) == frame.with_mid
        assert mid is None or packet[mid[0] : mid[1]] == b"0"


def test_key_frames_begin_where_a_decoder_looks_for_them() -> None:
    for frame, position, packet in all_packets(VIDEO):
        assert vp8.is_keyframe(media.payload_of(packet)) == (frame.key and position == 0)
        assert frame.key == (frame.due < TIMING.key_frames)


def test_a_long_run_has_a_key_frame_every_ten_seconds() -> None:
    listed = list(media.frames(VIDEO.profile, Timing(window=25.0), 0.0))
    late = [round(frame.due) for frame in listed if frame.key and frame.due > 2]
    assert late == [10, 20]


def test_audio_packets() -> None:
    for number, (_, _, packet) in enumerate(all_packets(AUDIO)):
        view = rtp.parse(packet)
        assert len(packet) == 120
        assert (view.payload_type, view.ssrc, view.seq16) == (111, AUDIO.ssrc, number + 5)


@pytest.mark.parametrize("stream", [VIDEO, AUDIO])
def test_each_packet_is_recognised_and_proven(stream: Stream) -> None:
    for frame, position, packet in all_packets(stream):
        payload = media.payload_of(packet)
        assert media.identify(payload) == (stream.number, frame.first + position)
        assert media.proven(payload, stream, frame, frame.first + position)


def test_a_changed_payload_is_not_proven_but_a_changed_picture_id_is() -> None:
    frame, _, packet = next(all_packets(VIDEO))
    payload = bytearray(media.payload_of(packet))
    payload[3] ^= 1
    assert media.proven(bytes(payload), VIDEO, frame, 0)
    payload[500] ^= 1
    assert not media.proven(bytes(payload), VIDEO, frame, 0)
    assert not media.proven(bytes(payload[:500] + payload[501:]), VIDEO, frame, 0)


@given(st.binary(max_size=64))
def test_arbitrary_payloads_are_not_recognised(data: bytes) -> None:
    found = media.identify(data)
    assert found is None or media.MAGIC in data


@given(st.binary(min_size=12, max_size=64))
def test_arbitrary_packets_have_some_payload_or_none(packet: bytes) -> None:
    assert len(media.payload_of(packet)) <= len(packet) - 12


def test_plan_orders_bursts_and_finds_packets_again() -> None:
    def mark(stream: Stream) -> bytes:
        return bytes([stream.number])

    streams = [VIDEO, AUDIO]
    plan = media.plan(
        [Outgoing(s, place, lambda packet, s=s: packet + mark(s)) for place, s in enumerate(streams)],  # type: ignore[misc]
        TIMING,
    )
    schedule = plan.schedule
    due = schedule.bursts["due_ns"]
    assert np.all(np.diff(due) >= 0)
    assert (
        due[plan.measured_from - 1]
        < TIMING.warm_up * 1e9 + 40e6
        < TIMING.window_start * 1e9
        <= due[plan.measured_from]
    )
    for burst in schedule.bursts:
        stream = streams[burst["socket"]]
        number = int(burst["first"])
        datagram = schedule.arena[schedule.offsets[number] : schedule.offsets[number + 1]].tobytes()
        assert datagram[-1:] == mark(stream)
        packet = number - plan.base[stream.number]
        assert media.identify(media.payload_of(datagram[:-1])) == (stream.number, packet)
        frame = plan.frame_of(stream.number, packet)
        assert frame is not None
        assert (frame.first, frame.count) == (packet, burst["count"])
    assert plan.frame_of(VIDEO.number, 10**6) is None
    assert plan.frame_of(99, 0) is None
    assert plan.frame_of(VIDEO.number, -1) is None
    assert plan.measured[VIDEO.number] == 58 * 9
