"""Chromium, driven by Playwright: one browser, each page in a context of its own, fake camera and microphone.

Knows flags and pages; the browser may run inside a network namespace. Knows nothing of the product's page:
what a page is asked is in `room.py`.
"""

import asyncio
import contextlib
import os
import shlex
import signal
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
        """Close the page, and its browser context if it was the last one there."""
        context = self.page.context
        if context.pages == [self.page]:
            await context.close()
        else:
            await self.page.close()

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
        self._frozen = False
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

    async def open(
        self, url: str, name: str = "page", *, beside: Tab | None = None, width: int = 1000, height: int = 700
    ) -> Tab:
        """A new page, loaded: in a browser context of its own, or as a further tab `beside` another."""
        assert self._browser is not None
        if beside is not None:
            context = beside.page.context
        else:
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

    def freeze(self) -> None:
        """Stop every process of the browser: its sockets stay open, and nothing more comes out of them."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Let it run on."""
        self._frozen = False
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End every process of the browser at once: nobody says goodbye but the system, for TCP."""
        self._signal(signal.SIGKILL)
        self._frozen = False

    async def close(self) -> None:
        """End the browser and its profile. Idempotent."""
        if self._frozen:
            self.kill()
        if self._browser is not None:
            await self._browser.close()
            self._browser = None
        if self._playwright is not None:
            await self._playwright.stop()
            self._playwright = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._directory is not None, "the browser was not started"
        group = int(
            (Path(self._directory.name) / "pid").read_text()
        )  # Playwright makes it a group of its own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)

    def _executable(self) -> str:
        """A wrapper that notes its pid and becomes the browser.

        Playwright talks to the browser over inherited pipes, so a wrapper that replaces itself is enough.
        """
        self._directory = tempfile.TemporaryDirectory(prefix="sfu-chromium-")
        folder = Path(self._directory.name)
        wrapper = folder / "chromium"
        inside = f"ip netns exec {shlex.quote(self._namespace)} " if self._namespace is not None else ""
        note = f"echo $$ > {shlex.quote(str(folder / 'pid'))}"
        wrapper.write_text(f'#!/bin/sh\n{note}\nexec {inside}{shlex.quote(str(EXECUTABLE))} "$@"\n')
        wrapper.chmod(0o755)
        return str(wrapper)
