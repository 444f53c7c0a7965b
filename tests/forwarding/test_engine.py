"""How an engine is chosen, and that parts which exist twice say the same."""

import sys
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.config import Config, ConfigError
from sfu.flow.rate import RateMeter
from sfu.forwarding.engine import PYTHON, EngineMissing, choose
from sfu.service import MediaService
from tests import engines


@pytest.fixture
def engine_of_outlets() -> None:
    """Not once for each: these tests choose themselves."""


@pytest.fixture
def not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sfu.forwarding.native.engine", None)


def test_engines_by_name() -> None:
    assert choose("python") is PYTHON
    assert engines.engine("native").name == "native"
    assert choose("auto").name == "native"


@pytest.mark.usefixtures("not_built")
def test_where_it_was_not_built() -> None:
    assert choose("auto") is choose("python") is PYTHON
    with pytest.raises(EngineMissing, match="C compiler"):
        choose("native")


@pytest.mark.usefixtures("not_built")
async def test_a_daemon_says_which_it_has_and_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sfu.service")
    for engine in ("auto", "python"):
        await (await MediaService.start(Config(rtc_port=0, engine=cast(Any, engine)))).close()
    said = [record.message for record in caplog.records if "engine" in record.message]
    assert ["not built" in line for line in said] == [True, False]
    with pytest.raises(ConfigError, match="C compiler"):
        await MediaService.start(Config(rtc_port=0, engine="native"))


@given(st.lists(st.tuples(st.integers(0, 1500), st.floats(0, 3)), max_size=60), st.floats(0, 1e6))
def test_both_meters_read_the_same(packets: list[tuple[int, float]], now: float) -> None:
    engines.engine("native")
    from sfu.forwarding.native.core import Meter

    python, native = RateMeter(), Meter()
    for size, pause in packets:
        now += pause
        for meter in (python, native):
            meter.add(size, now)
        assert native.bytes(now) == python.bytes(now)
        assert native.packets(now + pause) == python.packets(now + pause)
        assert native.bps(now + pause) == python.bps(now + pause)
    assert (native.total_bytes, native.total_packets) == (python.total_bytes, python.total_packets)


def test_a_patch_that_is_too_long_stays_with_python() -> None:
    engine = engines.engine("native")
    from sfu.forwarding.native.core import Leg

    link = engine.link(engine.outbox(-1, True, lambda: None))
    assert link is not None
    Leg(link).remember(1, 0, bytes(9), False)


@pytest.mark.parametrize("address", [("example.org", 9), ("::1", 9), ("127.0.0.1", 9, 0, 0), ("", 1)])
def test_what_is_no_address(address: tuple[str, int]) -> None:
    outbox = engines.engine("native").outbox(-1, True, lambda: None)
    assert outbox is not None
    with pytest.raises(ValueError, match="not an IP"):
        outbox.queue(b"x", address)
