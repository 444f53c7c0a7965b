"""The native engine, as `sfu.forwarding.engine` describes it."""

from collections.abc import Callable, Mapping, Sequence

from sfu.forwarding.egress import Egress
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.engine import Engine, Fan
from sfu.forwarding.ingress import AudioLevels
from sfu.forwarding.native import core
from sfu.forwarding.native.sources import NativeEncoding, NativeIngress
from sfu.forwarding.native.streams import NativeEgress, NativeSlot
from sfu.forwarding.outlet import Outlet
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.slot import Slot
from sfu.wire.sdp import Codec


class NativeEngine(Engine):
    """Plain packets are sent in C; everything else as the Python engine does it."""

    name = "native"

    def outbox(self, fd: int, gso: bool, on_waiting: Callable[[], object]) -> core.Outbox:
        return core.Outbox(fd, gso, on_waiting)

    def inbox(self, fd: int) -> core.Inbox:
        return core.Inbox(fd)

    def link(self, outbox: object) -> core.Link:
        assert isinstance(outbox, core.Outbox)
        return core.Link(outbox)

    def egress(self, outlet: Outlet) -> Egress:
        assert outlet.link is not None
        return NativeEgress(outlet, outlet.link)

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
        assert isinstance(egress, NativeEgress)
        return NativeSlot(mid, kind, profile, egress, sync, on_change, steered=steered)

    def ingress(self, outlet: Outlet, on_audio_level: AudioLevels | None) -> NativeIngress:
        return NativeIngress(outlet, on_audio_level)

    def encoding(
        self, rid: str, codec: Codec, ids_in: Mapping[str, int], ask_key_frame: Callable[[Encoding], None]
    ) -> NativeEncoding:
        return NativeEncoding(rid, codec, ids_in, ask_key_frame)

    def fan(self, slots: Sequence[Slot]) -> Fan | None:
        return core.Fan(slots) if all(isinstance(slot, NativeSlot) for slot in slots) else None


NATIVE = NativeEngine()
