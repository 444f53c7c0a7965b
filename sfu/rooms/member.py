"""What a room's member is to the rest of the server, whichever way its media is relayed: interfaces and values."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sfu.wire.answer import SectionAnswer
from sfu.wire.sdp import Offer


@dataclass(frozen=True, slots=True)
class Publishing:
    """A media section that the client wants to publish on."""

    source: str
    muted: bool


@dataclass(frozen=True, slots=True)
class Receiving:
    """A media section that the client wants to receive on; `sync` names the stream it plays in step with."""

    publication: str | None
    sync: str | None

    @property
    def stream(self) -> str:
        """The client's word as the name of a stream, which in SDP and RTCP is one short ASCII word; "" without one."""
        return re.sub(r"[^0-9A-Za-z._-]", "_", self.sync or "")[:64]


@dataclass(frozen=True, slots=True)
class Published:
    """A publication as others see it."""

    id: str
    mid: str
    kind: str
    source: str
    muted: bool
    codec: str


@dataclass(frozen=True, slots=True)
class SlotView:
    """What a slot shows: `state` is "active", "empty", "unsupported-codec" or "paused", `message` a sentence for a
    person. `reason`, of a paused slot: "bandwidth" or "last-n". A slot that the client itself hides stays "active"."""

    mid: str
    publication: str | None
    state: str
    message: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How a client shows a slot: physical pixels (0: unknown, as large as can be), and what the person chose."""

    width: int = 0
    height: int = 0
    visible: bool = True
    pinned: bool = False
    quality: str = "auto"
    """"auto", "low", "medium" or "high": not better than that."""


@dataclass(frozen=True, slots=True)
class SlotFlow:
    """What a video slot gets now: an encoding and its layers, all 0 while it is paused.

    `limit` is a value of `sfu.flow.allocation.Limit`: why it is not better.
    """

    mid: str
    publication: str | None
    rid: str
    spatial: int
    temporal: int
    height: int
    bps: int
    limit: str


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """The way to one client: what it can carry, what the slots were given, what leaves.

    `source` says by which reports of the client it is estimated: "none", "remb" or "transport-cc".
    """

    estimate_bps: int
    target_bps: int
    sent_bps: int
    source: str
    slots: tuple[SlotFlow, ...]


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The outcome of an offer: an answer per section, what is published, and what each slot shows."""

    sections: Sequence[SectionAnswer]
    published: Sequence[Published]
    slots: Sequence[SlotView]


class UnknownPublication(LookupError):
    """No such publication in this room."""


class UnknownMid(LookupError):
    """No such m-section, or it does not receive."""


class NotYours(PermissionError):
    """The publication belongs to somebody else."""


def check_mids(offer: Offer, mids: Iterable[str]) -> None:
    """Raise UnknownMid if the client names a section that its offer does not have."""
    known = {section.mid for section in offer.sections}
    for mid in mids:
        if mid not in known:
            raise UnknownMid(f"the offer has no section with mid {mid!r}")


def check_kind(mid: str, kind: str, publication: str, publication_kind: str) -> None:
    """Raise UnknownMid if a slot of `kind` can't show this publication."""
    if publication_kind != kind:
        raise UnknownMid(f"slot {mid!r} receives {kind}, but {publication!r} is {publication_kind}")


def check_slots(slots: Container[str], mids: Iterable[str]) -> None:
    """Raise UnknownMid if the client names a slot that there is not."""
    for mid in mids:
        if mid not in slots:
            raise UnknownMid(f"there is no slot with mid {mid!r}")


class Observer(Protocol):
    """Who is told about one participant's publications and slots."""

    def published(self, publication: Published) -> None: ...
    def unpublished(self, publication_id: str) -> None: ...
    def muted(self, publication_id: str, muted: bool) -> None: ...
    def slot_changed(self, slot: SlotView) -> None: ...

    def encodings(self, publication_id: str, active: Mapping[str, bool]) -> None:
        """Which encodings of the participant's own publication somebody takes, by rid ("" without simulcast)."""


class Member(Protocol):
    """One participant's media in a room. `now` is seconds of a monotonic clock."""

    async def negotiate(
        self,
        offer: Offer,
        publish: Mapping[str, Publishing],
        receive: Mapping[str, Receiving],
        now: float,
    ) -> Negotiated:
        """Bring publications and slots in line with an offer. Raises UnknownPublication, UnknownMid."""
        ...

    def point(self, mid: str, publication: str | None, now: float) -> SlotView:
        """Show another publication in a slot. Raises UnknownPublication, UnknownMid."""
        ...

    def view(self, views: Mapping[str, View], now: float) -> None:
        """How slots are shown from now on, by mid; others stay as they are. Nothing changes when it raises UnknownMid.

        It holds for the slot whatever it is pointed at, until the slot itself goes.
        """
        ...

    def mute(self, publication: str, muted: bool) -> None:
        """Mark one's own publication. Raises UnknownPublication, NotYours."""
        ...

    def connected(self, now: float) -> None:
        """The handshake is done: media may flow."""
        ...

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """A decrypted RTP packet from the client."""
        ...

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        """A decrypted RTCP compound packet from the client."""
        ...

    def deadline(self) -> float | None:
        """When `pulse` is due; None while nothing is."""
        ...

    def pulse(self, now: float) -> None:
        """Send what is due by now."""
        ...

    def report(self, now: float) -> Bandwidth | None:
        """What the way to the client carries; None where that is not known, or nothing adapts to it."""
        ...

    async def close(self) -> None:
        """Leave the room; publications end, slots are freed. Idempotent."""
        ...

    def stats(self, now: float) -> dict[str, object]: ...
