"""`python -m benchmarks.adaptive.browser DIR`: as `--record` does it, of a Chromium that watches behind a slow link.

Two pages, each in a browser of its own: one paints 720 lines, the other only looks, and makes them large. Needs root,
Chromium and playwright. Knows the machinery of the browser tests.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.adaptive import recording
from benchmarks.adaptive.network import OVERHEAD, RECORDER
from benchmarks.adaptive.profiles import Shape
from tests.e2e.chromium import Chromium
from tests.e2e.daemon import Daemon
from tests.e2e.netns import HUB_ADDRESS, Impairment, Network
from tests.e2e.painted import painted_camera
from tests.e2e.room import INIT_SCRIPT, Person

SHAPE = Shape(((0.0, 600_000),), queue_ms=300, delay_ms=0.0)
TEXT = "Chromium behind 600 kbit/s"
SECONDS = 25.0
FPS = 10  # of a machine that paints, encodes and decodes
WARM_UP = 12.0  # seconds until the painter's own estimate allows its large encoding
WATCHED = "document.querySelector('.tile:not(.own) .tile-button').click()"


async def _run(raw: str) -> float:
    """Until when it counts, by the machine's clock."""
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network())
        near, far = network.link(), network.link()
        far.impair(towards=Impairment(rate_kbps=SHAPE.rates[0][1] // 1000, queue_ms=SHAPE.queue_ms))
        daemon = Daemon(host=HUB_ADDRESS, namespace=network.hub, program=(*RECORDER, raw))
        await stack.enter_async_context(daemon)
        script = INIT_SCRIPT + painted_camera(FPS)

        async def join(namespace: str, name: str, query: str = "") -> Person:
            browser = Chromium(namespace=namespace, trusted_origins=(daemon.origin,), init_script=script)
            await stack.enter_async_context(browser)
            tab = await browser.open(daemon.room_url("blue", name) + query, name, width=1280, height=760)
            person = Person(tab, name)
            await person.joined()
            return person

        await join(near.namespace, "Ada")
        await asyncio.sleep(WARM_UP)
        bob = await join(far.namespace, "Bob", "&camera=off&microphone=off")
        await bob.page.wait_for("document.querySelector('.tile:not(.own) .tile-button') !== null")
        await bob.page.evaluate(WATCHED)
        await asyncio.sleep(SECONDS)
        print(await bob.page.evaluate("aiosfu.bandwidth"))
        until = time.monotonic()
        await daemon.stop()
        return until


def main(folder: Path) -> None:
    """Write `chromium` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as raw:
        until = asyncio.run(_run(raw))
        (file,) = Path(raw).iterdir()
        told = recording.read(file)
    recording.write(folder / f"chromium{recording.SUFFIX}", told.of(TEXT, SHAPE, OVERHEAD, until))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
