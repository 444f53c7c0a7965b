"""One client's transport: its ICE state, DTLS, SRTP and data channels, over the shared UDP port.

Holds the tasks of the connection and is the `Outlet` that forwarding sends through. Knows nothing of rooms: decrypted
packets go to a `Sink`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiortc import RTCCertificate, RTCDataChannel, RTCSctpTransport
from aiortc.rtcsctptransport import RTCSctpCapabilities

from sfu.transport.ice import IceLite
from sfu.transport.seam import Dtls, Srtp, SrtpError, SrtpWorkspace, sctp_backlog
from sfu.transport.udp import UdpPort
from sfu.wire.rtp import is_rtcp

# The close_notify and its retransmission must not hold up a shutdown.
CLOSE_SECONDS = 1.0
# SCTP's receive window is 1 MiB, the largest message a quarter of it; who sends on beyond the window means harm.
MAX_SCTP_BACKLOG = 2 * 1024 * 1024


class Sink(Protocol):
    """Where a connection's decrypted packets go; `sfu.rooms.member.Member` is one."""

    def connected(self, now: float) -> None: ...
    def receive_rtp(self, packet: bytes, now: float) -> None: ...
    def receive_rtcp(self, packet: bytes, now: float) -> None: ...
    def deadline(self) -> float | None: ...
    def pulse(self, now: float) -> None: ...


@dataclass(slots=True)
class ConnectionCounters:
    srtp_rejected: int = 0
    before_handshake: int = 0
    not_sent: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0


