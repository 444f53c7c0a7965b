"""The ICE agent of a client that has one address and knows the server's one (RFC 8445).

Knows: the STUN messages of connectivity checks, from aioice's codec. Enough for an ICE-lite server, and for a
full agent, whose own checks are answered.
Does not know: sockets, timers, DTLS.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, field

from aioice import stun

PRIORITY = 126 << 24 | 65535 << 8 | 255  # RFC 8445 5.1.2.1: a host candidate, component 1


def _word() -> str:
    return secrets.token_hex(16)  # RFC 8445 5.3 wants 24 bits in a ufrag, 128 in a password


@dataclass(slots=True)
class Agent:
    """One connection's ICE. Feed it STUN by `receive`; `connected` turns true at the first good answer."""

    address: tuple[str, int]  # of the server, for its MAPPED-ADDRESS
    ufrag: str = field(default_factory=lambda: _word()[:8])
    pwd: str = field(default_factory=_word)
    remote_ufrag: str = ""
    remote_pwd: str = ""
    connected: bool = False
    controlling: bool = True  # RFC 8445 6.1.1: who offers is, when both ends are full agents
    _tie_breaker: int = field(default_factory=lambda: secrets.randbits(64))

    def request(self) -> bytes:
        """A check (RFC 8445 7.2.2), which nominates if this end controls; later it renews consent (RFC 7675)."""
        message = stun.Message(
            stun.Method.BINDING,
            stun.Class.REQUEST,
            attributes={
                "USERNAME": f"{self.remote_ufrag}:{self.ufrag}",
                "PRIORITY": PRIORITY,
                **self._role(),
            },
        )
        message.add_message_integrity(self.remote_pwd.encode())
        return bytes(message)

    def _role(self) -> dict[str, int | None]:
        if self.controlling:
            return {"ICE-CONTROLLING": self._tie_breaker, "USE-CANDIDATE": None}
        return {"ICE-CONTROLLED": self._tie_breaker}

    def receive(self, datagram: bytes) -> bytes | None:
        """Take one STUN datagram; return the answer that it wants, or None. Garbage is ignored."""
        try:
            message = stun.parse_message(datagram)
        except (ValueError, struct.error):
            return None
        if message.message_method != stun.Method.BINDING:
            return None
        if message.message_class == stun.Class.RESPONSE:
            self.connected |= message.check_message_integrity(self.remote_pwd.encode())
            return None
        if message.message_class != stun.Class.REQUEST:
            return None
        if not message.check_message_integrity(self.pwd.encode()):
            return None
        answer = stun.Message(
            stun.Method.BINDING,
            stun.Class.RESPONSE,
            transaction_id=message.transaction_id,
            attributes={"XOR-MAPPED-ADDRESS": self.address},
        )
        answer.add_message_integrity(self.pwd.encode())
        return bytes(answer)
