"""What a module promises by `__all__` exists; every module imports without doing anything; commands exist."""

import importlib
import threading
import tomllib

import pytest

from tests.house.sources import ROOT, Source, sources

ALL = [source for source in sources() if source.path.name != "__main__.py"]


@pytest.mark.parametrize("source", ALL, ids=str)
def test_exports_exist_once_and_in_order(source: Source) -> None:
    module = importlib.import_module(source.module)
    names: list[str] = list(getattr(module, "__all__", []))
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


def test_importing_everything_starts_no_thread() -> None:
    before = set(threading.enumerate())
    for source in ALL:
        importlib.import_module(source.module)
    assert set(threading.enumerate()) == before


def test_console_scripts_point_at_functions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for target in project["scripts"].values():
        module, name = target.split(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_wheel_ships_every_package() -> None:
    setuptools = pytest.importorskip("setuptools", reason="setuptools is not installed here")
    shipped = set(setuptools.find_packages(str(ROOT), include=["sfu", "sfu.*", "signaling", "signaling.*"]))
    assert shipped == {source.module for source in sources() if source.path.name == "__init__.py"}
