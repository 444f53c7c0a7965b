"""The contract of every private name of aiortc and pylibsrtp that the seam relies on."""

import asyncio
import inspect
from contextlib import suppress
from typing import Any, cast
from unittest.mock import Mock

import pylibsrtp
import pytest
from aiortc import (
    RTCCertificate,
    RTCDtlsTransport,
    RTCRtpCodecParameters,
    RTCRtpReceiver,
    RTCRtpSender,
)
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_PROFILES,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    SRTPProtectionProfile,
)
from aiortc.rtcrtpparameters import RTCRtpDecodingParameters, RTCRtpReceiveParameters
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from sfu.transport import seam
from sfu.transport.seam import MAX_PACKET, Dtls, Srtp, SrtpError, SrtpWorkspace
from sfu.wire.rtcp import PictureLoss
from tests.forwarding.doubles import packet

PROFILES = {
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
}


def session(profile: str, kind: int) -> Session:
    number, length = PROFILES[profile]
    policy = Policy(key=bytes(range(length)), ssrc_type=kind, srtp_profile=number)
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return Session(policy)


def inbound(profile: str = "AEAD_AES_128_GCM") -> Session:
    return session(profile, Policy.SSRC_ANY_INBOUND)


def outbound(profile: str = "AEAD_AES_128_GCM") -> Session:
    return session(profile, Policy.SSRC_ANY_OUTBOUND)


def srtp(profile: str = "AEAD_AES_128_GCM") -> Srtp:
    """Both directions with one key: what it protects it can also unprotect."""
    return Srtp(inbound(profile), outbound(profile), SrtpWorkspace())


# -- SRTP ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_numbered_protection_gives_the_bytes_of_pylibsrtp(profile: str) -> None:
    ours, theirs = srtp(profile), outbound(profile)
    template = packet(0, 0, b"payload" * 30, ssrc=0)
    for seq16, timestamp, ssrc in [(0, 0, 1), (65_535, 2**32 - 1, 2**32 - 1), (3, 77, 1)]:
        expected = theirs.protect(template[:2] + packet(seq16, timestamp, ssrc=ssrc)[2:12] + template[12:])
        assert ours.protect_numbered(template, seq16, timestamp, ssrc) == expected


def test_a_number_and_a_patch_are_written_into_the_copy_only() -> None:
    ours = srtp()
    template = packet(0, 0, bytes(100), ssrc=0)
    numbered = bytearray(template[:2] + packet(7, 8, ssrc=9)[2:12] + template[12:])
    numbered[20:22] = b"\xab\xcd"
    numbered[30:33] = b"abc"
    assert inbound().unprotect(ours.protect_numbered(template, 7, 8, 9, 20, 0xABCD, 30, b"abc")) == bytes(
        numbered
    )
    assert template == packet(0, 0, bytes(100), ssrc=0)
    plain = template[:2] + packet(8, 8, ssrc=9)[2:12] + template[12:]
    assert inbound().unprotect(ours.protect_numbered(template, 8, 8, 9, 0, 0xABCD, 30, b"")) == plain


@pytest.mark.parametrize("profile", PROFILES)
def test_the_four_directions_agree_with_pylibsrtp(profile: str) -> None:
    ours = srtp(profile)
    rtp, rtcp = packet(1, 2, b"sound"), PictureLoss(1, 2).write()
    assert ours.unprotect(outbound(profile).protect(rtp)) == rtp
    assert ours.unprotect_rtcp(outbound(profile).protect_rtcp(rtcp)) == rtcp
    assert inbound(profile).unprotect_rtcp(ours.protect_rtcp(rtcp)) == rtcp
    assert inbound(profile).unprotect(ours.protect_numbered(rtp, 1, 2, 1000)) == rtp


def test_the_same_number_may_be_protected_again() -> None:
    ours = srtp()
    first = ours.protect_numbered(packet(0), 5, 0, 1)
    assert ours.protect_numbered(packet(0), 5, 0, 1) == first


def test_a_late_number_may_be_protected() -> None:
    ours = srtp()
    for seq16 in (65_000, 65_534, 3, 65_535, 4):
        ours.protect_numbered(packet(0), seq16, 0, 1)
    with pytest.raises(SrtpError):
        ours.protect_numbered(packet(0), 60_000, 0, 1)


