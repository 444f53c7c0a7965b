"""The arithmetic that measured figures stand beside."""

import pytest

from benchmarks.topology.formulas import FORMULAS, TOPOLOGIES, Room, deviation_percent


def value(name: str, topology: str, n: int, **more: float) -> float | None:
    return FORMULAS[name].value(Room(topology, n, b=1000.0, p=10.0, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "mesh", "sfu", "tree"),
    [
        ("connections_per_participant", 3, 1, 1),
        ("uplink_bps_per_participant", 3000, 1000, 1000),
        ("uplink_packets_per_second_per_participant", 30, 10, 10),
        ("downlink_bps_per_participant", 3000, 3000, 3000),
        ("encodes_per_participant", 3, 1, 1),
        ("server_connections", 0, 4, 8),
        ("server_in_bps", 0, 4000, 12_000),  # tree: 4 at the leaves, 4 at the root, 4 back down
        ("server_out_bps", 0, 12_000, 20_000),  # tree: 12 to participants, 4 up, 4 back down
        ("server_encodes", 0, 0, 0),
        ("loss", 0, 0, 0),
    ],
)
def test_four_participants(name: str, mesh: float, sfu: float, tree: float) -> None:
    assert [value(name, topology, 4) for topology in ("mesh", "sfu", "tree")] == [mesh, sfu, tree]


@pytest.mark.parametrize("n", [2, 3, 8, 50])
def test_the_classic_ones(n: int) -> None:
    assert value("uplink_bps_per_participant", "mesh", n) == (n - 1) * 1000
    assert value("server_out_bps", "sfu", n) == n * (n - 1) * 1000
    assert value("server_encodes", "sfu-media", n) == n * (n - 1)


def test_a_link_that_is_too_small_carries_what_fits() -> None:
    assert value("loss", "mesh", 5, uplink_bps=2000) == 0.5
    assert value("uplink_bps_per_participant", "mesh", 5, uplink_bps=2000) == 2000
    assert value("downlink_bps_per_participant", "mesh", 5, uplink_bps=2000) == 2000
    assert value("loss", "sfu", 5, uplink_bps=2000) == 0


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_formula_has_letters(topology: str) -> None:
    room = Room(topology, 4, 1000.0)
    assert all(formula.text(room) for formula in FORMULAS.values())


def test_deviation() -> None:
    assert deviation_percent(110, 100) == pytest.approx(10)
    assert deviation_percent(5, 0) is None
    assert deviation_percent(None, 5) is None
    assert deviation_percent(5, None) is None
