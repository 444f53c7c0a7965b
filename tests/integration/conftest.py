"""Fixtures: a daemon per test, and clients that are closed before it."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.client import Clients, clients_of
from tests.integration.server import Daemon, daemon


@pytest.fixture
async def server() -> AsyncIterator[Daemon]:
    async with daemon() as running:
        yield running


@pytest.fixture
async def clients(server: Daemon) -> AsyncIterator[Clients]:
    async with clients_of(server.url) as made:
        yield made
