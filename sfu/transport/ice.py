"""ICE without I/O: the lite agent (RFC 8445 2.5) that answers checks, and the dialing side of a node-to-node pipe.

Knows STUN and one client's credentials and addresses; sends nothing by itself and reads no clock.
"""

import enum
import hmac
import secrets
import socket
import struct
import zlib
from dataclasses import dataclass

from aioice import stun

from sfu.transport.outbox import Address

# RFC 8445 5.3: at least 24 bits of ufrag and 128 bits of password; ours carry 48 and 144.
UFRAG_BYTES = 6
PASSWORD_BYTES = 18
# RFC 7675: consent expires after 30 s without a valid check.
CONSENT_SECONDS = 30.0
# A browser has a handful of candidate pairs per interface; more addresses than this push the oldest out.
MAX_ADDRESSES = 16

_COOKIE = b"\x21\x12\xa4\x42"
_START = struct.Struct("!HH")
_MAPPED = struct.Struct("!HHH")
_FINGERPRINT = struct.Struct("!4sI")
_FINGERPRINT_MASK = 0x5354554E
_IS_INTEGRITY, _IS_FINGERPRINT = b"\x00\x08\x00\x14", b"\x80\x28\x00\x04"
# The bytes of both attributes, with which checks end.
_PROOF = 32


class StunProblem(enum.Enum):
    """Why a STUN message got no success response; counted per reason."""

    MALFORMED = "malformed"
    NOT_A_REQUEST = "not-a-request"
    NO_CREDENTIALS = "no-credentials"
    UNKNOWN_USER = "unknown-user"
    BAD_INTEGRITY = "bad-integrity"
    ROLE_CONFLICT = "role-conflict"


class StunRejected(Exception):
    """The message is not accepted; `response` is the error to send back, if any."""

    def __init__(self, problem: StunProblem, response: bytes | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.response = response


@dataclass(frozen=True, slots=True)
class Check:
    """A well-formed Binding request and the local ufrag it is meant for."""

    data: bytes
    message: stun.Message
    ufrag: str


def is_stun(data: bytes) -> bool:
    """RFC 7983: first byte 0 to 3, and the magic cookie of RFC 8489."""
    return len(data) >= 20 and data[0] < 4 and data[4:8] == _COOKIE


def parse_check(data: bytes) -> Check:
    """Read a Binding request. Raises StunRejected."""
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error, IndexError):
        raise StunRejected(StunProblem.MALFORMED) from None
    if message.message_method != stun.Method.BINDING or message.message_class != stun.Class.REQUEST:
        # A lite agent sends no checks, so a response is nobody's; indications are keep-alives (RFC 8445 11).
        raise StunRejected(StunProblem.NOT_A_REQUEST)
    username = message.attributes.get("USERNAME")
    if not username or "MESSAGE-INTEGRITY" not in message.attributes:
        # RFC 8489 9.1.3: 400 when credentials are missing.
        raise StunRejected(StunProblem.NO_CREDENTIALS, error_response(message, 400, "Bad Request"))
    return Check(data, message, username.partition(":")[0])


def error_response(request: stun.Message, code: int, reason: str, key: bytes | None = None) -> bytes:
    response = stun.Message(stun.Method.BINDING, stun.Class.ERROR, request.transaction_id)
    response.attributes["ERROR-CODE"] = (code, reason)
    if key is None:
        response.add_fingerprint()
    else:
        response.add_message_integrity(key)
    return bytes(response)


def unknown_user(check: Check) -> StunRejected:
    """RFC 8489 9.1.3: 401 for a username that is not ours."""
    return StunRejected(StunProblem.UNKNOWN_USER, error_response(check.message, 401, "Unauthorized"))


def success_response(transaction_id: bytes, address: Address, key: bytes) -> bytes:
    """The answer to a Binding request from `address`: XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY and FINGERPRINT.

    RFC 8489 14.2, 14.5, 14.7.
    """
    return _success(transaction_id, _plain(address), hmac.new(key, digestmod="sha1"))