def test_a_replay_is_refused() -> None:
    ours = srtp()
    data = outbound().protect(packet(1))
    ours.unprotect(data)
    with pytest.raises(SrtpError, match="replay"):
        ours.unprotect(data)


def test_a_forgery_is_refused() -> None:
    data = bytearray(outbound().protect(packet(1)))
    data[-1] ^= 1
    with pytest.raises(SrtpError, match="authentication"):
        srtp().unprotect(bytes(data))


def test_too_long_packets_are_refused_not_truncated() -> None:
    ours = srtp()
    assert len(ours.protect_numbered(packet(0, 0, bytes(MAX_PACKET - 12)), 1, 1, 1)) == MAX_PACKET + 16
    for call in (ours.unprotect, ours.unprotect_rtcp, ours.protect_rtcp):
        with pytest.raises(SrtpError, match="too long"):
            call(bytes(MAX_PACKET + 1))
    with pytest.raises(SrtpError, match="too long"):
        ours.protect_numbered(bytes(MAX_PACKET + 1), 1, 1, 1)


@given(st.binary(max_size=60), st.sampled_from(sorted(PROFILES)))
@settings(max_examples=200)
def test_any_bytes_are_refused(data: bytes, profile: str) -> None:
    ours = srtp(profile)
    for call in (ours.unprotect, ours.unprotect_rtcp):
        for prefix in (b"", b"\x80\x60", b"\x80\xc8\0\1", b"\x9f\xff"):
            with pytest.raises(SrtpError):
                call(prefix + data)


@given(st.binary(max_size=40))
@settings(max_examples=100)
def test_any_bytes_to_send_are_protected_or_refused(data: bytes) -> None:
    ours = srtp()
    for call in (ours.protect_rtcp, lambda data: ours.protect_numbered(data, 1, 2, 3)):
        with suppress(SrtpError):
            assert isinstance(call(data), bytes)


def test_every_status_has_a_name() -> None:
    assert pylibsrtp.ERRORS[7] == "authentication failure"
    assert len(pylibsrtp.ERRORS) == 28


# -- DTLS ----------------------------------------------------------------------------------------------------


class Client:
    """aiortc's own transport as DTLS client, over a queue; also the path that the server sends through."""

    role = "controlled"
    state = "completed"

    def __init__(self, profiles: list[SRTPProtectionProfile] | None = None) -> None:
        self.certificate = RTCCertificate.generateCertificate()
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.server: Dtls | None = None
        self.sent: list[bytes] = []
        self.transport = RTCDtlsTransport(cast(Any, self), [self.certificate])
        self.transport._set_role("client")
        if profiles is not None:
            self.transport._srtp_profiles = profiles

    def send_datagram(self, data: bytes) -> None:
        self.queue.put_nowait(data)

    async def _recv(self) -> bytes:
        return await self.queue.get()

    async def _send(self, data: bytes) -> None:
        self.sent.append(data)
        if self.server is not None:
            self.server.feed(data)


class Pair:
    """A handshake between a `Dtls` and a client."""

    def __init__(self, client: Client | None = None, certificate: RTCCertificate | None = None) -> None:
        self.client = client or Client()
        self.closed: list[str] = []
        certificate = certificate or seam.make_certificate()
        self.opened = asyncio.Event()
        self.ended = asyncio.Event()
        self.server = Dtls(self.client, certificate, self.opened.set, self._closed)
        self.client.server = self.server
        self.of_server = seam.fingerprints(certificate)

    def _closed(self) -> None:
        self.closed.append(self.server.transport.state)
        self.ended.set()

    async def connect(self, presented: list[tuple[str, str]] | None = None) -> bool:
        parameters = RTCDtlsParameters([RTCDtlsFingerprint(*pair) for pair in self.of_server])
        expected = presented or seam.fingerprints(self.client.certificate)
        self.server.start(expected)
        async with asyncio.timeout(10):
            await self.client.transport.start(parameters)
            await asyncio.wait(
                [asyncio.ensure_future(one.wait()) for one in (self.opened, self.ended)],
                return_when=asyncio.FIRST_COMPLETED,
            )
        return self.opened.is_set()

    async def close(self) -> None:
        await self.server.stop()
        await self.client.transport.stop()


