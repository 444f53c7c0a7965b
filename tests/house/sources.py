"""The product's Python files as the house rules see them: paths, module names, syntax trees."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("sfu", "signaling")


@dataclass(frozen=True)
class Source:
    """One Python file; `path` is relative to the project's root."""

    path: Path

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def module(self) -> str:
        """Dotted name: sfu/wire/rtp.py is sfu.wire.rtp, sfu/wire/__init__.py is sfu.wire."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def __str__(self) -> str:
        return str(self.path)


def sources(*folders: str) -> list[Source]:
    """All Python files below the folders (the product's packages if none is named), sorted; npm's are not ours."""
    found = (path for folder in folders or PACKAGES for path in (ROOT / folder).rglob("*.py"))
    return [Source(path.relative_to(ROOT)) for path in sorted(found) if "node_modules" not in path.parts]


def imports(tree: ast.AST) -> list[tuple[int, str, tuple[str, ...]]]:
    """Every import in the tree: line, module, names taken from it (() for a plain import)."""
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            found.append((node.lineno, node.module or "", tuple(alias.name for alias in node.names)))
    return found
