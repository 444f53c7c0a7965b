"""What this client publishes: a track of the program, read once and sent over as many connections as it takes.

Knows: frames. Does not know: connections, the server.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from av.frame import Frame

from sfu.client.pipe import SEND_DEPTH, Item, Pipe, Timeline
from signaling.fields import Kind, MediaPath, Source


class Feed:
    """Reads a track and gives each frame to every connection that sends it; never stops the track itself."""

    def __init__(self, track: MediaStreamTrack, ended: Callable[[], None]) -> None:
        self.muted = False
        self.encoded = False
        """Whether the track gives encoded packets, which cost no encoder."""
        self._kind: Kind = "audio" if track.kind == "audio" else "video"
        self._ended = ended
        self._pipes: list[Pipe] = []
        self._timeline = Timeline()
        self._task = asyncio.create_task(self._run(track))

    def branch(self) -> Pipe:
        """A track for one more connection; stop it to end that."""
        self._pipes = [pipe for pipe in self._pipes if pipe.readyState == "live"]
        pipe = Pipe(self._kind, SEND_DEPTH[self._kind])
        self._pipes.append(pipe)
        return pipe

    def replace(self, track: MediaStreamTrack) -> None:
        """Go on with another track of the same kind; its timestamps are changed in place to follow the first one's."""
        self._task.cancel()
        self._timeline.switch()
        self._task = asyncio.create_task(self._run(track))

    @property
    def encodes(self) -> int:
        """How often each frame is encoded now."""
        return 0 if self.encoded else sum(pipe.readyState == "live" for pipe in self._pipes)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for pipe in self._pipes:
            pipe.stop()
        self._pipes.clear()

    async def _run(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                item = await track.recv()
            except MediaStreamError:
                self._ended()
                return
            if self.muted:
                continue
            self._timeline.place(item, time.monotonic())
            self.encoded = not isinstance(item, Frame)
            if len(self._pipes) > 1:
                item = await _shareable(item)
            for pipe in self._pipes:
                pipe.push(item)


async def _shareable(item: Item) -> Item:
    """A frame in the format that encoders take: converting one frame in two encoders' threads at once crashes PyAV."""
    if isinstance(item, VideoFrame) and item.format.name != "yuv420p":
        return await asyncio.to_thread(item.reformat, format="yuv420p")
    return item


@dataclass(slots=True, eq=False)
class LocalPublication:
    """One's own publication, as `room.publish` returns it.

    `key` is this client's own word for it; `codec` the one that was asked for, or None. `ids` are
    the server's, one for each path it takes now.
    """

    key: str
    kind: Kind
    source: Source
    feed: Feed = field(repr=False)
    codec: str | None = None
    ids: dict[MediaPath, str] = field(default_factory=dict)

    @property
    def muted(self) -> bool:
        """Whether nothing is sent for now, and the others were told so."""
        return self.feed.muted
