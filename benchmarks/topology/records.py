"""What passes between the benchmark and the processes of its participants.

Knows: values only; all times are of the machine's monotonic clock, in seconds, which every process shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.topology.clip import Frame
from benchmarks.topology.packets import Arrived


@dataclass(frozen=True, slots=True)
class Order:
    """What one participant shall do."""

    name: str  # p0, p1, ... in the order of joining
    url: str  # of the node it joins, http://...
    room: str
    direct: bool  # mesh: connects to the others, not to the server
    participants: int
    clip: tuple[Frame, ...]
    bitrate_bps: int
    encode: bool  # encode for each connection, instead of sending the clip
    decode: bool  # the server changes the frames: read the counters out of the pictures, afterwards
    uplink_bps: int | None  # token bucket in the client
    namespace: str | None  # network namespace to live in; its link is shaped
    address: str
    seed: int


class Sent(NamedTuple):
    """A frame that left on one connection. `time`: when the picture was there to be sent (or encoded)."""

    time: float
    timestamp: int
    crc: int
    counter: int
    packets: int
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters of one participant at one moment; bytes with UDP and IP headers."""

    cpu: float = 0.0
    packets_out: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    bytes_in: int = 0
    late: int = 0  # pictures that this client was too busy to send
    encoded: int = 0  # frames that were encoded, or taken from the clip in place of encoding, all connections


@dataclass(slots=True)
class Stream:
    """What one participant received of another."""

    frames: list[Arrived]
    counters: dict[int, int] = field(default_factory=dict)  # by place in `frames`; only if pictures were read
    first_shown: float | None = None


@dataclass(slots=True)
class Outcome:
    """What one participant has measured."""

    name: str
    joined_at: float  # when it began to join
    before: Snapshot
    after: Snapshot
    connections: int
    memory: int  # private bytes
    profile: str
    sent: dict[str, list[Sent]]  # by receiver's name; "" = the server, once for everybody
    received: dict[str, Stream]  # by sender's name
    shaper_dropped: int = 0
    problems: list[str] = field(default_factory=list)
