"""The one place that touches private names of aiortc and pylibsrtp.

It knows which undocumented attributes we rely on and wraps them in a typed surface; the versions are pinned in
pyproject.toml and `tests/transport/test_seam.py` holds the contract. It knows nothing of ICE, rooms or forwarding.

Touched: `RTCCertificate._create_ssl_context`; `RTCDtlsTransport._srtp_profiles`, `._set_role`, `._rx_srtp`,
`._tx_srtp`, `._ssl`, `._state`, `._set_state`, `._validate_peer_identity`, `._setup_srtp`, `._rtp_router`,
`._data_receiver`, `._handle_rtp_data`, `._handle_rtcp_data`; `RTCRtpReceiver._track`, `._set_rtcp_ssrc`;
`RTCRtpSender._ssrc`, `._rtx_ssrc`; `RTCSctpTransport._advertised_rwnd`; `pylibsrtp._binding` (the libsrtp functions)
and `Session._srtp`.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol, cast

import pylibsrtp
from aiortc import RTCCertificate, RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender, RTCSctpTransport
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_PROFILES,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    SRTPProtectionProfile,
    State,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import _binding

from sfu.transport.records import Records

logger = logging.getLogger(__name__)

# What libsrtp may append: tag (16) and MKI (128); for SRTCP also the index (4).
_TRAILER = 16 + 128 + 4
# An Ethernet frame's worth and what an extension block may add; longer packets are refused, never truncated.
MAX_PACKET = 2048
_NUMBERS = struct.Struct("!HII")
_STAMP = struct.Struct("!H")
_OK = 0
_PROFILES = sorted(SRTP_PROFILES, key=lambda profile: profile is not SRTP_AEAD_AES_128_GCM)


class SrtpError(Exception):
    """A packet did not authenticate, was replayed, or does not fit."""


class _Certificate(RTCCertificate):
    """One SSL context for all its connections: making one costs a third of a handshake and 20 KiB."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, cert: x509.Certificate) -> None:
        super().__init__(key, cert)
        self._contexts: dict[tuple[SRTPProtectionProfile, ...], SSL.Context] = {}

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        profiles = tuple(srtp_profiles)
        context = self._contexts.get(profiles)
        if context is None:
            context = self._contexts[profiles] = super()._create_ssl_context(srtp_profiles)
            # Whoever comes back shakes hands anew, so that nothing is kept of who is gone.
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            # After the handshake there is next to nothing to read and write: no buffers meanwhile (32 KiB).
            context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        return context


def make_certificate() -> RTCCertificate:
    """A fresh self-signed ECDSA P-256 certificate for DTLS."""
    return _Certificate.generateCertificate()


def fingerprints(certificate: RTCCertificate) -> list[tuple[str, str]]:
    """The certificate's (algorithm, value) pairs, sha-256 first (RFC 8122)."""
    return [(f.algorithm, f.value) for f in certificate.getFingerprints()]


class SrtpWorkspace:
    """Scratch memory for libsrtp calls, shared by all sessions of one thread."""

    __slots__ = ("buffer", "cdata", "length", "lib")

    def __init__(self) -> None:
        self.lib: Any = _binding.lib
        self.cdata: Any = _binding.ffi.new("char[]", MAX_PACKET + _TRAILER)
        self.buffer: Any = _binding.ffi.buffer(self.cdata)
        self.length: Any = _binding.ffi.new("int *")


