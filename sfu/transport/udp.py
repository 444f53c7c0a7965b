"""The UDP port: one socket, read in bounded batches, written once per wake-up in runs per destination.

Knows datagrams and addresses; knows nothing of STUN, DTLS or RTP.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ifaddr

from sfu.forwarding.engine import PYTHON, Engine
from sfu.transport.outbox import Address, Outbox, Sent, gso_works

if TYPE_CHECKING:
    from sfu.forwarding.native.core import Link

logger = logging.getLogger(__name__)

# Datagrams read in one wake-up at most, so that timers and WebSockets get their turn (about 2 ms of work).
MAX_BATCH = 256
# Receive buffer of a datagram: more than any Ethernet MTU; what is longer is no WebRTC packet.
MAX_DATAGRAM = 2048
# The kernel's default receive buffer holds ~90 packets and is where loss begins; 4 MiB hold a second of 30 Mbit/s.
SOCKET_BUFFER = 4 * 1024 * 1024


@dataclass(slots=True)
class PortCounters:
    datagrams_in: int = 0
    bytes_in: int = 0
    datagrams_out: int = 0
    bytes_out: int = 0
    sends: int = 0
    dropped_send_buffer_full: int = 0
    dropped_unreachable: int = 0
    handler_errors: int = 0


class UdpPort:
    """Reads datagrams into `on_datagram(data, address, now)` and ends each batch with `on_batch(now)` and a flush.

    A batch that the engine dealt with itself ends without `on_batch`. `now` is `time.monotonic()` of the wake-up.
    """

    def __init__(self, sock: socket.socket, *, gso: bool = True, engine: Engine = PYTHON) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self.engine = engine
        self._gso = gso and gso_works(sock)
        native = engine.outbox(sock.fileno(), self._gso, self._wake_up)
        self._outbox = native or Outbox(sock, self._gso, self._wake_up)
        self._inbox = engine.inbox(sock.fileno())
        # Send a datagram to an address at the end of this wake-up (or of this turn of the event loop).
        self.queue: Callable[[bytes, Address], None] = self._outbox.queue
        self._reading = self._closed = False
        self._counters = PortCounters()
        self.on_datagram: Callable[[bytes, Address, float], None] = lambda data, address, now: None
        self.on_batch: Callable[[float], None] = lambda now: None
        if self._inbox is None or native is None:
            self._loop.add_reader(sock.fileno(), self._readable)
        else:
            functions = (self._datagram, self._datagram_failed, self._batch)
            self._loop.add_reader(sock.fileno(), self._inbox.run, MAX_BATCH, native, *functions)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def gso(self) -> bool:
        """Whether runs of equal-size packets to one destination leave as one UDP_SEGMENT send."""
        return self._gso

    def _readable(self) -> None:
        now = time.monotonic()
        self._reading = True
        self._read(now)
        self._batch(now)
        self._reading = False
        self.flush()

    def _datagram(self, data: bytes, address: Address, now: float) -> None:
        self.on_datagram(data, address, now)

    def _batch(self, now: float) -> None:
        try:
            self.on_batch(now)
        except Exception:
            self._counters.handler_errors += 1
            logger.exception("a batch could not be ended")

    def _datagram_failed(self) -> None:
        # Our defect, met by one peer's datagram: it costs that datagram, not the server.
        self._counters.handler_errors += 1
        logger.exception("a datagram could not be handled")

    def _read(self, now: float) -> None:
        receive = self._socket.recvfrom
        on_datagram = self.on_datagram
        counters = self._counters
        for _ in range(MAX_BATCH):
            try:
                data, address = receive(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP error of an earlier send (ECONNREFUSED and such): says nothing about this socket.
                continue
            counters.datagrams_in += 1
            counters.bytes_in += len(data)
            try:
                on_datagram(data, address, now)
            except Exception:
                self._datagram_failed()

    def address(self, host: str, port: int) -> Address:
        """The address of an IP literal as this socket's family writes it. Raises ValueError for names."""
        ip = ipaddress.ip_address(host)
        if self._socket.family != socket.AF_INET6:
            return (str(ip), port)
        return (f"::ffff:{ip}" if ip.version == 4 else str(ip), port, 0, 0)

    def link(self) -> "Link | None":
        """What sends one connection's RTP, where the engine does that itself."""
        return self.engine.link(self._outbox)

    def route(self, address: Address, link: "Link | None") -> None:
        """SRTP from there is for the connection of this link, where the engine decrypts it; None: for nobody."""
        if self._inbox is not None:
            self._inbox.route(address, link)

    def _wake_up(self) -> None:
        if not self._reading:  # else it ends with a flush
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send all that is queued."""
        self._count(self._outbox.flush())

    @property
    def counters(self) -> PortCounters:
        """What was read and sent until now."""
        self._count(self._outbox.counts())
        if self._inbox is not None:
            datagrams, size = self._inbox.counts()
            self._counters.datagrams_in += datagrams
            self._counters.bytes_in += size
        return self._counters

    def _count(self, sent: Sent) -> None:
        datagrams, size, sends, full, unreachable = sent
        counters = self._counters
        counters.datagrams_out += datagrams
        counters.bytes_out += size
        counters.sends += sends
        counters.dropped_send_buffer_full += full
        counters.dropped_unreachable += unreachable

    def close(self) -> None:
        """Flush and close; idempotent."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        self._outbox.close()
        if self._inbox is not None:
            self._inbox.close()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()


def open_port(host: str, port: int, *, gso: bool = True, engine: Engine = PYTHON) -> UdpPort:
    """Bind `host` ("" = all addresses, IPv4 and IPv6) and `port` (0 = any). Raises OSError."""
    sock = _bind(host, port)
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
    return UdpPort(sock, gso=gso, engine=engine)


def _bind(host: str, port: int) -> socket.socket:
    if host == "":
        if socket.has_ipv6:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            try:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                sock.bind(("::", port))
            except OSError as error:
                sock.close()
                if error.errno == errno.EADDRINUSE:
                    raise
                # IPv6 is compiled in but switched off on this machine.
            else:
                return sock
        host = "0.0.0.0"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def candidate_hosts(host: str, public: tuple[str, ...]) -> list[str]:
    """The addresses to announce: those told, else the bound one, else this machine's (loopback only if none else)."""
    if public:
        return list(public)
    if host and not ipaddress.ip_address(host).is_unspecified:
        return [host]
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text.split("%")[0])
            # Link-local IPv6 needs a scope id that SDP can't carry.
            if address.is_loopback or address.is_link_local or address.is_multicast:
                continue
            if host == "0.0.0.0" and address.version == 6:
                continue
            found.append(str(address))
    return sorted(dict.fromkeys(found), key=lambda text: ":" in text) or ["127.0.0.1"]
