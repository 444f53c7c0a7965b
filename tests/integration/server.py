"""The real daemon in the test's own process: HTTP application and media service, on free ports."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from sfu.app import create_app
from sfu.config import Config
from sfu.service import MediaService
from tests.engines import asked
from tests.integration.client import Clients, clients_of


@dataclass
class Daemon:
    """A running server; `media` is its inside, for what can't be seen from outside."""

    url: str
    media: MediaService

    @property
    def rtc_port(self) -> int:
        return self.media.hub.port.port

    async def stats(self) -> dict[str, Any]:
        """/stats as an operator gets it."""
        async with ClientSession() as http, http.get(self.url + "/stats") as response:
            found: dict[str, Any] = await response.json()
            return found

    def participant(self, id: str) -> dict[str, Any]:
        """The statistics of one participant."""
        rooms: Any = self.media.stats()["rooms"]
        return next(p for room in rooms for p in room["participants"] if p["participant"] == id)


@contextlib.asynccontextmanager
async def daemon(
    relay: Literal["forward", "media"] = "forward", *, parent: str = "", secret: str = "", port: int = 0
) -> AsyncIterator[Daemon]:
    """`port` is that of HTTP; 0 = any free."""
    config = Config(port=0, rtc_port=0, relay=relay, parent=parent, node_secret=secret, engine=asked())
    media = await MediaService.start(config)
    try:
        app: web.Application = create_app(config, media.backend, media.stats, tree=media.tree)
        server = TestServer(app, port=port or None)
        await server.start_server()
        try:
            yield Daemon(str(server.make_url("")).rstrip("/"), media)
        finally:
            await server.close()
    finally:
        await media.close()


@contextlib.asynccontextmanager
async def room(relay: Literal["forward", "media"] = "forward") -> AsyncIterator[tuple[Daemon, Clients]]:
    async with daemon(relay) as running, clients_of(running.url) as clients:
        yield running, clients
