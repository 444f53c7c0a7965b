"""The whole way of media in virtual time: publisher, lossy link, room, lossy link, subscribers that repair."""

from itertools import pairwise

import pytest

from sfu.rooms.room import Room
from sfu.wire.rtp import is_rtcp
from tests.net import Link
from tests.rooms.doubles import CHROMIUM, FIREFOX, Peer
from tests.rooms.models import NTP, PARTS, RATE, Receiver, Sender

STEP = 0.004
FRAME = 0.036  # 28 frames a second
DELAY = 0.02
RTT = 2 * DELAY + 0.005


class Leg:
    """A peer of the room with a path in each direction; either side of it may be a model."""

    def __init__(self, room: Room, id: str, seed: int, loss: float, jitter: float) -> None:
        self.peer = Peer(room, id)
        self.participant = self.peer.participant
        self.to_server = Link(seed, loss=loss, delay=DELAY, jitter=jitter)
        self.to_client = Link(seed + 1, loss=loss, delay=DELAY, jitter=jitter)

    def serve(self, now: float) -> None:
        for data in self.to_server.deliver(now):
            if is_rtcp(data):
                self.participant.receive_rtcp(data, now)
            else:
                self.participant.receive_rtp(data, now)

    def tick(self, now: float) -> None:
        deadline = self.participant.deadline()
        if deadline is not None and deadline <= now:
            self.participant.pulse(now)
            after = self.participant.deadline()
            assert after is None or after > now, "the connection's timer would spin"
        outlet = self.peer.outlet
        sent, outlet.rtp, outlet.rtcp = outlet.rtp + outlet.rtcp, [], []
        for data in sent:
            self.to_client.send(data, now)


class World:
    """Publishers and subscribers of one room; `run` moves the time."""

    def __init__(self, loss: float = 0.0, seed: int = 1, jitter: float = 0.005) -> None:
        self.now = 100.0
        self.loss = loss
        self.seed = seed
        self.jitter = jitter
        self.room = Room("blue")
        self.legs: list[Leg] = []
        self.senders: list[tuple[Leg, Sender]] = []
        self.receivers: list[tuple[Leg, Receiver]] = []
        self.paused: set[int] = set()
        self._frame_at = 100.0
        self._report_at = 100.0

    def _leg(self) -> Leg:
        leg = Leg(self.room, f"p_{len(self.legs)}", self.seed + 10 * len(self.legs), self.loss, self.jitter)
        self.legs.append(leg)
        return leg

    def publisher(self) -> tuple[Sender, str]:
        leg = self._leg()
        publication = leg.peer.publish(CHROMIUM, "1")
        group = next(s for s in CHROMIUM.sections if s.mid == "1").ssrcs[0]
        assert group.rtx_ssrc is not None
        sender = Sender(group.ssrc, group.rtx_ssrc)
        self.senders.append((leg, sender))
        return sender, publication

    def subscriber(self, publication: str | None, *, firefox: bool = False) -> tuple[Leg, Receiver]:
        leg = self._leg()
        leg.peer.negotiate(FIREFOX if firefox else CHROMIUM, {}, {"3": publication}, self.now)
        slot = leg.participant.slots["3"]
        types = (120, 124) if firefox else (96, 97)
        receiver = Receiver(slot.ssrc, slot.rtx_ssrc, *types)
        self.receivers.append((leg, receiver))
        return leg, receiver

    def run(self, seconds: float, *, padding: bool = False) -> None:
        end = self.now + seconds
        while self.now < end:
            self._publish(padding)
            for leg in self.legs:
                leg.serve(self.now)
            for leg in self.legs:
                leg.tick(self.now)
            for leg, sender in self.senders:
                for data in leg.to_client.deliver(self.now):
                    for again in sender.receive_rtcp(data):
                        leg.to_server.send(again, self.now)
            for leg, receiver in self.receivers:
                for data in leg.to_client.deliver(self.now):
                    receiver.receive(data, self.now)
                for data in receiver.ask(self.now, RTT):
                    leg.to_server.send(data, self.now)
            self.now += STEP

    def _publish(self, padding: bool) -> None:
        due = self.now >= self._frame_at
        reporting = self.now >= self._report_at
        for leg, sender in self.senders:
            if sender.ssrc in self.paused:
                continue
            packets = sender.frame(self.now) if due else []
            if due and padding:
                packets += [sender.padded(self.now), sender.probe()]
            if reporting:
                packets.append(sender.report(self.now))
            for data in packets:
                leg.to_server.send(data, self.now)
        self._frame_at += FRAME * due
        self._report_at += reporting

    def drain(self) -> None:
        """Everything still on its way arrives, without further loss."""
        for leg in self.legs:
            leg.to_server.loss = leg.to_client.loss = 0.0
        self.run(1.5)
        self.settle()

    def settle(self) -> None:
        """What is on its way arrives, and nothing follows it."""
        self.paused |= {sender.ssrc for _, sender in self.senders}
        self.run(0.3)


