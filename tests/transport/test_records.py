"""Records after a handshake of OpenSSL, whose other end goes on as OpenSSL: both must understand each other."""

import struct
from contextlib import suppress
from typing import Any, cast
from unittest.mock import Mock

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from sfu.transport import seam
from sfu.transport.records import Keys, Records, derive
from tests.transport.handshakes import NO_EXTENDED_MASTER_SECRET, flights, shaken

HANDSHAKE = 22
EPOCH = (1 << 48).to_bytes(8, "big")  # of the first record that is protected
FINISHED = b"\x14" + bytes(23)


@pytest.fixture(scope="module", params=["server", "client"])
def pair(request: pytest.FixtureRequest) -> tuple[Records, SSL.Connection]:
    """This end, as either side, and OpenSSL at the other."""
    made = shaken()
    server = request.param == "server"
    own, written = (made.server, made.of_server) if server else (made.client, made.of_client)
    records = Records.after(own, written, server=server)
    assert records is not None
    return records, made.client if server else made.server


def test_data_goes_both_ways(pair: tuple[Records, SSL.Connection]) -> None:
    records, peer = pair
    for number in range(200):
        data = bytes([number]) * (1 + 7 * number)
        assert records.send(data) == len(data)
        peer.bio_write(records.bio_read(2000))
        assert peer.recv(2000) == data
        peer.send(data)
        records.bio_write(peer.bio_read(2000))
        assert records.recv(2000) == data
    with pytest.raises(SSL.WantReadError):
        records.recv(2000)
    with pytest.raises(SSL.WantReadError):
        records.bio_read(2000)


def test_several_records_in_one_datagram(pair: tuple[Records, SSL.Connection]) -> None:
    records, peer = pair
    for data in (b"one", b"two", b"three"):
        peer.send(data)
    records.bio_write(flights(peer))
    assert [records.recv(2000) for _ in range(3)] == [b"one", b"two", b"three"]


def test_what_comes_twice_or_changed_is_passed_over(pair: tuple[Records, SSL.Connection]) -> None:
    records, peer = pair
    peer.send(b"once")
    good = peer.bio_read(2000)
    for place in range(len(good)):
        for bit in (1, 128):
            records.bio_write(good[:place] + bytes([good[place] ^ bit]) + good[place + 1 :])
    for size in range(len(good)):
        records.bio_write(good[:size])
    records.bio_write(good)
    records.bio_write(good)
    assert records.recv(2000) == b"once"
    with pytest.raises(SSL.WantReadError):
        records.recv(2000)


def test_what_is_late_is_taken_unless_it_is_too_late(pair: tuple[Records, SSL.Connection]) -> None:
    records, peer = pair
    datagrams = []
    for number in range(70):
        peer.send(bytes([number]))
        datagrams.append(peer.bio_read(2000))
    for number in (69, 6, 68, 5, 7, 6):
        records.bio_write(datagrams[number])
    got = []
    with suppress(SSL.WantReadError):
        while True:
            got.append(records.recv(2000)[0])
    assert got == [69, 6, 68, 7]


@given(st.binary(max_size=200))
def test_any_bytes(pair: tuple[Records, SSL.Connection], data: bytes) -> None:
    records, _ = pair
    for datagram in (
        data,
        b"\x17\xfe\xfd\x00\x01" + data,
        b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\0\x30" + data,
    ):
        records.bio_write(datagram)
    with pytest.raises(SSL.WantReadError):
        records.recv(2000)


@pytest.mark.parametrize("server", [True, False])
def test_goodbyes_are_said_and_heard(server: bool) -> None:
    made = shaken()
    own, written = (made.server, made.of_server) if server else (made.client, made.of_client)
    records, peer = Records.after(own, written, server=server), made.client if server else made.server
    assert records is not None
    assert not records.shutdown()
    peer.bio_write(records.bio_read(2000))
    with pytest.raises(SSL.ZeroReturnError):
        peer.recv(2000)
    peer.shutdown()
    records.bio_write(flights(peer))
    with pytest.raises(SSL.ZeroReturnError):
        records.recv(2000)


