"""One connection of the client: a connected UDP socket, ICE over it, DTLS over that; media is the C loop's.

Knows: who reads the socket when (asyncio while connecting, the loop while media flows), which protocol a
datagram belongs to.
Does not know: signaling, SDP, what is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field

from aiortc.rtcdtlstransport import RTCCertificate

from benchmarks.load.ice import Agent
from benchmarks.load.seam import Dtls, SrtpError

SO_TIMESTAMPNS, SO_MEMINFO = 35, 55  # asm-generic/socket.h; the socket module has no names for them
MEMINFO = struct.Struct("=9I")  # linux/sock_diag.h; the last one counts datagrams dropped on receiving
RECEIVE_BUFFER = 4 << 20  # bytes: a stalled client must not look like a lossy server
CHECK_INTERVAL = 0.1  # seconds between connectivity checks until one is answered
CONNECT_TIMEOUT = 10.0

RTCP_NAMES = {200: "sr", 201: "rr", 202: "sdes", 203: "bye", 205: "rtpfb", 206: "psfb"}
FEEDBACK_NAMES = {(205, 1): "nack", (205, 15): "twcc", (206, 1): "pli", (206, 4): "fir", (206, 15): "remb"}


def dropped(sock: socket.socket) -> int:
    """How many datagrams the socket's full receive buffer has cost."""
    drops: int = MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size))[8]
    return drops


@dataclass(slots=True)
class Remote:
    """What an answer says about the server's end of a connection."""

    address: tuple[str, int]
    ufrag: str
    pwd: str
    fingerprints: list[tuple[str, str]]
    setup: str = "passive"  # RFC 5763 5: "active" when the server is the DTLS client


@dataclass(slots=True)
class Link:
    """Make it, offer with `agent` and `dtls`, `connect`, `release` to the C loop, `close`."""

    certificate: RTCCertificate
    family: socket.AddressFamily = socket.AF_INET
    agent: Agent = field(init=False)
    dtls: Dtls = field(init=False)
    sock: socket.socket = field(init=False)
    rtcp: Counter[str] = field(default_factory=Counter)  # what came, by kind
    _reading: bool = False
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.sock = socket.socket(self.family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.agent = Agent(("0.0.0.0", 0))
        self.dtls = Dtls(self.certificate, self._send)

    def bind(self, host: str) -> tuple[str, int]:
        """Bind to `host`, for a server that wants to know the client's candidate beforehand; the address."""
        self.sock.bind((host, 0))
        host, port = self.sock.getsockname()
        return host, port

    async def connect(self, remote: Remote) -> None:
        """ICE, then DTLS, to the server's candidate. Raises ConnectionError, TimeoutError."""
        self.sock.connect(remote.address)
        self.agent.address = remote.address
        self.agent.remote_ufrag, self.agent.remote_pwd = remote.ufrag, remote.pwd
        self.regain()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            while not self._answered.is_set():
                self._send(self.agent.request())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._answered.wait(), CHECK_INTERVAL)
            await self.dtls.handshake(remote.fingerprints, server=remote.setup == "active")

    def regain(self) -> None:
        """asyncio reads the socket (again)."""
        if not self._reading:
            asyncio.get_running_loop().add_reader(self.sock, self._readable)
            self._reading = True

    def release(self) -> None:
        """asyncio leaves the socket to the C loop, which hands up to `receive` what is not media."""
        if self._reading:
            asyncio.get_running_loop().remove_reader(self.sock)
            self._reading = False

    def consent(self) -> None:
        """Renew the server's consent to hear from us, and its belief that we live."""
        self._send(self.agent.request())

    def dropped(self) -> int:
        """Datagrams that the kernel threw away because this client did not empty the socket in time."""
        return dropped(self.sock)

    def receive(self, datagram: bytes) -> None:
        """Take one datagram that is not media (RFC 7983: the first byte tells which protocol)."""
        first = datagram[0] if datagram else 255
        if first < 4:
            if (answer := self.agent.receive(datagram)) is not None:
                self._send(answer)
            if self.agent.connected:
                self._answered.set()
        elif 20 <= first < 64:
            self.dtls.feed(datagram)
        elif 128 <= first < 192 and len(datagram) > 1 and 192 <= datagram[1] <= 223:
            with contextlib.suppress(SrtpError):
                self._count_rtcp(self.dtls.unprotect_rtcp(datagram))

    async def close(self) -> None:
        """End DTLS and close the socket; may be called at any time, and twice."""
        self.release()
        await self.dtls.close()
        self.sock.close()

    def _send(self, datagram: bytes) -> None:
        with contextlib.suppress(OSError):  # as on any network: a lost datagram, or a peer that is gone
            self.sock.send(datagram)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self.receive(self.sock.recv(2048))

    def _count_rtcp(self, compound: bytes) -> None:
        position = 0
        while position + 4 <= len(compound):  # RFC 3550 6.4: count/format, type, length in words minus one
            kind, form = compound[position + 1], compound[position] & 31
            self.rtcp[FEEDBACK_NAMES.get((kind, form)) or RTCP_NAMES.get(kind, str(kind))] += 1
            position += 4 * (int.from_bytes(compound[position + 2 : position + 4], "big") + 1)
