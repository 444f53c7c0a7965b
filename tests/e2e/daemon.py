"""Starts the real daemon as its user does, and asks it what anybody may ask it.

Knows the command line, the printed URL and /stats; imports nothing of the product.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.e2e.process import Child

URL_PATTERN = r"https?://[^\s/]+/"
ROOT = Path(__file__).parents[2]
COMPLAINT = re.compile(r"Traceback|\b(?:ERROR|CRITICAL)\b|never retrieved|was never awaited|Unclosed")
START_TIMEOUT = 15.0
STOP_TIMEOUT = 3.0  # the product promises: Ctrl-C ends every connection properly within 3 s


class Daemon:
    """`async with Daemon(...) as daemon:` a running server; killed at the end whatever happens.

    Args: further command line arguments; `host` and `port` of its page, 0 for any; `namespace` to run it in;
    `program`: the module to run, with arguments of its own.
    """

    def __init__(
        self,
        *arguments: str,
        host: str = "127.0.0.1",
        port: int = 0,
        namespace: str | None = None,
        program: Sequence[str] = ("sfu.cli",),
    ) -> None:
        self._program = program
        self._arguments = arguments
        self._port = port
        self._host = host
        self._namespace = namespace
        self._child: Child | None = None
        self.url = ""

    async def __aenter__(self) -> "Daemon":
        command = [sys.executable, "-m", *self._program, "serve", "--host", self._host]
        command += ["--port", str(self._port), "--rtc-port", "0", *self._arguments]
        environment = {"PYTHONUNBUFFERED": "1"}
        self._child = await Child.start(
            command, namespace=self._namespace, environment=environment, folder=ROOT
        )
        try:
            match = await self._child.line_matching(URL_PATTERN, START_TIMEOUT)
        except BaseException:
            await self._child.kill()
            raise
        self.url = match.group(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.child.kill()
        if error is not None:
            error.add_note(f"daemon's log, last lines:\n{self.log_tail()}")

    @property
    def child(self) -> Child:
        assert self._child is not None, "the daemon was not started"
        return self._child

    @property
    def origin(self) -> str:
        """The URL without the last slash, as browsers write an origin."""
        return self.url.rstrip("/")

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    @property
    def log(self) -> str:
        return self.child.output

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.child.lines[-lines:])

    def complaints(self) -> list[str]:
        """Lines of the log that no healthy daemon writes."""
        return [line for line in self.child.lines if COMPLAINT.search(line)]

    def room_url(self, room: str, name: str | None = None) -> str:
        """The link of a room; with a name, the link that joins by itself."""
        return f"{self.url}?room={room}" + (f"&name={name}&autojoin=1" if name is not None else "")

    async def get(self, path: str) -> str:
        """The text at a path of the daemon, fetched from inside its namespace if it has one."""
        url = self.origin + path
        if self._namespace is not None:
            return await _fetch_inside(self._namespace, url)
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            response.raise_for_status()
            return await response.text()

    async def stats(self) -> dict[str, Any]:
        """The JSON of /stats."""
        value = json.loads(await self.get("/stats"))
        assert isinstance(value, dict)
        return value

    async def stop(self) -> float:
        """Ctrl-C; returns the seconds it took. AssertionError unless it ends cleanly in time."""
        begun = time.monotonic()
        code = await self.child.interrupt(STOP_TIMEOUT)
        assert code == 0, f"the daemon ended with code {code}:\n{self.log_tail()}"
        return time.monotonic() - begun


async def _fetch_inside(namespace: str, url: str) -> str:
    program = (
        "import sys, urllib.request as r; sys.stdout.buffer.write(r.urlopen(sys.argv[1], timeout=5).read())"
    )
    process = await asyncio.create_subprocess_exec(
        *["ip", "netns", "exec", namespace, sys.executable, "-c", program, url],
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"could not fetch {url} in namespace {namespace}"
    return output.decode()
