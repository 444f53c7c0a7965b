"""Chromium, driven by Playwright: one browser, each page in a context of its own, fake camera and microphone.

Knows flags and pages; the browser may run inside a network namespace. Knows nothing of the product's page:
what a page is asked is in `room.py`.
"""

import asyncio
import os
import shlex
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from tests.e2e.waiting import wait_until

EXECUTABLE = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--autoplay-policy=no-user-gesture-required",
)
LAUNCH_TIMEOUT = 30.0


def missing() -> str:
    """ "" or the reason why Chromium can't be driven here, for pytest.skip."""
    if not EXECUTABLE.exists():
        return f"no Chromium at {EXECUTABLE} (tests/install-browsers.sh installs it; CHROMIUM= names another)"
    return ""


class Tab:
    """One page with what went wrong in it: `errors` are console errors and uncaught exceptions."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.errors: list[str] = []
        self.console: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    async def evaluate(self, expression: str, argument: object = None) -> Any:
        """Evaluate a JavaScript expression, or call a function expression with the argument."""
        return await self.page.evaluate(expression, argument)

    async def wait_for(self, expression: str, within: float = 10.0, argument: object = None) -> Any:
        """Poll the expression until it is truthy; a page that is loading just now counts as "not yet"."""

        async def ask() -> Any:
            try:
                return await self.page.evaluate(expression, argument)
            except PlaywrightError as error:
                if "context was destroyed" in str(error) or "navigat" in str(error):
                    return None
                raise

        return await wait_until(ask, within, f"{expression} in {self.name}", detail=self.report)

    def report(self) -> str:
        return f"console of {self.name}:\n" + "\n".join(self.console[-30:])

    async def close(self) -> None:
        await self.page.context.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        line = f"{message.type}: {message.text}"
        self.console.append(line)
        if message.type == "error":
            self.errors.append(line)


class Chromium:
    """`async with Chromium(...) as browser:` a fresh browser with a fresh profile.

    Args: `fps` of the fake camera; `namespace` to run in (needs root); `trusted_origins`, plain-http origins
    that get a camera as if they were https; `flags`, further ones; `init_script`, JavaScript run before each
    page's own.
    """

    def __init__(
        self,
        *flags: str,
        fps: int = 10,
        namespace: str | None = None,
        trusted_origins: tuple[str, ...] = (),
        init_script: str = "",
    ) -> None:
        self._flags = [*FLAGS, f"--use-fake-device-for-media-stream=fps={fps}", *flags]
        if trusted_origins:
            self._flags.append(f"--unsafely-treat-insecure-origin-as-secure={','.join(trusted_origins)}")
        self._namespace = namespace
        self._init_script = init_script
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self.tabs: list[Tab] = []

    async def __aenter__(self) -> "Chromium":
        self._playwright = await async_playwright().start()
        try:
            self._browser = await self._playwright.chromium.launch(
                executable_path=self._executable(), args=self._flags, timeout=LAUNCH_TIMEOUT * 1000
            )
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for tab in self.tabs:
                error.add_note(tab.report())
        await self.close()

    async def open(self, url: str, name: str = "page", *, width: int = 1000, height: int = 700) -> Tab:
        """A new page in a browser context of its own, loaded."""
        assert self._browser is not None
        context = await self._browser.new_context(viewport={"width": width, "height": height})
        if self._init_script:
            await context.add_init_script(self._init_script)
        tab = Tab(await context.new_page(), name)
        self.tabs.append(tab)
        await tab.page.goto(url, wait_until="domcontentloaded")
        return tab

    async def open_all(self, urls: list[str]) -> list[Tab]:
        """One page per URL, opened at the same time."""
        return list(await asyncio.gather(*(self.open(url, f"page {n}") for n, url in enumerate(urls, 1))))

    async def close(self) -> None:
        """End the browser and its profile. Idempotent."""
        if self._browser is not None:
            await self._browser.close()
            self._browser = None
        if self._playwright is not None:
            await self._playwright.stop()
            self._playwright = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _executable(self) -> str:
        if self._namespace is None:
            return str(EXECUTABLE)
        # Playwright talks to the browser over inherited pipes, so a wrapper that replaces itself is enough.
        self._directory = tempfile.TemporaryDirectory(prefix="sfu-chromium-")
        wrapper = Path(self._directory.name) / "chromium"
        command = f"exec ip netns exec {shlex.quote(self._namespace)} {shlex.quote(str(EXECUTABLE))}"
        wrapper.write_text(f'#!/bin/sh\n{command} "$@"\n')
        wrapper.chmod(0o755)
        return str(wrapper)
