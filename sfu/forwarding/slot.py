"""A slot: one receive m-line of a subscriber, with a constant SSRC, that can be pointed at any publication.

Knows what it shows, which encoding it takes and which it waits for, and what the subscriber asks of it. Does not know
why it is aimed at one encoding or another.
"""

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sfu.flow.layers import ALL, Layer
from sfu.forwarding.egress import Egress, Outgoing
from sfu.forwarding.outlet import Drop, drop_stats
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.stream import Stream

if TYPE_CHECKING:
    from sfu.forwarding.encoding import Encoding
    from sfu.forwarding.publication import Publication


class SlotState(enum.Enum):
    EMPTY = "empty"
    ACTIVE = "active"
    UNSUPPORTED_CODEC = "unsupported-codec"
    PAUSED = "paused"
    """The server sends nothing, for a `reason` that the client is told."""


class Target(NamedTuple):
    """What a slot is to get: an encoding, and the highest layers of it."""

    encoding: "Encoding"
    spatial: int = ALL
    temporal: int = ALL


class Slot(Stream):
    """A subscriber's stream of one kind of media.

    `encoding` is what is forwarded now, `candidate` the one whose key frame is awaited, while `encoding` goes on.
    A `steered` slot gets nothing until its owner aims it; any other takes the best encoding of what it shows.
    """

    __slots__ = (
        "_on_change", "_steered", "candidate", "nacks", "plis", "publication", "reason", "state", "sync", "target",
        "wishes",
    )  # fmt: skip

    def __init__(
        self,
        mid: str,
        kind: str,
        profile: SendProfile,
        egress: Egress,
        sync: str,
        on_change: Callable[["Slot"], None],
        *,
        steered: bool = False,
    ) -> None:
        super().__init__(mid, kind, profile, egress, sync)
        # Slots of one such word are played in step.
        self.sync = sync
        self._on_change = on_change
        self._steered = steered
        self.state = SlotState.EMPTY
        self.reason: str | None = None  # why it is PAUSED
        self.publication: Publication | None = None
        self.target: Target | None = None
        # Video starts (and starts again after a switch) on a key frame.
        self.candidate: Encoding | None = None
        # The rids that would be taken if the publisher sent them, beside those that are.
        self.wishes: frozenset[str] = frozenset()
        self.nacks = 0
        self.plis = 0

    # -- what it shows ---------------------------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether nothing is sent until a key frame comes."""
        return self.encoding is None and self.candidate is not None

    @property
    def taken(self) -> frozenset[str]:
        """The encodings of its publication, by rid, that it gets, waits for, or would rather have."""
        return self.wishes | {one.rid for one in (self.encoding, self.candidate) if one is not None}

    def point(self, publication: "Publication | None", now: float) -> None:
        """Show `publication` (or nothing) from now on; the stream goes on with the same SSRC and numbers."""
        if publication is self.publication and publication is not None:
            return
        self._detach()
        self.publication = publication
        if publication is None:
            self.state = SlotState.EMPTY
            return
        publication.add(self)
        self.attach(now)

    def attach(self, now: float) -> None:
        """Join the publication, if this subscriber can receive its codec."""
        publication = self.publication
        assert publication is not None
        self.reason = None
        if self.profile.payload_type(publication.codec) is None:
            self.state = SlotState.UNSUPPORTED_CODEC
            self.wishes = frozenset()
            publication.taken_changed(now)
            return
        self.state = SlotState.ACTIVE
        target = self.target
        if target is not None and target.encoding in publication.encodings:
            self.aim(target, now)
        elif not self._steered:
            self.aim(Target(publication.encoding), now)
        else:
            self.egress.reallocate(now)

    def aim(self, target: Target, now: float) -> None:
        """Get this from now on; another encoding at its next key frame, which is asked for."""
        self.target = target
        encoding = target.encoding
        self.spatial = min(target.spatial, self.most_spatial(encoding))
        self.temporal = target.temporal
        before = self.taken
        if encoding is self.encoding:
            self._forget_candidate()
            self.limit(self.spatial, self.temporal)
            if self.filter.needs_key_frame:
                encoding.request_key_frame(now)
        elif encoding is not self.candidate:
            self._forget_candidate()
            self.candidate = encoding
            encoding.wait(self)
            if self.may_start():
                encoding.request_key_frame(now)
        if self.publication is not None and before != self.taken:
            self.publication.taken_changed(now)

    def reduce(self, spatial: int, temporal: int) -> None:
        """Until the switch that is awaited, no more than these layers of what is forwarded now."""
        if self.candidate is not None and self.encoding is not None:
            self.limit(min(spatial, self.most_spatial(self.encoding)), temporal)

    def most_spatial(self, encoding: "Encoding") -> int:
        """The highest spatial layer of it that this subscriber can make use of; ALL = there is no such limit."""
        return ALL if self.profile.reads_layers(encoding.codec) else 0

    def wish(self, rids: frozenset[str], now: float) -> None:
        """The publisher should send these too."""
        if rids != self.wishes:
            self.wishes = rids
            if self.publication is not None:
                self.publication.taken_changed(now)

    def pause(self, reason: str | None, now: float) -> None:
        """Send nothing until `aim`; the client is told if there is a `reason`."""
        self._leave()
        self.target = None
        self._tell(SlotState.ACTIVE if reason is None else SlotState.PAUSED, reason)
        if self.publication is not None:
            self.publication.taken_changed(now)

    def resume(self) -> None:
        """It is aimed again: tell the client if that knows it as paused."""
        if self.state is SlotState.PAUSED:
            self._tell(SlotState.ACTIVE, None)

    def _tell(self, state: SlotState, reason: str | None) -> None:
        if (self.state, self.reason) != (state, reason):
            self.state, self.reason = state, reason
            self._on_change(self)

    def _forget_candidate(self) -> None:
        if self.candidate is not None:
            self.candidate.remove(self)
            self.candidate = None

    def _leave(self) -> None:
        """Take nothing of any encoding."""
        self._forget_candidate()
        if self.encoding is not None:
            self.encoding.remove(self)
        self._end_run()

    def _detach(self) -> None:
        self._leave()
        self.target = None
        self.wishes = frozenset()
        self.reason = None
        if self.publication is not None:
            self.publication.remove(self)
            self.publication = None

    def hold(self, encoding: "Encoding") -> None:
        """The encoding it ran on is interrupted: wait for a key frame, of the candidate if there is one."""
        assert encoding is self.encoding
        self._end_run()
        if self.candidate is None:
            self.candidate = encoding
            encoding.wait(self)

    def renegotiated(self, profile: SendProfile, now: float) -> None:
        """The client's payload types or extension ids changed in a new offer."""
        if profile == self.profile:
            return
        # Before the change: encodings keep their slots by profile.
        self._leave()
        self.profile = profile
        if self.publication is not None:
            self.codec_changed(now)

    def codec_changed(self, now: float) -> None:
        """The publisher sends another codec, or this side's profile changed: join again."""
        before = self.state
        self._leave()
        self.attach(now)
        if self.state is not before:
            self._on_change(self)

    def ended(self) -> None:
        """The publication is gone; called by it."""
        self._detach()
        self.state = SlotState.EMPTY

    def close(self) -> None:
        """The m-line or its connection is gone."""
        self._detach()
        self.state = SlotState.EMPTY

    # -- packets out -----------------------------------------------------------------------------------------

    def may_start(self) -> bool:
        """Whether a key frame that comes now could be sent."""
        return self.egress.ready and not self.egress.clogged

    def choke(self) -> None:
        """Too much waits for this slow link: leave out the rest of the frame, and all up to a key frame."""
        assert self.encoding is not None
        self.drops[Drop.QUEUE_FULL] += 1
        self.encoding.interrupt(self)

    @property
    def obstacle(self) -> Drop:
        """Why it may not start."""
        return Drop.QUEUE_FULL if self.egress.ready else Drop.NOT_CONNECTED

    def start(self, encoding: "Encoding", seq: int, timestamp: int, layer: Layer | None, now: float) -> None:
        """The key frame that was awaited is here: what was forwarded until now is left."""
        previous = self.encoding
        super().start(encoding, seq, timestamp, layer, now)
        self.candidate = None
        if previous is not None:
            previous.remove(self)
        else:
            self.egress.reallocate(now)
        if self.publication is not None:  # also without it: it may have been interrupted meanwhile
            self.publication.taken_changed(now)

    # -- what the subscriber asks for --------------------------------------------------------------------------

    def wants_key_frame(self, now: float) -> None:
        """PLI or FIR from the subscriber."""
        self.plis += 1
        for encoding in (self.encoding, self.candidate):
            if encoding is not None and self.may_start():
                encoding.request_key_frame(now)

    def nack(self, lost: tuple[int, ...], now: float) -> None:
        """The subscriber misses packets of these numbers."""
        self.nacks += len(lost)
        self.resender.nack(lost, now)

    def padding(self, size: int, now: float) -> Outgoing | None:
        """A packet to probe the way to this subscriber with; None where this slot can't make one."""
        publication = self.publication
        if publication is None or self.profile.payload_type(publication.codec) is None:
            return None
        encoding = self.encoding or publication.encodings[0]
        return self.resender.padding(encoding.translation(self.profile), size, now)

    def stats(self) -> dict[str, object]:
        return {
            "mid": self.mid,
            "kind": self.kind,
            "ssrc": self.ssrc,
            "publication": self.publication.id if self.publication else None,
            "state": self.state.value,
            "reason": self.reason,
            "encoding": self.encoding.rid if self.encoding else None,
            "waiting_for_key_frame": self.waiting,
            "packets": self.packets,
            "bytes": self.bytes_sent,
            "nacks": self.nacks,
            "plis": self.plis,
            "resent": self.resender.resent,
            "resend_missed": self.resender.missed,
            "resend_refused": self.resender.budget.refused,
            "fraction_lost": round(self.fraction_lost, 4),
            "packets_lost": self.packets_lost,
            "round_trip_ms": round(self.round_trip.rtt * 1000, 1),
            "drops": drop_stats(self.drops),
        }
