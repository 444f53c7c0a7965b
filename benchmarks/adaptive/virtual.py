"""The room in virtual time: the server's own participants over shaped links that exist in memory only.

Knows: the server's room and participants, the order of events. Does not know: sockets, encryption, figures.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from benchmarks.adaptive import descriptions
from benchmarks.adaptive.account import account
from benchmarks.adaptive.demand import demand_bps
from benchmarks.adaptive.profiles import DELAY_MS, Profile
from benchmarks.adaptive.publisher import Publisher
from benchmarks.adaptive.record import Opinion, Record
from benchmarks.adaptive.shaped import ShapedLink
from benchmarks.adaptive.subscriber import Subscriber
from benchmarks.topology.packets import HEADER, SRTP_TAG, UDP_IP
from sfu.forwarding.engine import PYTHON
from sfu.rooms.member import Negotiated, Published, Publishing, Receiving, SlotView
from sfu.rooms.participant import Participant
from sfu.rooms.room import Room
from sfu.wire import answer, sdp

BEGAN = 1000.0  # of the virtual clock: when the subscribers' connections stand
WARM_UP = 2.0  # seconds that publishers are there before
PUBLISHERS = 4
OPINION_INTERVAL = 0.2
ROOM_INTERVAL = 0.25
SRTCP_TRAILER = 4 + SRTP_TAG  # RFC 7714 9: the index and the tag
NOWHERE = answer.Local("", "", (), (), 1, 1)


class World:
    """Virtual time, and what happens in it in order."""

    def __init__(self) -> None:
        self.now = BEGAN - WARM_UP
        self._events: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._order = itertools.count()

    def at(self, when: float, act: Callable[..., object], *arguments: object) -> None:
        heapq.heappush(self._events, (max(when, self.now), next(self._order), act, arguments))

    def run(self, until: float) -> None:
        """Let everything happen that is due before `until`."""
        events = self._events
        while events and events[0][0] < until:
            self.now, _, act, arguments = heapq.heappop(events)
            act(*arguments)
        self.now = until


class Wire:
    """A connection as `Participant` sees it, with a real one's timer; `pass_on(packet, is_rtcp)` is the way out."""

    def __init__(self, world: World, room: Room, name: str, observer: Told) -> None:
        self.ready = False
        self.engine, self.link = PYTHON, None
        self.pass_on: Callable[[bytes, bool], None] = lambda packet, is_rtcp: None
        self.participant = Participant(name, room, self, observer)
        self._world = world
        self._due: float | None = None

    def negotiate(
        self, offer: str, publish: Mapping[str, Publishing], receive: Mapping[str, Receiving]
    ) -> tuple[Negotiated, str]:
        """(what came of it, the answer's SDP)."""
        parsed = sdp.parse(offer)
        outcome = _at_once(self.participant.negotiate(parsed, publish, receive, self._world.now))
        return outcome, answer.write(parsed, outcome.sections, NOWHERE)

    def connect(self) -> None:
        """The handshake is done."""
        self.ready = True
        self.participant.connected(self._world.now)
        self.schedule()

    def send_rtp(
        self, template: bytes, seq16: int, timestamp: int, ssrc: int,
        stamp_at: int = 0, stamp: int = 0, patch_at: int = 0, patch: bytes = b"",
    ) -> bool:  # fmt: skip
        packet = bytearray(template)
        HEADER.pack_into(packet, 0, packet[0], packet[1], seq16, timestamp, ssrc)
        if stamp_at:
            packet[stamp_at : stamp_at + 2] = stamp.to_bytes(2, "big")
        if patch_at:
            packet[patch_at : patch_at + len(patch)] = patch
        self.pass_on(bytes(packet), False)
        return True

    def send_rtcp(self, compound: bytes) -> None:
        self.pass_on(compound, True)

    def receive_rtp(self, packet: bytes) -> None:
        """From the client."""
        self.participant.receive_rtp(packet, self._world.now)

    def receive_rtcp(self, compound: bytes) -> None:
        self.participant.receive_rtcp(compound, self._world.now)

    def schedule(self) -> None:
        """As `sfu.transport.connection.Connection.schedule`."""
        deadline = self.participant.deadline()
        if deadline is not None and (self._due is None or deadline < self._due):
            self._due = max(deadline, self._world.now)
            self._world.at(self._due, self._pulse, self._due)

    def _pulse(self, due: float) -> None:
        if due == self._due:
            self._due = None
            self.participant.pulse(self._world.now)
            self.schedule()


class Told:
    """What the server says to one client, as `sfu.rooms.member.Observer`."""

    def __init__(self) -> None:
        self.on_encodings: Callable[[Mapping[str, bool]], None] = lambda active: None
        self.on_slot: Callable[[SlotView], None] = lambda slot: None

    def published(self, publication: Published) -> None: ...
    def unpublished(self, publication_id: str) -> None: ...
    def muted(self, publication_id: str, muted: bool) -> None: ...
    def slot_changed(self, slot: SlotView) -> None:
        self.on_slot(slot)

    def encodings(self, publication_id: str, active: Mapping[str, bool]) -> None:
        self.on_encodings(active)


