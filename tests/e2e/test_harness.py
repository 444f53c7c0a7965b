"""The harness by itself: browsers decode their own fake camera, links lose what they are told to lose."""

import sys

import pytest

from tests.e2e import firefox, netns
from tests.e2e.chromium import Chromium
from tests.e2e.firefox import BidiError, Firefox
from tests.e2e.loopback import loopback_page
from tests.e2e.netns import HUB_ADDRESS, Impairment, Link, Network
from tests.e2e.process import Child
from tests.e2e.waiting import wait_until

ECHO = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    server.bind(("10.77.0.1", 5000))
    print("ready")
    while True:
        data, sender = server.recvfrom(2048)
        server.sendto(data, sender)
"""
SERVE = """
import http.server
server = http.server.ThreadingHTTPServer(("10.77.0.1", 8000), http.server.SimpleHTTPRequestHandler)
print("ready")
server.serve_forever()
"""
COUNT = """
import socket
hub = ("10.77.0.1", 5000)
back = 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(0.1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    for start in range(0, 2100, 100):
        try:
            for number in range(100 if start < 2000 else 0):
                client.sendto(b"x" * 200, hub)
            if start == 2000:
                client.settimeout(0.5)
            while back < min(start + 100, 2000):
                back += client.recv(2048) != b""
        except OSError:
            pass
print("back", back)
"""


@pytest.mark.browser
async def test_chromium_decodes_its_own_camera() -> None:
    async with loopback_page() as url, Chromium() as browser:
        tabs = await browser.open_all([url, url])
        for tab in tabs:
            await tab.wait_for("window.frames_decoded?.().then((frames) => frames >= 5)")
            assert tab.errors == []


@pytest.mark.browser
async def test_chromium_reports_console_errors_and_failed_waits() -> None:
    async with Chromium(init_script="window.early = 1;") as browser:
        tab = await browser.open(
            "data:text/html,<script>console.error('oh');setTimeout(() => missing())</script>"
        )
        assert await tab.evaluate("window.early") == 1
        await tab.wait_for("true")
        with pytest.raises(AssertionError, match=r"waited 0\.2 s for false in page") as failure:
            await tab.wait_for("false", within=0.2)
        assert "error: oh" in str(failure.value)
        assert any("missing is not defined" in error for error in tab.errors)


@pytest.mark.browser
async def test_firefox_decodes_its_own_camera() -> None:
    if reason := firefox.missing():
        pytest.skip(reason)
    async with loopback_page() as url, Firefox(init_script="window.early = 1;") as browser:
        await browser.goto(url)
        await browser.wait_for("window.frames_decoded?.().then((frames) => frames >= 5)", within=20)
        assert await browser.evaluate("(number) => number + window.early", 2) == 3
        with pytest.raises(BidiError, match="missing"):
            await browser.evaluate("missing()")


async def _came_back(network: Network, link: Link) -> int:
    """How many of 2000 datagrams sent from the link's namespace return from the hub."""
    echo = await Child.start([sys.executable, "-uc", ECHO], namespace=network.hub)
    try:
        await echo.line_matching("ready", 5.0)
        count = await Child.start([sys.executable, "-uc", COUNT], namespace=link.namespace)
        try:
            return int((await count.line_matching(r"back (\d+)", 20.0)).group(1))
        finally:
            await count.kill()
    finally:
        await echo.kill()


@pytest.mark.netns
async def test_links_lose_what_they_are_told_to_lose() -> None:
    if reason := netns.capabilities().loss:
        pytest.skip(reason)
    with Network() as network:
        first, second = network.link(), network.link()
        first.impair(towards=Impairment(loss=10), away=Impairment(loss=20))
        lossy = await _came_back(network, first)
        perfect = await _came_back(network, second)
        first.impair()
        assert perfect == 2000
        assert 2000 * 0.72 * 0.9 < lossy < 2000 * 0.72 * 1.1
        assert await _came_back(network, first) == 2000


@pytest.mark.netns
async def test_a_pulled_cable_carries_nothing_until_it_is_back() -> None:
    with Network() as network:
        link = network.link()

        async def all_back() -> bool:
            return await _came_back(network, link) == 2000

        link.down()
        assert await _came_back(network, link) == 0
        link.up()
        await wait_until(all_back, 10.0, "an intact link")
        link.interface_down()
        assert await _came_back(network, link) == 0
        link.interface_up()
        await wait_until(all_back, 10.0, "an intact link")


@pytest.mark.netns
@pytest.mark.browser
async def test_chromium_runs_inside_a_namespace() -> None:
    with Network() as network:
        link = network.link()
        server = await Child.start([sys.executable, "-uc", SERVE], namespace=network.hub)
        try:
            await server.line_matching("ready", 5.0)
            origin = f"http://{HUB_ADDRESS}:8000"
            async with Chromium(namespace=link.namespace, trusted_origins=(origin,)) as browser:
                tab = await browser.open(origin)
                assert await tab.evaluate("window.isSecureContext && !!navigator.mediaDevices.getUserMedia")
        finally:
            await server.kill()