@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize("nonce", [None, 2**64 - 3])
def test_no_number_and_no_nonce_is_used_again(server: bool, nonce: int | None) -> None:
    made = shaken()
    written = made.of_server if server else made.of_client
    records = Records.after(made.server if server else made.client, written, server=server)
    assert records is not None
    finished = written[-(13 + 8 + 24 + 16) :]  # epoch 1: the last record of the flight
    assert finished[3:11] == EPOCH
    if nonce is not None:
        records._nonce = nonce
    for _ in range(5):
        records.send(b"x")
        records.shutdown()
        records._protect(HANDSHAKE, FINISHED)
    sent = [finished]
    with suppress(SSL.WantReadError):
        while True:
            sent.append(records.bio_read(2000))
    first = int.from_bytes(EPOCH, "big")
    assert [int.from_bytes(one[3:11], "big") for one in sent] == list(range(first, first + 16))
    nonces = [int.from_bytes(one[13:21], "big") for one in sent]
    start = nonces[0] + 1 if nonce is None else nonce
    assert nonces[1:] == [(start + n) % 2**64 for n in range(15)]


def two() -> tuple[Records, Records]:
    """Server and client, both of ours."""
    made = shaken()
    server = Records.after(made.server, made.of_server, server=True)
    client = Records.after(made.client, made.of_client, server=False)
    assert server is not None
    assert client is not None
    return server, client


def test_who_repeats_its_last_flight_gets_ours_again() -> None:
    made = shaken()
    server = Records.after(made.server, made.of_server, server=True)
    client = Records.after(made.client, made.of_client, server=False)
    assert server is not None
    assert client is not None
    forged = b"\x16\xfe\xfd\0\1" + bytes(6) + b"\0\x30" + bytes(48)
    server.bio_write(forged)
    with pytest.raises(SSL.WantReadError):
        server.bio_read(2000)
    client._protect(HANDSHAKE, FINISHED)
    again = client.bio_read(2000)
    server.bio_write(again)
    assert server.bio_read(2000) == made.of_server
    server.bio_write(again)  # by somebody who has heard it
    with pytest.raises(SSL.WantReadError):
        server.bio_read(2000)
    server._protect(HANDSHAKE, FINISHED)
    client.bio_write(server.bio_read(2000))  # that is the answer to what it missed itself: no ping-pong
    with pytest.raises(SSL.WantReadError):
        client.bio_read(2000)


@pytest.mark.parametrize(
    "message", [b"\0\0\0\0", b"\1" + bytes(60), b""], ids=["hello request", "hello", "none"]
)
def test_who_wants_to_negotiate_again_gets_no_answer(message: bytes) -> None:
    server, client = two()
    for one, other in ((server, client), (client, server)):
        one._protect(HANDSHAKE, message)
        other.bio_write(one.bio_read(2000))
        with pytest.raises(SSL.WantReadError):
            other.bio_read(2000)
        one.send(b"goes on")
        other.bio_write(one.bio_read(2000))
        assert other.recv(2000) == b"goes on"


def test_one_datagram_gets_the_last_flight_once() -> None:
    server, client = two()
    for _ in range(40):
        client._protect(HANDSHAKE, FINISHED)
    server.bio_write(flights(client))
    assert server.bio_read(2000)
    with pytest.raises(SSL.WantReadError):
        server.bio_read(2000)


def test_who_has_sent_data_has_had_the_last_flight() -> None:
    server, client = two()
    client._protect(HANDSHAKE, FINISHED)
    late = client.bio_read(2000)
    client.send(b"x")
    server.bio_write(client.bio_read(2000))
    server.bio_write(late)
    with pytest.raises(SSL.WantReadError):
        server.bio_read(2000)


