"""One WebRTC connection of a benchmark client: ICE by aioice, DTLS by aiortc, then SRTP packets as they are.

Knows: the order in which a connection is made, feedback that arrives for what is sent.
Does not know: signaling, frames, which topology it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from aiortc.rtcdtlstransport import RTCCertificate

from benchmarks.load.seam import Dtls, SrtpError
from benchmarks.topology.ice import Counters, Ice
from benchmarks.topology.sdp import Identity
from benchmarks.topology.shaper import Shaper
from sfu.wire.rtcp import FullIntra, PictureLoss, RtcpError, parse

CONNECT_TIMEOUT = 15.0


@dataclass(slots=True)
class Uplink:
    """What all connections of one participant share."""

    certificate: RTCCertificate
    address: str
    counters: Counters = field(default_factory=Counters)
    shaper: Shaper | None = None


class Link:
    """`prepare`, exchange `identity`, `connect`; then `send_rtp`; packets come to `on_packet` decrypted."""

    def __init__(
        self,
        uplink: Uplink,
        *,
        controlling: bool,
        on_packet: Callable[[bytes], None],
        on_key_wanted: Callable[[], None],
    ) -> None:
        self._ice = Ice(controlling, uplink.address, uplink.counters, uplink.shaper, self._media)
        self._dtls = Dtls(uplink.certificate, self._ice.send)
        self._on_packet = on_packet
        self._on_key_wanted = on_key_wanted
        self._pump: asyncio.Task[None] | None = None
        self._closed = False
        self.connected = False

    async def prepare(self) -> None:
        """Open the socket, so that `identity` is known."""
        await self._ice.gather()

    def identity(self, setup: str) -> Identity:
        """This end, for a description."""
        connection = self._ice.connection
        candidates = [candidate.to_sdp() for candidate in connection.local_candidates]
        fingerprints = [self._dtls.fingerprint]
        return Identity(connection.local_username, connection.local_password, candidates, fingerprints, setup)

    async def connect(self, remote: Identity, *, dtls_server: bool) -> None:
        """ICE, then DTLS. Raises ConnectionError or TimeoutError."""
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await self._ice.connect(remote.ufrag, remote.pwd, remote.candidates, remote.lite)
            self._pump = asyncio.create_task(self._feed())
            await self._dtls.handshake(remote.fingerprints, server=dtls_server)
        self.connected = True

    @property
    def profile(self) -> str:
        """Name of the SRTP profile."""
        return self._dtls.profile

    def send_rtp(self, packet: bytes) -> None:
        self._ice.send(self._dtls.protect(packet))

    def send_rtcp(self, compound: bytes) -> None:
        self._ice.send(self._dtls.protect_rtcp(compound))

    async def _feed(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                self._dtls.feed(await self._ice.connection.recv())

    def _media(self, datagram: bytes) -> None:
        if not self.connected:
            return
        with contextlib.suppress(SrtpError):
            if 192 <= datagram[1] <= 223:  # RFC 5761 4
                self._rtcp(self._dtls.unprotect_rtcp(datagram))
            else:
                self._on_packet(self._dtls.unprotect(datagram))

    def _rtcp(self, compound: bytes) -> None:
        with contextlib.suppress(RtcpError):
            if any(isinstance(packet, PictureLoss | FullIntra) for packet in parse(compound)):
                self._on_key_wanted()

    async def close(self) -> None:
        """End DTLS and ICE; may be called at any time, and twice."""
        if self._closed:
            return
        self._closed = True
        self.connected = False
        await self._dtls.close()
        await self._ice.close()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
