"""The self test page: a browser that calls itself, from static files."""

import pytest

from tests.e2e.chromium import Chromium
from tests.e2e.static import static_pages

pytestmark = pytest.mark.browser
ROWS = """Object.fromEntries([...document.querySelectorAll('[data-testid^=selftest-]')]
  .filter((row) => row.matches('tr')).map((row) => [row.dataset.testid.slice(9), row.dataset.verdict]))"""


async def test_the_self_test_passes() -> None:
    async with static_pages() as url, Chromium() as browser:
        tab = await browser.open(f"{url}loopback.html?autostart=1", "self test")
        await tab.wait_for("document.body.dataset.state === 'done'", 60.0)
        found = await tab.evaluate(ROWS)
        text = await tab.evaluate("document.querySelector('[data-testid=selftest-results]').innerText")
        print(text)
        codecs = {"vp8", "vp9", "h264", "av1"}
        assert set(found) == {"webrtc", "camera", "microphone", "opus", "data"} | codecs
        assert all(verdict == "pass" for test, verdict in found.items() if test not in codecs - {"vp8"}), text
        assert all(found[codec] in ("pass", "missing") for codec in codecs), text  # not every build has each
        assert (
            "Everything that is here works" in await tab.page.get_by_test_id("selftest-summary").inner_text()
        )
        assert tab.errors == [], tab.report()
