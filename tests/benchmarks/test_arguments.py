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
        *("fanout:1", "fanout:10", "fanout:50", "fanout:100"),
        *("party:4", "party:8"),
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
