"""Imports point strictly downward, pure code stays pure, other libraries' private names stay in one file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT, Source, imports, sources

# From the bottom up. A module may import its own layer and those before it; files directly in sfu/ are the
# daemon, which may import everything. signaling stands beside the table: only the daemon joins the two sides.
LAYERS = ("wire", "flow", "forwarding", "rooms", "transport", "media", "cluster")
# Beside the table too: the client. It knows of the server what these say, and the server doesn't know it.
CLIENT = "client"
SPOKEN = {"signaling.messages", "signaling.fields", "signaling.quality", "signaling.chat", "signaling.files"}
PURE = {"asyncio", "time", "socket", "random", "threading", "secrets", "select", "selectors", "ssl"}
PURE_LAYERS = ("wire", "flow")
SEAM = "sfu/transport/seam.py"
FOREIGN = {"aiortc", "aioice", "pylibsrtp"}
# Underscored names that are public all the same (os, sys, collections.namedtuple, ctypes).
CONVENTIONAL = {"_exit", "_getframe", "_asdict", "_replace", "_fields", "_make", "_fields_", "_pack_"}

ALL = sources()


def layer(module: str) -> str | None:
    """The layer of sfu.LAYER.anything; None for the daemon's files, which lie directly in sfu/."""
    parts = module.split(".")
    assert parts[0] == "sfu"
    return parts[1] if len(parts) > 1 and (ROOT / "sfu" / parts[1]).is_dir() else None


def imported_modules(source: Source) -> Iterator[tuple[int, str]]:
    """Each imported module with its line; `from sfu import wire` counts as sfu.wire, and so in signaling."""
    for line, module, names in imports(source.tree):
        if names and module in ("sfu", "signaling"):
            yield from ((line, f"{module}.{name}") for name in names)
        else:
            yield line, module


def layer_of(module: str) -> str | None:
    """As `layer`, and None for what is not in sfu at all."""
    return layer(module) if module.split(".")[0] == "sfu" else None


def wrong_imports(source: Source) -> Iterator[str]:
    own = source.module.split(".")[0]
    own_layer = layer(source.module) if own == "sfu" else None
    for line, module in imported_modules(source):
        top = module.split(".")[0]
        where = f"{source}:{line} imports {module}"
        if own == "signaling" and top == "sfu":
            yield f"{where}: signaling never imports sfu"
        if own_layer == CLIENT:
            if top in {"sfu", "signaling"} and layer_of(module) != CLIENT and module not in SPOKEN:
                yield f"{where}: the client knows only what is said between it and the server"
        elif layer_of(module) == CLIENT:
            yield f"{where}: the server doesn't know its clients"
        elif own_layer is not None:
            yield from (f"{where}: {why}" for why in wrong_layers(own_layer, module))
        if top in {"tests", "benchmarks"}:
            yield f"{where}: the product never imports its tests"
        if own_layer in PURE_LAYERS and top in PURE:
            yield f"{where}: {own_layer} does no I/O and reads no clock"


def wrong_layers(own_layer: str, module: str) -> Iterator[str]:
    if module.split(".")[0] == "signaling":
        yield "only the daemon joins signaling to the media side"
    if module.split(".")[0] == "sfu":
        other = layer(module)
        if other is None:
            yield f"{own_layer} lies below the daemon's files"
        elif LAYERS.index(other) > LAYERS.index(own_layer):
            yield f"{own_layer} lies below {other}"


def test_every_package_of_sfu_has_its_layer() -> None:
    folders = {path.name for path in (ROOT / "sfu").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders <= {*LAYERS, CLIENT}, f"not in the table: {sorted(folders - {*LAYERS, CLIENT})}"


@pytest.mark.parametrize("source", ALL, ids=str)
def test_imports_point_downward(source: Source) -> None:
    assert list(wrong_imports(source)) == []


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in CONVENTIONAL


def own_private_names(tree: ast.Module) -> set[str]:
    """Names this file itself defines: functions, classes, variables, fields, attributes of self and cls."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
                names.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def foreign_names(tree: ast.Module) -> set[str]:
    """Local names bound by importing from aiortc, aioice or pylibsrtp."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                alias.asname or alias.name.split(".")[0]
                for alias in node.names
                if alias.name.split(".")[0] in FOREIGN
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FOREIGN:
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def private_touches(source: Source) -> Iterator[str]:
    """Private names of other libraries that a file uses, as far as syntax shows them.

    `x._name` is taken for foreign unless the file itself defines `_name`; `self._name` counts only in a class
    that inherits from a foreign one.
    """
    for line, module, names in imports(source.tree):
        foreign = module.split(".")[0] in FOREIGN
        if foreign and (any(is_private(part) for part in module.split(".")) or any(map(is_private, names))):
            yield f"{source}:{line} imports a private name of {module}"
    own, foreign_bases = own_private_names(source.tree), foreign_names(source.tree)
    heirs: set[int] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            bases = {name.id for base in node.bases for name in ast.walk(base) if isinstance(name, ast.Name)}
            if bases & foreign_bases:
                heirs |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            of_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if not of_self or id(node) in heirs:
                yield f"{source}:{node.lineno} uses {ast.unparse(node)}"
        match node:
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr" | "delattr"), args=[_, name, *_]
            ):
                if isinstance(name, ast.Constant) and is_private(str(name.value)):
                    yield f"{source}:{node.lineno} uses {ast.unparse(node)}"


@pytest.mark.parametrize("source", [each for each in ALL if str(each) != SEAM], ids=str)
def test_private_names_of_libraries_stay_in_the_seam(source: Source) -> None:
    assert list(private_touches(source)) == []


class Sample(Source):
    """A piece of source in memory, to see that the rules bite."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(Path(path))
        object.__setattr__(self, "text", text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sfu/wire/x.py", "import asyncio"),
        ("sfu/flow/x.py", "from time import monotonic"),
        ("sfu/wire/x.py", "import sfu.flow.history"),
        ("sfu/forwarding/x.py", "from sfu.rooms.room import Room"),
        ("sfu/rooms/x.py", "from sfu import transport"),
        ("sfu/media/x.py", "import sfu.service"),
        ("sfu/transport/x.py", "import signaling.messages"),
        ("signaling/x.py", "from sfu.wire import rtp"),
        ("sfu/service.py", "import tests.net"),
        ("sfu/client/x.py", "from sfu.transport.seam import Dtls"),
        ("sfu/client/x.py", "import sfu.service"),
        ("sfu/client/x.py", "from signaling.lobby import Lobby"),
        ("sfu/service.py", "from sfu.client import connect"),
        ("sfu/rooms/x.py", "from sfu.client import connect"),
    ],
)
def test_wrong_imports_are_found(path: str, text: str) -> None:
    assert list(wrong_imports(Sample(path, text)))


@pytest.mark.parametrize(
    "text",
    [
        "from aiortc.rtcdtlstransport import _secret",
        "import pylibsrtp._binding",
        "from pylibsrtp import _binding",
        "def f(dtls): return dtls._rx_srtp",
        "def f(dtls): return getattr(dtls, '_rx_srtp')",
        "from aiortc import X\nclass T(X):\n    def f(self): return self._rx_srtp",
    ],
)
def test_private_names_are_found(text: str) -> None:
    assert list(private_touches(Sample("sfu/service.py", text)))


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    def __init__(self): self._x = 1\n    def is_(self, other): return self._x == other._x",
        "class A:\n    def f(self): return self._from_a_base",
        "def f(row): return row._replace(x=1)",
    ],
)
def test_own_private_names_are_allowed(text: str) -> None:
    assert list(private_touches(Sample("sfu/service.py", text))) == []
