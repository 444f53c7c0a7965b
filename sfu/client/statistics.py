"""Figures of a room's connections, as they are now."""

from dataclasses import dataclass

from aiortc import RTCPeerConnection, RTCRtpSender
from aiortc.stats import RTCTransportStats


@dataclass(frozen=True, slots=True)
class ConnectionStats:
    """One connection: `to` is `server` or a participant id. Bytes and packets are those of DTLS and SRTP datagrams,
    without UDP and IP headers. `encodes`: encoders that work for it alone."""

    to: str
    state: str
    bytes_in: int
    bytes_out: int
    packets_in: int
    packets_out: int
    encodes: int


@dataclass(frozen=True, slots=True)
class RoomStats:
    """All connections that are open now, and their sums."""

    connections: tuple[ConnectionStats, ...]

    @property
    def bytes_in(self) -> int:
        return sum(one.bytes_in for one in self.connections)

    @property
    def bytes_out(self) -> int:
        return sum(one.bytes_out for one in self.connections)

    @property
    def encodes(self) -> int:
        return sum(one.encodes for one in self.connections)


async def measure(to: str, pc: RTCPeerConnection, encodes: int) -> ConnectionStats:
    """Read the counters of a connection; they lie with its one transport, which every connection here has."""
    sctp = pc.sctp
    if sctp is None:
        return ConnectionStats(to, pc.connectionState, 0, 0, 0, 0, encodes)
    # Transport figures are published through senders and receivers only; this one is never started.
    try:
        report = await RTCRtpSender("audio", sctp.transport).getStats()
    except Exception:
        return ConnectionStats(to, pc.connectionState, 0, 0, 0, 0, encodes)
    found = next(value for value in report.values() if isinstance(value, RTCTransportStats))
    return ConnectionStats(
        to,
        pc.connectionState,
        found.bytesReceived,
        found.bytesSent,
        found.packetsReceived,
        found.packetsSent,
        encodes,
    )
