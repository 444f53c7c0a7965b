"""The command line."""

from pathlib import Path

import pytest

from benchmarks.topology.arguments import bits, parse


def test_everything() -> None:
    line = "--topology mesh,sfu --participants 4,2,4 --seconds 3 --bitrate 800k --encode --uplink 2M --out x --seed 5"
    settings = parse(line.split())
    assert settings.topologies == ["mesh", "sfu"]
    assert settings.participants == [2, 4]
    assert (settings.seconds, settings.bitrate_bps, settings.uplink_bps) == (3, 800_000, 2_000_000)
    assert (settings.encode, settings.out, settings.seed) == (True, Path("x"), 5)


def test_defaults() -> None:
    full, quick = parse([]), parse(["--quick"])
    assert full.topologies == quick.topologies == ["mesh", "sfu", "sfu-media", "tree"]
    assert (full.participants, full.seconds) == ([2, 3, 4, 6, 8], 10)
    assert quick.seconds < full.seconds
    browsers = parse(["--clients", "chromium"])
    assert (browsers.topologies, browsers.participants) == (["mesh", "sfu"], [2, 3, 4])


@pytest.mark.parametrize("text", ["1M", "1000k", "1000000", "1.0m"])
def test_bit_rates(text: str) -> None:
    assert bits(text) == 1_000_000


@pytest.mark.parametrize(
    "line",
    [
        "--topology star",
        "--participants 1",
        "--participants two",
        "--bitrate fast",
        "--bitrate 1k",
        "--uplink 2G",
        "--seconds 0",
        "--clients chromium --participants 8",
        "--clients chromium --uplink 2M",
    ],
)
def test_what_is_wrong_is_told(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(line.split())
    assert "error: " in capsys.readouterr().err
