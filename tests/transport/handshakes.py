"""Handshakes of two OpenSSL connections, without a network."""

from contextlib import suppress
from typing import NamedTuple

from aiortc.rtcdtlstransport import SRTP_PROFILES
from OpenSSL import SSL

from sfu.transport import seam
from sfu.transport.records import Records

# RFC 7627; openssl/ssl.h.
NO_EXTENDED_MASTER_SECRET = 1


def flights(connection: SSL.Connection | Records) -> bytes:
    sent = b""
    with suppress(SSL.Error):
        while True:
            sent += connection.bio_read(2000)
    return sent


class Pair(NamedTuple):
    """Two ends after the handshake, and the last flight of each."""

    server: SSL.Connection
    client: SSL.Connection
    of_server: bytes
    of_client: bytes


def shaken(ciphers: bytes | None = None, option: int = 0) -> Pair:
    ends = []
    for role in ("accept", "connect"):
        context = seam.make_certificate()._create_ssl_context(SRTP_PROFILES)
        context.set_options(option)
        if ciphers is not None:
            context.set_cipher_list(ciphers)
        connection = SSL.Connection(context)
        getattr(connection, f"set_{role}_state")()
        ends.append(connection)
    server, client = ends
    last = {server: b"", client: b""}
    for _ in range(5):
        for end, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                end.do_handshake()
            if sent := flights(end):
                last[end] = sent
                other.bio_write(sent)
    return Pair(server, client, last[server], last[client])
