"""Streams whose numbers live in records of C: the classes of `flow` and `forwarding`, with their state moved there.

Every rule stays where it is. `shared` puts an attribute of a class into a record, where the C code finds it: Python
reads and writes it as before, so whichever of both sends a packet, the other goes on from there.
"""

import secrets
from collections.abc import Callable
from typing import cast

from sfu.flow.bandwidth import BandwidthEstimator
from sfu.flow.bandwidth.sent import SentPackets
from sfu.flow.layers import Layer, LayerFilter, Patch
from sfu.flow.pacing import Pacer
from sfu.flow.rate import RateMeter
from sfu.flow.renumber import Renumber
from sfu.flow.resend import ResendBudget
from sfu.forwarding.egress import Egress, Outgoing
from sfu.forwarding.native.core import Leg, Link
from sfu.forwarding.native.sharing import shared
from sfu.forwarding.outlet import Outlet
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.slot import Slot


class _Pacer(Pacer[Outgoing]):
    _free_at = shared("_link", "free_at")
    _per_byte = shared("_link", "per_byte")
    _waiting = shared("_link", "waiting")
    admitted = shared("_link", "admitted")

    __slots__ = ("_link",)

    def __init__(self, link: Link, rate_bps: int) -> None:
        self._link = link
        super().__init__(rate_bps)


class _SentPackets(SentPackets):
    next = shared("_link", "next")

    __slots__ = ("_lent", "_link")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lent = False
        super().__init__()

    def sent(self, size: int, now: float, probe: int = 0) -> int:
        seq = super().sent(size, now, probe)
        if not self._lent:
            self._lent = True
            self._link.lend(self._times, self._entries)
        return seq


class NativeEgress(Egress):
    """See `Egress`."""

    clogged = shared("link", "clogged")
    paced = shared("link", "paced")

    __slots__ = ("link",)

    def __init__(self, outlet: Outlet, link: Link) -> None:
        self.link = link
        super().__init__(outlet, BandwidthEstimator(_SentPackets(link)))
        self.pacer = _Pacer(link, self.estimator.pacing_bps)
        self._send = self.send_plain = link.send_rtp


class _Renumber(Renumber):
    _high = shared("_leg", "high")
    _offset = shared("_leg", "offset")
    _timestamp = shared("_leg", "timestamp")
    timestamp_offset = shared("_leg", "timestamp_offset")

    __slots__ = ("_leg",)

    def __init__(self, leg: Leg, first_seq16: int, first_timestamp: int) -> None:
        self._leg = leg
        super().__init__(first_seq16, first_timestamp)


class _LayerFilter(LayerFilter):
    """Decides in Python, once per picture; what it decided is told to the leg."""

    __slots__ = ("_leg",)

    def __init__(self, leg: Leg) -> None:
        super().__init__()
        self._leg = leg

    def start(self, layer: Layer | None) -> None:
        self._leg.forget()
        super().start(layer)

    def _decide(self, layer: Layer) -> Patch | None:
        patch = super()._decide(layer)
        if patch is not None:
            self._leg.remember(layer.key, patch.offset, patch.data, patch.marker)
        return patch


class _ResendBudget(ResendBudget):
    __slots__ = ()

    def __init__(self, leg: Leg) -> None:
        super().__init__()
        self.forwarded = cast(RateMeter, leg.forwarded)  # its twin
        self.sent = self.forwarded.add


class NativeSlot(Slot):
    """See `Slot`."""

    ssrc = shared("leg", "ssrc")
    slow = shared("leg", "slow")
    whole_until = shared("leg", "whole_until")
    octets = shared("leg", "octets")
    _observe_at = shared("leg", "observe_at")

    __slots__ = ("leg",)

    def __init__(
        self,
        mid: str,
        kind: str,
        profile: SendProfile,
        egress: NativeEgress,
        sync: str,
        on_change: Callable[[Slot], None],
        *,
        steered: bool = False,
    ) -> None:
        self.leg = leg = Leg(egress.link)
        super().__init__(mid, kind, profile, egress, sync, on_change, steered=steered)
        self.renumber = _Renumber(leg, secrets.randbelow(1 << 15), secrets.randbits(32))
        self.filter = _LayerFilter(leg)
        self.resender.budget = budget = _ResendBudget(leg)
        self._count = budget.sent
