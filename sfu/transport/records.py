"""DTLS records after the handshake, in place of the OpenSSL object that made it: that holds 80 KiB for a connection.

Does what is left to do then: protect and read application data, say and hear goodbye, repeat the last flight for a peer
that missed it. DTLS 1.2 (RFC 6347) with ECDHE-ECDSA-AES128-GCM-SHA256 (RFC 5288, RFC 5289), which all browsers
prefer; with anything else OpenSSL goes on. No I/O; not the handshake, nor whether the peer is who it should be.
"""

import hmac
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from OpenSSL import SSL

VERSION: Final = "DTLSv1.2"
CIPHER: Final = "ECDHE-ECDSA-AES128-GCM-SHA256"

_HEADER = struct.Struct("!BHQH")  # type, version, epoch and number, length
_ADDITIONAL = struct.Struct("!QBHH")  # RFC 5246 6.2.3.3: the same, in another order
_NUMBER = struct.Struct("!Q")
_VERSION = 0xFEFD
_EPOCH = 1 << 48  # the first epoch that is protected; a handshake has one
_KEY, _SALT, _EXPLICIT, _TAG = 16, 4, 8, 16
# RFC 5246 6.2.1.
_MOST = 1 << 14
# RFC 6347 4.1.2.6.
_WINDOW = 64
# What waits unread at most: one datagram is read before the next comes.
_MOST_UNREAD = 64
_ALERT, _HANDSHAKE, _DATA = 21, 22, 23
_CLOSE_NOTIFY = b"\x01\x00"
_FATAL = b"\x02"
_FINISHED = b"\x14"


@dataclass(slots=True)
class Keys:
    """One direction's: the AES key, and the part of each nonce that is not sent. No repr shows them."""

    key: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    def protect(self, kind: int, number: int, nonce: int, content: bytes) -> bytes:
        """The fragment of a record (RFC 5288 3)."""
        explicit, additional = _NUMBER.pack(nonce), _ADDITIONAL.pack(number, kind, _VERSION, len(content))
        return explicit + AESGCM(self.key).encrypt(self.salt + explicit, content, additional)

    def open(self, kind: int, number: int, fragment: bytes) -> bytes | None:
        """What was protected; None if it was not with these keys, or is not the same any more."""
        size = len(fragment) - _EXPLICIT - _TAG
        if not 0 <= size <= _MOST:
            return None
        nonce, additional = self.salt + fragment[:_EXPLICIT], _ADDITIONAL.pack(number, kind, _VERSION, size)
        try:
            return AESGCM(self.key).decrypt(nonce, fragment[_EXPLICIT:], additional)
        except InvalidTag:
            return None


def derive(master: bytes, server_random: bytes, client_random: bytes) -> tuple[Keys, Keys]:
    """What the client writes with, and the server (RFC 5246 5 and 6.3: P_SHA256, no MAC keys)."""
    seed = b"key expansion" + server_random + client_random
    block, step = b"", seed
    while len(block) < 2 * (_KEY + _SALT):
        step = hmac.digest(master, step, "sha256")
        block += hmac.digest(master, step + seed, "sha256")
    salts = block[2 * _KEY :]
    return Keys(block[:_KEY], salts[:_SALT]), Keys(block[_KEY : 2 * _KEY], salts[_SALT : 2 * _SALT])


