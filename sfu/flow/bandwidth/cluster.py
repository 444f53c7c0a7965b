"""One probe on its way: a short cluster of packets at a chosen rate, and the rate it arrived at.

Knows send and arrival times of the packets between the first and the last of the cluster; media among them counts
as well. Does not know when to probe or what follows.
"""

from typing import Final

from sfu.flow.bandwidth.busy import AROUND
from sfu.flow.bandwidth.sent import SentPackets
from sfu.wire.transport_feedback import Feedback

_ENOUGH: Final = 0.8  # of the packets must arrive, or the result says nothing
_SENT: Final = 0.9  # of the bytes that were asked for: then the cluster is complete
_SHORTEST: Final = 0.002  # seconds that a cluster takes to arrive: more than eight ticks of feedback
_FEWEST: Final = 4  # packets
_SATURATED: Final = 0.9  # arriving slower than this share of the sending rate: the link was full
_HEADROOM: Final = 0.95  # of a full link
_THOROUGH: Final = 20_000  # bytes: more than what buffers and buckets of tokens pass on at any rate
_USED_UP: Final = 0.7  # of the rate of the whole
_HALVES: Final = 12  # packets: of a longer cluster the second half counts as well, when a bucket is used up
_MOST: Final = 1.5  # times the rate asked for that is believed (media in between): a burst tells of buffers


class Cluster:
    """Fed with the cluster's packets as they leave, and with each feedback before it is matched."""

    __slots__ = (
        "_bytes",
        "_count",
        "_first",
        "_first_arrival",
        "_first_send",
        "_head",
        "_last",
        "_last_arrival",
        "_last_send",
        "_low_after",
        "_low_before",
        "_middle_arrival",
        "_middle_bytes",
        "_reports",
        "_seconds",
        "_sent",
        "_tail",
        "goal",
        "id",
        "limited",
        "noisy",
        "rate_bps",
    )

    def __init__(self, cluster_id: int, rate_bps: float, goal: int, seconds: float, noisy: bool) -> None:
        self.id = cluster_id
        self.noisy = noisy
        """Arrival times say little, for jitter; how the least delay moves does."""
        self.rate_bps = rate_bps
        self.goal = goal
        """Bytes to be sent."""
        self.limited = False
        """The link carried less than was sent; known with the result."""
        self._seconds = seconds
        self._sent = 0
        self._middle_arrival = 0.0  # when half of it had arrived, and how much that was
        self._middle_bytes = 0
        self._first = self._last = -1
        self._bytes = self._count = self._reports = 0
        self._first_arrival = self._first_send = float("inf")
        self._last_arrival = self._last_send = float("-inf")
        self._low_before = self._low_after = float("inf")  # least delay in the first and the second half
        self._head = self._tail = 0  # sizes of the first to arrive and the last to be sent

    @property
    def thorough(self) -> bool:
        """Whether it tells without media that passes at its rate."""
        return self.goal >= _THOROUGH

    def sent(self, seq: int, size: int) -> None:
        """A packet of the cluster left as `seq`."""
        if self._first < 0:
            self._first = seq
        self._last = seq
        self._sent += size

    def cut(self) -> None:
        """No more of it is sent: what was tells enough."""
        self.goal = min(self.goal, self._sent)

    @property
    def complete(self) -> bool:
        """Whether all of it has left."""
        return self._sent >= self.goal

    def read(self, packets: SentPackets, feedback: Feedback) -> bool:
        """True when the cluster has been told of as far as can be expected."""
        base = packets.base(feedback)
        stop = base + len(feedback.deltas)
        if self._first < 0 or stop <= self._first:
            return False
        if base <= self._last:
            self._read(packets, feedback, base)
        if stop <= self._last or self._sent < self.goal * _SENT:
            return False
        self._reports += 1  # one more is waited for when packets are missing: they may be late
        return self._count > self._last - self._first or self._reports > 1

    def _read(self, packets: SentPackets, feedback: Feedback, base: int) -> None:
        arrival = packets.arrival(feedback)
        half = self._seconds / 2
        for offset, delta in enumerate(feedback.deltas[: self._last - base + 1]):
            if delta is None:
                continue
            arrival += delta * 0.00025
            if base + offset < self._first:
                continue
            send, size, _ = packets.look(base + offset)
            if not size:
                continue
            self._bytes += size
            self._count += 1
            if arrival < self._first_arrival:
                self._first_arrival, self._head = arrival, size
            if send >= self._last_send:
                self._last_send, self._tail = send, size
            self._first_send = min(self._first_send, send)
            if send - self._first_send < half:
                self._low_before = min(self._low_before, arrival - send)
            else:
                self._low_after = min(self._low_after, arrival - send)
            self._last_arrival = max(self._last_arrival, arrival)
            if not self._middle_bytes and self._bytes >= self.goal / 2:
                self._middle_arrival, self._middle_bytes = self._last_arrival, self._bytes

    def result(self, loss: float, usual: float = 1.0) -> float | None:
        """The rate in bit/s that the link carries, as far as it was tried; None if nothing can be said.

        `loss` is the share that gets lost at any rate. `usual` is the share of RTP in what packets of the usual sizes
        take of the link: padding has more headers.
        """
        expected = (self._last - self._first + 1) * (1 - loss)
        if self._count < max(expected * _ENOUGH, _FEWEST):
            return None
        full = min(1 / (1 - loss), (self._last - self._first + 1) / self._count)
        span = max(self._last_send - self._first_send, _SHORTEST)
        full *= usual
        around = (self._count - 1) * AROUND if usual < 1 else 0
        sent = (self._bytes - self._tail + around) * 8 * full / span
        if self.noisy:
            arrived = sent / (1 + max(self._low_after - self._low_before, 0.0) / (span / 2))
        else:
            span = max(self._last_arrival - self._first_arrival, _SHORTEST)
            arrived = (self._bytes - self._head + around) * 8 * full / span
            rest = self._last_arrival - self._middle_arrival
            if self._count >= _HALVES and self._middle_bytes and rest > _SHORTEST:
                half = self._bytes - self._middle_bytes
                later = (half + around * half / self._bytes) * 8 * full / rest
                if self.thorough or later < arrived * _USED_UP:
                    arrived = min(arrived, later)
        rate = min(sent, arrived)
        if arrived < sent * _SATURATED:
            self.limited = True
            rate = arrived * _HEADROOM
        return min(rate, self.rate_bps * _MOST)
