"""The native engine, as `sfu.forwarding.engine` describes it."""

from collections.abc import Callable, Sequence

from sfu.forwarding.egress import Egress
from sfu.forwarding.engine import Engine, Fan
from sfu.forwarding.native import core
from sfu.forwarding.native.streams import NativeEgress, NativeSlot
from sfu.forwarding.outlet import Outlet
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.slot import Slot


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

    def fan(self, slots: Sequence[Slot]) -> Fan | None:
        return core.Fan(slots) if all(isinstance(slot, NativeSlot) for slot in slots) else None


NATIVE = NativeEngine()
