"""The simulated camera, publisher and subscriber: what a browser would send and show."""

import random

import pytest

from benchmarks.adaptive import vp8
from benchmarks.adaptive.camera import ENCODINGS, FPS, Encoder, Encoding
from benchmarks.adaptive.profiles import Shape
from benchmarks.adaptive.publisher import VIDEO_TYPE, Publisher
from benchmarks.adaptive.vp8 import Content
from sfu.wire import rtcp, rtp
from sfu.wire.codecs import vp8 as server
from tests.benchmarks.adaptive.path import Path

WIDE = Shape(((0.0, 10_000_000),))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda each: each.rid)
def test_an_encoding_keeps_its_rate_key_frames_included(encoding: Encoding) -> None:
    encoder = Encoder(encoding, random.Random(3))
    frames = []
    for place in range(40 * FPS):
        if place % (10 * FPS) == 0:
            encoder.want_key()
        frames.append(encoder.frame(place / FPS))
    assert sum(frame.size for frame in frames) * 8 / 40 == pytest.approx(encoding.bps, rel=0.1)
    keys = [frame for frame in frames if frame.key]
    mean = encoding.bps / FPS / 8
    assert len(keys) == 4
    assert all(6 * mean <= frame.size + 1 and frame.size <= 8 * mean for frame in keys)


def test_frames_refer_to_lower_or_equal_layers_and_sync_frames_to_the_base_only() -> None:
    encoder = Encoder(ENCODINGS[0], random.Random(1))
    frames = {frame.number: frame for frame in (encoder.frame(place / FPS) for place in range(100))}
    for frame in frames.values():
        before = frames[frame.reference]
        assert frame.key or (before.number < frame.number and before.temporal <= frame.temporal)
        if frame.sync and not frame.key:
            assert before.temporal == 0
    shares = [sum(frame.temporal == layer for frame in frames.values()) for layer in range(3)]
    assert shares == [25, 25, 50]


def test_key_frames_on_request_are_kept_apart() -> None:
    encoder = Encoder(ENCODINGS[0], random.Random(1))
    for place in range(FPS):
        encoder.want_key()
        encoder.frame(place / FPS)
    assert encoder.key_frames == 4


def test_the_server_reads_the_payloads_as_they_are_meant() -> None:
    content = Content(7, 7, 2, 0, 1.5)
    key = vp8.descriptor(True, 9, 3, 0, True) + vp8.head(True, 1280, 720, content)
    delta = vp8.descriptor(True, 10, 3, 2, True) + vp8.head(False, 1280, 720, content)
    more = vp8.descriptor(False, 10, 3, 2, True) + bytes(9)
    assert [server.is_keyframe(payload) for payload in (key, delta, more)] == [True, False, False]
    for payload, is_key in ((key, True), (delta, False)):
        described = vp8.read_descriptor(payload)
        assert described is not None
        assert described.begins
        assert vp8.read_head(payload[described.length :]) == (is_key, content)
    assert vp8.read_descriptor(delta[:3]) is None


def test_a_publisher_obeys_encodings_and_begins_again_with_a_key_frame() -> None:
    sent: list[bytes] = []
    publisher = Publisher(0, 1, 1, lambda packet, now: sent.append(packet), lambda compound, now: None)
    publisher.start(0.0)

    def seconds(begin: float, end: float) -> set[int]:
        sent.clear()
        for step in range(round(begin * 100), round(end * 100)):
            publisher.pulse(step / 100)
        return {view.ssrc for packet in sent if (view := rtp.parse(packet)).payload_type == VIDEO_TYPE}

    assert len(seconds(0, 1)) == 3
    publisher.encodings({"f": False, "h": False})
    assert len(seconds(1, 2)) == 1
    publisher.encodings({"f": True})
    assert len(seconds(2, 3)) == 2
    assert publisher.encoders[2].key_frames == 2
    assert publisher.encoders[0].key_frames == 1


def test_a_wide_link_shows_everything_once_and_nothing_is_asked_for() -> None:
    path = Path(WIDE, 10.0)
    record = path.run()
    (display,) = record.displays
    assert len(display.shown) == pytest.approx(10 * FPS, abs=4)
    assert (record.broken, record.nacks, display.freezes) == (0, 0, [])
    assert record.key_frame_requests <= 1
    assert sum(isinstance(item, rtcp.TransportFeedback) for item in path.feedback) == pytest.approx(
        100, abs=3
    )


def test_loss_is_repaired_by_retransmission() -> None:
    path = Path(Shape(((0.0, 10_000_000),), loss=5), 10.0)
    record = path.run()
    assert record.nacks > 10
    assert record.broken == 0
    assert path.publisher.resent >= record.nacks * 0.9
    assert len(record.displays[0].shown) > 9.5 * FPS
    assert sum(freeze.end - freeze.begin for freeze in record.displays[0].freezes) < 1.0


def test_a_jittering_link_is_not_a_losing_one() -> None:
    path = Path(Shape(((0.0, 10_000_000),), jitter_ms=200), 10.0)
    record = path.run()
    assert record.broken == 0
    assert len(record.displays[0].shown) > 9.3 * FPS
    late = [freeze for freeze in record.displays[0].freezes if freeze.begin > 1.0]
    assert late == []


def test_a_server_that_drops_base_frames_shows_in_the_record() -> None:
    """Frames that the receiver's rules let through and whose reference never came are called broken."""
    path = Path(WIDE, 5.0)
    # Every other picture of the base layer is missing, and TL0PICIDX closed over the gap: a lie.
    kept = iter(range(10_000))
    dropped: set[int] = set()

    def keep(payload: bytes) -> bool:
        described = vp8.read_descriptor(payload)
        assert described is not None
        if described.temporal == 0 and described.begins and next(kept) % 2:
            dropped.add(described.picture_id)
        return described.picture_id not in dropped

    path.keep = keep
    record = path.run()
    assert len(record.displays[0].shown) < 2 * FPS  # it waits for the base layer, and asks for key frames
    assert record.key_frame_requests > 3