@pytest.mark.parametrize(
    "alert", [b"\x02\x28", b"\x01\x00", b"\x02\x00"], ids=["handshake failure", "close_notify", "fatal"]
)
def test_alerts_that_end_it(alert: bytes) -> None:
    server, client = two()
    client._protect(21, alert)
    server.bio_write(client.bio_read(2000))
    with pytest.raises(SSL.ZeroReturnError):
        server.recv(2000)


@pytest.mark.parametrize("alert", [b"\x01\x5a", b"\x01", b""])
def test_alerts_that_do_not(alert: bytes) -> None:
    server, client = two()
    client._protect(21, alert)
    server.bio_write(client.bio_read(2000))
    with pytest.raises(SSL.WantReadError):
        server.recv(2000)


def test_what_was_said_before_the_goodbye_is_heard() -> None:
    server, client = two()
    client.send(b"last words")
    client.shutdown()
    server.bio_write(client.bio_read(2000) + client.bio_read(2000))
    assert server.recv(2000) == b"last words"
    with pytest.raises(SSL.ZeroReturnError):
        server.recv(2000)


def test_what_is_said_after_the_goodbye_is_not_heard() -> None:
    server, client = two()
    client.shutdown()
    client.send(b"not quite the last words")
    client._protect(HANDSHAKE, FINISHED)
    server.bio_write(flights(client))
    with pytest.raises(SSL.ZeroReturnError):
        server.recv(2000)
    with pytest.raises(SSL.WantReadError):
        server.bio_read(2000)


def test_what_fits_into_no_record_is_refused() -> None:
    server, client = two()
    longest = bytes(2**14)
    server.send(longest)
    client.bio_write(server.bio_read(2000))
    assert client.recv(2000) == longest
    for size in (2**14 + 1, 2**16):
        with pytest.raises(SSL.Error):
            server.send(bytes(size))
    server._protect(23, bytes(2**14 + 1))
    client.bio_write(server.bio_read(2000))
    with pytest.raises(SSL.WantReadError):
        client.recv(2000)
    with pytest.raises(SSL.WantReadError):
        server.bio_read(2000)


def test_what_nobody_reads_is_bounded() -> None:
    server, client = two()
    for number in range(100):
        client.send(bytes([number]))
        server.bio_write(client.bio_read(2000))
    read: list[bytes] = []
    with suppress(SSL.WantReadError):
        while True:
            read.append(server.recv(2000))
    assert read == [bytes([number]) for number in range(36, 100)]


@pytest.mark.parametrize("ciphers", [b"ECDHE-ECDSA-CHACHA20-POLY1305", b"ECDHE-ECDSA-AES256-SHA"])
def test_with_another_cipher_openssl_goes_on(ciphers: bytes) -> None:
    made = shaken(ciphers)
    assert made.server.get_cipher_name() == ciphers.decode()
    assert Records.after(made.server, made.of_server, server=True) is None


def test_without_the_last_flight_openssl_goes_on() -> None:
    made = shaken()
    for written in (b"", made.of_server[:14], bytes(100)):
        assert Records.after(made.server, written, server=True) is None


class Other:
    """An OpenSSL that isn't what it is taken for."""

    def __init__(self, connection: SSL.Connection, **told: bytes | str) -> None:
        self._connection = connection
        self._told = told

    def __getattr__(self, name: str) -> object:
        return (lambda: self._told[name]) if name in self._told else getattr(self._connection, name)


@pytest.mark.parametrize("server", [True, False])
def test_with_other_keys_or_another_version_openssl_goes_on(server: bool) -> None:
    made = shaken()
    own, written = (made.server, made.of_server) if server else (made.client, made.of_client)
    assert Records.after(cast(Any, Other(own)), written, server=server) is not None
    assert Records.after(own, written, server=not server) is None
    told = {"master_key": bytes(48), "server_random": bytes(32), "client_random": bytes(32)}
    for name, value in told.items():
        assert Records.after(cast(Any, Other(own, **{name: value})), written, server=server) is None
    assert (
        Records.after(cast(Any, Other(own, get_protocol_version_name="DTLSv1.3")), written, server=server)
        is None
    )
    assert Records.after(own, written[:-1] + bytes([written[-1] ^ 1]), server=server) is None


