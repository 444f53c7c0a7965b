"""The same tests for every engine that is built here."""

import os
from typing import Literal, cast

import pytest

from sfu.forwarding.engine import Engine, EngineMissing, choose

NAMES = ("python", "native")
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")
"""Whether this runs under `make sanitize`."""


def engine(name: str) -> Engine:
    """The engine of this name; skips the test where it is not built."""
    try:
        return choose(name)
    except EngineMissing as missing:
        pytest.skip(str(missing))


def asked() -> Literal["auto", "native", "python"]:
    """What the environment asks servers for that run in the test's own process, as a daemon would read it."""
    return cast(Literal["auto", "native", "python"], os.environ.get("SFU_ENGINE", "auto"))
