"""The words of the command line: shapes, servers, cores, limits."""

from pathlib import Path

import pytest

from benchmarks.forwarding import main, parse
from benchmarks.load.floor import NAMES as FLOORS
from benchmarks.load.shapes import Room, Shape, parse_shapes
from benchmarks.servers.catalog import SERVERS, parse_servers

CORES = [0, 1]


def test_defaults_measure_everything_three_times() -> None:
    settings = parse([], CORES)
    assert settings.servers == [*SERVERS, *FLOORS]
    assert [str(shape) for shape in settings.shapes] == [
        *("fanout:1", "fanout:10", "fanout:50", "fanout:100", "fanout:300"),
        *("party:4", "party:8", "party:16", "rooms:100"),
    ]
    assert (settings.timing.window, settings.repeat, settings.cores, settings.json) == (5.0, 3, (1, 0), None)


def test_quick_is_short_and_can_be_overruled() -> None:
    quick = parse(["--quick"], CORES)
    assert (quick.timing.window, quick.repeat) == (2.0, 1)
    words = "--quick --seconds 1.5 --repeat 2 --shapes party:3 --servers floor-gso --json x.json"
    settings = parse(words.split(), CORES)
    assert (settings.timing.window, settings.repeat, settings.json) == (1.5, 2, Path("x.json"))
    assert (settings.shapes, settings.servers) == ([Shape("party", 3)], ["floor-gso"])


@pytest.mark.parametrize(
    "words",
    [
        "--shapes fan:3",
        "--servers nobody",
        "--seconds 0",
        "--seconds nan",
        "--repeat 0",
        "--warm-up 0",
        "--drain-ms -1",
        "--cores 0,7",
        "--cores 0",
        "--unknown",
        "--ceiling 10",
        "--idle -1",
        "--storm -1",
        "--storm 5 --storm-shape fanout:1,fanout:2",
        "--saturate fanout",
    ],
)
def test_what_is_wrong_is_said(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(words.split(), CORES)
    assert exit_.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_help_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("--servers", "aiosfu-python", "--shapes", "--seconds", "--json"))


def test_cores() -> None:
    assert parse(["--cores", "0,1"], CORES).cores == (0, 1)
    assert parse([], [5]).cores == (5, 5)


def test_extremes_are_measured_once_and_where_they_were_asked_for() -> None:
    settings = parse(["--shapes", "party:3", "--saturate", "--storm", "7"], CORES)
    assert [str(shape) for shape in settings.shapes] == ["party:3", "fanout:50", "party:8", "fanout:10"]
    for shape in settings.shapes:
        options = settings.options(shape, first=True)
        assert options.saturate == (str(shape) in ("fanout:50", "party:8"))
        assert options.storm == (7 if str(shape) == "fanout:10" else 0)
        again = settings.options(shape, first=False)
        assert (again.saturate, again.storm) == (False, 0)


def test_a_crowd_rests_before_the_media() -> None:
    settings = parse(["--shapes", "fanout:10,fanout:100"], CORES)
    assert [settings.options(shape, True).idle for shape in settings.shapes] == [0.0, 5.0]


def test_shapes_above_the_ceiling_send_fewer_frames() -> None:
    settings = parse(["--ceiling", "26000", "--shapes", "fanout:10,fanout:200"], CORES)
    paces = [settings.options(shape, True).timing_of(shape).pace for shape in settings.shapes]
    assert paces == [1.0, 0.5]
    without = parse(["--ceiling", "0", "--shapes", "fanout:200"], CORES)
    assert without.options(without.shapes[0], True).timing_of(without.shapes[0]).pace == 1.0


def test_a_server_that_encodes_anew_has_shapes_of_its_own() -> None:
    settings = parse(["--servers", "aiosfu-mediarelay,floor-gso", "--shapes", "fanout:2,fanout:50"], CORES)
    assert [(name, str(shape)) for name, shape in settings.units] == [
        ("aiosfu-mediarelay", "fanout:2"),
        ("floor-gso", "fanout:2"),
        ("floor-gso", "fanout:50"),
        ("aiosfu-mediarelay", "fanout:1"),
        ("aiosfu-mediarelay", "fanout:4"),
    ]


def test_server_groups_and_repeated_names() -> None:
    assert parse_servers("floor") == list(FLOORS)
    assert parse_servers("floor-gso, floor-gso,floor-sendto") == ["floor-gso", "floor-sendto"]


@pytest.mark.parametrize(
    ("text", "members", "pairs", "rooms"),
    [
        ("fanout:1", 2, 1, [Room(1, 2)]),
        ("fanout:50", 51, 50, [Room(1, 51)]),
        ("party:2", 2, 2, [Room(2, 2)]),
        ("party:8", 8, 56, [Room(8, 8)]),
        ("rooms:3", 12, 36, [Room(4, 4)] * 3),
    ],
)
def test_shapes(text: str, members: int, pairs: int, rooms: list[Room]) -> None:
    (shape,) = parse_shapes(text)
    assert (str(shape), shape.members, shape.pairs, shape.rooms) == (text, members, pairs, rooms)


@pytest.mark.parametrize(
    "text", ["", "fanout", "fanout:", "fanout:0", "party:1", "fanout:-1", "fanout:²", "x:1"]
)
def test_what_is_no_shape(text: str) -> None:
    with pytest.raises(ValueError, match=r"shape|number"):
        parse_shapes(text)
