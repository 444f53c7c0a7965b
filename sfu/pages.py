"""The web page over HTTP: which files, with which types and security headers, and for which origins.

Knows: the web folder, HTTP headers. Does not know: what the page does, signaling, media.
"""

import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

import sfu
from signaling.fields import RoomName

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
"""What is served at all. Fixed here, since the operating system's table may call .js plain text."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # Room names stand in the path.
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")


class Pages:
    """Serves the files of the web folder.

    `/`, `/r/ROOM` (a room) and `/b/ROOM` (a broadcast) are all index.html, which reads the address itself; the
    other files have their own names.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if not (self._folder / "index.html").is_file():
            raise FileNotFoundError(f"The web page is missing: there is no index.html in {folder}.")

    def add_to(self, app: web.Application) -> None:
        """Add the routes; the last one takes every path, so it comes after all others."""
        app.router.add_get("/", self._index)
        app.router.add_get("/r/{room}", self._room)
        app.router.add_get("/b/{room}", self._room)
        app.router.add_get("/{path:.+}", self._file)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return self._respond(self._folder / "index.html")

    async def _room(self, request: web.Request) -> web.StreamResponse:
        try:
            msgspec.convert(request.match_info["room"], RoomName)
        except msgspec.ValidationError:
            raise web.HTTPNotFound(
                text="A room name has 1 to 64 letters (A-Z), digits, spaces or any of _ . -\n"
            ) from None
        return self._respond(self._folder / "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        wanted = request.match_info["path"]
        if "\0" in wanted or any(part.startswith(".") for part in wanted.split("/")):
            raise web.HTTPNotFound
        path = (self._folder / wanted).resolve()
        if path.suffix not in TYPES or not path.is_relative_to(self._folder) or not path.is_file():
            raise web.HTTPNotFound
        return self._respond(path)

    def _respond(self, path: Path) -> web.FileResponse:
        # no-cache: keep it, but ask each time whether it is still the same (RFC 9111 section 5.2.2.4).
        headers = {"Content-Type": TYPES[path.suffix], "Cache-Control": "no-cache"}
        return web.FileResponse(path, headers=headers)


def find_folder() -> Path:
    """Return the web folder: sfu/web of an installed wheel, else web beside sfu in the source tree."""
    package = Path(sfu.__file__).parent
    inside = package / "web"
    return inside if inside.is_dir() else package.parent / "web"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Give every response the security headers: an on_response_prepare signal of aiohttp."""
    if response.status == 101:
        return
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = content_policy(request.headers.get("Host", ""))


def content_policy(host: str) -> str:
    """Return the Content-Security-Policy of pages at `host`.

    The WebSocket is named, because in older Safari and Firefox 'self' means http and https only.
    """
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return (
        f"default-src 'self'; connect-src 'self'{sockets}; img-src 'self' blob: data:; "
        "media-src 'self' blob: mediastream:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )


def origin_allowed(origin: str | None, host: str, others: Collection[str]) -> bool:
    """Return whether a page of this Origin may open the WebSocket at `host`.

    Browsers send Origin with every WebSocket (RFC 6455 section 10.2), other programs need not. The
    scheme is not compared: behind a proxy that ends TLS, it differs.
    """
    if origin is None or "*" in others or origin.lower() in others:
        return True
    try:
        parts = urlsplit(origin.lower())
        own = urlsplit(f"{parts.scheme}://{host.lower()}")
        default = {"http": 80, "https": 443}.get(parts.scheme)
        return (
            default is not None
            and parts.hostname is not None
            and (parts.hostname, parts.port or default) == (own.hostname, own.port or default)
        )
    except ValueError:  # A port that is no number, brackets that don't close.
        return False
