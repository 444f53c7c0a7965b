"""Tracks that are pushed into, and the timeline over changes of their source."""

import asyncio
import fractions

import pytest
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from av.packet import Packet

from sfu.client.local import Feed
from sfu.client.pipe import PACKET_DEPTH, RECEIVE_DEPTH, Intake, Pipe, Timeline
from tests.client.serving import Picture, until

TICKS = 90_000


def frame(pts: int) -> VideoFrame:
    made = VideoFrame(16, 16, "yuv420p")
    made.pts, made.time_base = pts, fractions.Fraction(1, TICKS)
    return made


def placed(timeline: Timeline, pts: int, now: float) -> int:
    item = frame(pts)
    timeline.place(item, now)
    assert item.pts is not None
    return item.pts


def test_one_source_keeps_its_timestamps() -> None:
    timeline = Timeline()
    assert [placed(timeline, pts, 0.0) for pts in (7, 3007, 9007)] == [7, 3007, 9007]


@pytest.mark.parametrize("start", [0, 5, 2**33])
def test_another_source_follows_by_the_time_that_has_passed(start: int) -> None:
    timeline = Timeline()
    placed(timeline, 900_000, 10.0)
    timeline.switch()
    assert placed(timeline, start, 10.5) == 900_000 + TICKS // 2
    assert placed(timeline, start + 3000, 10.53) == 900_000 + TICKS // 2 + 3000


def test_time_never_stands_still_or_goes_back() -> None:
    timeline = Timeline()
    placed(timeline, 900_000, 10.0)
    timeline.switch()
    assert placed(timeline, 0, 10.0) > 900_000


def test_a_source_before_the_first_frame_has_nothing_to_follow() -> None:
    timeline = Timeline()
    timeline.switch()
    assert placed(timeline, 77, 1.0) == 77


async def test_the_oldest_frames_go_first() -> None:
    pipe = Pipe.for_receiving("video")
    for pts in range(RECEIVE_DEPTH["video"] + 3):
        pipe.push(frame(pts))
    assert (await pipe.recv()).pts == 3
    assert pipe.dropped == 3


async def test_packets_are_kept() -> None:
    pipe = Pipe("video", 2)
    for _ in range(PACKET_DEPTH):
        pipe.push(Packet(1))
    assert pipe.dropped == 0


async def test_a_higher_rank_takes_over_for_good() -> None:
    pipe = Pipe.for_receiving("video")
    pipe.deliver(frame(100), 1)
    pipe.deliver(frame(5), 2)
    pipe.deliver(frame(3100), 1)
    pipe.deliver(frame(3005), 2)
    first, second, third = [(await pipe.recv()).pts or 0 for _ in range(3)]
    assert first == 100 < second
    assert third == second + 3000


async def test_stopping_ends_a_waiting_reader_and_all_that_come() -> None:
    pipe = Pipe.for_receiving("video")
    reading = asyncio.create_task(pipe.recv())
    await asyncio.sleep(0)
    pipe.stop()
    with pytest.raises(MediaStreamError):
        await reading
    pipe.push(frame(1))
    with pytest.raises(MediaStreamError):
        await pipe.recv()


async def test_an_intake_reads_what_nobody_wants() -> None:
    source, pipe = Pipe("video", 30), Pipe.for_receiving("video")
    intake = Intake(source)
    source.push(frame(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    intake.deliver_to(pipe, 1)
    source.push(frame(2))
    assert (await pipe.recv()).pts == 2
    await intake.close()


async def test_a_feed_reads_once_for_all_and_not_while_muted() -> None:
    ended: list[bool] = []
    source = Pipe("video", 30)
    feed = Feed(source, lambda: ended.append(True))
    pipes = [feed.branch(), feed.branch()]
    source.push(frame(1))
    assert [(await pipe.recv()).pts for pipe in pipes] == [1, 1]
    assert feed.encodes == 2
    feed.muted = True
    source.push(frame(2))
    await asyncio.sleep(0)
    feed.muted = False
    source.push(frame(3))
    assert (await pipes[0].recv()).pts == 3
    pipes[1].stop()
    source.push(Packet(1))
    assert isinstance(await pipes[0].recv(), Packet)
    assert feed.encodes == 0
    source.stop()
    await until(lambda: ended)
    await feed.close()
    assert pipes[0].readyState == "ended"
    assert source.readyState == "ended"


async def test_pictures_for_several_encoders_are_converted_once() -> None:
    feed = Feed(Picture(60, fps=100), lambda: None)
    alone = feed.branch()
    assert (await _read(alone)).format.name == "rgb24"
    other = feed.branch()
    await _read(alone)
    assert (await _read(other)).format.name == "yuv420p"
    await feed.close()


async def _read(pipe: Pipe) -> VideoFrame:
    item = await pipe.recv()
    assert isinstance(item, VideoFrame)
    return item
