"""Streams that go on after a run, a real clip, consent in turn, storms."""

import asyncio
import itertools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.load import media
from benchmarks.load.clip import FPS, Sender, make_clip
from benchmarks.load.fill import Consents
from benchmarks.load.link import Link
from benchmarks.load.media import Outgoing, Stream, Timing
from benchmarks.load.storm import storm
from benchmarks.servers.adapter import Member, Server, ServerError
from sfu.wire import rtp
from sfu.wire.codecs import vp8

VIDEO = Stream(number=6, kind="video", ssrc=0x10000310, mid="0", first_seq16=65_530)
TIMING = Timing(warm_up=0.5, key_frames=0.5, quiet=0.3, window=0.5)


def sent(plan: media.Plan) -> list[rtp.RtpView]:
    offsets = plan.schedule.offsets
    data = plan.schedule.arena.tobytes()
    pairs = itertools.pairwise(offsets)
    return [rtp.parse(data[int(start) : int(end)]) for start, end in pairs]


def test_a_stream_goes_on_where_it_was_at_another_rate() -> None:
    outgoing = [Outgoing(VIDEO, 0, bytes)]
    first = media.plan(outgoing, TIMING)
    second = media.more(outgoing, first, seconds=0.5, pace=4.0)
    before, after = sent(first), sent(second)
    assert after[0].seq16 == (before[-1].seq16 + 1) & 0xFFFF
    ahead = (after[0].timestamp - before[-1].timestamp) / 90_000
    assert media.PAUSE <= ahead < media.PAUSE + 0.1
    assert len(after) == pytest.approx(4 * 260 * 0.5, abs=9)
    assert second.measured[VIDEO.number] == len(after)
    assert second.schedule.bursts["due_ns"][0] == 0


def test_packets_of_what_goes_on_are_recognised() -> None:
    outgoing = [Outgoing(VIDEO, 0, bytes)]
    first = media.plan(outgoing, TIMING)
    second = media.more(outgoing, first, seconds=0.2, pace=1.0)
    data = second.schedule.arena.tobytes()
    for place, (start, end) in enumerate(itertools.pairwise(second.schedule.offsets)):
        payload = media.payload_of(data[int(start) : int(end)])
        stream, packet = media.identify(payload) or (-1, -1)
        frame = second.frame_of(stream, packet)
        assert frame is not None
        assert media.proven(payload, VIDEO, frame, packet)
        assert second.base[stream] + packet == place
    assert second.frame_of(VIDEO.number, first.frames[VIDEO.number][-1].first) is None


@pytest.mark.parametrize("pace", [0.1, 0.5, 1.0])
def test_pace_lowers_the_rate_and_keeps_the_frames(pace: float) -> None:
    timing = Timing(warm_up=2.0, window=10.0, pace=pace)
    listed = [frame for frame in media.frames(VIDEO.profile, timing, 0.0) if frame.measured]
    assert sum(frame.count for frame in listed) == pytest.approx(2600 * pace, rel=0.05)
    assert {frame.count for frame in listed} == {9}


@pytest.mark.parametrize(
    ("descriptor", "size"),
    [
        (bytes([0x10]), 1),
        (bytes([0x80, 0x00]), 2),
        (bytes([0x90, 0x80, 0x05]), 3),
        (bytes([0x90, 0x80, 0x85, 0x05]), 4),
        (bytes([0x90, 0xC0, 0x85, 0x05, 0x01]), 5),
        (bytes([0x90, 0xE0, 0x85, 0x05, 0x01, 0x40]), 6),
        (bytes([0x90, 0xF0, 0x85, 0x05, 0x01, 0x40]), 6),
        (bytes([0x90, 0x10, 0x01]), 3),
    ],
)
def test_vp8_descriptor_sizes(descriptor: bytes, size: int) -> None:
    assert media.descriptor_size(descriptor + b"\x00\x01\x02") == size


def test_a_descriptor_written_anew_is_proven_other_flags_are_not() -> None:
    frame = next(media.frames(VIDEO.profile, TIMING, 0.0))
    payload = media.payload(VIDEO, frame, 0)
    longer = bytes([payload[0], 0xE0]) + payload[2:4] + b"\x07\x20" + payload[4:]
    assert media.proven(longer, VIDEO, frame, 0)
    assert not media.proven(bytes([payload[0] ^ 0x10]) + longer[1:], VIDEO, frame, 0)
    assert not media.proven(longer[:-1], VIDEO, frame, 0)
    assert not media.proven(b"", VIDEO, frame, 0)


def test_a_clip_is_vp8_that_a_decoder_takes() -> None:
    clip = make_clip(seconds=0.5)
    outgoing = [Outgoing(VIDEO, 0, bytes, Sender(clip).packets)]
    plan = media.encrypt(outgoing, clip.listings(outgoing, TIMING))
    plan.begin_measuring(TIMING)
    views = sent(plan)
    frames = plan.frames[VIDEO.number]
    assert len(frames) == round(FPS * (TIMING.warm_up + TIMING.window))
    assert [view.seq16 for view in views] == [(VIDEO.first_seq16 + n) & 0xFFFF for n in range(len(views))]
    assert sum(view.marker for view in views) == len(frames)
    data = plan.schedule.arena.tobytes()
    payload = media.payload_of(data[: int(plan.schedule.offsets[1])])
    assert vp8.is_keyframe(payload)
    assert 0 < plan.measured_from < len(plan.schedule.bursts)


class Counting:
    def __init__(self) -> None:
        self.renewed = 0

    def consent(self) -> None:
        self.renewed += 1


def test_consent_is_renewed_in_turn() -> None:
    links = [Counting() for _ in range(10)]
    consents = Consents(cast("Sequence[Link]", links), renewed=100.0, interval=5.0)
    consents.renew(100.0)
    assert sum(link.renewed for link in links) == 0
    consents.renew(102.5)
    assert [link.renewed for link in links] == [1] * 5 + [0] * 5
    consents.renew(105.0)
    assert [link.renewed for link in links] == [1] * 10
    consents.renew(107.6)
    assert [link.renewed for link in links] == [2] * 5 + [1] * 5


class Crowded:
    """A server of which only joining matters; every tenth join fails."""

    name = "crowded"
    pids: Sequence[int] = ()

    def __init__(self) -> None:
        self.joined: list[tuple[str, str, int]] = []

    async def join(self, room: str, name: str, streams: Any, watch: Sequence[Member], later: int) -> Member:
        await asyncio.sleep(0)
        self.joined.append((room, name, len(watch)))
        if len(self.joined) % 10 == 0:
            raise ServerError("full")
        return Member(name, sends=[(cast("Link", SimpleNamespace()), stream) for stream in streams])


async def test_a_storm_fills_rooms_of_four_and_counts_failures() -> None:
    server = Crowded()
    result = await storm(cast("Server", server), 42, first_number=100)
    assert len(server.joined) == 42
    assert len({name for _, name, _ in server.joined}) == 42
    assert (result.joins, result.failed, len(result.waits)) == (42, 4, 38)
    assert len({room for room, _, _ in server.joined}) == 11
    assert max(watched for _, _, watched in server.joined) == 3
    assert result.began_ns < result.ended_ns
    assert result.joins_per_second > 0