def test_far_ahead_is_as_good_as_next() -> None:
    server, client = two()
    for number in (2**48 + 9, 2**48 + 2**20, 2**49 - 1, 2**49 - 64, 2**49 - 65, 2**48 + 9):
        client._number = number
        client.send(number.to_bytes(8, "big"))
    server.bio_write(flights(client))
    heard = [int.from_bytes(server.recv(2000), "big") for _ in range(4)]
    assert heard == [2**48 + 9, 2**48 + 2**20, 2**49 - 1, 2**49 - 64]
    assert server._seen.bit_length() == 64
    with pytest.raises(SSL.WantReadError):
        server.recv(2000)


@pytest.mark.parametrize("number", [0, 1, 2**48 - 1, 2 * 2**48, 2**64 - 1], ids=hex)
def test_other_epochs_are_passed_over(number: int) -> None:
    server, client = two()
    client._number = number
    client.send(b"x")
    client._number = number
    client.shutdown()
    server.bio_write(client.bio_read(2000) + client.bio_read(2000))
    with pytest.raises(SSL.WantReadError):
        server.recv(2000)


@pytest.mark.parametrize("kind", [20, 21, 22, 23])
def test_what_is_not_protected_is_passed_over(kind: int) -> None:
    server, client = two()
    for content in (b"\2\x28", b"\1\0", FINISHED, b"\1" + bytes(60), b"\1", b""):
        for version in (b"\xfe\xff", b"\xfe\xfd"):
            for number in (bytes(8), b"\0\0" + b"\xff" * 6, EPOCH, b"\0\1" + b"\xff" * 6):
                server.bio_write(bytes([kind]) + version + number + struct.pack("!H", len(content)) + content)
    with pytest.raises(SSL.WantReadError):
        server.bio_read(2000)
    client.send(b"goes on")
    server.bio_write(client.bio_read(2000))
    assert server.recv(2000) == b"goes on"
    with pytest.raises(SSL.WantReadError):
        server.recv(2000)


def test_a_datagram_of_forged_records_costs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = two()
    tried = Mock(side_effect=Keys.open)
    monkeypatch.setattr(Keys, "open", lambda *given: tried(*given))
    client.send(b"before them")
    forged = b"".join(
        b"\x17\xfe\xfd" + EPOCH[:7] + bytes([n]) + b"\0\x18" + bytes(24) for n in range(100, 150)
    )
    unprotected = b"\x17\xfe\xfd" + bytes(8) + b"\0\x18" + bytes(24)
    server.bio_write(unprotected + client.bio_read(2000) + forged)
    assert tried.call_count == 2
    assert server.recv(2000) == b"before them"


@pytest.mark.parametrize("option", [0, NO_EXTENDED_MASTER_SECRET])
def test_with_and_without_an_extended_master_secret(option: int) -> None:
    made = shaken(option=option)
    server = Records.after(made.server, made.of_server, server=True)
    assert server is not None
    made.client.send(b"x")
    server.bio_write(flights(made.client))
    assert server.recv(2000) == b"x"


def test_before_a_handshake_there_is_nothing_to_go_on_with() -> None:
    connection = SSL.Connection(seam.make_certificate()._create_ssl_context(SRTP_PROFILES))
    assert Records.after(connection, b"", server=True) is None


def test_keys_are_four_different_ones() -> None:
    client, server = derive(bytes(48), bytes(32), bytes(range(32)))
    assert len({client.key, server.key, client.salt, server.salt}) == 4
    assert {len(keys.key) for keys in (client, server)} == {16}
    assert {len(keys.salt) for keys in (client, server)} == {4}
    other, _ = derive(bytes(47) + b"\1", bytes(32), bytes(range(32)))
    assert other != client


def test_what_is_printed_shows_no_key() -> None:
    client, _ = derive(bytes(48), bytes(32), bytes(32))
    for secret in (client.key, client.salt):
        assert repr(secret)[2:-1] not in repr(client)
