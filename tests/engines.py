"""The same tests for every engine that is built here."""

import pytest

from sfu.forwarding.engine import Engine, EngineMissing, choose

NAMES = ("python", "native")


def engine(name: str) -> Engine:
    """The engine of this name; skips the test where it is not built."""
    try:
        return choose(name)
    except EngineMissing as missing:
        pytest.skip(str(missing))
