"""The newest packets of one encoding, kept for retransmission to all of its subscribers.

Knows sequence numbers, sizes and ages. Does not know what a packet holds, who wants it again (`flow.resend`),
or which number a subscriber gave it (`flow.renumber`).
"""

from typing import Final

# A step back by more than this is a stream that began anew, not a late packet (RFC 3550 A.1, MAX_DROPOUT).
RESTART_JUMP: Final = 3000
_EMPTY: Final = -(1 << 62)  # no unwrapped number comes near


class History:
    """Packets by unwrapped sequence number, bounded in packets, bytes and age (seconds).

    `max_packets` is rounded up to a power of two: slot = seq & mask. Every held number lies in
    [_tail, _highest], and that span never exceeds the ring. An empty slot of the span holds b"" and the
    time at which its number was passed over, so that gaps age like packets.
    """

    __slots__ = (
        "_bytes",
        "_highest",
        "_mask",
        "_max_age",
        "_max_bytes",
        "_packets",
        "_seqs",
        "_tail",
        "_times",
        "_trim_at",
    )

    def __init__(self, max_packets: int = 1024, max_age: float = 2.0, max_bytes: int = 2 << 20) -> None:
        assert max_packets > 0
        size = 1 << (max_packets - 1).bit_length()
        self._mask = size - 1
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._seqs = [_EMPTY] * size
        self._packets = [b""] * size
        self._times = [0.0] * size
        self._bytes = 0
        self._highest = _EMPTY
        self._tail = _EMPTY  # nothing below it is held, or is taken any more
        self._trim_at = 0.0  # ages are looked at eight times in max_age, not at every packet

    @property
    def bytes_held(self) -> int:
        """Bytes of all packets held now."""
        return self._bytes

    def add(self, seq: int, packet: bytes, now: float) -> bool:
        """Keep `packet` under `seq`; False if that number is held already or is too old to be stored."""
        slot = seq & self._mask
        highest = self._highest
        if seq == highest + 1:
            self._highest = seq
            if seq - self._tail > self._mask:  # the ring is full: its tail lies in this very slot
                self._tail += 1
                self._bytes -= len(self._packets[slot])
        elif seq > highest:
            self._skip_to(seq, now)
        elif seq < self._tail:
            if highest - seq <= RESTART_JUMP:
                return False
            self._begin(seq, now)
        elif self._seqs[slot] == seq:
            return False
        self._seqs[slot] = seq
        self._packets[slot] = packet
        self._times[slot] = now
        self._bytes = held = self._bytes + len(packet)
        if held > self._max_bytes or now >= self._trim_at:
            self.drop_older(now)
        return True

    def get(self, seq: int, now: float) -> bytes | None:
        """The packet of that number, or None if it never came or is past its age."""
        slot = seq & self._mask
        if self._seqs[slot] != seq or now - self._times[slot] > self._max_age:
            return None
        return self._packets[slot]

    def added_at(self, seq: int) -> float:
        """When the packet that `get` returned for `seq` was added."""
        return self._times[seq & self._mask]

    def drop_older(self, now: float) -> None:
        """Let go of what is past its age or above the byte limit, oldest numbers first.

        `add` does this by itself; a stream that fell silent needs the call to give its memory back.
        """
        self._trim_at = now + self._max_age / 8
        oldest = now - self._max_age
        while self._tail <= self._highest and (
            self._bytes > self._max_bytes or self._times[self._tail & self._mask] < oldest
        ):
            self._drop_tail()

    def _skip_to(self, seq: int, now: float) -> None:
        """Make `seq` the highest number; those between were passed over at `now`."""
        if seq - self._highest > self._mask:  # also the first packet
            self._begin(seq, now)
            return
        while seq - self._tail > self._mask:
            self._drop_tail()
        for missing in range(self._highest + 1, seq):
            self._times[missing & self._mask] = now
        self._highest = seq

    def _begin(self, seq: int, now: float) -> None:
        """Hold nothing; a ring of numbers before `seq` may still come, reordered."""
        size = self._mask + 1
        self._seqs = [_EMPTY] * size
        self._packets = [b""] * size
        self._times = [now] * size
        self._bytes = 0
        self._highest = seq
        self._tail = seq - self._mask

    def _drop_tail(self) -> None:
        slot = self._tail & self._mask
        self._bytes -= len(self._packets[slot])
        self._seqs[slot] = _EMPTY
        self._packets[slot] = b""
        self._tail += 1