async def wait_for_state(transport: RTCDtlsTransport, state: str) -> None:
    changed = asyncio.Event()
    transport.on("statechange", changed.set)
    while transport.state != state:
        changed.clear()
        await asyncio.wait_for(changed.wait(), 5)


async def test_a_handshake_gives_srtp_sessions_that_fit() -> None:
    pair = Pair()
    assert pair.server.srtp_profile == ""
    assert await pair.connect()
    assert pair.server.srtp_profile == "SRTP_AEAD_AES_128_GCM"
    ours = pair.server.srtp(SrtpWorkspace())
    theirs = pair.client.transport
    rtp = packet(1, 2, b"sound")
    assert ours.unprotect(theirs._tx_srtp.protect(rtp)) == rtp
    assert theirs._rx_srtp.unprotect(ours.protect_numbered(rtp, 1, 2, 1000)) == rtp
    await pair.close()


async def test_the_sessions_allow_what_forwarding_needs() -> None:
    pair = Pair()
    await pair.connect()
    ours = pair.server.srtp(SrtpWorkspace())
    for seq16 in (2000, 1000, 1000):  # late by less than the window, and again
        ours.protect_numbered(packet(0), seq16, 0, 1)
    await pair.close()


async def test_a_client_without_gcm_gets_what_it_has() -> None:
    rest = [profile for profile in SRTP_PROFILES if b"GCM" not in profile.openssl_profile]
    pair = Pair(Client(rest))
    assert await pair.connect()
    assert pair.server.srtp_profile == "SRTP_AES128_CM_SHA1_80"
    await pair.close()


def test_the_cheapest_profile_is_asked_for_first_and_none_is_lost() -> None:
    profiles = Pair().server.transport._srtp_profiles
    assert profiles[0] is SRTP_AEAD_AES_128_GCM
    assert sorted(p.openssl_profile for p in profiles) == sorted(p.openssl_profile for p in SRTP_PROFILES)


async def test_another_certificate_is_refused() -> None:
    pair = Pair()
    assert not await pair.connect([("sha-256", ":".join(["00"] * 32))])
    assert pair.closed == ["failed"]
    await pair.close()


async def test_close_notify_of_the_client_is_told() -> None:
    pair = Pair()
    await pair.connect()
    await pair.client.transport.stop()
    assert pair.closed == ["closed"]
    await pair.server.stop()


async def test_stopping_tells_the_client_and_nobody_here() -> None:
    pair = Pair()
    await pair.connect()
    await pair.server.stop()
    await wait_for_state(pair.client.transport, "closed")
    await pair.server.stop()
    assert pair.closed == []


async def test_after_stopping_nothing_is_called_back() -> None:
    pair = Pair()
    pair.server.start([("sha-256", ":".join(["00"] * 32))])
    await pair.server.stop()
    pair.server.feed(b"\x16\xfe\xff" + bytes(40))
    assert pair.server.transport.state == "closed"
    assert not pair.opened.is_set()
    assert pair.closed == []


async def test_what_was_stopped_does_not_start() -> None:
    pair = Pair()
    await pair.server.stop()
    pair.server.start(seam.fingerprints(pair.client.certificate))
    assert pair.server.transport.state == "closed"


class Unanswered:
    """An OpenSSL connection whose first flight gets lost."""

    def __init__(self, context: object) -> None:
        self.waiting = [b"first flight", b"", b"again"]
        self.timeouts = [0.0, None]

    def set_accept_state(self) -> None: ...

    def bio_write(self, data: bytes) -> None: ...

    def do_handshake(self) -> None:
        raise SSL.WantReadError

    def DTLSv1_get_timeout(self) -> float | None:
        return self.timeouts.pop(0)

    def DTLSv1_handle_timeout(self) -> bool:
        return True

    def bio_read(self, size: int) -> bytes:
        flight = self.waiting.pop(0) if self.waiting else b""
        if not flight:
            raise SSL.WantReadError
        return flight

    def shutdown(self) -> None: ...


