"""Receive everybody's pictures as numpy arrays, and print the mean colour of each once a second.

python examples/frames.py --room blue
"""

import argparse
import asyncio
import contextlib
import time

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from sfu.client import Publication, Published, Room, connect


async def watch(room: Room, publication: Publication) -> None:
    """Print the mean colour of a publication's picture every second, until it ends."""
    name = room.participants[publication.participant].name
    track: MediaStreamTrack = await room.subscribe(publication)
    due, frames = time.monotonic(), 0
    with contextlib.suppress(MediaStreamError):
        while True:
            frame = await track.recv()
            assert isinstance(frame, VideoFrame)
            frames += 1
            if time.monotonic() >= due:
                red, green, blue = frame.to_ndarray(format="rgb24").mean(axis=(0, 1))
                size = f"{frame.width}x{frame.height}"
                colour = f"rgb {red:.0f} {green:.0f} {blue:.0f}"
                print(f"{name}, {publication.source}: {size}, {colour}, {frames} frames", flush=True)
                due += 1
    print(f"{name}, {publication.source}: ended")


async def main(url: str, room_name: str) -> None:
    async with connect(url, room=room_name, name="Frames") as room, asyncio.TaskGroup() as group:
        events = room.events()
        for publication in room.publications:
            if publication.kind == "video":
                group.create_task(watch(room, publication))
        async for event in events:
            if isinstance(event, Published) and event.publication.kind == "video":
                group.create_task(watch(room, event.publication))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the mean colour of every picture.")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--room", default="blue")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.url, arguments.room))
