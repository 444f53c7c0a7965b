"""Ratios between servers, and the charts."""

import math
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.load import charts, ratios
from benchmarks.load.figures import Result

RESULTS = [
    Result("aiosfu-native", "fanout", 10, 3.0, latency_ms_p99=0.5, saturation_packets_per_second=400_000.0),
    Result("aiosfu-native", "fanout", 50, 2.5, latency_ms_p99=0.7),
    Result("aiosfu-python", "fanout", 10, 9.0),
    Result("janus", "fanout", 10, 15.0),
    Result("janus", "fanout", 50, 14.0),
    Result("floor-sendto-srtp", "fanout", 10, 4.0),
    Result("floor-gso-srtp", "fanout", 10, 2.0),
    Result("pion", "fanout", 10, math.inf),
    Result("janus", "party", 8, 20.0),
]


def times(shape: str, n: int) -> dict[tuple[str, str], float]:
    return {
        (ratio.server, ratio.against): ratio.times
        for ratio in ratios.ratios(RESULTS)
        if (ratio.shape, ratio.n) == (shape, n)
    }


def test_own_servers_against_everybody_and_everybody_against_the_floor() -> None:
    assert times("fanout", 10) == {
        ("aiosfu-native", "aiosfu-python"): 3.0 / 9.0,
        ("aiosfu-native", "janus"): 0.2,
        ("aiosfu-native", "floor-gso-srtp"): 1.5,
        ("aiosfu-python", "aiosfu-native"): 3.0,
        ("aiosfu-python", "janus"): 0.6,
        ("aiosfu-python", "floor-gso-srtp"): 4.5,
        ("janus", "floor-gso-srtp"): 7.5,
    }


def test_shapes_are_not_mixed_and_a_floor_is_not_invented() -> None:
    assert times("fanout", 50) == {("aiosfu-native", "janus"): 2.5 / 14.0}
    assert times("party", 8) == {}


def test_ratio_table() -> None:
    lines = ratios.table(RESULTS).splitlines()
    assert lines[0].split() == [
        "times",
        "the",
        "CPU",
        "of",
        "shape",
        "floor-gso-srtp",
        "aiosfu-python",
        "janus",
        "aiosfu-native",
    ]
    assert lines[2].split() == ["aiosfu-native", "fanout:10", "1.50", "0.33", "0.20", "-"]
    assert ratios.table([RESULTS[0]]) == ""


def test_lines_are_drawn_where_there_are_two_points_of_a_shape() -> None:
    found = {chart.name: charts.lines(chart, RESULTS) for chart in charts.charts(RESULTS)}
    assert set(found) == {"cpu-fanout", "latency-fanout"}
    assert found["cpu-fanout"]["aiosfu-native"] == [(10, 3.0), (50, 2.5)]
    assert "pion" not in found["cpu-fanout"], "infinity is no point"
    assert list(found["latency-fanout"]) == ["aiosfu-native"]


def test_a_lower_bound_reads_so() -> None:
    made = [
        Result("pion", "fanout", 50, 9.0, saturation_packets_per_second=90_000.0, saturation_limit=limit)
        for limit in ("core", "loss", "client", "others")
    ]
    assert [text for _, _, text in charts.bars(made)] == ["90,000", "90,000", "≥ 90,000", "≥ 90,000"]
    assert charts.bars([Result("pion", "fanout", 50, 9.0)]) == []


def test_files(tmp_path: Path) -> None:
    written = charts.write(tmp_path / "new", RESULTS)
    assert sorted(path.name for path in written) == [
        f"forwarding-{name}.{kind}"
        for name in ("cpu-fanout", "latency-fanout", "saturation")
        for kind in ("png", "svg")
    ]
    for path in written:
        if path.suffix == ".svg":
            ElementTree.parse(path)
        else:
            assert path.read_bytes().startswith(b"\x89PNG")
