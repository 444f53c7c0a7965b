"""The dialing end of a connection between two nodes: it checks the other's one candidate, then shakes hands.

Both nodes are ICE-lite towards clients; of two of them one has to control (RFC 8445 6.1.1), and that is who dials.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiortc import RTCCertificate

from sfu.transport.connection import Connection
from sfu.transport.ice import IceDialer, is_stun
from sfu.transport.seam import SrtpWorkspace
from sfu.transport.udp import Address, open_port


@dataclass(frozen=True, slots=True)
class FarEnd:
    """Where another node listens (IP literals), and with which ICE credentials."""

    host: str
    port: int
    ufrag: str
    password: str


class DialedConnection(Connection):
    """A connection that this node opens, from a UDP port of its own; DTLS client. Made by the hub.

    With a port of its own, any number of them (one for each room) can lead to the same node.
    """

    def __init__(
        self,
        far: FarEnd,
        certificate: RTCCertificate,
        space: SrtpWorkspace,
        clock: Callable[[], float],
        on_closed: Callable[[Connection, str], None],
    ) -> None:
        port = open_port("", 0)
        super().__init__(port, certificate, space, clock(), clock, on_closed, role="client")
        self.ice.selected = port.address(far.host, far.port)
        port.on_datagram = self._datagram
        port.on_batch = self._batch
        self._dialer = IceDialer(far.ufrag, far.password)
        self._check_timer: asyncio.TimerHandle | None = None

    def begin(self, fingerprints: Sequence[tuple[str, str]]) -> None:
        """Check until the other node answers, then start the handshake, and go on checking for consent."""
        self.fingerprints = tuple(fingerprints)
        self._check()

    def _check(self) -> None:
        self.send_datagram(self._dialer.check(self._clock()))
        loop = asyncio.get_running_loop()
        self._check_timer = loop.call_later(self._dialer.interval(), self._check)

    def _datagram(self, data: bytes, address: Address, now: float) -> None:
        first = data[0] if data and address == self.ice.selected else 255
        if 127 < first < 192:  # RFC 7983 7
            self.srtp_datagram(data, now)
        elif 19 < first < 64:
            self.dtls_datagram(data)
        elif first < 4 and is_stun(data) and self._dialer.response(data, now):
            self.ice.last_check = now
            if self._task is None and not self._closed:
                super().begin(self.fingerprints)

    def _batch(self, now: float) -> None:
        self.schedule()

    async def close(self) -> None:
        """See `Connection.close`."""
        if self._check_timer is not None:
            self._check_timer.cancel()
            self._check_timer = None
        await super().close()
        self._port.close()
