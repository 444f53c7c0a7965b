"""When packets leave: a burst is spread over time at a given rate, retransmissions before the rest.

Knows sizes and times. Does not know what an item is, how the rate was found, or how to send or to wait. What is never
paced (audio) does not come here, unless to be counted by `spend`.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# What may leave at once, in seconds at the rate, and so the time between two calls of `due`: short enough not to be
# taken for a queue of the link, long enough not to need a timer for each packet.
WINDOW: Final = 0.005
# A timer this late (seconds) costs nothing: while packets wait, the time since the last call is made up for.
_LATE: Final = 0.020
# Above this a packet is better lost than so late: a key frame of 250 kB on a link of 1 Mbit/s takes two seconds, and
# the rate is less than half of the link's while a queue of it is emptied.
_MAX_SECONDS: Final = 5.0
_MAX_BYTES: Final = 2 << 20
# The share of both bounds for retransmissions. They are asked for again after one round trip.
_SHARE_FIRST: Final = 0.25
# Even on the slowest link this much may wait: a key frame of the smallest picture.
_MIN_BYTES: Final = 16_000


class Pacer(Generic[T]):
    """A leaky bucket with a queue behind it.

    Per packet: `admit`; if that is False, `push`. With something waiting, `due` is to be called at `deadline()`.
    In any time t the packets that leave are at most t + 25 ms at `rate_bps`, and one packet. Items pushed alike
    (`first` or not) leave in the order in which they came, and never before one that was admitted earlier.
    A change of the rate holds for what leaves from then on.
    """

    __slots__ = (
        "_first",
        "_first_bytes",
        "_free_at",
        "_max_bytes",
        "_max_seconds",
        "_media",
        "_media_bytes",
        "_per_byte",
        "_waiting",
        "admitted",
        "paced",
        "refused",
    )

    def __init__(
        self, rate_bps: int, *, max_bytes: int = _MAX_BYTES, max_seconds: float = _MAX_SECONDS
    ) -> None:
        self.admitted = 0  # packets that left at once
        self.paced = 0  # packets that left after waiting
        self.refused = 0  # packets for which there was no room
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._first: deque[tuple[T, int]] = deque()
        self._media: deque[tuple[T, int]] = deque()
        self._first_bytes = 0
        self._media_bytes = 0
        self._waiting = 0  # items in both queues
        self._free_at = float("-inf")  # when all that left would have been through at the rate
        self._per_byte = 8 / max(rate_bps, 1)  # seconds

    @property
    def rate_bps(self) -> float:
        """Bits a second that leave while something waits."""
        return 8 / self._per_byte

    @rate_bps.setter
    def rate_bps(self, value: float) -> None:
        self._per_byte = 8 / max(value, 1)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait."""
        return self._first_bytes + self._media_bytes

    @property
    def queued_seconds(self) -> float:
        """How long what waits takes to leave at the present rate."""
        return self.queued_bytes * self._per_byte

    def __len__(self) -> int:
        return self._waiting

    def admit(self, size: int, now: float) -> bool:
        """Whether a packet of `size` bytes may leave at once; True counts as sent. Called for every packet."""
        if self._waiting:
            return False
        free_at = self._free_at
        if free_at < now:
            free_at = now
        elif free_at >= now + WINDOW:
            return False
        self._free_at = free_at + size * self._per_byte
        self.admitted += 1
        return True

    def spend(self, size: int, now: float) -> None:
        """`size` bytes left without asking (a probe, audio): what is paced waits the longer for it."""
        free_at = self._free_at
        self._free_at = (free_at if free_at > now else now) + size * self._per_byte

    def push(self, item: T, size: int, now: float, *, first: bool = False) -> bool:
        """Let `item` of `size` bytes wait, `first` before all that is not; False when there is no room for it."""
        del now  # an item is never looked at for its age: the bounds are of what may wait
        room = min(self._max_bytes, max(_MIN_BYTES, self._max_seconds / self._per_byte))
        if first:
            if self._first_bytes + size > room * _SHARE_FIRST:
                self.refused += 1
                return False
            self._first.append((item, size))
            self._first_bytes += size
        else:
            if self._media_bytes + size > room:
                self.refused += 1
                return False
            self._media.append((item, size))
            self._media_bytes += size
        self._waiting += 1
        return True

    def due(self, now: float) -> Iterator[T]:
        """What is to leave now, in order. An item counts as sent when it is handed out; the rest stays."""
        if self._waiting and self._free_at < now - _LATE:
            self._free_at = now - _LATE
        while self._waiting and self._free_at < now + WINDOW:
            if self._first:
                item, size = self._first.popleft()
                self._first_bytes -= size
            else:
                item, size = self._media.popleft()
                self._media_bytes -= size
            self._waiting -= 1
            self._free_at += size * self._per_byte
            self.paced += 1
            yield item

    def deadline(self) -> float | None:
        """When `due` has something again; None when nothing waits. Two are WINDOW apart or more."""
        return self._free_at if self._waiting else None

    def clear(self) -> int:
        """Forget all that waits; how many items that was."""
        count = self._waiting
        self._first.clear()
        self._media.clear()
        self._first_bytes = self._media_bytes = self._waiting = 0
        return count
