"""Mesh rooms of stock aiortc connections, called together over the daemon's real WebSocket."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from sfu.app import create_app
from sfu.config import Config
from tests.house.sources import ROOT
from tests.integration.mesh_client import MeshClient, mesh_client, until
from tests.signaling.doubles import MemoryBackend

TOLD_WITHIN = 3.0
"""Seconds; what the others may wait for `left` when somebody vanishes without a word."""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A daemon whose media side would notice being used."""
    backend = MemoryBackend()
    server = TestServer(create_app(Config(), backend, dict))
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()
    assert backend.left == []


async def connected(*clients: MeshClient) -> None:
    """Wait until everybody talks to everybody."""
    for client in clients:
        for other in clients:
            if other is not client:
                await until(lambda a=client, b=other: a.talks_to(b.id), "an open channel")  # type: ignore[misc]


async def test_a_group_chat_without_camera(url: str) -> None:
    async with mesh_client(url, "Ada") as ada, mesh_client(url, "Bob") as bob, mesh_client(url, "Cy") as cy:
        await connected(ada, bob, cy)
        assert [ada.links[bob.id].called, ada.links[cy.id].called, bob.links[cy.id].called] == [True] * 3
        assert [bob.links[ada.id].called, cy.links[ada.id].called, cy.links[bob.id].called] == [False] * 3
        for client in (ada, bob, cy):
            client.say(f"hi from {client.id}")
        for client in (ada, bob, cy):
            others = {other.id for other in (ada, bob, cy)} - {client.id}
            await until(lambda c=client: len(c.chat) == 2, "chat")  # type: ignore[misc]
            assert {(other, f"hi from {other}") for other in others} == set(client.chat)
        assert ada.errors == bob.errors == cy.errors == []


async def test_sound_and_picture(url: str) -> None:
    sending = [{"mic": AudioStreamTrack(), "cam": VideoStreamTrack()} for _ in range(2)]
    async with mesh_client(url, "Ada", sending[0]) as ada, mesh_client(url, "Bob", sending[1]) as bob:
        await connected(ada, bob)
        for client, other in ((ada, bob), (bob, ada)):
            link = client.links[other.id]
            await until(lambda link=link: len(link.frames) == 2, "frames of both tracks")  # type: ignore[misc]
            known = [client.published[publication] for publication in link.frames]
            assert {(each.source, each.path, each.codec) for each in known} == {
                ("microphone", "mesh", ""),
                ("camera", "mesh", ""),
            }


async def test_a_track_is_added_while_connected(url: str) -> None:
    async with mesh_client(url, "Ada") as ada, mesh_client(url, "Bob") as bob:
        await connected(ada, bob)
        await bob.add("mic", AudioStreamTrack())
        await until(lambda: ada.links[bob.id].frames, "sound of the newcomer")
        (publication,) = ada.links[bob.id].frames
        assert ada.published[publication].source == "microphone"
        assert ada.talks_to(bob.id)


@pytest.mark.parametrize("how", ["socket", "silence"])
async def test_one_vanishes_without_a_word(url: str, how: str) -> None:
    async with mesh_client(url, "Ada") as ada, mesh_client(url, "Bob") as bob, mesh_client(url, "Cy") as cy:
        await connected(ada, bob, cy)
        began = time.monotonic()
        if how == "socket":
            connection = cy.socket._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()
        else:
            cy.pings.cancel()  # Its connections and its TCP live on; WebSocket pings are answered.
        for client in (ada, bob):
            await until(lambda c=client: cy.id in c.left, "told of the loss", TOLD_WITHIN)  # type: ignore[misc]
            at, reason = client.left[cy.id]
            assert at - began < TOLD_WITHIN
            assert reason == ("disconnected" if how == "socket" else "timeout")
            assert client.closed[cy.id].connection.connectionState == "closed"
        assert ada.talks_to(bob.id)


@contextlib.asynccontextmanager
async def process(url: str, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A participant in a process of its own."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.mesh_client", url, name,
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_dies_or_freezes(url: str, number: signal.Signals) -> None:
    async with mesh_client(url, "Ada") as ada, process(url, "Cy") as cy:
        await until(lambda: ada.chat, "the greeting of the process")
        ((other, text),) = ada.chat
        assert text == "I am Cy"
        began = time.monotonic()
        cy.send_signal(number)
        await until(lambda: other in ada.left, "told of the loss", TOLD_WITHIN)
        at, reason = ada.left[other]
        assert at - began < TOLD_WITHIN
        assert reason == ("disconnected" if number == signal.SIGKILL else "timeout")
        assert ada.links == {}