def assert_whole(receiver: Receiver, sender: Sender, within: float, *, until: int) -> None:
    """Every frame from the first key frame up to frame `until` is complete, each within that time."""
    frames = receiver.frames()
    first = min(number for number, parts in frames.items() if len(parts) == PARTS and parts[0].key)
    for number in range(first, until + 1):
        parts = frames[number]
        assert [part.part for part in parts] == list(range(PARTS)), number
        assert len({part.timestamp for part in parts}) == 1
        assert max(part.at for part in parts) - sender.made[number] < within


def assert_ordered(receiver: Receiver) -> None:
    """No number is missing, and time never goes back."""
    assert receiver.gaps() == 0
    assert receiver.strangers == 0
    ordered = [receiver.parts[seq] for seq in sorted(receiver.parts)]
    for before, after in pairwise(ordered):
        step = (after.timestamp - before.timestamp) & 0xFFFFFFFF
        assert step < 0x80000000
        assert (step == 0) == (after.frame == before.frame) or 0 in (before.frame, after.frame)


@pytest.mark.parametrize(("loss", "seed"), [(0.0, 1), (0.01, 2), (0.05, 3), (0.1, 4), (0.1, 5)])
def test_every_frame_arrives_whole_over_loss_in_every_direction(loss: float, seed: int) -> None:
    world = World(loss, seed)
    sender, publication = world.publisher()
    receivers = [world.subscriber(publication)[1], world.subscriber(publication, firefox=True)[1]]
    world.run(12.0)
    frames = sender.frames
    world.drain()
    for receiver in receivers:
        assert_whole(receiver, sender, within=0.9, until=frames)
        assert_ordered(receiver)
        assert min(part.at for part in receiver.parts.values()) < 101.5
        assert loss == 0.0 or receiver.repaired > 0
    assert loss == 0.0 or sender.nacked > 0
    assert sender.key_frames <= 4  # repair, not key frames, keeps the picture
    assert sender.feedback > 80
    assert sender.reports > 8


def test_names_of_the_publishers_sections_never_reach_a_subscriber() -> None:
    world = World(0.05)
    _, publication = world.publisher()
    _, chromium = world.subscriber(publication)
    _, firefox = world.subscriber(publication, firefox=True)
    world.run(3.0)
    assert chromium.extension_ids == {2, 3}
    assert firefox.extension_ids == {4, 7}


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_padding_and_probes_are_no_packets_of_the_slot(loss: float) -> None:
    world = World(loss, 6)
    sender, publication = world.publisher()
    _, receiver = world.subscriber(publication)
    world.run(6.0, padding=True)
    frames = sender.frames
    world.drain()
    assert_whole(receiver, sender, within=0.9, until=frames)
    assert_ordered(receiver)
    empty = sum(part.frame == 0 for part in receiver.parts.values())
    # Without loss none; with loss only those whose number was already left open for them.
    assert empty <= sender.padding * loss * 2


def test_a_slot_goes_to_another_publication_and_back() -> None:
    world = World(jitter=0.0)  # else what is on its way at a switch leaves gaps that nobody fills
    one, first = world.publisher()
    other, second = world.publisher()
    other.ssrc, other.rtx_ssrc, other.seq, other.stamp_offset = one.ssrc, one.rtx_ssrc, 3, 12345
    other.frames = 100_000  # so that its frames can be told
    leg, receiver = world.subscriber(first)
    for publication in (second, first, second, first):
        world.run(1.0)
        leg.participant.point("3", publication, world.now)
    world.run(1.0)
    world.settle()
    assert_ordered(receiver)
    parts = [receiver.parts[seq] for seq in sorted(receiver.parts)]
    starts = [after for before, after in pairwise(parts) if (before.frame > 99_999) != (after.frame > 99_999)]
    assert len(starts) == 4
    assert all(part.key and part.part == 0 for part in starts)


