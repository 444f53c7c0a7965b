"""Serves the page's folder as any web server would: static files, no daemon."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.daemon import ROOT
from tests.e2e.process import Child

START_TIMEOUT = 10.0


@asynccontextmanager
async def static_pages() -> AsyncIterator[str]:
    """`python -m http.server` in web/; yields its URL, which ends with a slash."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    server = await Child.start(command, folder=ROOT / "web")
    try:
        match = await server.line_matching(r"port (\d+)", START_TIMEOUT)
        yield f"http://127.0.0.1:{match.group(1)}/"
    finally:
        await server.kill()
