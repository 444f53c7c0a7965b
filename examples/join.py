"""Join a room and publish a test picture: colours that wander, with a bar that moves.

    python examples/join.py --room blue            then open the page and enter the room blue

Ctrl-C leaves.
"""

import argparse
import asyncio
import contextlib

import numpy
from aiortc import VideoStreamTrack
from av import VideoFrame

from sfu.client import Closed, Joined, Left, Topology, connect


class TestPicture(VideoStreamTrack):
    """A picture of 640x360 at 30 frames a second; numpy makes it."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        self._count += 1
        phase = self._count / 90
        colour = 128 + 100 * numpy.sin(phase + numpy.array([0, 2, 4]))
        picture = numpy.broadcast_to(colour.astype(numpy.uint8), (360, 640, 3)).copy()
        left = self._count * 4 % 620
        picture[:, left : left + 20] = 255
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


async def main(url: str, room_name: str, name: str, topology: Topology) -> None:
    async with connect(url, room=room_name, name=name, topology=topology) as room:
        await room.publish(TestPicture(), source="camera")
        print(f"in {room.name} ({room.topology}), with {len(room.participants)} others", flush=True)
        async for event in room.events():
            match event:
                case Joined(participant=somebody):
                    print(f"{somebody.name} is here")
                case Left(participant=somebody, reason=reason):
                    print(f"{somebody.name} is gone ({reason})")
                case Closed(reason=reason):
                    print(f"the room is closed ({reason})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish a test picture.")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--room", default="blue")
    parser.add_argument("--name", default="Test picture")
    parser.add_argument("--topology", default="sfu", choices=["sfu", "mesh", "auto"], help="of a new room")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.url, arguments.room, arguments.name, arguments.topology))
