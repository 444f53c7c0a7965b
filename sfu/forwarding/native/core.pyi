from collections.abc import Callable, Sequence
from typing import Any

from sfu.flow.layers import Layer, LayerReader
from sfu.wire.rtp import RtpView

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

    def counts(self) -> tuple[int, int, int, int, int]:
        """The same of what was sent meanwhile."""

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
    intake: Intake | None
    """Is offered them first."""
    on_rtp: Callable[[bytes, float], None] | None
    """Given each decrypted packet and when it came."""
    on_stun: Callable[[bytes, Address, float], bytes | None] | None
    """Asked for the answer to a STUN message from where the link aims, before others; None: it is read by them."""
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
    ) -> bool:
        """Read what is there, up to `most`; whether anything was given to Python. `on_failure` is called in place of
        raising.
        """

    def run(
        self,
        most: int,
        outbox: Outbox,
        on_datagram: Callable[[bytes, Address, float], None],
        on_failure: Callable[[], None],
        on_batch: Callable[[float], None],
    ) -> None:
        """One wake-up: `read` by `time.monotonic()`, `on_batch` if anything was given to Python, and a flush."""

    def counts(self) -> tuple[int, int]:
        """Datagrams and bytes read since the last call."""

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
    anchor: int
    anchor_at: float | None
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

class History:
    """The twin of `sfu.flow.history.History`."""

    bytes_held: int
    def __init__(self, max_packets: int = 1024, max_age: float = 2.0, max_bytes: int = ...) -> None: ...
    def add(self, seq: int, packet: bytes, now: float) -> bool: ...
    def get(self, seq: int, now: float) -> bytes | None: ...
    def added_at(self, seq: int) -> float: ...
    def drop_older(self, now: float) -> None: ...

class Vp8LayerReader:
    """The twin of `sfu.flow.layers.vp8.Vp8Reader`."""

    def __init__(self, without: LayerReader | None) -> None: ...
    @property
    def sizes(self) -> tuple[tuple[int, int], ...]: ...
    def read(self, view: RtpView, key_frame: bool = False) -> Layer | None: ...

class Track:
    rate: Meter
    history: History
    waiting: bool
    guarded: bool
    watched: bool
    last_layer: Layer | None
    audio: bool
    """Whether packets may tell how loud they are."""
    def __init__(self, encoding: Any) -> None: ...
    def lead(self, ways: Sequence[tuple[Any, Any, Any]]) -> None:
        """To these its packets go: translation, slots, and their `Fan`."""

    def read(self, codec: str | None, reader: LayerReader | None) -> None:
        """What its packets are: `codec` is its name in lower case, None if it has no key frames."""

    def expect(self, ssrc: int, payload_type: int) -> None:
        """Packets like the one that was just received are taken."""

    def stop(self) -> None:
        """The next packet is not plain."""

    def arrive(self, seq: int, timestamp: int, now: float) -> bool:
        """Count the packet after the highest; False if it is any other, or ends a guard."""

    def unwrap(self, seq16: int) -> int: ...
    def count_layer(self, place: int, size: int) -> None: ...

class Intake:
    open: bool
    """Whether packets need nothing beside what is done for plain ones."""
    feedback_due: bool
    report_due: bool
    feedback_ssrc: int
    def configure(
        self,
        open: bool,
        transport_wide_id: int,
        level_id: int,
        on_level: Callable[[Any, int, float], None],
        on_other: Callable[[Any, bytes, float], None],
        on_feedback_due: Callable[[float], None],
    ) -> None:
        """Ids of extensions, 0 = none; of the audio level, if somebody watches it. No SSRC is known from here on.

        `on_level` is told each level of a plain packet before that is forwarded, with its encoding; `on_other` is given
        the packet if it is not plain any more then. `on_feedback_due` is told of the first arrival that waits for
        feedback, while that is not on its way.
        """

    def know(self, ssrc: int, track: Track) -> None: ...
    def forget(self) -> None: ...
    def arrivals(self) -> list[tuple[int, float]]:
        """The transport-wide numbers of packets that were taken, and when they came; each is told once."""

    def take(self, packet: bytes, now: float) -> bool:
        """Whether it was plain, and is dealt with; else nothing has changed."""

def parse(packet: bytes) -> tuple[tuple[Any, ...], list[tuple[int, int, int]]] | None:
    """The fields of `RtpView` after the first, and the elements of its extension; None for what is no RTP packet."""

def may_begin_key_frame(codec: str | None, payload: bytes) -> bool:
    """False for a payload (not empty) that surely begins none; by the codec's name in lower case."""
