"""Builds servers written in Go, and asks servers over HTTP whether they are up.

Knows: `go build`, at the lowest priority and on one core, so that nothing else is disturbed.
Does not know: any particular server.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import aiohttp

from benchmarks.servers.adapter import Process, ServerError

BUILD_TIMEOUT = 3600.0  # seconds: a large server on a busy machine
START_TIMEOUT = 20.0
NO_GO = "Go is not installed, which builds it: apt-get install golang-go (1.25 or newer)"


def missing_go(program: Path) -> str | None:
    """Why `program` can't be made, or None when it exists or can."""
    return None if program.exists() or shutil.which("go") else NO_GO


async def go_build(folder: Path, program: Path, package: str = ".") -> None:
    """Build `package` of the module in `folder`, unless `program` is newer than its files. Raises ServerError."""
    if not (command := _command(folder, program, package)):
        return
    build = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, "GOMAXPROCS": "1"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(build.communicate(), BUILD_TIMEOUT)
    except (TimeoutError, asyncio.CancelledError):
        build.kill()
        await build.wait()
        raise
    if build.returncode:
        raise ServerError(f"go build failed in {folder}:\n{output.decode(errors='replace')[-2000:]}")


def _command(folder: Path, program: Path, package: str) -> list[str]:
    """How `program` is built; empty when it need not be."""
    source = max(path.stat().st_mtime for path in folder.iterdir())
    if program.exists() and program.stat().st_mtime > source:
        return []
    program.parent.mkdir(parents=True, exist_ok=True)
    return ["nice", "-n", "19", "go", "build", "-p", "1", "-o", str(program.resolve()), package]


async def until_healthy(name: str, process: Process, session: aiohttp.ClientSession, url: str) -> None:
    """Return when `url` answers 200. Raises ServerError when the process ends or is not up after 20 s."""
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while not await _answers(session, url):
                process.check()
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise ServerError(f"{name} is not up after {START_TIMEOUT:.0f} s:\n{process.tail()}") from None


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