class Connection:
    """Made by the hub; `begin` starts the handshake, `close` ends it. `sink` is set before `begin`."""

    sink: Sink

    def __init__(
        self,
        port: UdpPort,
        certificate: RTCCertificate,
        space: SrtpWorkspace,
        now: float,
        clock: Callable[[], float],
        on_closed: Callable[["Connection", str], None],
        *,
        role: str = "server",
    ) -> None:
        self.ice = IceLite(now)
        self.engine = port.engine
        self.link = port.link()
        self.dtls = Dtls(self, certificate, self._dtls_opened, self._dtls_closed, role=role)
        self.counters = ConnectionCounters()
        self.on_channel: Callable[[RTCDataChannel], None] = lambda channel: None
        self.fingerprints: Sequence[tuple[str, str]] = ()
        self._port = port
        self._space = space
        self._clock = clock
        self._on_closed = on_closed
        self._srtp: Srtp | None = None
        self._sctp: RTCSctpTransport | None = None
        self._sctp_wanted: tuple[int, int] | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closed = False

    # -- handshake -------------------------------------------------------------------------------------------

    def begin(self, fingerprints: Sequence[tuple[str, str]]) -> None:
        """Wait for the client's DTLS handshake; it must present a certificate of these fingerprints."""
        self.fingerprints = tuple(fingerprints)
        self.dtls.start(self.fingerprints)

    def _dtls_opened(self) -> None:
        self._srtp = srtp = self.dtls.srtp(self._space)
        if self.link is not None:
            self.link.open(srtp, *srtp.addresses())
        self.sink.connected(self._clock())
        self.schedule()
        if self._sctp_wanted is not None:
            self._begin_sctp(*self._sctp_wanted)

    def want_data(self, port: int, max_message_size: int) -> None:
        """The offer has a data channel section: start SCTP (RFC 8841) when the handshake is done."""
        if self._sctp_wanted is not None:
            return
        self._sctp_wanted = (port, max_message_size)
        if self._srtp is not None:
            self._begin_sctp(port, max_message_size)

    def _begin_sctp(self, port: int, max_message_size: int) -> None:
        self._task = asyncio.get_running_loop().create_task(self._start_sctp(port, max_message_size))

    async def _start_sctp(self, port: int, max_message_size: int) -> None:
        self._sctp = sctp = RTCSctpTransport(self.dtls.transport)
        sctp.on("datachannel", self.on_channel)
        await sctp.start(RTCSctpCapabilities(maxMessageSize=max_message_size), port)

    def _dtls_closed(self) -> None:
        self._end("left" if self._srtp is not None else "disconnected")

    def _end(self, reason: str) -> None:
        if not self._closed:
            self._on_closed(self, reason)

    def expire(self) -> None:
        """The client has been silent for too long (RFC 7675)."""
        self._end("timeout")

    # -- datagrams in ----------------------------------------------------------------------------------------

    def dtls_datagram(self, data: bytes) -> None:
        self.dtls.feed(data)
        if self._sctp is not None and sctp_backlog(self._sctp) > MAX_SCTP_BACKLOG:
            self._end("disconnected")

    def srtp_datagram(self, data: bytes, now: float) -> None:
        srtp = self._srtp
        counters = self.counters
        if srtp is None:
            counters.before_handshake += 1
            return
        counters.packets_in += 1
        counters.bytes_in += len(data)
        try:
            if is_rtcp(data):
                self.sink.receive_rtcp(srtp.unprotect_rtcp(data), now)
            else:
                self.sink.receive_rtp(srtp.unprotect(data), now)
        except SrtpError:
            counters.srtp_rejected += 1

    # -- datagrams out (Outlet, DatagramPath) ----------------------------------------------------------------

    @property
    def ready(self) -> bool:
        return self._srtp is not None

    def moved(self) -> None:
        """ICE may have selected another address."""
        if self.link is not None:
            self.link.aim(self.ice.selected)

    def send_rtp(
        self,
        template: bytes,
        seq16: int,
        timestamp: int,
        ssrc: int,
        stamp_at: int = 0,
        stamp: int = 0,
        patch_at: int = 0,
        patch: bytes = b"",
    ) -> bool:
        srtp, address = self._srtp, self.ice.selected
        if srtp is None or address is None:
            return False
        try:
            if stamp_at or patch:
                data = srtp.protect_numbered(
                    template, seq16, timestamp, ssrc, stamp_at, stamp, patch_at, patch
                )
            else:
                data = srtp.protect_numbered(template, seq16, timestamp, ssrc)
        except SrtpError:
            self.counters.not_sent += 1
            return False
        self._port.queue(data, address)
        counters = self.counters
        counters.packets_out += 1
        counters.bytes_out += len(data)
        return True

    def send_rtcp(self, compound: bytes) -> None:
        srtp, address = self._srtp, self.ice.selected
        if srtp is None or address is None:
            return
        try:
            self._port.queue(srtp.protect_rtcp(compound), address)
        except SrtpError:
            self.counters.not_sent += 1

    def send_datagram(self, data: bytes) -> None:
        """DTLS and SCTP inside it; the address is where the client was last heard or has nominated."""
        if self.ice.selected is not None:
            self._port.queue(data, self.ice.selected)

    # -- time ------------------------------------------------------------------------------------------------

    def schedule(self) -> None:
        """Arrange for the sink's `pulse` at its deadline; called after anything that may have moved it."""
        if self._closed:
            return
        deadline = self.sink.deadline()
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        delay = max(deadline - self._clock(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(delay, self._pulse)

    def _pulse(self) -> None:
        self._timer = None
        # Timers of the loop may fire a clock tick early; what is due within it is due now.
        self.sink.pulse(max(self._clock(), self._timer_at))
        self.schedule()

    # -- the end ---------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Say goodbye (SCTP abort, DTLS close_notify) and release everything. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        try:
            if self._sctp is not None:
                await self._sctp.stop()
        finally:
            await self.dtls.stop()
            self._srtp = None
            if self.link is not None:
                self.link.close()

    def stats(self) -> dict[str, object]:
        counters, link = self.counters, self.link
        return {
            "state": self.dtls.transport.state,
            "srtp_profile": self.dtls.srtp_profile,
            "nominated": self.ice.nominated,
            "migrations": self.ice.migrations,
            "packets_in": counters.packets_in + (link.packets_in if link is not None else 0),
            "bytes_in": counters.bytes_in + (link.bytes_in if link is not None else 0),
            "packets_out": counters.packets_out + (link.packets_out if link is not None else 0),
            "bytes_out": counters.bytes_out + (link.bytes_out if link is not None else 0),
            "srtp_rejected": counters.srtp_rejected + (link.rejected if link is not None else 0),
            "before_handshake": counters.before_handshake,
            "not_sent": counters.not_sent + (link.not_sent if link is not None else 0),
        }
