"""Files are small, say what they are, and name no place on anybody's machine."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.house.sources import PACKAGES, ROOT, Source, imports, sources

MAX_LINES = 400  # a file beyond about 350 usually holds two ideas
EVERYWHERE = sources("sfu", "signaling", "tests", "benchmarks")
# Home, temporary and mount folders; programs under /usr/bin and devices under /dev are the same everywhere.
MACHINE_PATH = re.compile(r"(?<![\w.:/~*}])/(?:home|root|work|tmp|opt|mnt|media|srv|Users|var/folders)/\w")
TEXT = {".py", ".md", ".toml", ".sh", ".js", ".css", ".html", ".json", ".yml", ".yaml", ".c", ".h", ""}
SKIPPED = {".git", ".venv", "node_modules", "__pycache__", "build", "dist", "out"}


def project_files() -> list[Path]:
    """Files git knows, or those outside build folders where this is no git checkout; relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if len(listed) > 1:
        return [Path(name) for name in listed if name and (ROOT / name).is_file()]
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(path for path in found if not SKIPPED & set(path.parts) and ".egg-info" not in str(path))


@pytest.mark.parametrize("source", sources(), ids=str)
def test_no_file_is_long(source: Source) -> None:
    assert source.text.count("\n") <= MAX_LINES


@pytest.mark.parametrize("source", EVERYWHERE, ids=str)
def test_every_module_says_what_it_is(source: Source) -> None:
    empty_package = source.path.name == "__init__.py" and not source.text.strip()
    assert ast.get_docstring(source.tree) or (empty_package and source.path.parts[0] not in PACKAGES)


def test_no_file_names_a_place_on_a_machine() -> None:
    found = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path in project_files()
        if path.suffix in TEXT
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_every_folder_with_python_is_a_package() -> None:
    folders = {source.path.parent for source in sources("sfu", "signaling", "tests", "benchmarks")}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []


def test_no_file_is_named_after_a_library_it_imports() -> None:
    def tops(source: Source) -> set[str]:
        return {module.split(".")[0] for _, module, _ in imports(source.tree)}

    assert [str(source) for source in sources() if source.path.stem in tops(source)] == []
