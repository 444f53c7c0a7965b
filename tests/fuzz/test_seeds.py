"""What the search for hostile packets begins with is read without a fault, and leads it on."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.__main__ import build, search, seeds


def test_seeds(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    try:
        program = build(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no sanitizers: {error}")
    assert search(program, seeds(1), 0.2, 1).wait() == 0
