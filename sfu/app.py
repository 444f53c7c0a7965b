"""The daemon: joins signaling to a media backend and serves both, with the page, over HTTP.

Knows: the HTTP application, its life from start to the last goodbye. Does not know: how media is moved
(the backend), what clients say (signaling), or how settings were given (config.py).
"""

import asyncio
import contextlib
import errno
import json
import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from sfu import tls
from sfu.config import Config, ConfigError
from sfu.garbage import rarely_collected
from sfu.pages import Pages, add_headers, find_folder, origin_allowed
from signaling.auto import AutoSettings
from signaling.backend import Backend
from signaling.counters import Counters
from signaling.lobby import Lobby
from signaling.websocket import WebSockets

logger = logging.getLogger(__name__)

HTTP_PATIENCE = 2.3
"""Seconds to say bye to everybody; with MEDIA_PATIENCE less than 3, the promise to the operator."""
MEDIA_PATIENCE = 0.6

Stats = Callable[[], Mapping[str, Any]]


class Links(Protocol):
    """The links to other nodes: sfu.tree.Tree, or a double of it."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer another node that links a room."""
        ...

    async def close(self) -> None:
        """End every link; idempotent."""


class Media(Protocol):
    """What moves the media: sfu.service.MediaService, or a double of it."""

    @property
    def backend(self) -> Backend:
        """What signaling asks for media."""
        ...

    def stats(self) -> Mapping[str, Any]:
        """Return figures for /stats, ready for JSON."""
        ...

    def tree(self, lobby: Lobby) -> Links:
        """Link the rooms of this node with those of others."""
        ...

    async def close(self) -> None:
        """End all connections; idempotent."""


MediaFactory = Callable[[Config], Awaitable[Media]]


def version() -> str:
    """Return the version of the installed distribution."""
    try:
        return metadata.version("aiosfu")
    except metadata.PackageNotFoundError:
        return "0 (not installed)"


def create_app(
    config: Config,
    backend: Backend,
    stats: Stats,
    *,
    tree: Callable[[Lobby], Links] | None = None,
    web_folder: Path | None = None,
) -> web.Application:
    """Return the whole HTTP application: /ws, /pipe, /healthz, /stats and the page.

    Its shutdown says bye to every client. Raises FileNotFoundError if the page is missing.
    """
    counters = Counters()
    auto = AutoSettings(threshold=config.auto_threshold, quiet=config.auto_quiet)
    lobby = Lobby(backend, counters, max_room_size=config.max_room_size, auto=auto)
    sockets = WebSockets(lobby, counters)
    started = time.monotonic()

    async def websocket(request: web.Request) -> web.StreamResponse:
        if not origin_allowed(request.headers.get("Origin"), request.host, config.allow_origin):
            raise web.HTTPForbidden(text="Pages of this origin may not connect; see --allow-origin.\n")
        return await sockets.handle(request)

    async def healthz(request: web.Request) -> web.Response:
        return _json({"status": "ok", "version": version(), "uptime_s": _since(started)})

    async def show_stats(request: web.Request) -> web.Response:
        now = {"version": version(), "uptime_s": _since(started), **lobby.stats()}
        return _json(now | {"signaling": counters.as_dict(), "media": stats()})

    links = tree(lobby) if tree is not None else None

    async def say_bye(app: web.Application) -> None:
        # At the same time: a node that does not answer must not cost the clients their bye.
        await asyncio.gather(sockets.close(), *([links.close()] if links is not None else []))
        await lobby.close()

    app = web.Application(middlewares=[_short_errors])
    app.router.add_get("/ws", websocket)
    if links is not None:
        app.router.add_get("/pipe", links.handle)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/stats", show_stats)
    Pages(web_folder or find_folder()).add_to(app)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(say_bye)
    return app


async def serve(
    config: Config, *, media_factory: MediaFactory | None = None, web_folder: Path | None = None
) -> int:
    """Run until SIGINT or SIGTERM; return the exit code. A second SIGINT exits at once."""
    stop = asyncio.Event()
    with _signals_set(stop):
        try:
            return await _serve_until(stop, config, media_factory or _start_media, web_folder)
        except ConfigError as error:
            print(error, file=sys.stderr)
            return 1