class Srtp:
    """The two SRTP sessions of one connection, called with less overhead than pylibsrtp's own methods.

    All methods take and return whole packets and raise `SrtpError`.
    """

    __slots__ = (
        "_buffer",
        "_cdata",
        "_keep",
        "_length",
        "_protect",
        "_protect_rtcp",
        "_rx",
        "_tx",
        "_unprotect",
        "_unprotect_rtcp",
    )

    def __init__(self, rx: pylibsrtp.Session, tx: pylibsrtp.Session, space: SrtpWorkspace) -> None:
        self._keep = (rx, tx, space)
        self._rx = rx._srtp[0]
        self._tx = tx._srtp[0]
        self._cdata = space.cdata
        self._buffer = space.buffer
        self._length = space.length
        self._protect = space.lib.srtp_protect
        self._protect_rtcp = space.lib.srtp_protect_rtcp
        self._unprotect = space.lib.srtp_unprotect
        self._unprotect_rtcp = space.lib.srtp_unprotect_rtcp

    def _run(self, function: Any, session: Any, packet: bytes) -> bytes:
        size = len(packet)
        if size > MAX_PACKET:
            raise SrtpError("packet is too long")
        self._buffer[0:size] = packet
        self._length[0] = size
        status = function(session, self._cdata, self._length)
        if status != _OK:
            raise SrtpError(pylibsrtp.ERRORS[status])
        return cast(bytes, self._buffer[0 : self._length[0]])

    def addresses(self) -> tuple[int, int, int, int]:
        """Where the sending session is in memory, and srtp_protect; the receiving one, and srtp_unprotect.

        Valid as long as this object.
        """
        ffi, lib = _binding.ffi, _binding.lib
        protect, unprotect = (ffi.addressof(lib, name) for name in ("srtp_protect", "srtp_unprotect"))
        places = (self._tx, protect, self._rx, unprotect)
        return cast(tuple[int, int, int, int], tuple(int(ffi.cast("uintptr_t", place)) for place in places))

    def unprotect(self, packet: bytes) -> bytes:
        return self._run(self._unprotect, self._rx, packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        return self._run(self._unprotect_rtcp, self._rx, packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        return self._run(self._protect_rtcp, self._tx, packet)

    def protect_numbered(
        self,
        template: bytes,
        seq16: int,
        timestamp: int,
        ssrc: int,
        stamp_at: int = 0,
        stamp: int = 0,
        patch_at: int = 0,
        patch: bytes = b"",
    ) -> bytes:
        """Protect `template` after writing sequence number, timestamp and SSRC into its header (bytes 2 to 11).

        Unless `stamp_at` is 0 the 16 bits of `stamp` are written there too, and `patch` at `patch_at`; both lie within.
        """
        size = len(template)
        if size > MAX_PACKET:
            raise SrtpError("packet is too long")
        buffer = self._buffer
        buffer[0:size] = template
        _NUMBERS.pack_into(buffer, 2, seq16, timestamp, ssrc)
        if stamp_at:
            _STAMP.pack_into(buffer, stamp_at, stamp)
        if patch:
            buffer[patch_at : patch_at + len(patch)] = patch
        self._length[0] = size
        status = self._protect(self._tx, self._cdata, self._length)
        if status != _OK:
            raise SrtpError(pylibsrtp.ERRORS[status])
        protected: bytes = buffer[0 : self._length[0]]
        return protected


class DatagramPath(Protocol):
    """Where DTLS (and the MediaRelay mode) sends its datagrams."""

    def send_datagram(self, data: bytes) -> None: ...


class _IceTransport:
    """What `RTCDtlsTransport` needs of an ICE transport, over a `DatagramPath`."""

    role = "controlled"

    def __init__(self, path: DatagramPath) -> None:
        self._path = path

    async def _send(self, data: bytes) -> None:
        self._path.send_datagram(data)


class Dtls:
    """DTLS over a `DatagramPath`, as server unless told otherwise; yields an `Srtp` once the handshake is done.

    Datagrams and one timer drive aiortc's transport, in place of its tasks and queues: they cost more than the
    arithmetic. AEAD_AES_128_GCM (RFC 7714) is put first: as server the choice is ours, and it costs half of
    AES_CM_128_HMAC_SHA1_80 and less than the 256-bit variant.
    """

    def __init__(
        self,
        path: DatagramPath,
        certificate: RTCCertificate,
        on_open: Callable[[], None],
        on_close: Callable[[], None],
        *,
        role: str = "server",
    ) -> None:
        self.transport = RTCDtlsTransport(cast(Any, _IceTransport(path)), [certificate])
        self.transport._srtp_profiles = _PROFILES
        self.transport._set_role(role)
        self._path = path
        self._certificate = certificate
        self._remote = RTCDtlsParameters()
        self._on_open = on_open
        self._on_close = on_close
        self._flight = b""  # what was sent last
        self._profile = ""
        self._timer: asyncio.TimerHandle | None = None

    def start(self, remote: Sequence[tuple[str, str]]) -> None:
        """Begin the handshake with a peer of these fingerprints; what comes of it is called back."""
        transport = self.transport
        if transport._state is not State.NEW:
            return  # stopped already
        self._remote = RTCDtlsParameters(
            [RTCDtlsFingerprint(algorithm, value) for algorithm, value in remote]
        )
        transport._ssl = connection = SSL.Connection(self._certificate._create_ssl_context(_PROFILES))
        transport._set_state(State.CONNECTING)
        if transport._role == "server":
            connection.set_accept_state()  # the client begins
        else:
            connection.set_connect_state()
            self._guarded(self._shake, connection)

    def feed(self, data: bytes) -> None:
        """One DTLS datagram from the network."""
        transport = self.transport
        if transport._ssl is None or transport._state not in (State.CONNECTING, State.CONNECTED):
            return
        transport._ssl.bio_write(data)
        self._guarded(self._read if transport.encrypted else self._shake, transport._ssl)

    def _guarded(self, step: Callable[[SSL.Connection], None], connection: SSL.Connection) -> None:
        """Whatever a peer provokes, it ends this connection and no other."""
        try:
            step(connection)
        except Exception:
            logger.exception("x DTLS failed")
            self._end(State.CLOSED if self.transport.encrypted else State.FAILED)

    def _shake(self, connection: SSL.Connection) -> None:
        transport = self.transport
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            self._flush(connection)
            self._watch(connection)
            return
        except SSL.Error:
            self._end(State.FAILED)
            return
        transport.encrypted = True
        self._flush(connection)
        transport._validate_peer_identity(self._remote)
        if transport._state is State.CONNECTING:
            transport._setup_srtp()
        if transport._state is State.CONNECTING:
            self._forget_timer()
            self._slim(connection)
            transport._set_state(State.CONNECTED)
            self._on_open()
        else:
            self._end(State.FAILED)

    def _slim(self, connection: SSL.Connection) -> None:
        """Go on without OpenSSL, if that can be."""
        self._profile = connection.get_selected_srtp_profile().decode()
        records = Records.after(connection, self._flight, server=self.transport._role == "server")
        self._flight = b""
        if records is not None:
            self.transport._ssl = cast(Any, records)

    def _read(self, connection: SSL.Connection) -> None:
        """Application data; or the peer repeats its last flight, or says goodbye."""
        transport = self.transport
        try:
            while True:
                data = connection.recv(MAX_PACKET)
                if transport._data_receiver is not None:
                    _run_now(transport._data_receiver._handle_data(data))
        except SSL.ZeroReturnError:
            for receiver in transport._rtp_router.receivers:
                receiver._handle_disconnect()
            self._end(State.CLOSED)
        except SSL.Error:
            self._flush(connection)

    def _flush(self, connection: SSL.Connection) -> None:
        """Send what was written."""
        flight = b""
        with suppress(SSL.Error):
            while True:
                data = connection.bio_read(MAX_PACKET)
                flight += data
                self._path.send_datagram(data)
        self._flight = flight or self._flight

    def _watch(self, connection: SSL.Connection) -> None:
        """Have a flight repeated that is not answered (RFC 6347 4.2.4)."""
        if self._timer is None and (wait := connection.DTLSv1_get_timeout()) is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._overdue, connection)

    def _overdue(self, connection: SSL.Connection) -> None:
        self._timer = None
        if self.transport._state is State.CONNECTING:
            if connection.DTLSv1_handle_timeout():
                self._flush(connection)
            self._watch(connection)

    def _end(self, state: State) -> None:
        self._forget_timer()
        self.transport._set_state(state)
        self._on_close()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def srtp(self, space: SrtpWorkspace) -> Srtp:
        """The SRTP sessions; from `on_open` on."""
        return Srtp(self.transport._rx_srtp, self.transport._tx_srtp, space)

    @property
    def srtp_profile(self) -> str:
        """The negotiated protection profile, or "" before the handshake is done."""
        return self._profile

    async def stop(self) -> None:
        """Send close_notify; nothing is called back any more. Idempotent."""
        self._forget_timer()
        self._on_open = self._on_close = lambda: None
        await self.transport.stop()
        self.transport._set_state(State.CLOSED)


def sctp_backlog(sctp: RTCSctpTransport) -> int:
    """Bytes received of messages that are not complete yet; aiortc sets itself no bound."""
    return 1024 * 1024 - sctp._advertised_rwnd


def rtp_receiver(kind: str, transport: RTCDtlsTransport, track_id: str, rtcp_ssrc: int) -> RTCRtpReceiver:
    """A decoding receiver that is fed by `feed_rtp` and whose `.track` is live at once."""
    receiver = RTCRtpReceiver(kind, transport)
    receiver._track = RemoteStreamTrack(kind=kind, id=track_id)
    receiver._set_rtcp_ssrc(rtcp_ssrc)
    return receiver


def route_rtp(transport: RTCDtlsTransport, packet: bytes, arrival_time_ms: int) -> None:
    """Give a decrypted RTP packet to the transport's registered receivers."""
    _run_now(transport._handle_rtp_data(packet, arrival_time_ms=arrival_time_ms))


def route_rtcp(transport: RTCDtlsTransport, packet: bytes) -> None:
    """Give a decrypted RTCP compound packet to the transport's registered receivers and senders."""
    _run_now(transport._handle_rtcp_data(packet))


def _run_now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that has nothing to wait for: its only awaits end in `_IceTransport._send`."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("aiortc waits inside a packet handler")


def sender_ssrcs(sender: RTCRtpSender) -> tuple[int, int]:
    """The (media, RTX) SSRCs that the sender uses."""
    return sender._ssrc, sender._rtx_ssrc