def test_switches_over_loss_end_in_whole_pictures() -> None:
    world = World(0.05, 7)
    one, first = world.publisher()
    other, second = world.publisher()
    other.frames = 100_000
    leg, receiver = world.subscriber(first)
    for publication in (second, first, second):
        world.run(2.0)
        leg.participant.point("3", publication, world.now)
    world.run(2.0)
    started = other.frames - 30
    frames = other.frames
    world.drain()
    for number in range(started, frames + 1):
        assert len(receiver.frames()[number]) == PARTS
    assert one.key_frames + other.key_frames < 16


def test_requests_of_many_subscribers_are_one() -> None:
    world = World()
    sender, publication = world.publisher()
    for _ in range(10):
        world.subscriber(publication)
    world.run(3.0)
    assert sender.key_frames <= 2
    assert all(len(receiver.frames()) > 70 for _, receiver in world.receivers)


def test_a_late_subscriber_sees_a_key_frame_soon() -> None:
    world = World()
    sender, publication = world.publisher()
    world.subscriber(publication)
    world.run(2.0)
    keys = sender.key_frames
    _, late = world.subscriber(publication)
    world.run(0.5)
    assert min(part.at for part in late.parts.values()) < 102.2
    assert late.parts[min(late.parts)].key
    assert sender.key_frames == keys + 1


def test_a_publisher_that_restarts_its_numbers() -> None:
    world = World()
    sender, publication = world.publisher()
    _, receiver = world.subscriber(publication)
    world.run(2.0)
    keys = sender.key_frames
    sender.seq, sender.stamp_offset = 20_000, 77
    world.run(2.0)
    assert sender.frames - max(receiver.frames()) < 5
    assert sender.key_frames == keys + 1
    world.settle()
    assert_ordered(receiver)


def test_a_publisher_that_comes_back_with_another_ssrc() -> None:
    world = World()
    sender, publication = world.publisher()
    _, receiver = world.subscriber(publication)
    world.run(2.0)
    world.paused.add(sender.ssrc)
    world.run(2.0)
    sender.ssrc, sender.seq, sender.stamp_offset = 4242, 9, 77
    world.run(2.0)
    world.settle()
    assert_ordered(receiver)
    parts = [receiver.parts[seq] for seq in sorted(receiver.parts)]
    steps = [(b.timestamp - a.timestamp & 0xFFFFFFFF) / RATE for a, b in pairwise(parts)]
    assert max(steps) == pytest.approx(2.0, abs=0.2)
    assert sender.frames - max(receiver.frames()) < 5


def test_sender_reports_keep_the_publishers_clock_over_a_switch() -> None:
    world = World()
    _, first = world.publisher()
    other, second = world.publisher()
    other.stamp_offset = 5
    leg, receiver = world.subscriber(first)
    world.run(3.0)
    leg.participant.point("3", second, world.now)
    world.run(3.0)
    assert len(receiver.reports) >= 6
    parts = [receiver.parts[seq] for seq in sorted(receiver.parts)]
    for at, report in receiver.reports:
        if 102.9 < at < 103.3:
            continue  # of one source or the other, while it changes
        wall = (report.ntp - NTP) / (1 << 32)
        # What the report says of the newest packet is when its frame was made, a link's delay ago.
        newest = [part for part in parts if part.at <= at][-1]
        behind = ((report.rtp_timestamp - newest.timestamp) & 0xFFFFFFFF) / RATE
        assert newest.at - (wall - behind) == pytest.approx(2 * DELAY, abs=0.02)


def test_an_outage_ends_in_a_picture() -> None:
    world = World(0.01, 8)
    sender, publication = world.publisher()
    leg, receiver = world.subscriber(publication)
    world.run(2.0)
    for link in (leg.to_client, world.senders[0][0].to_server):
        link.loss = 1.0
    world.run(3.0)
    for link in (leg.to_client, world.senders[0][0].to_server):
        link.loss = 0.0
    world.run(2.0)
    frames = receiver.frames()
    newest = max(frames)
    assert sender.frames - newest < 5
    assert all(len(frames[number]) == PARTS for number in range(newest - 20, newest))
    assert sender.key_frames <= 5


def test_when_everybody_is_gone_nothing_is_due() -> None:
    world = World()
    sender, publication = world.publisher()
    leg, _ = world.subscriber(publication)
    world.run(1.0)
    leg.participant.point("3", None, world.now)
    world.paused.add(sender.ssrc)
    world.run(6.0)
    assert [one.participant.deadline() for one in world.legs] == [None, None]
