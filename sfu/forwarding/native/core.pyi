from collections.abc import Callable, Sequence
from typing import Any

from sfu.flow.layers import Layer

class Meter:
    total_bytes: int
    total_packets: int
    def __init__(self, window: float = 1.0) -> None: ...
    def add(self, size: int, now: float) -> None: ...
    def bytes(self, now: float) -> int: ...
    def packets(self, now: float) -> int: ...
    def bps(self, now: float) -> int: ...

Address = tuple[str, int] | tuple[str, int, int, int]

class Outbox:
    def __init__(self, fd: int, gso: bool, on_waiting: Callable[[], object]) -> None: ...
    def queue(self, data: bytes, address: Address) -> None:
        """Raises ValueError if the address is not one."""

    def flush(self) -> tuple[int, int, int, int, int]:
        """Send all; datagrams, bytes, messages sent, datagrams dropped (buffer full; unreachable) since last time."""

    def take(self) -> dict[Address, list[bytes]]:
        """What waits, by destination, which is not sent then."""

    def close(self) -> None: ...

class Link:
    outbox: Outbox
    ready: bool
    clogged: bool
    paced: bool
    free_at: float
    per_byte: float
    waiting: int
    admitted: int
    next: int
    packets_out: int
    bytes_out: int
    not_sent: int
    packets_in: int
    bytes_in: int
    rejected: int
    on_rtp: Callable[[bytes, float], None] | None
    """Given each decrypted packet and when it came."""
    def __init__(self, outbox: Outbox) -> None: ...
    def open(self, owner: object, session: int, protect: int, receiving: int = 0, unprotect: int = 0) -> None:
        """The handshake is done: libsrtp's sessions and functions, as addresses; `owner` keeps the sessions."""

    def aim(self, address: Address | None) -> None:
        """Packets go there from now on. Raises ValueError if it is no address."""

    def lend(self, times: Any, entries: Any) -> None:
        """The rings of SentPackets, which stay where they are."""

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
        """See `sfu.forwarding.outlet.Outlet`."""

    def close(self) -> None: ...

class Inbox:
    def __init__(self, fd: int) -> None: ...
    def route(self, address: Address, link: Link | None) -> None:
        """SRTP from there is for this connection, once that has its keys; None: for nobody."""

    def read(
        self,
        most: int,
        now: float,
        on_datagram: Callable[[bytes, Address, float], None],
        on_failure: Callable[[], None],
    ) -> tuple[int, int]:
        """Read what is there, up to `most`; datagrams and bytes. `on_failure` is called in place of raising."""

    def close(self) -> None:
        """Read no more: the descriptor may be another's now."""

class Leg:
    link: Link
    forwarded: Meter
    ssrc: int
    slow: bool
    high: int
    offset: int
    timestamp: int
    timestamp_offset: int
    observe_at: float
    whole_until: int
    octets: int
    def __init__(self, link: Link) -> None: ...
    def remember(self, key: int, offset: int, data: bytes, marker: bool) -> None:
        """Packets of this layer of a picture are forwarded so; see `Patch`."""

    def forget(self) -> None:
        """Nothing is decided."""

class Fan:
    def __init__(self, slots: Sequence[Any]) -> None: ...
    def send(
        self,
        template: bytes,
        seq: int,
        timestamp: int,
        payload_size: int,
        stamp_at: int,
        now: float,
        layer: Layer | None,
        patch_at: int,
    ) -> None:
        """Send one packet to every slot, in their order."""
