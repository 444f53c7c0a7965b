"""The whole server inside the test's process, on free ports, and what clients of it need.

Knows: how the daemon is put together. Used by tests of the client and by those of the whole.
"""

import asyncio
import contextlib
import fractions
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import numpy
from aiohttp.test_utils import TestServer
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from sfu.app import create_app
from sfu.client import EventStream
from sfu.config import Config
from sfu.service import MediaService

E = TypeVar("E")
PATIENCE = 15.0


@contextlib.asynccontextmanager
async def serving(config: Config | None = None) -> AsyncIterator[str]:
    """A running server; gives its URL."""
    config = config or Config(rtc_host="127.0.0.1", rtc_port=0)
    media = await MediaService.start(config)
    server = TestServer(create_app(config, media.backend, media.stats))
    try:
        await server.start_server()
        yield str(server.make_url("/")).rstrip("/")
    finally:
        await server.close()
        await media.close()


class Picture(MediaStreamTrack):
    """A picture of one grey, `size` pixels wide and high, so many times a second."""

    kind = "video"

    def __init__(self, grey: int, size: int = 64, fps: int = 20) -> None:
        super().__init__()
        self._grey = grey
        self._size = size
        self._fps = fps
        self._count = 0
        self._start = time.monotonic()

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._start + self._count / self._fps - time.monotonic()))
        frame = VideoFrame.from_ndarray(
            numpy.full((self._size, self._size, 3), self._grey, numpy.uint8), format="rgb24"
        )
        frame.pts, frame.time_base = self._count * 90_000 // self._fps, fractions.Fraction(1, 90_000)
        self._count += 1
        return frame


class Tone(MediaStreamTrack):
    """A tone of one volume in frames of 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._start = time.monotonic()

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._start + self._count / 50 - time.monotonic()))
        wave = self.volume(self._count) * numpy.sin(numpy.arange(960) * 2 * numpy.pi * 440 / 48_000)
        frame = AudioFrame.from_ndarray(wave.astype(numpy.int16).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = (
            48_000,
            self._count * 960,
            fractions.Fraction(1, 48_000),
        )
        self._count += 1
        return frame

    def volume(self, frame: int) -> float:
        """The amplitude of a frame."""
        return 8000


class Speech(Tone):
    """A tone that comes and goes as words do, in a room that is never quite still."""

    def volume(self, frame: int) -> float:
        return 8000 if frame % 16 < 13 else 20


async def grey_of(track: MediaStreamTrack) -> int:
    """The grey of a track's next picture."""
    async with asyncio.timeout(PATIENCE):
        frame = await track.recv()
    assert isinstance(frame, VideoFrame)
    return round(float(frame.to_ndarray(format="gray").mean()))


async def until_grey(track: MediaStreamTrack, grey: int) -> None:
    """Wait until a track shows a grey, as exactly as a codec keeps it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if abs(await grey_of(track) - grey) < 12:
                return


async def until_ended(track: MediaStreamTrack) -> None:
    """Read a track to its end."""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()


async def volume_of(track: MediaStreamTrack) -> float:
    """The mean of a track's next frame that is not silent."""
    async with asyncio.timeout(PATIENCE):
        while True:
            frame = await track.recv()
            assert isinstance(frame, AudioFrame)
            if volume := float(numpy.abs(frame.to_ndarray()).mean()):
                return volume


async def next_event(stream: EventStream, kind: type[E]) -> E:
    """The stream's next event of a kind; those before it are read over."""
    async with asyncio.timeout(PATIENCE):
        async for event in stream:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the room was closed before {kind.__name__}")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that nobody tells."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)
