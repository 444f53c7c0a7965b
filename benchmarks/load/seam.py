"""Every private name of aiortc and pylibsrtp that the benchmarks touch, in one place.

Knows: RTCDtlsTransport's duck-typed lower side and its SRTP sessions; where pylibsrtp keeps pointers.
Does not know: sockets, ICE, SDP, schedules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from pylibsrtp import Error as SrtpError
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

__all__ = ["Dtls", "SrtpError", "certificate", "protect_pointer", "session_pointer", "srtp_sender"]

certificate = RTCCertificate.generateCertificate


class DatagramPipe:
    """What RTCDtlsTransport expects below it in place of an RTCIceTransport."""

    role = "controlling"
    state = "completed"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._write = send
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)  # a handshake flight is < 10

    def feed(self, datagram: bytes | None) -> None:
        if not self._inbox.full():
            self._inbox.put_nowait(datagram)

    async def _recv(self) -> bytes:
        datagram = await self._inbox.get()
        if datagram is None:
            raise ConnectionError("closed")
        return datagram

    async def _send(self, data: bytes) -> None:
        self._write(data)

    async def stop(self) -> None:
        self.feed(None)


class Dtls:
    """This side of one DTLS-SRTP association over `send`; datagrams come in by `feed`."""

    def __init__(self, own: RTCCertificate, send: Callable[[bytes], None]) -> None:
        self._pipe = DatagramPipe(send)
        self._transport = RTCDtlsTransport(self._pipe, [own])  # type: ignore[arg-type]
        # Where the choice is this side's (as DTLS server), it is the profile that the floor uses, too.
        self._transport._srtp_profiles = sorted(
            self._transport._srtp_profiles, key=lambda profile: profile is not SRTP_AEAD_AES_128_GCM
        )

    @property
    def fingerprint(self) -> tuple[str, str]:
        """(algorithm, value) of the own certificate, for SDP."""
        first = self._transport.getLocalParameters().fingerprints[0]
        return first.algorithm, first.value

    async def handshake(self, fingerprints: list[tuple[str, str]], *, server: bool = False) -> None:
        """Handshake as DTLS client (or server) and check the peer's certificate. Raises ConnectionError."""
        self._transport._set_role("server" if server else "client")
        parameters = RTCDtlsParameters([RTCDtlsFingerprint(name, value) for name, value in fingerprints])
        await self._transport.start(parameters)
        if self._transport.state != "connected":
            raise ConnectionError(f"DTLS handshake ended {self._transport.state}")

    def feed(self, datagram: bytes) -> None:
        """Hand in a DTLS datagram that came from the peer."""
        self._pipe.feed(datagram)

    @property
    def profile(self) -> str:
        """Name of the negotiated SRTP profile, such as AEAD_AES_128_GCM."""
        assert self._transport._ssl is not None
        name: bytes = self._transport._ssl.get_selected_srtp_profile()
        return name.decode().removeprefix("SRTP_").replace("AES128_CM_SHA1", "AES_CM_128_HMAC_SHA1")

    def protect(self, packet: bytes) -> bytes:
        """Encrypt one RTP packet with the key of what this side sends."""
        protected: bytes = self._transport._tx_srtp.protect(packet)
        return protected

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt one compound RTCP packet."""
        protected: bytes = self._transport._tx_srtp.protect_rtcp(packet)
        return protected

    def unprotect(self, packet: bytes) -> bytes:
        """Decrypt one RTP packet from the peer. Raises SrtpError."""
        clear: bytes = self._transport._rx_srtp.unprotect(packet)
        return clear

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Decrypt one RTCP packet from the peer. Raises SrtpError."""
        clear: bytes = self._transport._rx_srtp.unprotect_rtcp(packet)
        return clear

    async def close(self) -> None:
        """Say goodbye (close_notify) and end the data pump."""
        await self._transport.stop()
        await self._pipe.stop()


def srtp_sender(key: bytes) -> Session:
    """An AEAD_AES_128_GCM session for sending; `key` is 16 bytes of key and 12 of salt."""
    return Session(
        Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    )


def protect_pointer() -> int:
    """Address of libsrtp's `int srtp_protect(srtp_t session, void *packet, int *length)`."""
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, "srtp_protect")))


def session_pointer(session: Session) -> int:
    """The srtp_t inside a pylibsrtp session; valid while the session lives."""
    return int(ffi.cast("uintptr_t", session._srtp[0]))
