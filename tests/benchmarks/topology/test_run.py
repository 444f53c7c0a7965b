"""The whole benchmark, very short: real processes, real connections, every figure near its formula."""

import asyncio
import dataclasses

import pytest

from benchmarks.topology import run
from benchmarks.topology.clip import make_clip
from benchmarks.topology.crew import make_context
from benchmarks.topology.report import Run, Topology
from benchmarks.topology.run import Plan

PLAN = Plan(
    seconds=1.0, bitrate_bps=300_000, encode=False, uplink_bps=None, namespaces=False, seed=1,
    clip=tuple(make_clip(300_000, seed=1, seconds=2)),
)  # fmt: skip


async def measured(plan: Plan, topology: Topology, n: int = 2) -> Run:
    said: list[str] = []
    async with asyncio.timeout(60):
        return await run.measure(make_context(), plan, topology, n, said.append)


def near(result: Run, *names: str) -> None:
    for name in names:
        figure = result.figures[name]
        assert figure.measured == pytest.approx(figure.formula, rel=0.15), name


@pytest.mark.parametrize("topology", ["mesh", "sfu", "tree"])
async def test_two_participants(topology: Topology) -> None:
    result = await measured(PLAN, topology)
    near(
        result, "connections_per_participant", "uplink_bps_per_participant", "downlink_bps_per_participant",
        "server_connections", "server_in_bps", "server_out_bps",
    )  # fmt: skip
    figures = {name: figure.measured for name, figure in result.figures.items()}
    assert figures["loss"] == 0
    assert figures["server_encodes"] == 0
    assert 0 < (figures["frame_latency_ms_p50"] or 0) < 500
    assert (figures["participant_cpu_seconds"] or 0) > 0
    assert (figures["participant_memory_bytes"] or 0) > 1 << 20
    assert (figures["time_to_first_frame_ms"] or 0) > 0
    assert all(detail.srtp_profile.startswith("AEAD_AES") for detail in result.each)


async def test_mediarelay_encodes_anew_and_its_pictures_are_still_known() -> None:
    result = await measured(PLAN, "sfu-media")
    assert result.figures["server_encodes"].measured == 2
    assert (result.figures["frame_latency_ms_p50"].measured or 0) > 1


async def test_encoding_clients() -> None:
    result = await measured(dataclasses.replace(PLAN, encode=True, clip=()), "mesh")
    near(result, "uplink_bps_per_participant")
    assert (result.figures["participant_cpu_seconds"].measured or 0) > 0


async def test_a_mesh_breaks_where_the_uplink_is_full_and_an_sfu_does_not() -> None:
    """The token bucket in the client; room for one stream and a half, where the mesh wants three."""
    plan = dataclasses.replace(PLAN, uplink_bps=500_000)
    mesh, sfu = await measured(plan, "mesh", 4), await measured(plan, "sfu", 4)
    assert (mesh.figures["loss"].measured or 0) > 0.05
    assert sfu.figures["loss"].measured == 0
    assert mesh.shaped_by == "client"
