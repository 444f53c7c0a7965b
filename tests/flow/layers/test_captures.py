"""Streams of Chromium 156, recorded: what its descriptors mean, and that dropping layers of them leaves no loose end.

Each line is an RTP packet with the dependency descriptor as its only extension and the first bytes of its payload;
packets in the middle of a layer frame are left out. The fake camera is 1280x720 at 20 pictures a second, and key frames
were asked for every three seconds. `vp8_l1t3_descriptor` is VP8 where the descriptor was negotiated: Chromium sends no
picture ids then.
"""

from pathlib import Path

import pytest

from sfu.flow.layers import ALL, LayerFilter, LayerReader, reader
from sfu.flow.layers.layer import MARK, PASS
from sfu.wire import dependency, extensions, rtp
from sfu.wire.codecs import frame_size, keyframe_test, vp9
from sfu.wire.dependency import Structure
from sfu.wire.extensions import DEPENDENCY_DESCRIPTOR

HERE = Path(__file__).parent / "captures"
DESCRIPTOR_ID = 13
LAYERED = {
    "vp8_l1t3": (0, 2),
    "vp8_l1t3_descriptor": (0, 2),
    "vp9_l3t3": (2, 2),
    "vp9_l3t3_key": (2, 2),
    "av1_l1t3": (0, 2),
    "av1_l3t3": (2, 2),
    "av1_l3t3_key": (2, 2),
}


def views(name: str) -> list[rtp.RtpView]:
    return [rtp.parse(bytes.fromhex(line)) for line in (HERE / f"{name}.txt").read_text().split()]


def codec(name: str) -> str:
    return name.split("_")[0]


def new_reader(name: str) -> LayerReader:
    made = reader(codec(name), {DEPENDENCY_DESCRIPTOR: DESCRIPTOR_ID})
    assert made is not None
    return made


def payload(view: rtp.RtpView) -> bytes:
    return view.packet[view.payload_start : view.payload_end]


def references(packet: bytes) -> list[int]:
    """How many pictures back a VP9 packet in flexible mode refers: P_DIFF (RFC 9628 section 4.2)."""
    assert packet[0] & 0xB0 == 0xB0  # picture id, layers, flexible
    position = 4 if packet[1] & 0x80 else 3
    found = []
    while packet[0] & 0x40:
        found.append(packet[position] >> 1)
        if not packet[position] & 1:
            break
        position += 1
    return found


def needs(name: str) -> dict[int, set[int]]:
    """What each layer frame refers to, by `Layer.picture` (VP9: picture * 8 + spatial), read from the packets."""
    source = new_reader(name)
    structure: Structure | None = None
    found: dict[int, set[int]] = {}
    for view in views(name):
        layer = source.read(view)
        assert layer is not None
        span = extensions.find(view, DESCRIPTOR_ID)
        if codec(name) == "vp9":
            nine = vp9.read_descriptor(view.packet, view.payload_start, view.payload_end)
            assert nine is not None
            mine = found.setdefault(layer.picture * 8 + layer.spatial, set())
            mine |= {(layer.picture - back) * 8 + layer.spatial for back in references(payload(view))}
            if nine.inter_layer:
                mine.add(layer.picture * 8 + layer.spatial - 1)
        elif span is not None:
            described = dependency.read(view.packet[span[0] : span[1]], structure)
            structure = described.structure
            found[layer.picture] = {layer.picture - back for back in described.differences}
    return found


@pytest.mark.parametrize("name", LAYERED)
def test_the_first_start_changes_nothing(name: str) -> None:
    source, slot = new_reader(name), LayerFilter()
    test = keyframe_test(codec(name))
    assert test is not None
    tops: set[tuple[int, int]] = set()
    for index, view in enumerate(views(name)):
        layer = source.read(view, test(payload(view)))
        assert layer is not None
        if index == 0:
            assert layer.key_frame
            slot.start(layer)
        patch = slot.take(layer)
        # The lower spatial layers of the KEY modes are what the descriptor itself says nobody needs.
        # While the highest is not sent, the marker that the one below has is set again.
        assert patch in (PASS, MARK) or (patch is None and name == "av1_l3t3_key")
        assert patch is not MARK or view.marker
        tops.add((layer.spatial, layer.temporal))
    assert max(tops) == LAYERED[name]


@pytest.mark.parametrize("name", LAYERED)
@pytest.mark.parametrize(
    "aim", [(0, 0), (0, 1), (0, ALL), (1, 0), (1, 1), (1, ALL), (2, 0), (ALL, 1), (ALL, ALL)]
)
@pytest.mark.parametrize("change", [None, 90, 131])
def test_every_reference_of_what_is_forwarded_was_forwarded(
    name: str, aim: tuple[int, int], change: int | None
) -> None:
    """With one aim from the start, or changed to at a packet."""
    source, slot = new_reader(name), LayerFilter()
    refers = needs(name)
    forwarded: set[int] = set()
    marked: set[int] = set()
    timestamps: set[int] = set()
    temporal: dict[int, int] = {}
    if change is None:
        slot.aim(*aim)
    packets = views(name)
    # The rest is cut off by the end of the recording, or lacks its marker from the start: so does Chromium's VP9 while
    # it adds spatial layers.
    whole = {view.timestamp for view in packets if view.marker}
    for index, view in enumerate(packets):
        if index == change:
            slot.aim(*aim)
        layer = source.read(view)
        assert layer is not None
        patch = slot.take(layer)
        if patch is None:
            continue
        assert patch.data == b"" or name == "vp8_l1t3"
        forwarded.add(layer.picture * 8 + layer.spatial if codec(name) == "vp9" else layer.picture)
        timestamps.add(view.timestamp)
        temporal[view.timestamp] = layer.temporal
        if view.marker or patch.marker:
            marked.add(view.timestamp)
    if name != "vp8_l1t3":  # nothing in its packets says what a picture refers to
        assert all(refers[frame] <= forwarded for frame in forwarded)
    assert len(whole & timestamps) > 10
    assert whole & timestamps <= marked
    if change is None:
        assert max(temporal.values()) <= aim[1]
        if aim[1] == ALL:
            assert whole <= timestamps
        assert len(forwarded) > 10


def test_sizes_by_spatial_layer() -> None:
    for name in ("vp9_l3t3", "av1_l3t3"):
        source = new_reader(name)
        for view in views(name):
            source.read(view)
        assert source.sizes == ((320, 180), (640, 360), (1280, 720))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vp8_l1t3", (320, 180)),
        ("vp9", (480, 270)),
        ("vp9_l3t3", (320, 180)),  # the first key picture has the lowest layer only
        ("h264", (320, 180)),
        ("av1_l1t3", (320, 180)),
        ("av1_l3t3", (1280, 720)),
    ],
)
def test_frame_sizes(name: str, size: tuple[int, int]) -> None:
    first, second = views(name)[:2]
    assert frame_size(codec(name).upper(), payload(first)) == size
    assert frame_size(codec(name), payload(second)) is None


def test_what_has_no_layers_is_not_read() -> None:
    assert reader("H264", {DEPENDENCY_DESCRIPTOR: DESCRIPTOR_ID}) is None
    assert reader("opus", {}) is None
    assert reader("AV1", {}) is None
    source = reader("AV1", {DEPENDENCY_DESCRIPTOR: DESCRIPTOR_ID})
    assert source is not None
    # Without the packet that brings the structure nothing can be known.
    assert [source.read(view) for view in views("av1_l3t3")[1:4]] == [None, None, None]
