"""One ICE connection by aioice, with its sockets counted; the place for the private names of aioice.

Knows: how aioice holds its sockets, which datagrams are media (RFC 7983), that this machine is one host.
Does not know: DTLS, SDP, what the media is.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import aioice

from benchmarks.topology.packets import UDP_IP
from benchmarks.topology.shaper import Shaper

RECEIVE_BUFFER = 4 << 20  # bytes: a client that waits for its core must not look like a lossy network
SO_RCVBUFFORCE = 33  # asm-generic/socket.h


@dataclass(slots=True)
class Counters:
    """Datagrams of a participant's sockets; bytes with 28 bytes of UDP and IPv4 header each."""

    packets_out: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    bytes_in: int = 0


class _OneAddress(aioice.Connection):
    """Gathers on one address only; aioice by itself takes all but loopback, and here that may be all there is."""

    address = "127.0.0.1"

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],
        timeout: int = 5,  # noqa: ASYNC109 (aioice's signature)
    ) -> list[aioice.Candidate]:
        return await super().get_component_candidates(component, [self.address], timeout)


@dataclass(slots=True)
class Ice:
    """Make it, `gather`, exchange descriptions, `connect`; then `send`. Media goes to `on_media`."""

    controlling: bool
    address: str  # the one local IPv4 address that is used
    counters: Counters
    shaper: Shaper | None
    on_media: Callable[[bytes], None]
    connection: _OneAddress = field(init=False)
    _send: Callable[[bytes], None] | None = None

    def __post_init__(self) -> None:
        self.connection = _OneAddress(ice_controlling=self.controlling, use_ipv6=False)
        self.connection.address = self.address

    async def gather(self) -> None:
        """Open the socket."""
        await self.connection.gather_candidates()
        for protocol in self.connection._protocols:
            sock: socket.socket = protocol.transport.get_extra_info("socket")
            try:
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
            except OSError:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            protocol.transport = cast(Any, _CountedTransport(protocol.transport, self.counters, self.shaper))
            self._take_media(protocol)

    def _take_media(self, protocol: Any) -> None:
        counters, on_media, others = self.counters, self.on_media, protocol.datagram_received

        def received(data: bytes, address: tuple[Any, ...]) -> None:
            counters.packets_in += 1
            counters.bytes_in += len(data) + UDP_IP
            if len(data) >= 12 and 128 <= data[0] < 192:
                on_media(data)
            else:
                others(data, address)

        protocol.datagram_received = received

    async def connect(self, ufrag: str, pwd: str, candidates: list[str], lite: bool) -> None:
        """Run the checks; returns when a pair is nominated. Raises ConnectionError."""
        connection = self.connection
        connection.remote_username, connection.remote_password = ufrag, pwd
        connection.remote_is_lite = lite
        for candidate in candidates:
            await connection.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
        await connection.add_remote_candidate(None)
        await connection.connect()
        pair = connection._nominated[1]
        send, address = pair.protocol.transport.sendto, pair.remote_addr
        self._send = lambda data: send(data, address)

    def send(self, data: bytes) -> None:
        """Send a datagram to the other side; nothing before `connect`."""
        if self._send is not None:
            self._send(data)

    async def close(self) -> None:
        await self.connection.close()


class _CountedTransport:
    """A UDP transport that counts, behind the shaper if there is one."""

    def __init__(self, transport: Any, counters: Counters, shaper: Shaper | None) -> None:
        self._transport = transport
        self._counters = counters
        self._shaper = shaper

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        if self._shaper is None:
            self._now(data, address)
        else:
            self._shaper.pass_on(len(data), lambda: self._now(data, address))

    def _now(self, data: bytes, address: tuple[str, int]) -> None:
        if self._transport.is_closing():
            return
        self._counters.packets_out += 1
        self._counters.bytes_out += len(data) + UDP_IP
        self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
