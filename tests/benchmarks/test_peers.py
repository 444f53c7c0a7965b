"""What the adapters of other servers say and read, as far as it needs no server."""

import base64
import hashlib
import hmac
import json
import sys

import pytest

from benchmarks.load.floor import NAMES as FLOORS
from benchmarks.load.media import Stream
from benchmarks.servers import livekit, mediasoup
from benchmarks.servers.adapter import ServerError
from benchmarks.servers.catalog import CLIPPED, SERVERS

VIDEO = Stream(number=2, kind="video", ssrc=1234, mid="0", first_seq16=5)


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_livekit_token_is_signed_and_names_the_room() -> None:
    header, claims, signature = livekit.token("a room", "me", 1000.0).split(".")
    assert json.loads(decoded(header)) == {"alg": "HS256", "typ": "JWT"}
    said = json.loads(decoded(claims))
    assert (said["sub"], said["video"]["room"], said["video"]["roomJoin"]) == ("me", "a room", True)
    assert said["nbf"] < 1000 < said["exp"]
    wanted = hmac.digest(livekit.SECRET.encode(), f"{header}.{claims}".encode(), hashlib.sha256)
    assert decoded(signature) == wanted


def test_livekit_join_request_is_protobuf() -> None:
    outer = base64.urlsafe_b64decode(livekit.join_request())
    assert outer[0] == 0x12  # field 2, bytes
    inner = outer[2 : 2 + outer[1]]
    assert len(inner) == outer[1]
    assert inner == bytes([0x0A, 2, 0x18, livekit.PROTOCOL, 0x12, 0])


def test_livekit_candidates() -> None:
    line = "candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host"
    assert livekit.candidate_of({"candidateInit": json.dumps({"candidate": line})}) == f"a={line}"
    assert livekit.candidate_of({"candidateInit": '{"candidate": ""}', "final": True}) is None
    assert livekit.candidate_of({}) is None


def test_livekit_configuration_keeps_to_the_loopback_address() -> None:
    text = livekit.CONFIGURATION.format(port=1, rtc_port=2)
    assert "port: 1\n" in text
    assert "udp_port: 2\n" in text
    assert "{{" not in text
    assert "use_external_ip: false" in text
    assert "stun_servers: []" in text


def test_mediasoup_producer_and_transport() -> None:
    said = mediasoup.producer("me", VIDEO)
    parameters = said["rtpParameters"]
    assert isinstance(parameters, dict)
    assert parameters["encodings"] == [{"ssrc": 1234}]
    assert parameters["codecs"][0]["payloadType"] == 96
    remote = mediasoup.remote_of(
        {
            "iceParameters": {"usernameFragment": "u", "password": "p", "iceLite": True},
            "iceCandidates": [
                {"protocol": "tcp", "ip": "127.0.0.1", "port": 1},
                {"protocol": "udp", "ip": "127.0.0.1", "port": 2},
            ],
            "dtlsParameters": {"fingerprints": [{"algorithm": "sha-256", "value": "AA:BB"}]},
        }
    )
    assert remote.address == ("127.0.0.1", 2)
    assert remote.setup == "active", "so that the load client chooses the SRTP profile"
    assert remote.fingerprints == [("sha-256", "AA:BB")]


def test_names() -> None:
    assert set(SERVERS) >= {"aiosfu-python", "aiosfu-mediarelay", "janus", "janus-tuned", "pion", "livekit"}
    assert set(SERVERS) >= {"galene", "mediasoup"}
    assert set(CLIPPED) <= set(SERVERS)
    assert not set(SERVERS) & set(FLOORS)
    assert all(make().name == name for name, make in SERVERS.items())


def test_an_engine_that_was_not_built_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sfu.forwarding.native.engine", None)
    assert "C compiler" in (SERVERS["aiosfu-native"]().missing() or "")
    assert SERVERS["aiosfu-python"]().missing() is None


async def test_a_server_that_can_not_be_had_says_so() -> None:
    server = SERVERS["galene"]()
    assert server.missing()
    with pytest.raises(ServerError, match="galene"):
        await server.start(0)
    await server.stop()
