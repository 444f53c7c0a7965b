"""The daemon as a process of its own: how it starts, and how SIGINT and SIGTERM end it with clients connected."""

import asyncio
import contextlib
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signaling import messages as m
from tests.integration.client import clients_of, until

ROOT = Path(__file__).parents[2]
PROMISE = 3.0
"""Seconds from the signal to the end of the process."""


@contextlib.asynccontextmanager
async def process(*options: str) -> AsyncIterator[tuple[Process, str]]:
    """A running `sfu serve` and the URL it printed."""
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sfu.cli", "serve", "--port", "0", "--rtc-port", "0", *options,
        stdout=PIPE, stderr=PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        assert daemon.stdout is not None
        async with asyncio.timeout(20):
            line = (await daemon.stdout.readline()).decode()
        found = re.search("http://[^ ]+", line)
        assert found, line
        yield daemon, found[0].rstrip("/")
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()


@pytest.mark.parametrize(
    ("number", "relay"),
    [(signal.SIGINT, "forward"), (signal.SIGTERM, "forward"), (signal.SIGTERM, "media")],
)
async def test_a_signal_ends_every_connection(number: signal.Signals, relay: str) -> None:
    async with process("--relay", relay) as (daemon, url), clients_of(url) as clients:
        ada, bob = await clients.pair()
        ada.open_chat()
        await ada.offer()
        await until(lambda: ada.chat and ada.chat.readyState == "open", "the chat is open")
        idle = clients.make("Idle")  # connected, never joined
        await idle.connect()
        began = time.monotonic()
        daemon.send_signal(number)
        _, errors = await asyncio.wait_for(daemon.communicate(), 10)
        took = time.monotonic() - began
        assert daemon.returncode == 0
        assert took < PROMISE
        for client in (ada, bob, idle):
            await client.hears(m.Bye, reason="shutdown")
            await client.hung_up()
        for client in (ada, bob):
            # Consent would be lost after 30 s; DTLS close_notify is seen at once.
            await client.disconnected()
        assert not ada.heard(m.Left, reason="timeout")
        log = errors.decode()
        assert "Traceback" not in log, log
        assert " warning " not in log, log
        assert " error " not in log, log
