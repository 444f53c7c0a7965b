"""Firefox ESR, driven over WebDriver BiDi without geckodriver: launch, open, evaluate, close.

Knows the few BiDi commands it sends (W3C WebDriver BiDi) and Firefox's preferences for fake devices.
Knows nothing of the product's page.
"""

import asyncio
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from tests.e2e.process import Child
from tests.e2e.waiting import wait_until

EXECUTABLE = os.environ.get("FIREFOX", "/usr/bin/firefox-esr")
START_TIMEOUT = 40.0
COMMAND_TIMEOUT = 20.0
PREFERENCES: dict[str, bool | int | str] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
    "media.gmp-manager.url": "",  # no plugin downloads
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "extensions.update.enabled": False,
    "browser.safebrowsing.update.enabled": False,
}


def missing() -> str:
    """ "" or the reason why Firefox can't be driven here, for pytest.skip."""
    if shutil.which(EXECUTABLE) is None:
        return f"no Firefox at {EXECUTABLE} (tests/install-browsers.sh installs it; FIREFOX= names another)"
    return ""


class BidiError(Exception):
    """The browser refused a command, or a script in it threw."""


class Firefox:
    """`async with Firefox(...) as browser:` one Firefox with a fresh profile and one open page.

    Args: `preferences` beside PREFERENCES; `init_script`, JavaScript run before each page's own.
    """

    name = "firefox"

    def __init__(self, *, init_script: str = "", **preferences: bool | int | str) -> None:
        self._preferences = {**PREFERENCES, **preferences}
        self._init_script = init_script
        self._directory = tempfile.TemporaryDirectory(prefix="sfu-firefox-", ignore_cleanup_errors=True)
        self._child: Child | None = None
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._context = ""
        self.errors: list[str] = []
        self.console: list[str] = []

    async def __aenter__(self) -> "Firefox":
        try:
            await asyncio.wait_for(self._launch(), START_TIMEOUT)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.report())
        await self.close()

    async def goto(self, url: str) -> None:
        """Load a page and wait for its DOM."""
        await self.command("browsingContext.navigate", context=self._context, url=url, wait="interactive")

    async def evaluate(self, expression: str, argument: object = None) -> Any:
        """Evaluate an expression, or call a function expression with the argument; promises are awaited.

        Values travel as JSON. Raises BidiError when the script throws.
        """
        source = json.dumps(expression)
        given = json.dumps(argument)
        program = (
            f"(async () => {{ const value = (0, eval)('(' + {source} + ')');"
            f" const result = await (typeof value === 'function' ? value({given}) : value);"
            f" return JSON.stringify(result === undefined ? null : result); }})()"
        )
        answer = await self.command(
            "script.evaluate",
            expression=program,
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] != "success":
            raise BidiError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def wait_for(self, expression: str, within: float = 10.0, argument: object = None) -> Any:
        """Poll the expression until it is truthy."""
        return await wait_until(
            lambda: self.evaluate(expression, argument),
            within,
            f"{expression} in firefox",
            detail=self.report,
        )

    def report(self) -> str:
        return "console of firefox:\n" + "\n".join(self.console[-30:])

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send one BiDi command and return its result; BidiError when the browser refuses."""
        assert self._socket is not None
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._socket.send_json({"id": number, "method": method, "params": parameters})
            return await asyncio.wait_for(future, COMMAND_TIMEOUT)
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """End the browser, whatever state it is in. Idempotent."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._reader = None
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._child is not None:
            await self._child.kill()
            self._child = None
        self._directory.cleanup()

    async def _launch(self) -> None:
        profile = Path(self._directory.name) / "profile"
        profile.mkdir(exist_ok=True)
        lines = (
            f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in self._preferences.items()
        )
        (profile / "user.js").write_text("\n".join(lines) + "\n")
        command = [EXECUTABLE, "--headless", "--no-remote", "--profile", str(profile)]
        # A home of its own: Firefox writes caches and crash reports outside the profile too.
        self._child = await Child.start(
            [*command, "--remote-debugging-port", "0"], environment={"HOME": self._directory.name}
        )
        match = await self._child.line_matching(r"WebDriver BiDi listening on (ws://\S+)", START_TIMEOUT)
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(f"{match.group(1)}/session", max_msg_size=1 << 24)
        self._reader = asyncio.create_task(self._read())
        await self.command("session.new", capabilities={})
        await self.command("session.subscribe", events=["log.entryAdded"])
        if self._init_script:
            declaration = f"() => {{ {self._init_script} }}"
            await self.command("script.addPreloadScript", functionDeclaration=declaration)
        tree = await self.command("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def _read(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            value: dict[str, Any] = json.loads(message.data)
            if value.get("method") == "log.entryAdded":
                self._on_log(value["params"])
            future = self._waiting.get(value.get("id") or 0)
            if future is None or future.done():
                continue
            if value["type"] == "error":
                future.set_exception(BidiError(f"{value['error']}: {value['message']}"))
            else:
                future.set_result(value["result"])

    def _on_log(self, entry: dict[str, Any]) -> None:
        line = f"{entry['level']}: {entry['text']}"
        self.console.append(line)
        if entry["level"] == "error":
            self.errors.append(line)
