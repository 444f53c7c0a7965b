"""The dialing end of a connection between two nodes: it checks the other's candidates, then shakes hands.

Both nodes are ICE-lite towards clients; of two of them one has to control (RFC 8445 6.1.1), and that is who dials.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiortc import RTCCertificate

from sfu.forwarding.engine import PYTHON, Engine
from sfu.transport.connection import Connection
from sfu.transport.ice import IceDialer, is_stun
from sfu.transport.outbox import Address
from sfu.transport.seam import SrtpWorkspace
from sfu.transport.udp import open_port


@dataclass(frozen=True, slots=True)
class FarEnd:
    """Where another node listens: (IP literal, port) of each candidate; and with which ICE credentials."""

    candidates: tuple[tuple[str, int], ...]
    ufrag: str
    password: str


class DialedConnection(Connection):
    """A connection that this node opens, from a UDP port of its own; DTLS client. Made by the hub.

    With a port of its own, any number of them (one for each room) can lead to the same node. Raises ValueError if
    a candidate is no IP literal.
    """

    def __init__(
        self,
        far: FarEnd,
        certificate: RTCCertificate,
        space: SrtpWorkspace,
        clock: Callable[[], float],
        on_closed: Callable[[Connection, str], None],
        engine: Engine = PYTHON,
    ) -> None:
        for host, _ in far.candidates:
            ipaddress.ip_address(host)  # before there is a port to close again
        port = open_port("", 0, engine=engine)
        super().__init__(port, certificate, space, clock(), clock, on_closed, role="client")
        port.on_datagram = self._datagram
        port.on_batch = self._batch
        self._candidates = [port.address(*candidate) for candidate in far.candidates]
        self._dialer = IceDialer(far.ufrag, far.password)
        self._check_timer: asyncio.TimerHandle | None = None

    def begin(self, fingerprints: Sequence[tuple[str, str]]) -> None:
        """Check until the other node answers, then start the handshake, and go on checking for consent."""
        self.fingerprints = tuple(fingerprints)
        self._check()

    def _check(self) -> None:
        now = self._clock()
        for address in self._candidates if self.ice.selected is None else [self.ice.selected]:
            self._port.queue(self._dialer.check(now), address)
        loop = asyncio.get_running_loop()
        self._check_timer = loop.call_later(self._dialer.interval(), self._check)

    def _datagram(self, data: bytes, address: Address, now: float) -> None:
        if not data or (address != self.ice.selected and not self._may_answer(address)):
            return
        first = data[0]
        if 127 < first < 192:  # RFC 7983 7
            self.srtp_datagram(data, now)
        elif 19 < first < 64:
            self.dtls_datagram(data)
        elif first < 4 and is_stun(data) and self._dialer.response(data, now):
            self._answered(address, now)

    def _may_answer(self, address: Address) -> bool:
        return self.ice.selected is None and address in self._candidates

    def _answered(self, address: Address, now: float) -> None:
        """The first candidate to answer is the one that is used."""
        self.ice.last_check = now
        if self.ice.selected is None and not self._closed:
            self.ice.selected = address
            self.moved()
            if self.link is not None:
                self.link.on_rtp = self.sink.receive_rtp
                self._port.route(address, self.link)
            super().begin(self.fingerprints)

    def _batch(self, now: float) -> None:
        self.schedule()

    async def close(self) -> None:
        """See `Connection.close`."""
        if self._check_timer is not None:
            self._check_timer.cancel()
            self._check_timer = None
        try:
            await super().close()
        finally:
            self._port.close()
