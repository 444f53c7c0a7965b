"""Chat from the terminal: each line typed is sent to everybody, `@Bob hi` to Bob alone.

    python examples/chat.py --room blue --name Ada

Ctrl-D leaves.
"""

import argparse
import asyncio
import contextlib
import sys

from sfu.client import ChatMessage, ClientError, Joined, Left, Room, connect


async def listen(room: Room) -> None:
    """Print what is said, and who comes and goes."""
    async for event in room.events():
        match event:
            case ChatMessage(name=name, text=text, private=private):
                print(f"{name}{' (to you)' if private else ''}: {text}", flush=True)
            case Joined(participant=somebody):
                print(f"-- {somebody.name} is here", flush=True)
            case Left(participant=somebody):
                print(f"-- {somebody.name} is gone", flush=True)


async def say(room: Room, line: str) -> None:
    """Send a line to everybody, or to the one whose name stands behind an @."""
    name, _, text = line.removeprefix("@").partition(" ")
    people = [person.id for person in room.participants.values() if person.name == name]
    try:
        if line.startswith("@") and people:
            await room.send(text, to=people[0])
        else:
            await room.send(line)
    except ClientError as error:
        print(f"-- {error.message}")


async def main(url: str, room_name: str, name: str) -> None:
    async with connect(url, room=room_name, name=name) as room:
        others = ", ".join(person.name for person in room.participants.values())
        print(f"-- in {room.name} with {others or 'nobody'}", flush=True)
        listening = asyncio.create_task(listen(room))
        while line := (await asyncio.to_thread(sys.stdin.readline)):
            if line.strip():
                await say(room, line.strip())
        listening.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Chat from the terminal.")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--room", default="blue")
    parser.add_argument("--name", default="Terminal")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.url, arguments.room, arguments.name))
