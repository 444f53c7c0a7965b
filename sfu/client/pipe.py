"""Tracks that frames are pushed into, and the timeline that stays continuous when their source changes.

Knows: frames and their timestamps. Does not know: connections, codecs, rooms.
"""

import asyncio
import time
from collections import deque
from typing import Any, TypeAlias

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame
from av.frame import Frame
from av.packet import Packet

from signaling.fields import Kind

Item: TypeAlias = "Frame | Packet[Any]"

RECEIVE_DEPTH = {"video": 30, "audio": 100}
"""Frames kept for a program that reads slowly, a second or two; the oldest go first."""
SEND_DEPTH = {"video": 2, "audio": 50}
"""An encoder that falls behind gets the newest pictures."""
PACKET_DEPTH = 1000
"""Encoded packets are not to be left out: a picture may need all those before it."""


class Timeline:
    """Shifts timestamps so that the first frame of a new source follows the last one of the old."""

    __slots__ = ("_at", "_joining", "_last", "_offset")

    def __init__(self) -> None:
        self._last: float | None = None  # seconds, as given out
        self._at = 0.0
        self._offset = 0
        self._joining = False

    def switch(self) -> None:
        """Frames come from another source from now on."""
        self._joining = True

    def place(self, item: Item, now: float) -> None:
        """Set the timestamp of a frame, which is changed in place."""
        if item.pts is None or item.time_base is None:
            return
        if self._joining and self._last is not None:
            due = self._last + max(now - self._at, 0.001)
            self._offset = round(due / item.time_base) - item.pts
        self._joining = False
        if self._offset:
            item.pts += self._offset
        self._last = float(item.pts * item.time_base)
        self._at = now


class Pipe(MediaStreamTrack):
    """A track whose frames are pushed; keeps a bounded number of them and drops the oldest.

    Each source pushes with a rank; a source of higher rank takes over with its first frame, and what comes from those
    below it after that is left out. So a track moves from one connection to another without a gap.
    """

    def __init__(self, kind: Kind, depth: int) -> None:
        super().__init__()
        self.kind = kind
        self.rank = 0
        self.dropped = 0
        self._depth = depth
        self._items: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._timeline = Timeline()

    @classmethod
    def for_receiving(cls, kind: Kind) -> "Pipe":
        return cls(kind, RECEIVE_DEPTH[kind])

    def push(self, item: Item) -> None:
        """Add a frame as it is."""
        if self.readyState != "live":
            return
        depth = PACKET_DEPTH if isinstance(item, Packet) else self._depth
        while len(self._items) >= depth:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)
        self._wake.set()

    def deliver(self, item: Item, rank: int) -> None:
        """Add a frame of the source of this rank; its timestamp is changed in place."""
        if rank < self.rank:
            return
        if rank > self.rank:
            self.rank = rank
            self._timeline.switch()
        self._timeline.place(item, time.monotonic())
        self.push(item)

    async def recv(self) -> Item:
        """The next frame; raises MediaStreamError when the track has ended."""
        while not self._items:
            if self.readyState != "live":
                raise MediaStreamError
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()

    def stop(self) -> None:
        super().stop()
        self._items.clear()
        self._wake.set()


class Intake:
    """Reads what a connection receives, all the time, and delivers it where it is wanted.

    Stock aiortc decodes what arrives whether it is read or not, and keeps it: so it is read here and let go.
    """

    def __init__(self, track: MediaStreamTrack) -> None:
        self.track = track
        self._pipe: Pipe | None = None
        self._rank = 0
        self._task = asyncio.create_task(self._run())

    def deliver_to(self, pipe: Pipe | None, rank: int) -> None:
        """Deliver to this pipe from now on, or nowhere."""
        self._pipe, self._rank = pipe, rank

    async def close(self) -> None:
        self._pipe = None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                item = await self.track.recv()
            except MediaStreamError:
                return
            if self._pipe is not None and isinstance(item, VideoFrame | AudioFrame | Packet):
                self._pipe.deliver(item, self._rank)
