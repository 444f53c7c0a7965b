"""Every test here runs with both engines."""

import pytest

from tests.engines import NAMES, engine
from tests.forwarding.doubles import FakeOutlet


@pytest.fixture(params=NAMES, autouse=True)
def engine_of_outlets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeOutlet, "engine", engine(request.param))
