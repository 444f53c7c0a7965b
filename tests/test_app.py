"""The daemon's HTTP side with a backend that moves no media: pages, headers, origins, start and stop."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from sfu import app as daemon
from sfu import tls
from sfu.config import Config, ConfigError
from sfu.pages import content_policy, find_folder, origin_allowed
from signaling.lobby import Lobby
from signaling.messages import Bye, Join, Ping, Pong, Welcome, decode_server, encode
from tests.signaling.doubles import MemoryBackend

Client = TestClient[web.Request, web.Application]


class NoLinks:
    """A node that stands alone."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPForbidden

    async def close(self) -> None:
        pass


class MemoryMedia:
    """What serve() starts in place of the media service."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.closed = False

    def stats(self) -> Mapping[str, Any]:
        return {"packets": 5}

    def tree(self, lobby: Lobby) -> NoLinks:
        return NoLinks()

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "web"
    (root / "js").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>room</title>")
    (root / "js" / "app.js").write_text("export {};")
    (root / "loopback.html").write_text("<!doctype html><title>self test</title>")
    (root / "style.css").write_text("body {}")
    (root / "tsconfig.json").write_text("{}")
    (root / ".hidden.js").write_text("no")
    (tmp_path / "secret.js").write_text("no")
    return root


@contextlib.asynccontextmanager
async def running(config: Config, folder: Path) -> AsyncIterator[Client]:
    media = MemoryMedia()
    async with TestClient(
        TestServer(daemon.create_app(config, media.backend, media.stats, web_folder=folder))
    ) as client:
        yield client


@pytest.fixture
async def client(folder: Path) -> AsyncIterator[Client]:
    async with running(Config(), folder) as client:
        yield client


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/r/blue",
        "/r/my%20room",
        "/r/a.b-c_d?name=Ada",
        "/r/blue?topology=mesh",
        "/b/stage",
        "/b/stage?role=publisher",
        "/index.html",
    ],
)
async def test_the_page(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>room</title>" in await response.text()
    for name, value in (
        ("Cache-Control", "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ):
        assert response.headers[name] == value
    assert (
        "camera=(self), microphone=(self), display-capture=(self)" in response.headers["Permissions-Policy"]
    )
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert f"connect-src 'self' ws://127.0.0.1:{client.port}" in response.headers["Content-Security-Policy"]


async def test_files_and_their_types(client: Client) -> None:
    script = await client.get("/js/app.js")
    assert script.headers["Content-Type"] == "text/javascript; charset=utf-8"
    other = await client.get("/loopback.html")
    assert other.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>self test</title>" in await other.text()
    assert (await client.get("/style.css")).headers["Content-Type"] == "text/css; charset=utf-8"
    again = await client.get("/js/app.js", headers={"If-None-Match": script.headers["ETag"]})
    assert again.status == 304
    assert (await client.head("/")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/js",
        "/js/",
        "/js/nothing.js",
        "/tsconfig.json",
        "/.hidden.js",
        "/%2e%2e/secret.js",
        "/..%2fsecret.js",
        "/js/..%2f..%2f..%2fsecret.js",
        "/%00.js",
        "/r/",
        "/r/a%2fb",
        "/r/%3Cscript%3E",
        "/r/%20",
        "/b/",
        "/b/a%2fb",
        "/r/" + "x" * 65,
    ],
)
async def test_unknown_paths(client: Client, path: str) -> None:
    url = URL(f"http://127.0.0.1:{client.port}{path}", encoded=True)
    async with ClientSession() as session, session.get(url) as response:
        assert response.status == 404
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert len(await response.text()) < 100


async def test_other_methods(client: Client) -> None:
    assert (await client.post("/")).status == 405


async def test_healthz_and_stats(client: Client) -> None:
    health = await (await client.get("/healthz")).json()
    assert health["status"] == "ok"
    async with client.ws_connect("/ws") as ada:
        await ask(ada, Join(room="blue", name="Ada"))
        response = await client.get("/stats")
        text = await response.text()
        stats = await response.json()
    assert text.startswith('{\n  "')
    assert response.headers["Cache-Control"] == "no-store"
    assert (stats["rooms"], stats["participants"], stats["publications"]) == (1, 1, 0)
    assert stats["media"] == {"packets": 5}
    assert stats["signaling"]["connections_open"] == 1
    assert stats["signaling"]["messages_in"] == 1
    assert "Ada" not in text


async def ask(ws: ClientWebSocketResponse, message: Join | Ping) -> object:
    await ws.send_str(encode(message))
    return decode_server(await ws.receive_str(timeout=5))


async def test_max_room_size(folder: Path) -> None:
    async with running(Config(max_room_size=1), folder) as client:
        ada, bob = await client.ws_connect("/ws"), await client.ws_connect("/ws")
        assert isinstance(await ask(ada, Join(room="blue", name="Ada")), Welcome)
        assert getattr(await ask(bob, Join(room="blue", name="Bob")), "code", None) == "room-full"
        await asyncio.gather(ada.close(), bob.close())


async def test_auto_settings(folder: Path) -> None:
    async with running(Config(auto_threshold=2, auto_quiet=60), folder) as client:
        ada, bob = await client.ws_connect("/ws"), await client.ws_connect("/ws")
        first = await ask(ada, Join(room="blue", name="Ada", topology="auto"))
        assert isinstance(first, Welcome)
        assert (first.topology, first.path, first.threshold) == ("auto", "mesh", 2)
        second = await ask(bob, Join(room="blue", name="Bob"))
        assert isinstance(second, Welcome)
        assert (second.topology, second.path) == ("auto", "sfu")
        await asyncio.gather(ada.close(), bob.close())


async def test_origins(folder: Path) -> None:
    async with running(Config(allow_origin=("https://example.org",)), folder) as client:
        for origin in (None, f"http://127.0.0.1:{client.port}", "https://example.org"):
            async with client.ws_connect("/ws", origin=origin) as ws:
                assert await ask(ws, Ping()) == Pong()
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
            response = await client.get("/ws", headers={"Origin": origin})
            assert response.status == 403
    async with running(Config(), folder) as client:
        assert (await client.get("/ws")).status == 400


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://localhost:8080", "localhost:8080", True),
        ("HTTP://LocalHost:8080", "localhost:8080", True),
        ("https://sfu.example", "sfu.example", True),
        ("https://sfu.example", "sfu.example:443", True),
        ("https://sfu.example:443", "sfu.example", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://sfu.example", "sfu.example:8080", False),
        ("https://sfu.example.evil", "sfu.example", False),
        ("null", "sfu.example", False),
        ("", "", False),
        ("file://", "", False),
        ("https://a:b", "a:b", False),
        ("https://[", "[", False),
        ("chrome-extension://sfu.example", "sfu.example", False),
    ],
)
def test_same_origin(origin: str, host: str, allowed: bool) -> None:
    assert origin_allowed(origin, host, ()) is allowed
    assert origin_allowed(origin, host, ("*",))


def test_strange_hosts_stay_out_of_the_policy() -> None:
    assert "evil" not in content_policy("evil; script-src *")
    assert "ws://[::1]:8080" in content_policy("[::1]:8080")


def test_a_missing_page_is_told(tmp_path: Path) -> None:
    media = MemoryMedia()
    with pytest.raises(FileNotFoundError, match=r"no index\.html"):
        daemon.create_app(Config(), media.backend, media.stats, web_folder=tmp_path)
    assert find_folder().name == "web"


@pytest.mark.parametrize(
    ("config", "port", "parts"),
    [
        (Config(), 8080, ["open http://127.0.0.1:8080/ "]),
        (Config(host="0.0.0.0"), 80, ["open http://127.0.0.1/ ", "only to HTTPS pages and to localhost"]),
        (Config(host="::1"), 8080, ["open http://[::1]:8080/ "]),
        (Config(host="192.0.2.1"), 8080, ["open http://192.0.2.1:8080/ ", "--tls self-signed"]),
        (Config(host="::", tls="self-signed"), 443, ["open https://127.0.0.1/ ", "warn once"]),
    ],
)
def test_greeting(config: Config, port: int, parts: list[str]) -> None:
    text = daemon.greeting(config, port)
    assert all(part in text for part in parts)
    assert ("only to HTTPS" in text) == (config.host in ("0.0.0.0", "192.0.2.1"))


async def start(config: Config, folder: Path, media: MemoryMedia) -> asyncio.Task[int]:
    async def factory(_: Config) -> MemoryMedia:
        return media

    return asyncio.create_task(daemon.serve(config, media_factory=factory, web_folder=folder))


async def printed_url(capsys: pytest.CaptureFixture[str], serving: asyncio.Task[int]) -> str:
    text = ""
    while "open http" not in text:
        assert not serving.done(), capsys.readouterr()
        await asyncio.sleep(0.005)
        text += capsys.readouterr().out
    return text.split("open ")[1].split()[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_say_bye(folder: Path, capsys: pytest.CaptureFixture[str], number: int) -> None:
    media = MemoryMedia()
    serving = await start(Config(port=0), folder, media)
    url = await printed_url(capsys, serving)
    async with ClientSession() as session, session.ws_connect(url + "ws") as ws:
        assert isinstance(await ask(ws, Join(room="blue", name="Ada")), Welcome)
        os.kill(os.getpid(), number)
        assert decode_server(await ws.receive_str(timeout=3)) == Bye(reason="shutdown")
        await ws.receive(timeout=3)
        assert ws.close_code == 1001
        assert await asyncio.wait_for(serving, 3) == 0
    assert media.closed
    assert [reason for _, reason in media.backend.left] == ["shutdown"]


async def test_a_port_in_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        media = MemoryMedia()
        assert await (await start(Config(port=port), folder, media)) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"TCP port {port} of 127.0.0.1 is in use by another program.")
    assert error.count("\n") == 1
    assert media.closed


async def test_a_media_port_in_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def factory(_: Config) -> MemoryMedia:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    assert await daemon.serve(Config(), media_factory=factory, web_folder=folder) == 1
    assert capsys.readouterr().err.startswith("UDP port 7882 is in use by another program.")


async def test_an_address_of_somebody_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    media = MemoryMedia()
    assert await (await start(Config(host="192.0.2.1", port=0), folder, media)) == 1
    assert "this machine does not have that address" in capsys.readouterr().err


class Stuck(MemoryMedia):
    """Media that will not close."""

    async def close(self) -> None:
        await asyncio.Event().wait()


async def test_media_that_will_not_close(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "MEDIA_PATIENCE", 0.05)
    before = signal.getsignal(signal.SIGINT)
    serving = await start(Config(port=0), folder, Stuck())
    await printed_url(capsys, serving)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(serving, 3) == 0
    assert signal.getsignal(signal.SIGINT) is before


async def test_self_signed_tls(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serving = await start(Config(port=0, tls="self-signed"), folder, MemoryMedia())
    url = await printed_url(capsys, serving)
    assert url.startswith("https://127.0.0.1:")
    async with ClientSession(connector=TCPConnector(ssl=False)) as session:
        async with session.get(url + "healthz") as response:
            assert response.status == 200
        async with session.ws_connect(url.replace("https", "wss") + "ws") as ws:
            assert await ask(ws, Ping()) == Pong()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(serving, 3) == 0


def test_certificate_files(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ConfigError, match="can't be used"):
        tls.from_files(wrong, wrong)
    assert isinstance(tls.self_signed(["localhost", "::1", "a.example", "localhost"]), ssl.SSLContext)


SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from sfu import app, cli
from tests import test_app

async def factory(config):
    return getattr(test_app, sys.argv[2])()

app.MEDIA_PATIENCE = 60
run = partial(app.serve, media_factory=factory, web_folder=Path(sys.argv[1]))
sys.exit(cli.main(["serve", "--port", "0"], {}, run=run))
"""