def _proof(keyed: hmac.HMAC, data: bytes) -> bytes:
    """Under a key that was prepared once: to begin with the key itself takes longer than all the rest."""
    whole = keyed.copy()
    whole.update(data)
    return whole.digest()


def _plain(address: Address) -> bytes:
    """Port and host, as MAPPED-ADDRESS has them."""
    host = plain_host(address[0])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return address[1].to_bytes(2, "big") + socket.inet_pton(family, host)


def _success(transaction_id: bytes, plain: bytes, keyed: hmac.HMAC) -> bytes:
    size = len(plain)
    pad = _COOKIE[:2] + _COOKIE + transaction_id
    mixed = (int.from_bytes(plain, "big") ^ int.from_bytes(pad[:size], "big")).to_bytes(size, "big")
    body = _COOKIE + transaction_id + _MAPPED.pack(0x0020, size + 2, 1 if size == 6 else 2) + mixed
    integrity = _proof(keyed, _START.pack(0x0101, len(body) + 8) + body)
    message = _START.pack(0x0101, len(body) + 16) + body + _IS_INTEGRITY + integrity
    return message + _FINGERPRINT.pack(_IS_FINGERPRINT, zlib.crc32(message) ^ _FINGERPRINT_MASK)


class Repetition:
    """A good check: one that repeats it is proven and answered without being read.

    Only its transaction, and with it the proof, are new. A client that is connected sends it every few seconds for as
    long as it stays (RFC 7675 5.1), which is all that an idle server does.
    """

    __slots__ = ("_body", "_keyed", "_plain", "_start", "address")

    def __init__(self, check: bytes, address: Address, key: bytes) -> None:
        self._start = check[:8]
        self._body = check[20:-_PROOF]
        self.address = address
        self._plain = _plain(address)
        self._keyed = hmac.new(key, digestmod="sha1")

    def answer(self, data: bytes) -> bytes | None:
        """The success response to a repetition, which came from the same address; None for anything else."""
        if data[20:-_PROOF] != self._body or data[:8] != self._start:
            return None
        if data[-_PROOF : 4 - _PROOF] != _IS_INTEGRITY or data[-8:-4] != _IS_FINGERPRINT:
            return None
        # RFC 8489 14.5: over what stands before, as if the integrity were the end.
        proof = _proof(self._keyed, _START.pack(0x0001, len(data) - 28) + data[4:-_PROOF])
        if not hmac.compare_digest(proof, data[4 - _PROOF : -8]):
            return None
        if int.from_bytes(data[-4:], "big") != zlib.crc32(data[:-8]) ^ _FINGERPRINT_MASK:
            return None
        return _success(data[8:20], self._plain, self._keyed)


