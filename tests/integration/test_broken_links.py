"""Links between nodes that break, fall silent or talk nonsense; the other node is often the test itself."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from sfu.cluster import messages as wire
from signaling import messages as m
from tests.integration.client import clients_of, until
from tests.integration.media import RED
from tests.integration.server import daemon
from tests.integration.test_tree import SECRET, links

HEADERS = {"Authorization": f"Bearer {SECRET}"}
FINGERPRINTS = (("sha-256", ":".join(["AB"] * 32)),)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.tree.PATIENCE", 0.5)
    monkeypatch.setattr("sfu.tree.RETRY_FIRST", 0.05)
    monkeypatch.setattr("sfu.tree.RETRY_MOST", 0.2)


@contextlib.asynccontextmanager
async def dialed(url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket at /pipe; it answers no close of itself, as a node that has died would not."""
    async with aiohttp.ClientSession(headers=HEADERS) as http:
        ws = await http.ws_connect(
            url + "/pipe", autoclose=False, timeout=aiohttp.ClientWSTimeout(ws_close=0.1)
        )
        async with ws:
            yield ws


@contextlib.asynccontextmanager
async def child(
    url: str, id: str = "n_x", topology: wire.Topology = "sfu"
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A child node that has been accepted."""
    async with dialed(url) as ws:
        await ws.send_str(wire.encode(wire.Hello("blue", topology, id, FINGERPRINTS)))
        assert isinstance(wire.decode(await ws.receive_str(timeout=5)), wire.Accept)
        yield ws


def members(*names: str) -> str:
    return wire.encode(
        wire.Members(tuple(wire.PipeMember(f"p_{name}", name, "member", ("n_x",), ()) for name in names))
    )


class SilentParent:
    """A node that takes WebSockets, and answers with a given text or not at all."""

    def __init__(self, answer: str | None = None) -> None:
        self.answer = answer
        self.calls = 0
        self.over = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        ws = web.WebSocketResponse(autoclose=False)
        await ws.prepare(request)
        await ws.receive()
        if self.answer is not None:
            await ws.send_str(self.answer)
        await self.over.wait()
        return ws

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/pipe", self.handle)
        server = TestServer(app)
        await server.start_server()
        try:
            yield str(server.make_url("")).rstrip("/")
        finally:
            self.over.set()
            await server.close()


def accept(host: str = "127.0.0.1", port: int = 9) -> str:
    return wire.encode(wire.Accept("n_y", "abcd", "0" * 22, FINGERPRINTS, (wire.Candidate(host, port),)))


def udp_sockets() -> int:
    """How many UDP sockets this process has; the kernel's tables name those of all processes."""
    tables = [Path("/proc/self/net", name).read_text().splitlines()[1:] for name in ("udp", "udp6")]
    known = {f"socket:[{line.split()[9]}]" for lines in tables for line in lines}
    return sum(
        os.path.realpath(f"/proc/self/fd/{fd}").split("/")[-1] in known for fd in os.listdir("/proc/self/fd")
    )


# -- children ------------------------------------------------------------------------------------------------


async def test_a_child_that_comes_back_before_it_was_missed() -> None:
    async with daemon(secret=SECRET) as node, clients_of(node.url) as clients:
        bob = await clients("Bob")
        async with child(node.url) as before:
            await before.send_str(members("Ada"))
            await until(lambda: "p_Ada" in bob.others, "Ada is seen")
            async with child(node.url) as after:
                await after.send_str(members("Ada", "Eve"))
                await until(lambda: {"p_Ada", "p_Eve"} <= set(bob.others), "both are seen")
                assert len(links(node)) == 1
                await before.close()
                await until(lambda: len(node.media.hub) == 1, "the old link is gone")
                assert {"p_Ada", "p_Eve"} <= set(bob.others)
        await until(lambda: not bob.others, "the child is gone")
        await until(lambda: len(node.media.hub) == 0, "nothing of it is left")


async def test_two_children_and_one_of_them_breaks_the_rules() -> None:
    async with daemon(secret=SECRET) as node, clients_of(node.url) as clients:
        bob = await clients("Bob")
        async with child(node.url, "n_x") as good, child(node.url, "n_z") as bad:
            await good.send_str(members("Ada"))
            await bad.send_str(members("Eve").replace("p_Eve", "p_E"))
            await until(lambda: len(bob.others) == 2, "both are seen")
            await bad.send_str('{"type":"members","members":[{"id":"p_E"}]}')
            await until(lambda: set(bob.others) == {"p_Ada"}, "one is gone")
            frame = await bad.receive(timeout=5)
            while frame.type is aiohttp.WSMsgType.TEXT:
                frame = await bad.receive(timeout=5)
            assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1008)
            assert len(links(node)) == 1
            await good.send_str(members("Ada", "Cid"))
            await until(lambda: len(bob.others) == 2, "the other goes on")


async def test_a_child_that_says_nothing_is_sent_away() -> None:
    async with daemon(secret=SECRET) as node, dialed(node.url) as ws:
        frame = await ws.receive(timeout=5)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        assert len(node.media.hub) == 0


