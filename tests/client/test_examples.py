"""The examples do what they say, as separate programs."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sfu.client import ChatMessage, Left, connect
from tests.client.serving import PATIENCE, next_event, serving, until

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving() as url:
        yield url


async def start(name: str, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples" / name), "--room", "blue", *arguments),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


async def line_with(process: Process, word: str) -> str:
    assert process.stdout is not None
    seen = ""
    async with asyncio.timeout(PATIENCE):
        async for raw in process.stdout:
            line = raw.decode()
            if word in line:
                return line
            seen += line
    raise AssertionError(f"{word!r} was not printed, but:\n{seen}")


async def end(*processes: Process) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_join_and_frames(url: str) -> None:
    publisher = await start("join.py", "--url", url)
    viewer = await start("frames.py", "--url", url)
    try:
        assert "(sfu), with" in await line_with(publisher, "in blue")
        first = await line_with(viewer, "640x360")
        assert first.startswith("Test picture, camera: 640x360, rgb ")
        await line_with(viewer, "frames")
    finally:
        await end(publisher, viewer)


async def test_chat(url: str) -> None:
    async with connect(url, room="blue", name="Ada") as ada:
        events = ada.events()
        process = await start("chat.py", "--url", url, "--name", "Bob")
        try:
            assert process.stdin is not None
            assert "Ada" in await line_with(process, "-- in blue")
            process.stdin.write(b"hi\n@Ada psst\n")
            assert (await next_event(events, ChatMessage)).text == "hi"
            message = await next_event(events, ChatMessage)
            assert (message.text, message.private) == ("psst", True)
            await until(lambda: ada.participants)
            await ada.send("hello")
            assert await line_with(process, "hello") == "Ada: hello\n"
            process.stdin.close()
            assert (await next_event(events, Left)).reason == "left"
            assert await process.wait() == 0
        finally:
            await end(process)