def run(profile: Profile, seed: int) -> list[Record]:
    """Run a profile; one record for each of its subscribers."""
    world, room = World(), Room("adaptive")
    publications: list[tuple[str, str, str]] = []  # (mid for subscribers, kind, id)
    for place in range(PUBLISHERS):
        publications += _publisher(world, room, place, seed)
    world.run(BEGAN)
    watching = [
        _Watching(world, room, name, profile, publications, seed + number)
        for number, name in enumerate(profile.shapes)
    ]
    _let_time_pass(world, room)
    world.run(BEGAN + profile.seconds)
    return [each.finish() for each in watching]


def _let_time_pass(world: World, room: Room) -> None:
    """As the daemon does: who is heard no more falls silent."""
    room.pulse(world.now)
    world.at(world.now + ROOM_INTERVAL, _let_time_pass, world, room)


def _publisher(world: World, room: Room, place: int, seed: int) -> list[tuple[str, str, str]]:
    told = Told()
    wire = Wire(world, room, f"p{place}", told)
    delay = DELAY_MS / 1000
    publisher = Publisher(
        place, PUBLISHERS, seed,
        lambda packet, now: world.at(now + delay, wire.receive_rtp, packet),
        lambda packet, now: world.at(now + delay, wire.receive_rtcp, packet),
    )  # fmt: skip
    wire.pass_on = lambda packet, is_rtcp: (
        world.at(world.now + delay, lambda: publisher.receive_rtcp(packet, world.now)) if is_rtcp else None
    )
    told.on_encodings = lambda active: world.at(world.now + delay, publisher.encodings, dict(active))
    sources = {"a": Publishing("microphone", False), "v": Publishing("camera", False)}
    outcome, _ = wire.negotiate(descriptions.publishing(descriptions.NOBODY, f"p{place}"), sources, {})
    wire.connect()
    publisher.start(world.now)
    _keep_pulsing(world, publisher)
    return [(f"{published.mid}{place}", published.kind, published.id) for published in outcome.published]


class _Watching:
    """One subscriber behind its link."""

    def __init__(
        self, world: World, room: Room, name: str, profile: Profile,
        publications: list[tuple[str, str, str]], seed: int,
    ) -> None:  # fmt: skip
        shape = profile.shapes[name]
        self.record = record = Record(name, shape, profile.seconds, demand_bps=demand_bps(PUBLISHERS))
        self._world, self._link = world, ShapedLink(shape, seed)
        told = Told()
        self._wire = wire = Wire(world, room, f"s{name}", told)
        offer = descriptions.receiving(descriptions.NOBODY, [(mid, kind) for mid, kind, _ in publications])
        receive = {mid: Receiving(id, None) for mid, _, id in publications}
        _, text = wire.negotiate(offer, {}, receive)
        back = shape.delay_ms / 1000
        self._subscriber = subscriber = Subscriber(
            descriptions.received(text), record,
            lambda packet, now: world.at(now + back, wire.receive_rtcp, packet), BEGAN,
        )  # fmt: skip
        told.on_slot = lambda slot: world.at(
            world.now + back, lambda: subscriber.slot_changed(slot.mid, slot.state, world.now)
        )
        wire.pass_on = self._out
        wire.connect()
        subscriber.start(world.now)
        _keep_pulsing(world, subscriber)
        self._opine()

    def _out(self, packet: bytes, is_rtcp: bool) -> None:
        world, link, record = self._world, self._link, self.record
        size = len(packet) + UDP_IP + (SRTCP_TRAILER if is_rtcp else SRTP_TAG)
        at = world.now - BEGAN
        overflowed = link.overflowed
        record.sent.add(at, size)
        arrives = link.send(size, at)
        if link.overflowed == overflowed:
            account(record, link.leaves, size, b"" if is_rtcp else packet)
            record.queue.append((at, link.waited * 1000))
        if arrives is not None:
            receive = self._subscriber.receive_rtcp if is_rtcp else self._subscriber.receive_rtp
            world.at(BEGAN + arrives, self._arrive, receive, packet)

    def _arrive(self, receive: Callable[[bytes, float], None], packet: bytes) -> None:
        receive(packet, self._world.now)

    def _opine(self) -> None:
        world = self._world
        report = self._wire.participant.report(world.now)
        if report is not None:
            limits = tuple(slot.limit for slot in report.slots)
            self.record.opinions.append(
                Opinion(
                    world.now - BEGAN, report.estimate_bps, report.target_bps, report.sent_bps,
                    str(report.source), limits,
                )
            )  # fmt: skip
        world.at(world.now + OPINION_INTERVAL, self._opine)

    def finish(self) -> Record:
        self._subscriber.finish(self._world.now)
        self.record.overflowed, self.record.lost = self._link.overflowed, self._link.lost
        return self.record


def _keep_pulsing(world: World, client: Publisher | Subscriber) -> None:
    def pulse() -> None:
        client.pulse(world.now)
        deadline = client.deadline()
        if deadline is not None:
            world.at(deadline, pulse)

    world.at(client.deadline() or world.now, pulse)


def _at_once(negotiation: Coroutine[Any, Any, Negotiated]) -> Negotiated:
    """The result of a negotiation that has nothing to wait for."""
    try:
        negotiation.send(None)
    except StopIteration as end:
        outcome: Negotiated = end.value
        return outcome
    raise AssertionError("the negotiation waits for something")