@contextlib.asynccontextmanager
async def process(folder: Path, media: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run the daemon as a process of its own; yields it and its URL."""
    root = Path(__file__).parents[1]
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SCRIPT, str(folder), media), cwd=root, stdout=-1, stderr=-1
    )
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), 20)
        yield started, line.decode().split("open ")[1].split()[0]
        await asyncio.wait_for(started.wait(), 5)
    finally:
        if started.returncode is None:
            started.kill()


async def test_ctrl_c_ends_the_process_well(folder: Path) -> None:
    async with process(folder, "MemoryMedia") as (started, url):
        async with ClientSession() as session, session.ws_connect(url + "ws") as ws:
            assert isinstance(await ask(ws, Join(room="blue", name="Ada")), Welcome)
            started.send_signal(signal.SIGINT)
            assert decode_server(await ws.receive_str(timeout=5)) == Bye(reason="shutdown")
        assert started.stderr is not None
        lines = (await started.stderr.read()).decode()
    assert started.returncode == 0
    assert "[blue p_" in lines
    assert "Ada" not in lines
    assert "127.0.0.1" not in lines
    assert "Traceback" not in lines


async def test_a_second_ctrl_c_ends_it_at_once(folder: Path) -> None:
    async with process(folder, "Stuck") as (started, _):
        started.send_signal(signal.SIGINT)
        assert started.stderr is not None
        while b"shutting down" not in await started.stderr.readline():
            pass
        started.send_signal(signal.SIGINT)
    assert started.returncode == -signal.SIGINT
