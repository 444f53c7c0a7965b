"""The command `sfu`.

Knows: argparse and exit codes. Does not know: what settings mean (config.py) or what the daemon does.
"""

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from sfu import logs
from sfu.app import serve, version
from sfu.config import DEFAULTS, OPTIONS, Config, ConfigError, load

Serve = Callable[[Config], Coroutine[Any, Any, int]]

EPILOG = """\
Every setting can also stand in a TOML file (rtc_port = 7882, public_ip = ["203.0.113.7"]) and in the
environment (SFU_RTC_PORT=7882; SFU_CONFIG names the file; several values are separated by commas). The
command line wins over the environment, and that over the file.

Browsers give cameras and microphones only to HTTPS pages and to localhost. To use a room from other
machines: sfu serve --host 0.0.0.0 --tls self-signed
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; values stay text, config.load reads them."""
    top = argparse.ArgumentParser(prog="sfu", description="A selective forwarding unit: video rooms.")
    top.add_argument("--version", action="version", version=f"aiosfu {version()}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="run the server",
        description="Run the server: the web page, the signaling and all media.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    serve.add_argument("--config", metavar="FILE", help="read settings from this TOML file")
    for name, option in OPTIONS.items():
        default = getattr(DEFAULTS, name)
        shown = f" (default: {default})" if default not in ("", (), None) else ""
        serve.add_argument(
            "--" + name.replace("_", "-"),
            metavar=option.metavar,
            action="append" if option.many else "store",
            help=option.help + ("; may be repeated" if option.many else "") + shown,
        )
    return top


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    run: Serve = serve,
) -> int:
    """Run the command; return its exit code (0 well, 1 failed, 2 wrong settings, 130 interrupted)."""
    given = vars(parser().parse_args(arguments))
    given.pop("command")
    try:
        config = load(given, os.environ if environment is None else environment)
    except ConfigError as error:
        print(f"sfu: {error}", file=sys.stderr)
        return 2
    logs.setup(config.log_level)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(run(config))
    except KeyboardInterrupt:
        return 130


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where it is installed: it is faster at many small datagrams."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


if __name__ == "__main__":
    sys.exit(main())