@pytest.mark.parametrize("room", ["", ".", "x" * 65, "no/room"])
async def test_a_child_with_a_room_that_has_no_name(room: str) -> None:
    async with daemon(secret=SECRET) as node, dialed(node.url) as ws:
        hello = wire.Hello(room, "sfu", "n_x", FINGERPRINTS)
        await ws.send_str(wire.encode(hello))
        frame = await ws.receive(timeout=5)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        stats = await node.stats()
        assert stats["rooms"] == 0
        assert len(node.media.hub) == 0


async def test_a_room_that_speaks_directly_is_refused() -> None:
    async with daemon(secret=SECRET) as node, clients_of(node.url) as clients, dialed(node.url) as ws:
        ada = clients.make("Ada")
        await ada.connect()
        await ada.ask(m.Join(room="blue", name="Ada", topology="mesh"), m.Welcome)
        await ws.send_str(wire.encode(wire.Hello("blue", "sfu", "n_x", FINGERPRINTS)))
        frame = await ws.receive(timeout=5)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        assert "directly" in str(frame.extra)
        assert len(node.media.hub) == 0


async def test_a_secret_of_any_bytes_is_a_wrong_one() -> None:
    async with daemon(secret=SECRET) as node:
        host, port = node.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /pipe HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
        assert b" 403 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


# -- the parent ----------------------------------------------------------------------------------------------


async def test_the_parent_goes_and_comes_back() -> None:
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    async with daemon(parent=url, secret=SECRET) as node, clients_of(node.url) as clients:
        ada = await clients("Ada")
        ada.publish_both(RED)
        await ada.offer()  # before there is a parent
        for _ in range(2):
            async with daemon(secret=SECRET, port=port) as parent, clients_of(parent.url) as others:
                bob = await others("Bob")
                await bob.knows(2)
                bob.receive_all()
                await bob.offer()
                await bob.frames()
                await until(lambda: len(ada.others) == 1, "Bob is seen")
            await until(lambda: not ada.others, "the parent and Bob are gone")
        assert len(node.media.hub) == 1


@pytest.mark.parametrize(
    "answer",
    [None, "{", accept("parent.example"), '{"type":"want","publications":[]}'],
    ids=["silent", "broken", "a name", "another word"],
)
async def test_a_parent_that_makes_no_sense_is_tried_again(answer: str | None) -> None:
    parent = SilentParent(answer)
    async with parent.serve() as url, daemon(parent=url, secret=SECRET) as node, clients_of(node.url) as them:
        await them("Ada")
        await until(lambda: parent.calls >= 3, "it is tried again")
        assert links(node) == []
        assert len(node.media.hub) == 0


async def test_a_parent_without_media_leaves_no_ports() -> None:
    parent = SilentParent(accept())
    before = udp_sockets()
    async with parent.serve() as url, daemon(parent=url, secret=SECRET) as node, clients_of(node.url) as them:
        ada = await them("Ada")
        await until(lambda: len(links(node)) == 1, "the link is there")
        for _ in range(5):
            calls = parent.calls
            (connection,) = node.media.hub._connections
            connection.expire()
            await until(lambda calls=calls: parent.calls > calls and links(node), "it is tried again")  # type: ignore[misc]
        await them.drop(ada)
        await until(lambda: not links(node), "nobody is left")
    await until(lambda: udp_sockets() <= before, "the last port is closed")


# -- shutting down -------------------------------------------------------------------------------------------


async def test_a_silent_child_costs_nobody_the_bye() -> None:
    async with contextlib.AsyncExitStack() as stack:
        running = contextlib.AsyncExitStack()
        node = await running.enter_async_context(daemon(secret=SECRET))
        clients = await stack.enter_async_context(clients_of(node.url))
        ada = await clients("Ada")
        await stack.enter_async_context(child(node.url))
        started = time.monotonic()
        await running.aclose()
        assert time.monotonic() - started < 3
        await ada.hears(m.Bye, reason="shutdown")


async def test_a_silent_parent_costs_nobody_the_bye() -> None:
    parent = SilentParent(accept())
    async with parent.serve() as url, contextlib.AsyncExitStack() as stack:
        running = contextlib.AsyncExitStack()
        node = await running.enter_async_context(daemon(parent=url, secret=SECRET))
        clients = await stack.enter_async_context(clients_of(node.url))
        ada = await clients("Ada")
        await until(lambda: len(links(node)) == 1, "the link is there")
        started = time.monotonic()
        await running.aclose()
        assert time.monotonic() - started < 3
        await ada.hears(m.Bye, reason="shutdown")


# -- broadcasts ----------------------------------------------------------------------------------------------


async def test_a_broadcast_is_one_on_every_node() -> None:
    async with (
        daemon(secret=SECRET) as parent,
        daemon(parent=parent.url, secret=SECRET) as node,
        clients_of(parent.url) as there,
        clients_of(node.url) as here,
    ):
        viewer = here.make("Vic")
        await viewer.connect()
        await viewer.ask(m.Join(room="blue", name="Vic", topology="broadcast"), m.Welcome)
        await until(lambda: len(links(parent)) == 1, "the link is there")
        host = there.make("Ada")
        await host.connect()
        welcome = await host.ask(
            m.Join(room="blue", name="Ada", topology="broadcast", role="publisher"), m.Welcome
        )
        assert (welcome.topology, welcome.role) == ("broadcast", "publisher")
        await until(lambda: [o.role for o in viewer.others.values()] == ["publisher"], "the host is seen")
