"""Runs one child process of a test and always ends it: its lines, its exit code, its process group.

Knows subprocesses, signals and namespaces by name; knows nothing of what the child is.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.waiting import wait_until


class Child:
    """One child process in its own process group, with everything it printed.

    Args of `start`: the command; `namespace`, a network namespace to run it in (needs root); `environment`
    is added to this process's own; `folder`, the working directory.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        namespace: str | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> "Child":
        if namespace is not None:
            command = ["ip", "netns", "exec", namespace, *command]  # replaces itself: the pid is the child's
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
            limit=1 << 20,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        """Everything printed so far, for messages of failing tests."""
        return "\n".join(self.lines)

    async def line_matching(self, pattern: str, within: float) -> re.Match[str]:
        """Wait for a line in which `pattern` is found; AssertionError with the output otherwise."""

        def found() -> re.Match[str] | None:
            for line in self.lines:
                if match := re.search(pattern, line):
                    return match
            if self._reader.done():
                raise AssertionError(f"process ended before printing {pattern!r}:\n{self.output}")
            return None

        return await wait_until(found, within, f"a line with {pattern!r}", detail=lambda: self.output)

    async def interrupt(self, within: float, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code; TimeoutError (and a kill) when it takes too long."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            code = await asyncio.wait_for(self.process.wait(), within)
        except TimeoutError:
            await self.kill()
            raise TimeoutError(
                f"process did not end within {within} s of signal {number}:\n{self.output}"
            ) from None
        await self._reader
        return code

    async def kill(self) -> None:
        """End the whole process group, whatever state it is in. Idempotent."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.process.wait()
        await self._reader

    async def _read(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        while line := await stdout.readline():
            self.lines.append(line.decode(errors="replace").rstrip())
