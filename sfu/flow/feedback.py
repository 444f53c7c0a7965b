"""When packets arrived, as the sender's bandwidth estimator wants to know it.

draft-holmer-rmcat-transport-wide-cc-extensions-01. Knows transport-wide sequence numbers and arrival times.
Does not know the bytes of the message (`wire.transport_feedback`) or whom it goes to.
"""

from collections.abc import Iterator
from typing import Final

from sfu.wire.seq import Unwrapper16
from sfu.wire.transport_feedback import Feedback

_TICKS_PER_SECOND: Final = 4000  # deltas are in units of 250 us
_TICKS_PER_REFERENCE: Final = 256  # the reference time is in units of 64 ms
_MAX_DELTA: Final = 0x7FFF  # a delta is 16 bits, signed: 8 s
# Bounds of one message: at most 2 bytes of delta a packet and 2 bytes for 7 statuses: below 850 bytes.
_MAX_ARRIVED: Final = 300
_MAX_STATUSES: Final = 600
# A gap wider than this is a sender that began anew, not loss to be reported.
_MAX_GAP: Final = 1000
# More than a second of the densest stream: the owner does not collect, so the oldest are of no more use.
_MAX_PENDING: Final = 4096


class TransportWideArrivals:
    """Arrivals since the last feedback, of one connection.

    `receive` per packet; `build` some ten times a second. A number is reported missing once, in the first
    feedback after a higher one; if it comes yet, a later feedback reports it received.
    """

    __slots__ = ("_feedback_count", "_next", "_pending", "_unwrap")

    def __init__(self) -> None:
        self._unwrap = Unwrapper16().unwrap
        self._pending: dict[int, float] = {}
        self._next: int | None = None  # lowest number of which nothing was said yet
        self._feedback_count = 0

    @property
    def pending(self) -> bool:
        """Whether `build` has something to tell."""
        return bool(self._pending)

    def receive(self, seq16: int, now: float) -> None:
        """A packet with this transport-wide number arrived at `now`."""
        seq = self._unwrap(seq16)
        pending = self._pending
        if seq not in pending:
            if len(pending) >= _MAX_PENDING:
                pending.clear()
            pending[seq] = now

    def build(self, now: float) -> list[Feedback]:
        """Feedback for all that arrived since the last call, in order of numbers; [] if nothing did."""
        del now  # arrivals carry their own times
        if not self._pending:
            return []
        arrivals = [(seq, round(at * _TICKS_PER_SECOND)) for seq, at in sorted(self._pending.items())]
        self._pending.clear()
        return [self._feedback(base, ticks) for base, ticks in self._runs(arrivals)]

    def _runs(self, arrivals: list[tuple[int, int]]) -> Iterator[tuple[int, list[int | None]]]:
        """Cut into messages: (first number, arrival ticks or None for each number from there on)."""
        base = 0
        ticks: list[int | None] = []
        arrived = 0
        previous = 0
        for seq, at in arrivals:
            expected = self._expected(seq)
            if ticks and (
                expected != base + len(ticks)
                or arrived == _MAX_ARRIVED
                or len(ticks) >= _MAX_STATUSES
                or abs(at - previous) > _MAX_DELTA
            ):
                yield base, ticks
                ticks = []
            if not ticks:
                base = expected
                arrived = 0
            ticks += [None] * (seq - expected)
            ticks.append(at)
            arrived += 1
            previous = at
            if self._next is None or seq >= self._next:
                self._next = seq + 1
        yield base, ticks

    def _expected(self, seq: int) -> int:
        """The number to speak of before `seq`: lower than it if numbers between are missing."""
        fresh = self._next
        if fresh is None or seq < fresh:  # late: what lies before it was spoken of already
            return seq
        return fresh if seq - fresh <= _MAX_GAP else seq

    def _feedback(self, base: int, ticks: list[int | None]) -> Feedback:
        first = next(at for at in ticks if at is not None)
        reference = first // _TICKS_PER_REFERENCE
        previous = reference * _TICKS_PER_REFERENCE
        deltas: list[int | None] = []
        for at in ticks:
            if at is None:
                deltas.append(None)
            else:
                deltas.append(at - previous)
                previous = at
        count = self._feedback_count
        self._feedback_count = (count + 1) & 0xFF
        return Feedback(
            base_seq16=base & 0xFFFF,
            reference_time=((reference + 0x800000) & 0xFFFFFF) - 0x800000,
            feedback_count=count,
            deltas=tuple(deltas),
        )
