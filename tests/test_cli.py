"""The command `sfu`: help, exit codes, what reaches the daemon."""

import logging
from pathlib import Path

import pytest

from sfu import cli, logs
from sfu.app import version
from sfu.config import OPTIONS, Config


class Daemon:
    """Notes the settings it would run with."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.config: Config | None = None

    async def __call__(self, config: Config) -> int:
        self.config = config
        return self.code


@pytest.fixture(autouse=True)
def _untouched_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "setup", lambda level: None)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"aiosfu {version()}\n"


def test_help_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    text = capsys.readouterr().out
    for name in OPTIONS:
        assert f"--{name.replace('_', '-')} " in text
    assert "--config" in text
    assert "(default: 8080)" in text
    assert "HTTPS" in text


def test_serve() -> None:
    daemon = Daemon(code=3)
    arguments = ["serve", "--port", "0", "--public-ip", "203.0.113.7", "--public-ip", "203.0.113.8"]
    assert cli.main(arguments, {"SFU_RELAY": "media"}, run=daemon) == 3
    assert daemon.config == Config(port=0, public_ip=("203.0.113.7", "203.0.113.8"), relay="media")


def test_config_file(tmp_path: Path) -> None:
    file = tmp_path / "sfu.toml"
    file.write_text("max_room_size = 7")
    daemon = Daemon()
    assert cli.main(["serve", "--config", str(file)], {}, run=daemon) == 0
    assert daemon.config == Config(max_room_size=7)


def test_wrong_settings(capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon()
    assert cli.main(["serve", "--port", "x"], {}, run=daemon) == 2
    assert capsys.readouterr().err.startswith("sfu: --port can't be 'x': ")
    assert daemon.config is None


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "--prt", "1"], ["serve", "--rtc-p", "1"]])
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments, {}, run=Daemon())
    assert caught.value.code == 2


def test_interrupted_before_the_daemon_handles_signals() -> None:
    async def interrupted(config: Config) -> int:
        raise KeyboardInterrupt

    assert cli.main(["serve"], {}, run=interrupted) == 130


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("signaling.lobby", logging.INFO, __file__, 1, message, None, None)
    made.__dict__.update(extra)
    return made


def test_log_lines_show_ids() -> None:
    line = logs.Lines().format(record("> joined", room="blue", participant="p_7"))
    assert line[24:] == "info    signaling.lobby [blue p_7] > joined"
    assert logs.Lines().format(record("> started")).endswith("info    signaling.lobby > started")


def test_failed_requests_are_logged_without_addresses() -> None:
    failed = logging.LogRecord(
        "aiohttp.server", logging.ERROR, "", 1, "Error handling request from %s", ("192.0.2.1",), None
    )
    assert logs.FailedRequests().filter(failed)
    assert failed.getMessage() == "x an HTTP request failed"
