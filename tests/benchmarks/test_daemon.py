"""The whole benchmark, very short, against the real daemon: every packet arrives, and is what was sent."""

import asyncio
import os

import pytest

from benchmarks.load import run
from benchmarks.load.media import Timing
from benchmarks.load.native import open_library
from benchmarks.load.run import Options
from benchmarks.load.shapes import Shape
from benchmarks.servers.adapter import ServerError
from benchmarks.servers.aiosfu import Aiosfu

TIMING = Timing(warm_up=0.5, key_frames=0.5, quiet=0.3, window=0.4)


@pytest.mark.parametrize("shape", [Shape("fanout", 2), Shape("party", 3)], ids=str)
async def test_measures_the_daemon(shape: Shape) -> None:
    server = Aiosfu("aiosfu-test")
    options = Options(TIMING, server_core=max(os.sched_getaffinity(0)), audio=True)
    said: list[str] = []
    async with asyncio.timeout(60):
        result = await run.measure(open_library(), server, shape, options, said.append)
    assert result.loss == 0
    assert result.unproven == 0
    assert result.latency_samples > 100
    assert result.latency_ms_p50 is not None
    assert 0 < result.latency_ms_p50 < 500
    assert 0 < result.cpu_us_per_packet < 2000
    assert result.profile == "AEAD_AES_128_GCM"
    assert "measuring 0.4 s" in said
    assert not any(_alive(pid) for pid in server.pids)


async def test_rest_and_a_storm_beside_the_media() -> None:
    server = Aiosfu("aiosfu-test-storm")
    options = Options(TIMING, server_core=max(os.sched_getaffinity(0)), idle=0.3, storm=6)
    async with asyncio.timeout(60):
        result = await run.measure(open_library(), server, Shape("fanout", 1), options, lambda _: None)
    assert result.unproven == 0
    assert result.idle_cpu_percent is not None
    assert 0 <= result.idle_cpu_percent < 100
    assert (result.storm_joins, result.storm_failed) == (6, 0)
    assert result.storm_latency_ms_p99 is not None
    assert result.storm_join_ms_p50 is not None


async def test_a_daemon_that_does_not_start_is_told() -> None:
    server = Aiosfu("aiosfu-test-broken", arguments=["--no-such-option"])
    with pytest.raises(ServerError, match="no-such-option"):
        await server.start(max(os.sched_getaffinity(0)))
    await server.stop()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
