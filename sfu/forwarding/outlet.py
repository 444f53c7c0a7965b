"""What forwarding needs of a connection, and why a packet was not forwarded. Interfaces and names only."""

import enum
from collections import Counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sfu.forwarding.engine import Engine
    from sfu.forwarding.native.core import Link


class Outlet(Protocol):
    """The sending side of one connection: protects packets and queues them until the end of the wake-up."""

    @property
    def engine(self) -> "Engine":
        """What sends its packets."""
        ...

    @property
    def link(self) -> "Link | None":
        """Its record in the native engine, if it is that; then RTP goes there and not to `send_rtp`."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the handshake is done; before that nothing can be sent."""
        ...

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
        """Send `template` with these numbers in its header (bytes 2 to 11); False if it could not be.

        Unless `stamp_at` is 0, the transport-wide number `stamp` is written at that byte; `patch` at `patch_at`.
        """
        ...

    def send_rtcp(self, compound: bytes) -> None:
        """Send one RTCP compound packet."""
        ...

    def schedule(self) -> None:
        """The deadline of this connection's member may have moved: look at it again."""
        ...


class Drop(enum.Enum):
    """Why a packet went no further; every one is counted."""

    MALFORMED = "malformed"
    UNKNOWN_SSRC = "unknown-ssrc"
    UNKNOWN_RID = "unknown-rid"
    UNKNOWN_PAYLOAD_TYPE = "unknown-payload-type"
    NOT_PUBLISHED = "not-published"
    DUPLICATE = "duplicate"
    PADDING = "padding"
    BAD_RTX = "bad-rtx"
    NOT_CONNECTED = "not-connected"
    AWAITING_KEY_FRAME = "awaiting-key-frame"
    BEFORE_START = "before-start"
    SEND_FAILED = "send-failed"
    LAYER = "layer"
    """Of a layer that this subscriber doesn't take."""
    QUEUE_FULL = "queue-full"
    """The subscriber's link is slow: the rest of the frame is left out."""
    MALFORMED_RTCP = "malformed-rtcp"
    FOREIGN_RTCP = "foreign-rtcp"
    EXCESSIVE_RTCP = "excessive-rtcp"
    """It speaks of more packets than can have been sent."""


Drops = Counter[Drop]


def drop_stats(drops: Drops) -> dict[str, int]:
    """The counters by reason, as in /stats."""
    return {reason.value: count for reason, count in sorted(drops.items(), key=lambda item: item[0].value)}
