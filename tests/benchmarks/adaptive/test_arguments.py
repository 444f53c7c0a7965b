"""The command line."""

from pathlib import Path

import pytest

from benchmarks.adaptive.arguments import OUT, QUICK_SECONDS, SECONDS, parse
from benchmarks.adaptive.profiles import PROFILES


def test_defaults_and_the_short_form() -> None:
    settings = parse([])
    assert (settings.profiles, settings.link, settings.seconds, settings.output) == (
        list(PROFILES),
        "auto",
        SECONDS,
        OUT,
    )
    assert parse(["--quick"]).seconds == QUICK_SECONDS
    assert parse(["--quick", "--seconds", "20"]).seconds == 20


def test_a_choice() -> None:
    settings = parse(["--profiles", "step,1M,step", "--link", "virtual", "--json", "x.json", "--seed", "7"])
    assert settings.profiles == ["step", "1M"]
    assert (settings.link, settings.json, settings.seed) == ("virtual", Path("x.json"), 7)


@pytest.mark.parametrize(
    "wrong", [["--profiles", "2M"], ["--profiles", ""], ["--seconds", "1"], ["--link", "lan"], ["more"]]
)
def test_mistakes_are_told(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(wrong)
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err
