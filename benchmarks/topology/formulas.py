"""What each topology costs by arithmetic: the numbers that measured figures stand beside.

n participants, each publishes one stream of b bit/s (p packets a second) on the wire, each watches all others.
A tree is a root and k leaves; participants are dealt out to the leaves in turn, none sits at the root.

Knows: arithmetic only. Does not know: measurements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

TOPOLOGIES = ("mesh", "sfu", "sfu-media", "tree")


@dataclass(frozen=True, slots=True)
class Room:
    """What the formulas need to know."""

    topology: str
    n: int
    b: float  # bit/s of one stream, sent once, on the wire
    p: float = 0.0  # packets/s of it
    fps: float = 30.0
    uplink_bps: float | None = None  # what each participant's uplink lets through
    leaves: int = 2

    @property
    def served(self) -> list[int]:
        """Participants of each leaf of a tree."""
        return [(self.n - place + self.leaves - 1) // self.leaves for place in range(self.leaves)]


@dataclass(frozen=True, slots=True)
class Formula:
    """The value of a figure, as text for people and as a number."""

    text: Callable[[Room], str]
    value: Callable[[Room], float | None]


def copies_out(room: Room) -> int:
    """How often a participant sends its stream."""
    return room.n - 1 if room.topology == "mesh" else 1


def node_streams(room: Room) -> tuple[int, int]:
    """Streams (into, out of) all server nodes together."""
    n = room.n
    if room.topology == "mesh":
        return 0, 0
    if room.topology != "tree":
        return n, n * (n - 1)
    # A leaf takes its own participants' streams and, from the root, all others; it hands the root its own ones
    # and its participants all that they watch. The root takes each stream once and hands it to the other leaves.
    used = [served for served in room.served if served]
    down = sum(n - served for served in used)
    return n + n + down, n + down + n * (n - 1)


def node_connections(room: Room) -> int:
    """Connections of all nodes; one between two nodes counts at both ends."""
    if room.topology == "mesh":
        return 0
    return room.n + (2 * room.leaves if room.topology == "tree" else 0)


def loss(room: Room) -> float:
    """The share of packets that doesn't fit through the uplink."""
    if not room.uplink_bps:
        return 0.0
    return max(0.0, 1 - room.uplink_bps / (copies_out(room) * room.b))


def _carried(room: Room) -> float:
    """Share of what is sent that passes the uplink."""
    return 1 - loss(room)


def _by_topology(mesh: str, sfu: str, tree: str | None = None) -> Callable[[Room], str]:
    def text(room: Room) -> str:
        chosen = mesh if room.topology == "mesh" else tree if tree and room.topology == "tree" else sfu
        return chosen + (" · what fits" if room.uplink_bps and loss(room) > 0 else "")

    return text


def _plain(text: str) -> Callable[[Room], str]:
    return lambda room: text


FORMULAS: dict[str, Formula] = {
    "connections_per_participant": Formula(
        _by_topology("n-1", "1"), lambda r: r.n - 1 if r.topology == "mesh" else 1
    ),
    "uplink_bps_per_participant": Formula(
        _by_topology("(n-1)b", "b"), lambda r: copies_out(r) * r.b * _carried(r)
    ),
    "uplink_packets_per_second_per_participant": Formula(
        _by_topology("(n-1)p", "p"), lambda r: copies_out(r) * r.p * _carried(r)
    ),
    "downlink_bps_per_participant": Formula(
        _by_topology("(n-1)b", "(n-1)b"), lambda r: (r.n - 1) * r.b * _carried(r)
    ),
    "downlink_packets_per_second_per_participant": Formula(
        _by_topology("(n-1)p", "(n-1)p"), lambda r: (r.n - 1) * r.p * _carried(r)
    ),
    "encodes_per_participant": Formula(_by_topology("n-1", "1"), lambda r: copies_out(r)),
    "server_connections": Formula(_by_topology("0", "n", "n+2k"), node_connections),
    "server_in_bps": Formula(
        _by_topology("0", "nb", "n(k+1)b"), lambda r: node_streams(r)[0] * r.b * _carried(r)
    ),
    "server_out_bps": Formula(
        _by_topology("0", "n(n-1)b", "(n(n-1)+nk)b"), lambda r: node_streams(r)[1] * r.b * _carried(r)
    ),
    "server_in_packets_per_second": Formula(
        _by_topology("0", "np", "n(k+1)p"), lambda r: node_streams(r)[0] * r.p * _carried(r)
    ),
    "server_out_packets_per_second": Formula(
        _by_topology("0", "n(n-1)p", "(n(n-1)+nk)p"),
        lambda r: node_streams(r)[1] * r.p * _carried(r),
    ),
    "server_encodes": Formula(
        lambda r: "n(n-1)" if r.topology == "sfu-media" else "0",
        lambda r: r.n * (r.n - 1) if r.topology == "sfu-media" else 0,
    ),
    "loss": Formula(lambda r: "1-L/((n-1)b)" if loss(r) else "0", loss),
    "frames_per_second_shown": Formula(lambda r: f"{r.fps:g}", lambda r: r.fps),
    "frozen_seconds": Formula(_plain("0"), lambda r: 0.0),
}


def deviation_percent(measured: float | None, formula: float | None) -> float | None:
    """How far measured lies above (+) or below (-) the formula; None where the formula is 0 or missing."""
    if measured is None or not formula:
        return None
    return 100 * (measured / formula - 1)
