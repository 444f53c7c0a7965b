"""The names of what can be measured, and how to make each.

Knows: names, which adapter and settings stand behind them.
Does not know: how anything is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.load.floor import NAMES as FLOORS
from benchmarks.load.shapes import Shape, parse_shapes
from benchmarks.servers.absent import Absent
from benchmarks.servers.adapter import Server
from benchmarks.servers.aiosfu import Aiosfu
from benchmarks.servers.janus import Janus
from benchmarks.servers.livekit import LiveKit
from benchmarks.servers.mediasoup import Mediasoup
from benchmarks.servers.pion import Pion

NO_GALENE = (
    "nothing here drives it yet, since the Go module proxy does not serve it; its source, to be built by hand, is "
    "github.com/jech/galene"
)
SERVERS: dict[str, Callable[[], Server]] = {
    "aiosfu-native": lambda: Aiosfu("aiosfu-native", ["--engine", "native"]),
    "aiosfu-python": lambda: Aiosfu("aiosfu-python", ["--engine", "python"]),
    "aiosfu-mediarelay": lambda: Aiosfu("aiosfu-mediarelay", ["--relay", "media"]),
    "aiosfu-clip": lambda: Aiosfu("aiosfu-clip"),
    "janus": lambda: Janus("janus"),
    "janus-tuned": lambda: Janus("janus-tuned", event_loops=1),
    "pion": lambda: Pion("pion"),
    "galene": lambda: Absent("galene", NO_GALENE),
    "livekit": lambda: LiveKit("livekit"),
    "mediasoup": lambda: Mediasoup("mediasoup"),
}
# Who is given real pictures: the one that decodes and encodes anew, in small shapes only, and forwarding, beside it.
CLIPPED = dict.fromkeys(("aiosfu-mediarelay", "aiosfu-clip"), "fanout:1,fanout:2,fanout:4")
GROUPS = {"floor": FLOORS, "all": (*SERVERS, *FLOORS)}


def parse_servers(text: str) -> list[str]:
    """Read `aiosfu-python,floor-gso` or a group such as `floor`. Raises ValueError with a plain sentence."""
    names: list[str] = []
    for word in text.split(","):
        group = GROUPS.get(word.strip(), (word.strip(),))
        for name in group:
            if name not in SERVERS and name not in FLOORS:
                known = ", ".join((*SERVERS, *FLOORS, *GROUPS))
                raise ValueError(f"'{word}' is not known here; known are {known}")
            if name not in names:
                names.append(name)
    return names


def shapes_of(name: str, asked: Sequence[Shape]) -> list[Shape]:
    """In which shapes a server is measured: those that were asked for, or its own if others are beyond it."""
    return parse_shapes(CLIPPED[name]) if name in CLIPPED else list(asked)
