"""What waits to leave by a UDP port, and how it leaves: in runs per destination.

The Python engine's; the native one has the same interface (`sfu.forwarding.native.core.Outbox`). Knows datagrams and
addresses; does not know when a wake-up ends.
"""

import errno
import socket
import struct
from collections.abc import Callable

Address = tuple[str, int] | tuple[str, int, int, int]

# linux/udp.h; not in the socket module before 3.14.
UDP_SEGMENT = 103
# UDP_MAX_SEGMENTS of older kernels, and what fits into one IP datagram before segmentation.
GSO_MAX_SEGMENTS = 64
GSO_MAX_BYTES = 65_000

Sent = tuple[int, int, int, int, int]
"""Datagrams, bytes and system calls' messages sent; datagrams dropped as the buffer was full, and as unreachable."""


class Outbox:
    """`on_waiting` is called when there is something to flush."""

    def __init__(self, sock: socket.socket, gso: bool, on_waiting: Callable[[], object]) -> None:
        self._socket = sock
        self._gso = gso
        self._on_waiting = on_waiting
        self._waiting: dict[Address, list[bytes]] = {}
        self._told = self._closed = False
        self._counts = [0, 0, 0, 0, 0]

    def queue(self, data: bytes, address: Address) -> None:
        """Send `data` with the next flush."""
        box = self._waiting.get(address)
        if box is None:
            self._waiting[address] = [data]
            if not self._told:
                self._told = True
                self._on_waiting()
        else:
            box.append(data)

    def flush(self) -> Sent:
        """Send all that is queued, runs of equal size to one destination as one segmented send; what came of it."""
        self._told = False
        waiting, self._waiting = self._waiting, {}
        for address, packets in waiting.items() if not self._closed else ():
            if len(packets) == 1 or not self._gso:
                for packet in packets:
                    self._send(packet, address)
            else:
                self._send_runs(packets, address)
        return self.counts()

    def counts(self) -> Sent:
        """What came of what was sent meanwhile."""
        datagrams, size, sends, full, unreachable = self._counts
        self._counts = [0, 0, 0, 0, 0]
        return datagrams, size, sends, full, unreachable

    def _send_runs(self, packets: list[bytes], address: Address) -> None:
        start, count = 0, len(packets)
        while start < count:
            size = len(packets[start])
            end, total = start + 1, size
            limit = min(count, start + GSO_MAX_SEGMENTS)
            while end < limit and len(packets[end]) == size and total + size <= GSO_MAX_BYTES:
                end += 1
                total += size
            # The last segment may be shorter than the others.
            if end < limit and len(packets[end]) < size and total + len(packets[end]) <= GSO_MAX_BYTES:
                end += 1
            if end - start == 1:
                self._send(packets[start], address)
            else:
                self._send_segmented(packets[start:end], size, address)
            start = end

    def _send(self, packet: bytes, address: Address) -> None:
        try:
            self._socket.sendto(packet, address)
        except OSError as error:
            self._failed(error, 1)
        else:
            self._sent(1, len(packet))

    def _send_segmented(self, packets: list[bytes], size: int, address: Address) -> None:
        ancillary = [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))]
        try:
            sent = self._socket.sendmsg(packets, ancillary, 0, address)
        except OSError as error:
            if error.errno in (errno.EIO, errno.EINVAL, errno.EMSGSIZE):
                # The route's device can't segment, or the MTU is smaller than a packet: one by one.
                for packet in packets:
                    self._send(packet, address)
            else:
                self._failed(error, len(packets))
        else:
            self._sent(len(packets), sent)

    def _sent(self, datagrams: int, size: int) -> None:
        counts = self._counts
        counts[0] += datagrams
        counts[1] += size
        counts[2] += 1

    def _failed(self, error: OSError, datagrams: int) -> None:
        # Never queue for later: what a full socket buffer can't take is lost, and repaired by NACK.
        self._counts[3 if error.errno in (errno.EAGAIN, errno.ENOBUFS) else 4] += datagrams

    def close(self) -> None:
        """Nothing is sent any more."""
        self._closed = True


def gso_works(sock: socket.socket) -> bool:
    """Whether the kernel knows UDP_SEGMENT."""
    try:
        sock.getsockopt(socket.SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True