async def _serve_until(
    stop: asyncio.Event, config: Config, media_factory: MediaFactory, web_folder: Path | None
) -> int:
    context = _tls_context(config)
    try:
        media = await media_factory(config)
    except OSError as error:
        raise _cannot_listen(error, "UDP", config.rtc_host, config.rtc_port, "--rtc-port") from None
    runner: web.AppRunner | None = None
    try:
        app = create_app(config, media.backend, media.stats, tree=media.tree, web_folder=web_folder)
        # 0.5 s for requests that are being answered; WebSockets have ended by then.
        runner = web.AppRunner(app, access_log_format='%a "%r" %s %b', shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, config.host, config.port, ssl_context=context).start()
        except OSError as error:
            raise _cannot_listen(error, "TCP", config.host, config.port, "--port") from None
        print(greeting(config, runner.addresses[0][1]), flush=True)
        with rarely_collected():
            await stop.wait()
        logger.info("shutting down")
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from None
    finally:
        if runner is not None:
            await _within(HTTP_PATIENCE, runner.cleanup(), "connections")
        await _within(MEDIA_PATIENCE, media.close(), "media")
    return 0


def greeting(config: Config, port: int) -> str:
    """Return what is printed at start: the URL to open, and what to know about it."""
    scheme = "https" if config.tls == "self-signed" or config.tls_cert else "http"
    everywhere = config.host in ("0.0.0.0", "::")
    host = "127.0.0.1" if everywhere else config.host
    lines = [f"aiosfu {version()}: open {_url(scheme, host, port)} in a browser. Ctrl-C stops."]
    if everywhere:
        lines.append(f"From other machines: {_url(scheme, socket.gethostname(), port)}")
    if config.tls == "self-signed":
        lines.append("The browser will warn once: the certificate was made just now, by this server.")
    if scheme == "http" and not _is_local(config.host):
        lines.append(
            "Browsers give cameras and microphones only to HTTPS pages and to localhost: for other "
            "machines add --tls self-signed, or --tls-cert and --tls-key, or a proxy with HTTPS."
        )
    return "\n".join(lines)


async def _start_media(config: Config) -> Media:
    # Imported here: it brings aiortc and av, which `sfu --help` and the tests of this file do without.
    from sfu.service import MediaService

    return await MediaService.start(config)


@contextlib.contextmanager
def _signals_set(stop: asyncio.Event) -> Iterator[None]:
    """Have SIGINT and SIGTERM set `stop`; after the first, SIGINT ends the process as it does by default."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)

    def asked() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, before)


async def _within(seconds: float, closing: Awaitable[None], what: str) -> None:
    """Close something; neither slowness nor failure keeps the rest from closing."""
    try:
        async with asyncio.timeout(seconds):
            await closing
    except TimeoutError:
        logger.warning("x closing the %s took too long; going on without", what)
    except Exception:
        logger.exception("x closing the %s failed", what)


def _tls_context(config: Config) -> ssl.SSLContext | None:
    if config.tls_cert and config.tls_key:
        return tls.from_files(config.tls_cert, config.tls_key)
    if config.tls != "self-signed":
        return None
    hosts = ["localhost", "127.0.0.1", "::1", socket.gethostname(), *config.public_ip]
    return tls.self_signed(hosts if config.host in ("0.0.0.0", "::") else [config.host, *hosts])


def _cannot_listen(error: OSError, kind: str, host: str, port: int, option: str) -> ConfigError:
    where = f"{kind} port {port}" + (f" of {host}" if host else "")
    match error.errno:
        case errno.EADDRINUSE:
            reason = f"is in use by another program. Stop that, or choose another with {option}"
        case errno.EACCES:
            reason = f"is reserved for the system. Choose one above 1023 with {option}"
        case errno.EADDRNOTAVAIL:
            reason = "can't be opened: this machine does not have that address"
        case _:
            reason = f"can't be opened: {error.strerror or error}"
    return ConfigError(f"{where} {reason}.")


def _is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _url(scheme: str, host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    default = 443 if scheme == "https" else 80
    return f"{scheme}://{name}/" if port == default else f"{scheme}://{name}:{port}/"


def _since(started: float) -> float:
    return round(time.monotonic() - started, 1)


def _json(value: Mapping[str, Any]) -> web.Response:
    text = json.dumps(value, indent=2) + "\n"
    return web.json_response(text=text, headers={"Cache-Control": "no-store"})


@web.middleware
async def _short_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer unknown paths in a few words."""
    try:
        return await handler(request)
    except web.HTTPNotFound as error:
        if error.text == web.HTTPNotFound().text:
            error.text = "There is nothing here.\n"
        raise
