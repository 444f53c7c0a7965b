"""All connections of one UDP port: whose datagram it is, who is still alive, and when each one's timers run.

Demultiplexes by source address, first contact by the STUN USERNAME (RFC 8445, RFC 7983). Knows no rooms.
"""

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCCertificate

from sfu.transport.connection import Connection
from sfu.transport.dial import DialedConnection, FarEnd
from sfu.transport.ice import StunProblem, StunRejected, is_stun, parse_check, unknown_user
from sfu.transport.outbox import Address
from sfu.transport.seam import SrtpWorkspace, fingerprints, make_certificate
from sfu.transport.turns import Turns
from sfu.transport.udp import UdpPort

# How often silence is looked for; a dead client is noticed at most this much late.
CONSENT_CHECK_SECONDS = 1.0


@dataclass(slots=True)
class HubCounters:
    unknown_address: int = 0
    unknown_kind: int = 0
    expired: int = 0
    handshake_overflow: int = 0


class Hub:
    """Opens connections on one port and feeds them."""

    def __init__(self, port: UdpPort) -> None:
        self.port = port
        self.certificate: RTCCertificate = make_certificate()
        self.fingerprints = fingerprints(self.certificate)[:1]
        self.counters = HubCounters()
        # For what takes long: handshakes here, and what the owner does for many at once.
        self.turns = Turns()
        self.stun_problems: Counter[StunProblem] = Counter()
        self._space = SrtpWorkspace()
        self._by_ufrag: dict[str, Connection] = {}
        self._by_address: dict[Address, Connection] = {}
        self._touched: set[Connection] = set()
        self._connections: set[Connection] = set()
        self._watched: set[Connection] = set()
        self._consent_timer: asyncio.TimerHandle | None = None
        port.on_datagram = self._datagram
        port.on_batch = self._batch

    def open(self, on_closed: Callable[[Connection, str], None]) -> Connection:
        """A new connection with fresh credentials; `on_closed(connection, reason)` when the client is gone."""
        connection = Connection(
            self.port, self.certificate, self._space, time.monotonic(), time.monotonic, on_closed
        )
        self._connections.add(connection)
        self._watched.add(connection)
        self._by_ufrag[connection.ice.ufrag] = connection
        if connection.link is not None:
            connection.link.on_rtp = functools.partial(self._rtp, connection)
            connection.link.on_stun = connection.ice.answer_again
        if self._consent_timer is None:
            self._watch_consent()
        return connection

    def dial(self, far: FarEnd, on_closed: Callable[[Connection, str], None]) -> Connection:
        """A connection to another node; raises ValueError if a candidate is no IP literal, OSError without a port."""
        connection = DialedConnection(
            far, self.certificate, self._space, time.monotonic, on_closed, self.port.engine
        )
        self._connections.add(connection)
        self._watched.add(connection)
        if self._consent_timer is None:
            self._watch_consent()
        return connection

    def restart_ice(self, connection: Connection) -> None:
        """Give `connection` new ICE credentials, for an answer to an ICE restart."""
        for ufrag in connection.ice.ufrags:
            self._by_ufrag.pop(ufrag, None)
        connection.ice.restart()
        for ufrag in connection.ice.ufrags:
            self._by_ufrag[ufrag] = connection

    async def close(self, connection: Connection) -> None:
        """Close one connection and forget it. Idempotent."""
        try:
            await connection.close()
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._watched.discard(connection)
        self._touched.discard(connection)
        for ufrag in connection.ice.ufrags:
            self._by_ufrag.pop(ufrag, None)
        for address in connection.ice.addresses:
            self._forget_address(address, connection)

    def _forget_address(self, address: Address, connection: Connection) -> None:
        if self._by_address.get(address) is connection:
            del self._by_address[address]
            self.port.route(address, None)

    async def shutdown(self) -> None:
        """Close every connection and the port."""
        if self._consent_timer is not None:
            self._consent_timer.cancel()
            self._consent_timer = None
        await asyncio.gather(*(self.close(connection) for connection in list(self._connections)))
        self.port.close()

    def __len__(self) -> int:
        return len(self._connections)

    # -- datagrams -------------------------------------------------------------------------------------------

    def _datagram(self, data: bytes, address: Address, now: float) -> None:
        first = data[0] if data else 255
        # RFC 7983 section 7: 128..191 RTP and RTCP, 20..63 DTLS, 0..3 STUN.
        if 127 < first < 192 or 19 < first < 64:
            connection = self._by_address.get(address)
            if connection is None:
                self.counters.unknown_address += 1
            elif first > 127:
                connection.srtp_datagram(data, now)
                self._touched.add(connection)
            elif connection.ready:
                connection.dtls_datagram(data)
            elif not self.turns.put(functools.partial(connection.dtls_datagram, data)):
                self.counters.handshake_overflow += 1
        elif is_stun(data):
            self._stun(data, address, now)
        else:
            self.counters.unknown_kind += 1

    def _rtp(self, connection: Connection, packet: bytes, now: float) -> None:
        connection.sink.receive_rtp(packet, now)
        self._touched.add(connection)

    def _stun(self, data: bytes, address: Address, now: float) -> None:
        known = self._by_address.get(address)
        if known is not None and (again := known.ice.answer_again(data, address, now)) is not None:
            self.port.queue(again, address)
            return
        try:
            check = parse_check(data)
            connection = self._by_ufrag.get(check.ufrag)
            if connection is None:
                raise unknown_user(check)
            response = connection.ice.answer(check, address, now)
        except StunRejected as rejected:
            self.stun_problems[rejected.problem] += 1
            if rejected.response is not None:
                self.port.queue(rejected.response, address)
            return
        if self._by_address.get(address) is not connection:
            self._by_address[address] = connection
            self.port.route(address, connection.link)
        connection.moved()
        for surplus in connection.ice.surplus():
            self._forget_address(surplus, connection)
        self.port.queue(response, address)

    def _batch(self, now: float) -> None:
        touched, self._touched = self._touched, set()
        for connection in touched:
            connection.schedule()

    def _watch_consent(self) -> None:
        now = time.monotonic()
        self._consent_timer = None
        silent = [connection for connection in self._watched if connection.ice.consent_lost(now)]
        if self._connections:
            # Before anything that may fail: this timer is the only one. Nobody's silence is over before the longest.
            until = min((connection.ice.consent_until for connection in self._watched), default=now)
            wait = max(until - now, CONSENT_CHECK_SECONDS)
            self._consent_timer = asyncio.get_running_loop().call_later(wait, self._watch_consent)
        for connection in silent:
            self._watched.discard(connection)
            self.counters.expired += 1
            connection.expire()

    def stats(self) -> dict[str, object]:
        port = self.port.counters
        return {
            "connections": len(self._connections),
            "gso": self.port.gso,
            "datagrams_in": port.datagrams_in,
            "bytes_in": port.bytes_in,
            "datagrams_out": port.datagrams_out,
            "bytes_out": port.bytes_out,
            "sends": port.sends,
            "dropped": {
                "send-buffer-full": port.dropped_send_buffer_full,
                "unreachable": port.dropped_unreachable,
                "unknown-address": self.counters.unknown_address,
                "unknown-kind": self.counters.unknown_kind,
                "handshake-overflow": self.counters.handshake_overflow,
                "handler-error": port.handler_errors,
            },
            "stun_rejected": {problem.value: self.stun_problems[problem] for problem in StunProblem},
            "expired": self.counters.expired,
        }