class Records:
    """Has the methods of `OpenSSL.SSL.Connection` that are called after a handshake.

    `written`: the last flight that OpenSSL sent: numbers go on behind those in it. `repeat`: send it to a peer that
    repeats its own.
    """

    __slots__ = (
        "_arrived", "_closed", "_flight", "_highest", "_leaving", "_nonce", "_number", "_read", "_seen", "_write",
    )  # fmt: skip

    def __init__(self, read: Keys, write: Keys, written: bytes, *, repeat: bool) -> None:
        self._read = read
        self._write = write
        self._flight = written if repeat else b""
        self._number = self._nonce = 0
        for number, fragment in _protected(written):
            self._number = number + 1
            # RFC 5288 3: never used twice with one key. OpenSSL's begin at random and go on by one.
            self._nonce = (_NUMBER.unpack_from(fragment)[0] + 1) & 0xFFFFFFFFFFFFFFFF
        self._highest = -1
        self._seen = 0  # bit n: the highest number less n
        self._arrived: deque[bytes] | None = None
        self._leaving: list[bytes] = []
        self._closed = False

    @classmethod
    def after(cls, connection: SSL.Connection, written: bytes, *, server: bool) -> "Records | None":
        """What goes on for a connection whose handshake is done; None where only OpenSSL itself can."""
        if connection.get_protocol_version_name() != VERSION or connection.get_cipher_name() != CIPHER:
            return None
        master, of_server = connection.master_key(), connection.server_random()
        of_client, protected = connection.client_random(), _protected(written)
        if not (master and of_server and of_client and protected):
            return None
        mine, theirs = derive(master, of_server, of_client)[:: -1 if server else 1]
        if mine.open(_HANDSHAKE, *protected[-1]) is None:
            return None  # its Finished is not protected with these: OpenSSL makes its keys of something else
        # It is the server's flight that ends a handshake: only that can be missed.
        return cls(theirs, mine, written, repeat=server)

    # -- in --------------------------------------------------------------------------------------------------

    def bio_write(self, datagram: bytes) -> int:
        """Take a datagram; what is repeated or not protected is passed over, and so is what follows a forged record.

        RFC 6347 4.1.2.6 and 4.1.2.7.
        """
        start = 0
        while start + _HEADER.size <= len(datagram):
            kind, version, number, size = _HEADER.unpack_from(datagram, start)
            start += _HEADER.size
            fragment = datagram[start : start + size]
            start += size
            if number >> 48 != 1 or version != _VERSION or len(fragment) != size or self._is_repeated(number):
                continue
            content = self._read.open(kind, number, fragment)
            if content is None:
                break  # a datagram has room for 55 of them, at 3 us each
            self._note(number)
            self._take(kind, content)
        return len(datagram)

    def _take(self, kind: int, content: bytes) -> None:
        if self._closed:
            return  # RFC 5246 7.2.1
        if kind == _DATA:
            self._flight = b""  # who sends data has it
            if self._arrived is None:
                self._arrived = deque(maxlen=_MOST_UNREAD)
            self._arrived.append(content)
        elif kind == _ALERT:
            self._closed = content == _CLOSE_NOTIFY or content[:1] == _FATAL
        elif kind == _HANDSHAKE and content[:1] == _FINISHED and self._flight and not self._leaving:
            # It repeats its own, so it has missed this one. Once for a datagram, which is no shorter; whoever asks for
            # another handshake gets no answer (RFC 5246 7.4.1.1).
            self._leaving.append(self._flight)

    def _is_repeated(self, number: int) -> bool:
        behind = self._highest - number
        return behind >= 0 and (behind >= _WINDOW or bool(self._seen >> behind & 1))

    def _note(self, number: int) -> None:
        ahead = number - self._highest
        if ahead > 0:
            self._highest = number
            self._seen = (self._seen << min(ahead, _WINDOW) | 1) & ((1 << _WINDOW) - 1)
        else:
            self._seen |= 1 << -ahead

    def recv(self, size: int) -> bytes:
        """The next application data. Raises SSL.WantReadError without any, SSL.ZeroReturnError after a goodbye."""
        if self._arrived:
            return self._arrived.popleft()
        if self._closed:
            raise SSL.ZeroReturnError
        raise SSL.WantReadError

    # -- out -------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> int:
        """Protect application data, one record. Raises SSL.Error if that can't hold it, above 16 KiB."""
        if len(data) > _MOST:
            raise SSL.Error("longer than a record")
        self._protect(_DATA, data)
        return len(data)

    def shutdown(self) -> bool:
        """Say goodbye."""
        self._protect(_ALERT, _CLOSE_NOTIFY)
        return self._closed

    def _protect(self, kind: int, content: bytes) -> None:
        number, self._number = self._number, self._number + 1
        nonce, self._nonce = self._nonce, (self._nonce + 1) & 0xFFFFFFFFFFFFFFFF
        fragment = self._write.protect(kind, number, nonce, content)
        self._leaving.append(_HEADER.pack(kind, _VERSION, number, len(fragment)) + fragment)

    def bio_read(self, size: int) -> bytes:
        """The next datagram to send. Raises SSL.WantReadError if there is none."""
        if not self._leaving:
            raise SSL.WantReadError
        return self._leaving.pop(0)


def _protected(written: bytes) -> list[tuple[int, bytes]]:
    """Number (with the epoch) and fragment of the protected records among these."""
    found, start = [], 0
    while start + _HEADER.size <= len(written):
        _, _, number, size = _HEADER.unpack_from(written, start)
        start += _HEADER.size
        if number >= _EPOCH and size >= _EXPLICIT + _TAG:
            found.append((number, written[start : start + size]))
        start += size
    return found