class IceLite:
    """One client's ICE state: credentials, the addresses it was validated from, and the nominated one."""

    def __init__(self, now: float) -> None:
        self._passwords: dict[str, str] = {}
        # The check that the nominated address sent last.
        self._good: Repetition | None = None
        self.ufrag = ""
        self.password = ""
        self.restart()
        self.addresses: dict[Address, float] = {}
        self.selected: Address | None = None
        self.nominated = False
        self.migrations = 0
        self.last_check = now

    @property
    def ufrags(self) -> list[str]:
        """The local ufrags that checks may name: the current one, and the one before it."""
        return list(self._passwords)

    def restart(self) -> None:
        """New credentials (RFC 8445 9); the ones before stay good until the next restart."""
        self._good = None
        self._passwords = {self.ufrag: self.password} if self.ufrag else {}
        self.ufrag = _ice_chars(UFRAG_BYTES)
        self.password = _ice_chars(PASSWORD_BYTES)
        self._passwords[self.ufrag] = self.password

    def answer(self, check: Check, address: Address, now: float) -> bytes:
        """The success response to `check`; notes its address. Raises StunRejected."""
        message = check.message
        password = self._passwords.get(check.ufrag)
        if password is None:
            raise unknown_user(check)
        key = password.encode()
        if not message.check_message_integrity(key):
            raise StunRejected(StunProblem.BAD_INTEGRITY, error_response(message, 401, "Unauthorized"))
        if "ICE-CONTROLLED" in message.attributes:
            # RFC 8445 6.1.1: the full agent controls; the client must switch (7.3.1.1).
            response = error_response(message, 487, "Role Conflict", key)
            raise StunRejected(StunProblem.ROLE_CONFLICT, response)
        self.last_check = now
        self.addresses.pop(address, None)
        self.addresses[address] = now
        self._select(address, nominate="USE-CANDIDATE" in message.attributes)
        if self.nominated and address == self.selected:
            self._good = Repetition(check.data, address, key)
        return success_response(message.transaction_id, address, key)

    def answer_again(self, data: bytes, address: Address, now: float) -> bytes | None:
        """The success response to what repeats the last check from the nominated address; None for anything else."""
        good = self._good
        if good is None or address != good.address or (response := good.answer(data)) is None:
            return None
        self.last_check = now
        return response

    def _select(self, address: Address, *, nominate: bool) -> None:
        if nominate:
            if self.nominated and self.selected != address:
                self.migrations += 1
            self.selected = address
            self.nominated = True
        elif not self.nominated:
            # Until a pair is nominated, answer where the client was heard last (RFC 8445 12.1.1 allows any valid pair).
            self.selected = address

    def surplus(self) -> list[Address]:
        """Addresses beyond the bound, oldest first, forgotten by this call; never the selected one."""
        removed: list[Address] = []
        while len(self.addresses) > MAX_ADDRESSES:
            oldest = next(address for address in self.addresses if address != self.selected)
            del self.addresses[oldest]
            removed.append(oldest)
        return removed

    @property
    def consent_until(self) -> float:
        """When consent ends if no valid check comes: RFC 7675 5.1, seen from the lite side."""
        return self.last_check + CONSENT_SECONDS

    def consent_lost(self, now: float) -> bool:
        """Whether no valid check has come for 30 s."""
        return now > self.consent_until


class IceDialer:
    """The controlling side of a pipe: checks the candidates of a lite agent, and keeps checking for consent.

    It has no candidates of its own to gather, since the other side learns its address from the checks.
    """

    def __init__(self, remote_ufrag: str, remote_password: str) -> None:
        self._username = f"{remote_ufrag}:{_ice_chars(UFRAG_BYTES)}"
        self._key = remote_password.encode()
        self._tie_breaker = secrets.randbits(64)
        self._pending: dict[bytes, float] = {}
        self.connected = False

    def check(self, now: float) -> bytes:
        """The next Binding request, nominating at once (RFC 8445 8.1.1: the first pair that works will do)."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = self._username
        request.attributes["PRIORITY"] = 110 << 24 | 0xFFFF << 8 | 255  # RFC 8445 5.1.2.1: peer reflexive
        request.attributes["ICE-CONTROLLING"] = self._tie_breaker
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._key)
        self._pending = {id: at for id, at in self._pending.items() if now - at < CONSENT_SECONDS}
        self._pending[request.transaction_id] = now
        return bytes(request)

    def interval(self) -> float:
        """Seconds to the next check: quick until connected (RFC 8445 14.3), then as consent asks (RFC 7675 5.1)."""
        return 5.0 if self.connected else 0.05

    def response(self, data: bytes, now: float) -> bool:
        """A STUN message from a dialed address; True if it is the success response to one of our checks."""
        try:
            message = stun.parse_message(data)
        except (ValueError, struct.error, IndexError):
            return False
        if message.message_class != stun.Class.RESPONSE or message.transaction_id not in self._pending:
            return False
        if not message.check_message_integrity(self._key):
            return False
        del self._pending[message.transaction_id]
        self.connected = True
        return True


def _ice_chars(size: int) -> str:
    """Random text of ice-char (RFC 8839 5.4): letters, digits, + and /."""
    return secrets.token_urlsafe(size).replace("-", "+").replace("_", "/")


def plain_host(host: str) -> str:
    """The IPv4 text of an IPv4-mapped IPv6 address; others as they are, without a scope."""
    if host.startswith("::ffff:") and "." in host:
        return host[7:]
    return host.partition("%")[0]
