"""Spatial and temporal layers of VP9 and AV1: what one slot forwards can be decoded, and ends with a marker."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.layers import ALL, LayerFilter, LayerReader, reader
from sfu.flow.layers.layer import PASS
from sfu.wire import extensions, rtp
from sfu.wire.codecs.vp9 import read_descriptor
from sfu.wire.extensions import DEPENDENCY_DESCRIPTOR
from tests.flow.layers.streams import DESCRIPTOR_ID, disturbed
from tests.flow.layers.svc import Frame, Stream, av1_views, stream, structure_of, vp9_views

IDS = {DEPENDENCY_DESCRIPTOR: DESCRIPTOR_ID}
CODECS = ("VP9", "AV1")


@dataclass(frozen=True)
class Way:
    """One packet of one frame."""

    frame: Frame
    view: rtp.RtpView
    last: bool


def ways(codec: str, source: Stream, first_number: int, rng: random.Random | None = None) -> Iterator[Way]:
    structure = structure_of(source)
    for frame in source.frames:
        count = rng.randint(1, 3) if rng else 2
        if codec == "VP9":
            views = vp9_views(source, frame, count, first_number)
        else:
            views = av1_views(source, structure, frame, count, first_number)
        for index, view in enumerate(views):
            yield Way(frame, view, index == count - 1)


@dataclass(frozen=True)
class Sent:
    number: int
    """Picture id or frame number as it leaves."""
    marker: bool


class Slot:
    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.filter = LayerFilter()
        self.source = self.new_reader()

    def new_reader(self) -> LayerReader:
        made = reader(self.codec, IDS)
        assert made is not None
        return made

    def switch(self, view: rtp.RtpView) -> None:
        self.source = self.new_reader()
        layer = self.source.read(view, True)
        assert layer is not None
        self.filter.start(layer)

    def send(self, view: rtp.RtpView) -> Sent | None:
        layer = self.source.read(view)
        assert layer is not None
        patch = self.filter.take(layer)
        assert self.filter.again(layer) is patch
        if patch is None:
            return None
        data = bytearray(view.packet)
        if self.codec == "VP9":
            base = view.payload_start
        else:
            span = extensions.find(view, DESCRIPTOR_ID)
            assert span is not None
            base = span[0]
        data[base + patch.offset : base + patch.offset + len(patch.data)] = patch.data
        marker = view.marker or patch.marker
        if self.codec == "AV1":
            return Sent(data[base + 1] << 8 | data[base + 2], marker)
        after = read_descriptor(bytes(data), base, view.payload_end)
        before = read_descriptor(view.packet, base, view.payload_end)
        assert after is not None
        assert before is not None
        assert (after.temporal, after.spatial, after.inter_layer, after.up_switch, after.size) == (
            before.temporal, before.spatial, before.inter_layer, before.up_switch, before.size,
        )  # fmt: skip
        references = slice(base + (4 if before.picture_id_bits == 15 else 3), base + before.size)
        assert data[references] == view.packet[references]
        return Sent(after.picture_id, marker)


def begun(codec: str, packets: list[Way], spatial: int = ALL, temporal: int = ALL) -> Slot:
    slot = Slot(codec)
    slot.filter.aim(spatial, temporal)
    slot.switch(packets[0].view)
    return slot


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("only_keys", [False, True])
def test_all_passes_untouched(codec: str, only_keys: bool) -> None:
    source = stream(24, 3, False)
    packets = list(ways(codec, source, 500))
    slot = begun(codec, packets)
    for way in packets:
        layer = slot.source.read(way.view)
        assert layer is not None
        assert (layer.spatial, layer.temporal) == (way.frame.spatial, way.frame.temporal)
        assert slot.filter.take(layer) is PASS
    assert (slot.filter.spatial, slot.filter.temporal, slot.filter.needs_key_frame) == (2, 2, False)
    assert codec == "VP9" or slot.source.sizes == ((320, 180), (640, 360), (1280, 720))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("aim", [(0, 0), (0, 2), (1, 0), (1, 1), (2, 1), (5, 0)])
def test_each_aim_keeps_its_layers(codec: str, aim: tuple[int, int]) -> None:
    source = stream(24, 3, False)
    packets = list(ways(codec, source, 65530 if codec == "AV1" else 32760))
    slot = begun(codec, packets, *aim)
    sent = [(way, slot.send(way.view)) for way in packets]
    kept = {way.frame.number for way, out in sent if out is not None}
    assert kept == {f.number for f in source.frames if f.spatial <= aim[0] and f.temporal <= aim[1]}
    marked = {(way.frame.picture, way.frame.spatial, way.last) for way, out in sent if out and out.marker}
    pictures = {f.picture for f in source.frames if f.temporal <= aim[1]}
    assert marked == {(picture, min(aim[0], 2), True) for picture in pictures}


def test_frames_of_lower_layers_that_nothing_needs_are_left_out() -> None:
    source = stream(9, 3, True)
    packets = list(ways("AV1", source, 0))
    slot = begun("AV1", packets)
    kept = {way.frame.number for way in packets if slot.send(way.view) is not None}
    assert kept == {f.number for f in source.frames if f.key or f.spatial == 2}


@pytest.mark.parametrize("codec", CODECS)
def test_spatial_layers_go_down_at_once_and_up_at_a_key_picture(codec: str) -> None:
    source = stream(40, 3, False, key_every=16)
    packets = list(ways(codec, source, 1))
    slot = begun(codec, packets)
    kept: set[int] = set()
    for way in packets:
        if (way.frame.picture, way.frame.spatial) == (6, 0):
            slot.filter.aim(0, ALL)
        if (way.frame.picture, way.frame.spatial, way.last) == (11, 1, False):
            assert not slot.filter.needs_key_frame
            slot.filter.aim(1, ALL)
            assert slot.filter.needs_key_frame
        if slot.send(way.view) is not None:
            kept.add(way.frame.number)
    frames = source.frames
    assert kept == {
        f.number for f in frames if f.picture < 6 or f.spatial == 0 or (f.picture >= 16 and f.spatial == 1)
    }
    assert not slot.filter.needs_key_frame
    assert (slot.filter.spatial, slot.filter.temporal) == (1, 2)


@pytest.mark.parametrize("codec", CODECS)
def test_within_a_picture_nothing_changes(codec: str) -> None:
    """The layers and the marker of a picture are settled with its first packet."""
    source = stream(8, 3, False)
    packets = list(ways(codec, source, 1))
    slot = begun(codec, packets)
    for way in packets:
        if (way.frame.picture, way.frame.spatial) == (4, 1):
            slot.filter.aim(0, 0)
        out = slot.send(way.view)
        if way.frame.picture <= 4:
            assert out is not None
            assert out.marker == (way.frame.top and way.last)


@pytest.mark.parametrize("codec", CODECS)
def test_the_layers_of_a_picture_may_come_in_any_order(codec: str) -> None:
    source = stream(10, 3, False)
    packets = list(ways(codec, source, 1))
    slot = begun(codec, packets)
    first = next(k for k, way in enumerate(packets) if way.frame.picture == 4)
    packets[first : first + 4] = packets[first + 2 : first + 4] + packets[first : first + 2]
    kept = []
    for index, way in enumerate(packets):
        if index == first:
            slot.filter.aim(0, ALL)
        out = slot.send(way.view)
        if out is not None and way.frame.picture >= 4:
            kept.append((way.frame.picture, way.frame.spatial, way.last, out.marker))
    if codec == "VP9":
        assert kept[:2] == [(4, 0, False, False), (4, 0, True, True)]
    else:  # while a frame is missing, no other target is known to be whole
        assert kept[:4] == [(4, s, last, False) for s in (1, 0) for last in (False, True)]
        assert kept[4:6] == [(4, 2, False, False), (4, 2, True, True)]
    assert [entry[:2] for entry in kept if entry[0] > 7] == [(8, 0), (8, 0), (9, 0), (9, 0)]


@pytest.mark.parametrize("codec", CODECS)
def test_temporal_layers_come_back_without_a_key_frame(codec: str) -> None:
    source = stream(16, 2, False)
    packets = list(ways(codec, source, 1))
    slot = begun(codec, packets, ALL, 0)
    kept = set()
    for way in packets:
        if (way.frame.picture, way.frame.spatial) == (6, 0):
            slot.filter.aim(ALL, ALL)
        assert not slot.filter.needs_key_frame
        if slot.send(way.view) is not None:
            kept.add(way.frame.picture)
    # VP9's next switching point that is forwarded is picture 8. Decode targets say more: since picture 4 nothing
    # of layer 1 was dropped, and 6 is a place to go on to layer 2.
    assert kept == {0, 4, *range(8, 16)} | ({6, 7} if codec == "AV1" else set())


@pytest.mark.parametrize("codec", CODECS)
def test_a_switch_continues_the_numbers(codec: str) -> None:
    one, two = stream(6, 1, False), stream(6, 1, False)
    packets = list(ways(codec, one, 900))
    slot = begun(codec, packets)
    numbers = [slot.send(way.view) for way in packets if way.last]
    other = list(ways(codec, two, 60000 if codec == "AV1" else 20000))
    slot.switch(other[0].view)
    numbers += [slot.send(way.view) for way in other if way.last]
    assert [sent.number for sent in numbers if sent] == list(range(900, 912))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(CODECS),
    st.integers(0, 1 << 32),
    st.sampled_from([0.0, 0.02, 0.2]),
    st.sampled_from([0.0, 0.1]),
    st.booleans(),
)
def test_the_stream_out_can_be_decoded(
    codec: str, seed: int, loss: float, late: float, only_keys: bool
) -> None:
    """Over loss, reordering, duplicates, changes of the aim and switches of encodings."""
    rng = random.Random(seed)
    slot = Slot(codec)
    last_number: int | None = None
    modulus = 1 << 16 if codec == "AV1" else 1 << 15
    for _ in range(2):
        source = stream(40, rng.randint(1, 3), only_keys, key_every=rng.choice((13, 10**9)))
        packets = list(ways(codec, source, rng.randrange(modulus), rng))
        slot.switch(packets[0].view)
        arriving = packets[:1] + disturbed(rng, packets[1:], loss, late, 0.05)
        arrived = {way.frame.number for way in arriving}
        sent: dict[int, set[bool]] = {}
        shifts: set[int] = set()
        highest_marked: dict[int, int] = {}
        for way in arriving:
            if rng.random() < 0.05:
                slot.filter.aim(rng.choice((0, 1, 2, ALL)), rng.choice((0, 1, 2, ALL)))
            out = slot.send(way.view)
            frame = way.frame
            if out is None:
                assert frame.number not in sent  # one answer for all packets of a frame
                continue
            sent.setdefault(frame.number, set())
            shifts.add((out.number - (frame.number if codec == "AV1" else frame.picture)) % modulus)
            if out.marker:
                assert way.last
                highest_marked[frame.picture] = max(highest_marked.get(frame.picture, 0), frame.spatial)
        assert len(shifts) == 1
        for number in sent:
            frame = source.frames[number]
            assert frame.needs & arrived <= sent.keys()
            assert frame.spatial <= highest_marked.get(frame.picture, 2)
        if not loss and not late:
            complete = {source.frames[number].picture for number in sent}
            assert complete == highest_marked.keys()
        shift = shifts.pop()
        if last_number is not None:
            assert shift == last_number
        newest = max(arrived)
        last = newest if codec == "AV1" else source.frames[newest].picture
        last_number = (shift + last + 1) % modulus
