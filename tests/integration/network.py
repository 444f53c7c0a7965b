"""What tests do to a client's network: cut it, lose packets, forge datagrams, appear from another address.

The one place of the integration tests that touches private names of aiortc and aioice.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pylibsrtp
from aioice import stun
from aiortc import RTCDtlsTransport

from tests.integration.client import Client


def dtls_of(client: Client) -> RTCDtlsTransport:
    """The one (bundled) transport of a client."""
    transceivers = client.pc.getTransceivers()
    if transceivers:
        return transceivers[0].sender.transport
    assert client.pc.sctp is not None
    return client.pc.sctp.transport


def _ice(client: Client) -> Any:
    return dtls_of(client).transport._connection


def cut(client: Client) -> None:
    """No datagram leaves or reaches the client any more; nobody is told."""
    for protocol in _ice(client)._protocols:
        protocol.datagram_received = lambda data, address: None
        protocol.send_stun = lambda message, address: None

        async def send_data(data: bytes, address: object) -> None:
            pass

        protocol.send_data = send_data


class Loss:
    """Loses some of a client's DTLS and SRTP datagrams, in both directions; `sent` and `lost` count them."""

    def __init__(self, client: Client, probability: float, seed: int) -> None:
        self.sent = 0
        self.lost = 0
        self._probability = probability
        self._random = random.Random(seed)
        ice: Any = dtls_of(client).transport
        self._recv, self._send = ice._recv, ice._send
        ice._recv, ice._send = self._receive_some, self._send_some

    def _loses(self) -> bool:
        self.sent += 1
        lost = self._random.random() < self._probability
        self.lost += lost
        return lost

    async def _send_some(self, data: bytes) -> None:
        if not self._loses():
            await self._send(data)

    async def _receive_some(self) -> bytes:
        while True:
            data: bytes = await self._recv()
            if not self._loses():
                return data


def lift_message_limit(client: Client) -> None:
    """Let the client send data channel messages of any size, whatever the server's SDP says."""
    sctp: Any = client.pc.sctp
    sctp._remote_max_message_size = 0


async def send_raw(client: Client, data: bytes) -> None:
    """Send bytes from the client's own address, as they are."""
    await _ice(client).send(data)


async def send_protected(client: Client, packet: bytes) -> None:
    """Send an RTP or RTCP packet of any content, protected with the client's own key.

    What libsrtp itself refuses to protect (headers longer than the packet) is not sent.
    """
    srtp: Any = dtls_of(client)._tx_srtp
    protect = srtp.protect_rtcp if 192 <= packet[1] <= 223 else srtp.protect
    with contextlib.suppress(pylibsrtp.Error):
        await send_raw(client, protect(packet))


def unprotect(client: Client, data: bytes) -> bytes:
    """Decrypt an SRTP packet that was meant for the client."""
    srtp: Any = dtls_of(client)._rx_srtp
    packet: bytes = srtp.unprotect(data)
    return packet


def binding_request(client: Client, *, nominate: bool, password: str | None = None) -> bytes:
    """A connectivity check with the client's credentials (RFC 8445 7.1)."""
    ice = _ice(client)
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{ice.remote_username}:{ice.local_username}"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = 1
    if nominate:
        request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity((password or ice.remote_password).encode())
    return bytes(request)


def server_address(client: Client) -> tuple[str, int]:
    """Where the client's selected pair sends to."""
    pair = next(iter(_ice(client)._nominated.values()))
    host, port = pair.remote_addr
    return host, port


class Stranger(asyncio.DatagramProtocol):
    """A socket of its own; keeps what it receives."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: object) -> None:
        self.received.append(data)

    def send(self, data: bytes) -> None:
        self._transport.sendto(data)

    @property
    def media(self) -> list[bytes]:
        """RTP by its first byte (RFC 7983) and not RTCP by its second (RFC 5761)."""
        return [d for d in self.received if 127 < d[0] < 192 and not 192 <= d[1] <= 223]


@contextlib.asynccontextmanager
async def stranger(to: tuple[str, int]) -> AsyncIterator[Stranger]:
    """Another address of this machine, connected to the server's UDP port."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    transport, protocol = await loop.create_datagram_endpoint(Stranger, remote_addr=to, family=family)
    try:
        yield protocol
    finally:
        transport.close()
