"""Tracks between a decoding receiver and an encoding sender. Knows frames and their times, and no RTP."""

import asyncio
import contextlib
import time
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError


class RoomClockTrack(MediaStreamTrack):
    """A decoded track whose frames are placed on the time since the room's media began.

    All tracks of a room then share one timeline, so that a sender can go from one to another and its timestamps
    still only advance.
    """

    def __init__(self, source: MediaStreamTrack, began: float) -> None:
        super().__init__()
        self.kind = source.kind
        self._source = source
        self._began = began
        self._offset: int | None = None

    async def recv(self) -> Any:
        frame: Any = await self._source.recv()
        if self._offset is None:
            self._offset = round((time.monotonic() - self._began) / frame.time_base) - frame.pts
        frame.pts += self._offset
        return frame


class SwitchTrack(MediaStreamTrack):
    """A track without end that plays whatever it is switched to, or nothing."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._source: MediaStreamTrack | None = None
        self._changed = asyncio.Event()

    def switch(self, source: MediaStreamTrack | None) -> None:
        """Play `source` from its next frame on; the one before is stopped."""
        before, self._source = self._source, source
        self._changed.set()
        if before is not None:
            before.stop()

    async def recv(self) -> Any:
        while True:
            self._changed.clear()
            source = self._source
            changed = asyncio.ensure_future(self._changed.wait())
            receiving = None if source is None else asyncio.ensure_future(source.recv())
            waiting: set[asyncio.Future[Any]] = {changed}
            if receiving is not None:
                waiting.add(receiving)
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if receiving is None or not receiving.done():
                    continue
                if receiving.exception() is None:
                    return receiving.result()
                if self._source is source:
                    self._source = None  # it ended; wait for another
            except MediaStreamError:
                continue
            finally:
                changed.cancel()
                if receiving is not None and not receiving.done():
                    receiving.cancel()

    def stop(self) -> None:
        super().stop()
        self.switch(None)


async def drain(track: MediaStreamTrack) -> None:
    """Take every frame until the track ends: aiortc's receiver keeps what nobody takes, without bound."""
    try:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
    finally:
        track.stop()