async def test_a_flight_without_answer_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair()
    monkeypatch.setattr(SSL, "Connection", Unanswered)
    pair.server.start(pair.of_server)
    assert pair.client.queue.empty()  # the client begins
    pair.server.feed(b"hello")
    async with asyncio.timeout(5):
        assert [await pair.client.queue.get() for _ in range(2)] == [b"first flight", b"again"]
    await pair.close()


async def test_what_goes_wrong_on_our_side_ends_this_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pair = Pair()
    pair.server._on_open = Mock(side_effect=RuntimeError("a defect"))
    assert not await pair.connect()
    assert pair.closed == ["closed"]
    assert "a defect" in caplog.text
    pair.server.feed(b"\x16\xfe\xfd" + bytes(40))
    await pair.close()


async def test_garbage_does_not_end_a_connection() -> None:
    pair = Pair()
    await pair.connect()
    for data in (b"\x16", b"\x14\xfe\xfd" + bytes(30), b"\x17\xfe\xfd" + bytes(range(60)), b"\x3f" * 1500):
        pair.server.feed(data)
    assert pair.server.transport.state == "connected"
    await pair.close()


def test_fingerprints_begin_with_sha_256() -> None:
    algorithm, value = seam.fingerprints(seam.make_certificate())[0]
    assert algorithm == "sha-256"
    assert len(value.split(":")) == 32


def test_all_connections_of_a_certificate_share_one_context() -> None:
    certificate = seam.make_certificate()
    assert certificate._create_ssl_context(SRTP_PROFILES) is certificate._create_ssl_context(SRTP_PROFILES)
    assert certificate._create_ssl_context(SRTP_PROFILES[:1]).get_session_cache_mode() == SSL.SESS_CACHE_OFF


# -- aiortc's receivers and senders --------------------------------------------------------------------------


async def test_a_receiver_is_live_at_once_and_fed_by_hand() -> None:
    transport = Pair().server.transport
    receiver = seam.rtp_receiver("audio", transport, "t_1", 77)
    assert isinstance(receiver, RTCRtpReceiver)
    assert (receiver.track.id, receiver.track.kind) == ("t_1", "audio")
    codec = RTCRtpCodecParameters("audio/PCMU", clockRate=8000, channels=1, payloadType=0)
    encodings = [RTCRtpDecodingParameters(ssrc=1000, payloadType=0)]
    await receiver.receive(RTCRtpReceiveParameters(codecs=[codec], encodings=encodings))
    for n in range(30):
        seam.route_rtp(transport, packet(n, 160 * n, bytes(160), payload_type=0), 20 * n)
    frame: Any = await asyncio.wait_for(receiver.track.recv(), 5)
    assert frame.sample_rate == 8000
    await receiver.stop()


async def test_garbage_to_receivers_is_dropped() -> None:
    transport = Pair().server.transport
    for data in (b"", b"\x80", bytes(40), packet(1, payload_type=99)):
        seam.route_rtp(transport, data, 0)
        seam.route_rtcp(transport, data)
    seam.route_rtcp(transport, PictureLoss(1, 2).write())


async def test_the_ssrcs_of_a_sender() -> None:
    transport = Pair().server.transport
    sender = RTCRtpSender("video", transport)
    ssrc, rtx_ssrc = seam.sender_ssrcs(sender)
    assert ssrc != rtx_ssrc
    assert 0 <= min(ssrc, rtx_ssrc) <= max(ssrc, rtx_ssrc) < 2**32


def test_a_handler_that_waits_is_a_defect_that_shows() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="waits"):
        seam._run_now(waits())


def test_the_packet_handlers_are_coroutines_of_these_arguments() -> None:
    handler = inspect.signature(RTCDtlsTransport._handle_rtp_data)
    assert list(handler.parameters) == ["self", "data", "arrival_time_ms"]
    assert list(inspect.signature(RTCDtlsTransport._handle_rtcp_data).parameters) == ["self", "data"]
    assert inspect.iscoroutinefunction(RTCDtlsTransport._handle_rtp_data)
    assert inspect.iscoroutinefunction(RTCDtlsTransport._handle_rtcp_data)
