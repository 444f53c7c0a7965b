"""Temporal layers of VP8: what one slot forwards is a stream without gaps that a decoder can follow."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.layers import ALL, LayerFilter, LayerReader, Patch, reader
from sfu.flow.layers.layer import PASS
from sfu.wire import rtp
from sfu.wire.codecs import keyframe_test
from sfu.wire.codecs.vp8 import read_descriptor
from tests.flow.layers.streams import disturbed, packet

# Temporal layer and sync bit of the pictures in a cycle, as Chromium's encoder makes three layers.
CYCLE = ((0, False), (2, True), (1, True), (2, False), (0, False), (2, False), (1, False), (2, False))


TICKS = 1500  # 60 pictures a second


@dataclass(frozen=True)
class Picture:
    """One picture of the source. `needs` are the pictures it depends on."""

    number: int
    picture_id: int
    tl0: int
    temporal: int
    sync: bool
    key: bool
    needs: frozenset[int]

    def views(self, packets: int = 1) -> list[rtp.RtpView]:
        return [self.view(index == 0, index == packets - 1) for index in range(packets)]

    def view(self, first: bool = True, last: bool = True) -> rtp.RtpView:
        tail = (self.temporal << 6 | self.sync << 5 | 7).to_bytes(1, "big")
        descriptor = bytes([0x90 if first else 0x80, 0xF0])
        descriptor += (self.picture_id | 0x8000).to_bytes(2, "big") + bytes([self.tl0]) + tail
        return packet(descriptor + bytes([not self.key, 1, 2]), self.number * TICKS, marker=last)


def pictures(
    count: int,
    rng: random.Random,
    *,
    picture_id: int = 0,
    tl0: int = 0,
    key_every: int = 10**9,
    odd: bool = False,
) -> list[Picture]:
    """A stream in which every picture refers to all that its sync bit allows: the newest of each layer up to its own.

    `picture_id` and `tl0` are those before the first picture. `odd`: after the first cycle, any picture may be in sync.
    """
    out: list[Picture] = []
    newest: dict[int, int] = {}
    place = 0
    for number in range(count):
        key = number % key_every == 0
        if key:
            place = 0
            newest = {}
        temporal, sync = CYCLE[place % 8]
        if odd and place >= len(CYCLE):
            sync = temporal > 0 and rng.random() < 0.3
        place += 1
        lower = range(1) if sync else range(temporal + 1)
        needs = frozenset(newest[layer] for layer in lower if layer in newest)
        newest[temporal] = number
        picture_id = (picture_id + 1) & 0x7FFF
        tl0 = (tl0 + (temporal == 0)) & 0xFF
        out.append(Picture(number, picture_id, tl0, temporal, sync and not key, key, needs))
    return out


def out_numbers(view: rtp.RtpView, patch: Patch) -> tuple[int, int]:
    """Picture id and TL0PICIDX as they leave."""
    data = bytearray(view.packet)
    at = view.payload_start + patch.offset
    data[at : at + len(patch.data)] = patch.data
    assert len(data) == len(view.packet)
    found = read_descriptor(bytes(data), view.payload_start, view.payload_end)
    assert found is not None
    before = read_descriptor(view.packet, view.payload_start, view.payload_end)
    assert before is not None
    assert (found.temporal, found.sync, found.size) == (before.temporal, before.sync, before.size)
    return found.picture_id, found.tl0_index


class Slot:
    """One filter with what it forwards."""

    def __init__(self) -> None:
        self.filter = LayerFilter()
        self.is_key = keyframe_test("VP8")
        self.source: LayerReader | None = None

    def switch(self, source: LayerReader, view: rtp.RtpView) -> None:
        self.source = source
        self.filter.start(source.read(view, True))

    def send(self, view: rtp.RtpView) -> tuple[int, int] | None:
        assert self.source is not None
        assert self.is_key is not None
        layer = self.source.read(view, self.is_key(view.packet[view.payload_start :]))
        assert layer is not None
        patch = self.filter.take(layer)
        assert self.filter.again(layer) is patch
        return None if patch is None else out_numbers(view, patch)


def new_reader() -> LayerReader:
    made = reader("VP8", {})
    assert made is not None
    return made


def started(stream: list[Picture]) -> Slot:
    slot = Slot()
    slot.switch(new_reader(), stream[0].view())
    return slot


def test_the_first_start_changes_nothing() -> None:
    source = new_reader()
    slot = LayerFilter()
    stream = pictures(20, random.Random(1), picture_id=32760, tl0=254)
    for index, picture in enumerate(stream):
        layer = source.read(picture.view(), index == 0)
        assert layer is not None
        if index == 0:
            slot.start(layer)
        assert slot.take(layer) is PASS
    assert (slot.spatial, slot.temporal, slot.needs_key_frame) == (0, 2, False)


def test_packets_of_a_picture_share_the_layer_and_the_patch() -> None:
    stream = pictures(4, random.Random(1))
    slot = started(stream)
    slot.filter.aim(0, 0)
    source = new_reader()
    one, other = (source.read(view) for view in stream[1].views(2))
    assert one is other


@pytest.mark.parametrize(
    ("aim", "kept"), [(0, "0---0---0---"), (1, "0-2-4-6-8-"), (2, "0123456789"), (ALL, "0123456789")]
)
def test_each_aim_keeps_its_layers(aim: int, kept: str) -> None:
    stream = pictures(len(kept), random.Random(1), picture_id=99, tl0=9)
    slot = Slot()
    slot.filter.aim(0, aim)
    slot.switch(new_reader(), stream[0].view())
    sent = [slot.send(picture.view()) for picture in stream]
    assert [numbers is not None for numbers in sent] == [mark != "-" for mark in kept]
    assert [n[0] for n in sent if n is not None] == list(range(100, 100 + len(kept) - kept.count("-")))
    assert [n[1] for n in sent if n is not None] == [
        p.tl0 for p, n in zip(stream, sent, strict=True) if n is not None
    ]


def test_down_at_once_and_up_at_sync_points_one_layer_at_a_time() -> None:
    stream = pictures(40, random.Random(1))
    slot = started(stream)
    sent = []
    for picture in stream:
        if picture.number == 3:
            slot.filter.aim(0, 0)
        if picture.number == 9:
            slot.filter.aim(0, ALL)
        sent.append(slot.send(picture.view()) is not None)
    # The second layer comes back at picture 10 (layer 1 in sync); the third at 17, the next one of it in sync.
    assert [n for n, passed in enumerate(sent) if not passed] == [3, 5, 6, 7, 9, 11, 13, 15]
    assert slot.filter.temporal == 2


def test_a_key_frame_lifts_every_layer_at_once() -> None:
    stream = pictures(16, random.Random(1), key_every=5)
    slot = Slot()
    slot.filter.aim(0, 0)
    slot.switch(new_reader(), stream[0].view())
    sent = []
    for picture in stream:
        if picture.number == 4:
            slot.filter.aim(0, ALL)
        sent.append(slot.send(picture.view()) is not None)
    assert [n for n, passed in enumerate(sent) if not passed] == [1, 2, 3]


def test_a_switch_continues_the_numbers() -> None:
    one = pictures(6, random.Random(1), picture_id=32764, tl0=200)
    two = pictures(9, random.Random(2), picture_id=77, tl0=3)
    slot = started(one)
    sent = [slot.send(picture.view()) for picture in one]
    slot.switch(new_reader(), two[0].view())
    sent += [slot.send(picture.view()) for picture in two]
    assert [n[0] for n in sent if n is not None] == [(32765 + k) & 0x7FFF for k in range(15)]
    assert [n[1] for n in sent if n is not None] == [
        201, 201, 201, 201, 202, 202, 203, 203, 203, 203, 204, 204, 204, 204, 205,
    ]  # fmt: skip


def test_a_late_picture_takes_the_number_kept_for_it_whatever_its_layer() -> None:
    stream = pictures(12, random.Random(1))
    slot = Slot()
    slot.filter.aim(0, 0)
    slot.switch(new_reader(), stream[0].view())
    order = [0, 1, 2, 4, 5, 3, 6, 7, 8]
    sent = {n: slot.send(stream[n].view()) for n in order}
    # 1 and 2 are dropped; 3 is missing when 4 comes, so a number is kept for it.
    assert {n: out[0] for n, out in sent.items() if out is not None} == {0: 1, 3: 2, 4: 3, 8: 4}


def test_packets_from_before_the_start_are_dropped() -> None:
    stream = pictures(20, random.Random(1), key_every=10)
    source = new_reader()
    source.read(stream[0].view())
    slot = Slot()
    slot.switch(source, stream[10].view())
    assert slot.send(stream[10].view()) is not None
    assert slot.send(stream[9].view()) is None
    assert slot.send(stream[11].view()) is not None


def test_picture_ids_that_begin_anew_leave_no_gap() -> None:
    one = pictures(6, random.Random(1), picture_id=5000)
    two = pictures(6, random.Random(1), picture_id=20)
    slot = started(one)
    sent = [slot.send(picture.view()) for picture in one]
    for picture in two:
        view = picture.view()
        later = rtp.parse(
            view.packet[:4] + (6000 * TICKS + view.timestamp).to_bytes(4, "big") + view.packet[8:]
        )
        sent.append(slot.send(later))
    assert [n[0] for n in sent if n is not None] == list(range(5001, 5013))


def test_retransmissions_are_asked_for_without_a_decision() -> None:
    stream = pictures(4, random.Random(1))
    slot = started(stream)
    slot.send(stream[0].view())
    assert slot.source is not None
    layer = slot.source.read(stream[1].view())
    assert layer is not None
    assert slot.filter.again(layer) is None
    assert slot.filter.take(layer) is PASS
    assert slot.filter.again(layer) is PASS


def test_answers_are_forgotten_in_the_end() -> None:
    stream = pictures(2000, random.Random(1))
    slot = started(stream)
    for picture in stream:
        slot.send(picture.view())
    assert slot.source is not None
    for number, known in ((1999, True), (1500, True), (1480, False)):
        layer = slot.source.read(stream[number].view())
        assert layer is not None
        assert (slot.filter.again(layer) is not None) is known


def test_a_packet_without_picture_id_says_nothing() -> None:
    assert new_reader().read(packet(bytes([0x10, 0, 1, 2]), 0)) is None
    assert new_reader().read(packet(b"", 0)) is None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([0.0, 0.02, 0.2]), st.sampled_from([0.0, 0.1]))
def test_the_stream_out_can_be_decoded(seed: int, loss: float, late: float) -> None:
    """Over loss, reordering, duplicates, changes of the aim and switches: no gap of the filter's making."""
    rng = random.Random(seed)
    slot = Slot()
    run = 0
    sent: dict[tuple[int, int], tuple[int, int]] = {}  # by (run, number)
    in_time: set[tuple[int, int]] = set()
    newest_out: int | None = None
    for run in range(3):
        stream = pictures(
            60,
            rng,
            picture_id=rng.randrange(1 << 15),
            tl0=rng.randrange(256),
            key_every=rng.choice((25, 10**9)),
            odd=rng.random() < 0.5,
        )
        by_number = {p.number: p for p in stream}
        slot.switch(new_reader(), stream[0].view())
        ways = [(p.number, view) for p in stream for view in p.views(rng.randint(1, 3))]
        arriving = ways[:1] + disturbed(rng, ways[1:], loss, late, 0.05)
        arrived = {number for number, _ in arriving}
        highest = -1
        for number, view in arriving:
            if rng.random() < 0.1:
                slot.filter.aim(0, rng.choice((0, 1, 2, ALL)))
            numbers = slot.send(view)
            if numbers is not None:
                assert sent.setdefault((run, number), numbers) == numbers
                if number > highest:
                    in_time.add((run, number))
            highest = max(highest, number)
        outs = {n: sent[run, n] for n in arrived if (run, n) in sent}
        order = sorted(outs)
        # Injective, ascending, and a gap is there only for pictures that never arrived.
        first = outs[0][0]
        places = [(outs[n][0] - first) & 0x7FFF for n in order]
        assert places == sorted(set(places))
        never = [n for n in range(highest) if n not in arrived]
        assert places[-1] + 1 <= len(outs) + len(never)
        if newest_out is not None:
            assert first == (newest_out + 1) & 0x7FFF
        newest_out = outs[order[-1]][0]
        for n in order:
            picture = by_number[n]
            base = max(m for m in order if m <= n and by_number[m].temporal == 0) if not never else None
            if base is not None:
                assert outs[n][1] == outs[base][1]
            if (run, n) in in_time:
                # What arrived of its references was forwarded (nothing depends on what came late and is above).
                assert all((run, m) in sent for m in picture.needs if m in arrived)
