"""Which engine does what happens for every packet: the Python one, or the native one where it was built.

Knows what an engine makes, and how to choose one. Does not know how packets are sent.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from sfu.flow.layers import Layer
from sfu.forwarding.egress import Egress
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.ingress import AudioLevels, Ingress
from sfu.forwarding.outlet import Outlet
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.slot import Slot
from sfu.wire.sdp import Codec

if TYPE_CHECKING:
    from sfu.forwarding.native.core import Inbox, Link, Outbox


class EngineMissing(Exception):
    """The engine that was asked for is not there; the text says what to do."""


class Fan(Protocol):
    """Slots of one encoding and one profile that take a packet in one call."""

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
    ) -> None: ...


class Engine:
    """The Python engine, and what the other one has to offer."""

    name = "python"

    def outbox(self, fd: int, gso: bool, on_waiting: Callable[[], object]) -> "Outbox | None":
        """What sends a UDP port's packets; None where the port does that itself."""
        return None

    def inbox(self, fd: int) -> "Inbox | None":
        """What reads a UDP port; None where the port does that itself."""
        return None

    def link(self, outbox: object) -> "Link | None":
        """What sends one connection's RTP by an outbox of this engine; None where the connection does that itself."""
        return None

    def egress(self, outlet: Outlet) -> Egress:
        """The sending side of a connection."""
        return Egress(outlet)

    def slot(
        self,
        mid: str,
        kind: str,
        profile: SendProfile,
        egress: Egress,
        sync: str,
        on_change: Callable[[Slot], None],
        *,
        steered: bool = False,
    ) -> Slot:
        """A slot of a connection whose egress this engine made."""
        return Slot(mid, kind, profile, egress, sync, on_change, steered=steered)

    def ingress(self, outlet: Outlet, on_audio_level: AudioLevels | None) -> Ingress:
        """The receiving side of a connection."""
        return Ingress(outlet, on_audio_level)

    def encoding(
        self, rid: str, codec: Codec, ids_in: Mapping[str, int], ask_key_frame: Callable[[Encoding], None]
    ) -> Encoding:
        """An encoding of a publication on a connection whose ingress this engine made."""
        return Encoding(rid, codec, ids_in, ask_key_frame)

    def fan(self, slots: Sequence[Slot]) -> Fan | None:
        """One call for all these slots; None where each is given its packets by itself."""
        return None


PYTHON = Engine()


def choose(name: str) -> Engine:
    """The engine of this name; "auto" is the native one if it was built. Raises EngineMissing."""
    if name == "python":
        return PYTHON
    try:
        from sfu.forwarding.native.engine import NATIVE
    except ImportError:
        if name == "auto":
            return PYTHON
        raise EngineMissing(
            "The native engine was not built: install again where there is a C compiler, or use engine python."
        ) from None
    return NATIVE
