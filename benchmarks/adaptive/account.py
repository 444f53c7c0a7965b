"""What each packet that passed a link counts as."""

from __future__ import annotations

from benchmarks.adaptive.publisher import RTX_TYPE
from benchmarks.adaptive.record import Record


def account(record: Record, at: float, size: int, packet: bytes) -> None:
    """Count a packet that left the bottleneck at `at`; `packet` is decrypted, and empty for RTCP."""
    record.passed.add(at, size)
    record.packets += 1
    if packet and packet[0] & 0x20:  # RTP with padding: a probe
        record.padding_bytes += size
    else:
        record.media.add(at, size)
        record.retransmitted += bool(packet) and packet[1] & 0x7F == RTX_TYPE
