"""The packets of one connection on their way: their transport-wide numbers, and what feedback says of them.

Knows draft-holmer-rmcat-transport-wide-cc-extensions-01: 16-bit numbers, 24-bit reference times in 64 ms,
deltas in 250 us, and that messages are lost, repeated, reordered or invented. Does not know rates.
"""

from array import array
from typing import Final

from sfu.wire.transport_feedback import Feedback

# Packets remembered: 1.5 s of 50 Mbit/s. 12 bytes each, so 96 KiB a connection. A power of two below 65536.
KEPT: Final = 8192
_MASK: Final = KEPT - 1
# An entry is the size in 16 bits, then flags, then the probe's id; 0 is "nothing more to learn of it".
_SIZE: Final = 0xFFFF
_LOST: Final = 1 << 16  # reported missing
_ASSUMED: Final = 1 << 17  # the feedback that spoke of it was lost: counted as arrived
_PROBE_SHIFT: Final = 18
PROBE_IDS: Final = 1 << 14  # ids of probes are below
_TICK: Final = 0.00025  # seconds
_TICKS_PER_REFERENCE: Final = 256


class Receipt:
    """What one feedback told that was not known before. Valid until the next one is matched."""

    __slots__ = (
        "arrivals", "bytes", "first", "gap", "late", "lost", "lost_bytes", "received", "recovered", "sends", "sizes",
        "stop",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sends: list[float] = []
        """When each packet that arrived had been sent, seconds, in order of numbers."""
        self.arrivals: list[float] = []
        """When they arrived, seconds of the receiver's clock."""
        self.sizes: list[int] = []
        """Their sizes, bytes."""
        self.late = 0
        """How many of these, the first ones, an earlier feedback had passed over: others have overtaken them."""
        self.gap = False
        """A feedback before this one was lost."""
        self.bytes = 0
        """Their sizes, and those of packets of which a lost feedback had spoken."""
        self.received = 0
        self.lost = 0
        self.lost_bytes = 0
        self.recovered = 0
        """Reported missing before, and arrived after all."""
        self.first = self.stop = 0
        """The numbers (unwrapped) it speaks of: first <= seq < stop; outside are none that were sent."""


class SentPackets:
    """Gives out numbers, and matches feedback to the packets they were given to."""

    __slots__ = ("_entries", "_receipt", "_reference", "_reported", "_times", "next")

    def __init__(self) -> None:
        self.next = 0
        """The number (unwrapped) of the next packet."""
        self._times = array("d")
        self._entries = array("I")
        self._reported = 0  # the lowest number of which nothing was said yet, nor of a higher one
        self._reference: int | None = None  # unwrapped reference time of the last feedback
        self._receipt = Receipt()

    def sent(self, size: int, now: float, probe: int = 0) -> int:
        """A packet of `size` bytes (below 65536) leaves at `now`; its number (unwrapped)."""
        seq = self.next
        self.next = seq + 1
        slot = seq & _MASK
        if not self._entries:  # the rings are made when first needed: not every client reports
            self._times = array("d", bytes(8 * KEPT))
            self._entries = array("I", bytes(4 * KEPT))
        self._times[slot] = now
        self._entries[slot] = size | probe << _PROBE_SHIFT if probe else size
        return seq

    def unreported_since(self) -> float | None:
        """When the oldest packet was sent that no feedback has reached yet; None if there is none."""
        seq = max(self._reported, self.next - KEPT)
        return self._times[seq & _MASK] if seq < self.next else None

    def last_sent(self) -> float | None:
        """When the last packet left; None before the first."""
        return self._times[(self.next - 1) & _MASK] if self.next else None

    def match(self, feedback: Feedback) -> Receipt:
        """Look up what `feedback` says, and remember that it was said."""
        receipt = self._receipt
        receipt.sends = sends = []
        receipt.arrivals = arrivals = []
        receipt.sizes = sizes = []
        deltas = feedback.deltas
        ticks = self._begin(feedback)
        base = self.base(feedback)
        first = max(base, self.next - KEPT, 0)
        stop = min(base + len(deltas), self.next)
        receipt.first, receipt.stop = first, max(first, stop)
        if first > base or stop < base + len(deltas):  # of some we know nothing, or no longer
            ticks += sum(delta for delta in deltas[: first - base] if delta is not None)
            deltas = deltas[first - base : max(stop - base, 0)]
        size = self._assume(first) if deltas else 0
        receipt.gap = size > 0
        times, entries = self._times, self._entries
        received = lost = recovered = lost_size = late = 0
        reported = self._reported
        slot = first - 1
        for delta in deltas:
            slot += 1
            entry = entries[slot & _MASK]
            if delta is None:
                if entry and not entry & _LOST:
                    entries[slot & _MASK] = entry | _LOST
                    lost_size += entry & _SIZE
                    if entry <= _SIZE:  # of probes, loss says little; what was assumed is past
                        lost += 1
                continue
            ticks += delta
            if not entry:  # told before
                continue
            entries[slot & _MASK] = 0
            sends.append(times[slot & _MASK])
            arrivals.append(ticks * _TICK)
            sizes.append(entry & _SIZE)
            if slot < reported:
                late += 1
            if entry <= _SIZE:
                size += entry
                received += 1
                continue
            if not entry & _ASSUMED:
                size += entry & _SIZE
            if entry >> _PROBE_SHIFT == 0:
                received += 1
                if entry & _LOST and not entry & _ASSUMED:
                    recovered += 1
        if stop > self._reported:
            self._reported = stop
        receipt.lost_bytes, receipt.late = lost_size, late
        receipt.bytes, receipt.received, receipt.lost, receipt.recovered = size, received, lost, recovered
        return receipt

    def base(self, feedback: Feedback) -> int:
        """The unwrapped number that `feedback` begins with: the last one given out, or the nearest before it."""
        last = self.next - 1
        return last - ((last - feedback.base_seq16) & 0xFFFF)

    def look(self, seq: int) -> tuple[float, int, int]:
        """When `seq` was sent, its size (0: its arrival is known already, or it is too old), and its probe."""
        if not self.next - KEPT <= seq < self.next or seq < 0:
            return 0.0, 0, 0
        entry = self._entries[seq & _MASK]
        return self._times[seq & _MASK], entry & _SIZE, entry >> _PROBE_SHIFT

    def arrival(self, feedback: Feedback) -> float:
        """The time that the first delta of `feedback` counts from; for the feedback matched last or next."""
        last = self._reference
        if last is None:
            return feedback.reference_time * _TICKS_PER_REFERENCE * _TICK
        reference = last + ((feedback.reference_time - last + 0x800000) & 0xFFFFFF) - 0x800000
        return reference * _TICKS_PER_REFERENCE * _TICK

    def _begin(self, feedback: Feedback) -> int:
        """The unwrapped reference time, in ticks."""
        last = self._reference
        reference = feedback.reference_time
        if last is not None:  # the nearest to the last one
            reference = last + ((reference - last + 0x800000) & 0xFFFFFF) - 0x800000
        self._reference = reference
        return reference * _TICKS_PER_REFERENCE

    def _assume(self, first: int) -> int:
        """Feedback of the packets before `first` was lost: bytes that are taken for arrived."""
        size = 0
        entries = self._entries
        for seq in range(max(self._reported, self.next - KEPT), first):
            entry = entries[seq & _MASK]
            if entry:
                size += entry & _SIZE
                entries[seq & _MASK] = entry | _ASSUMED
        return size
