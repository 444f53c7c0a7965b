"""A model of spatial and temporal layers, and the same stream as packets of VP9 and of AV1.

Three temporal layers in the order 0 2 1 2. In full SVC each frame leans on the spatial layer below in its picture; in
the KEY variant only those of key pictures do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sfu.wire import rtp
from sfu.wire.dependency import DISCARDABLE, NOT_PRESENT, REQUIRED, SWITCH, Structure, Template
from tests.flow.layers.streams import packet

ORDER = (0, 2, 1, 2)
TICKS = 3000


@dataclass(frozen=True)
class Frame:
    """One layer frame. `needs` are the numbers of the frames it refers to."""

    number: int
    picture: int
    spatial: int
    temporal: int
    key: bool
    top: bool
    """The highest spatial layer of its picture."""
    needs: frozenset[int]


@dataclass
class Stream:
    spatial_layers: int
    only_keys: bool
    """The KEY variant."""
    frames: list[Frame] = field(default_factory=list)

    @property
    def targets(self) -> list[tuple[int, int]]:
        return [(s, t) for s in range(self.spatial_layers) for t in range(3)]

    def indication(self, frame: Frame, target: tuple[int, int]) -> int:
        spatial, temporal = target
        lower_counts = frame.key or not self.only_keys
        if frame.temporal > temporal or not (
            frame.spatial == spatial or (lower_counts and frame.spatial < spatial)
        ):
            return NOT_PRESENT
        if frame.key:
            return SWITCH
        if frame.spatial < spatial:
            return REQUIRED
        return SWITCH if frame.temporal == 0 or frame.temporal < temporal else DISCARDABLE


def stream(pictures: int, spatial_layers: int, only_keys: bool, key_every: int = 10**9) -> Stream:
    made = Stream(spatial_layers, only_keys)
    newest: dict[tuple[int, int], int] = {}
    place = 0
    for picture in range(pictures):
        key = picture % key_every == 0
        if key:
            newest, place = {}, 0
        temporal = ORDER[place % 4]
        place += 1
        for spatial in range(spatial_layers):
            number = len(made.frames)
            needs = set()
            if not key:
                # The newest picture of a lower temporal layer; a base layer picture refers to the one before.
                lower = [newest[spatial, t] for t in range(max(temporal, 1)) if (spatial, t) in newest]
                needs.add(max(lower))
            if spatial and (key or not only_keys):
                needs.add(number - 1)
            newest[spatial, temporal] = number
            top = spatial == spatial_layers - 1
            made.frames.append(Frame(number, picture, spatial, temporal, key, top, frozenset(needs)))
    return made


def vp9_views(source: Stream, frame: Frame, packets: int, picture_id: int) -> list[rtp.RtpView]:
    """In flexible mode; `picture_id` is that of picture 0."""
    views = []
    number = (picture_id + frame.picture) & 0x7FFF
    earlier = sorted({source.frames[n].picture for n in frame.needs} - {frame.picture})
    below = any(source.frames[n].picture == frame.picture for n in frame.needs)
    tail = b"".join(
        bytes([(frame.picture - other) << 1 | (other != earlier[-1])]) for other in earlier
    )  # RFC 9628 section 4.2
    for index in range(packets):
        first, last = index == 0, index == packets - 1
        flags = 0x80 | bool(earlier) << 6 | 0x20 | 0x10 | first << 3 | last << 2
        head = bytes([flags]) + (number | 0x8000).to_bytes(2, "big")
        head += bytes([frame.temporal << 5 | 0x10 | frame.spatial << 1 | below]) + tail
        marker = frame.top and last
        views.append(packet(head + b"\x82payload", frame.picture * TICKS, marker=marker))
    return views


def structure_of(source: Stream) -> Structure:
    """The templates are the kinds of frames there are, in the order the format wants."""
    kinds: set[tuple[int, int, tuple[int, ...], tuple[int, ...]]] = set()
    for frame in source.frames:
        indications = tuple(source.indication(frame, target) for target in source.targets)
        differences = tuple(sorted(frame.number - n for n in frame.needs))
        if all(difference <= 16 for difference in differences):
            kinds.add((frame.spatial, frame.temporal, indications, differences))
    templates = tuple(Template(*kind) for kind in sorted(kinds)[:60])
    sizes = tuple((320 << s, 180 << s) for s in range(source.spatial_layers))
    return Structure(7, tuple(source.targets), 0, templates, sizes)


def av1_views(
    source: Stream, structure: Structure, frame: Frame, packets: int, first_number: int
) -> list[rtp.RtpView]:
    indications = tuple(source.indication(frame, target) for target in source.targets)
    differences = tuple(sorted(frame.number - n for n in frame.needs))
    views = []
    for index in range(packets):
        first, last = index == 0, index == packets - 1
        descriptor = write_descriptor(
            structure,
            begins=first,
            ends=last,
            frame_number=(first_number + frame.number) & 0xFFFF,
            layer=(frame.spatial, frame.temporal),
            indications=indications,
            differences=differences,
            bring=first and frame.key and frame.spatial == 0,
        )
        views.append(
            packet(b"\x10payload", frame.picture * TICKS, marker=frame.top and last, descriptor=descriptor)
        )
    return views


# -- the descriptor's bits (AOM "RTP Payload Format For AV1", section A.8.3) ---------------------------------------


class Bits:
    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, count: int) -> None:
        assert 0 <= value < 1 << count
        self.text += f"{value:0{count}b}" if count else ""

    def below(self, value: int, limit: int) -> None:
        width = limit.bit_length()
        short = (1 << width) - limit
        if value < short:
            self.put(value, width - 1)
        else:
            self.put((value + short) >> 1, width - 1)
            self.put((value + short) & 1, 1)

    def bytes(self) -> bytes:
        text = self.text + "0" * (-len(self.text) % 8)
        return bytes(int(text[k : k + 8], 2) for k in range(0, len(text), 8))


def write_descriptor(
    structure: Structure,
    *,
    begins: bool,
    ends: bool,
    frame_number: int,
    layer: tuple[int, int],
    indications: Sequence[int],
    differences: Sequence[int],
    bring: bool,
) -> bytes:
    """By the template that fits best; what differs from it is written out."""
    same_layer = [
        index for index, one in enumerate(structure.templates) if (one.spatial, one.temporal) == layer
    ]
    index = max(
        same_layer,
        key=lambda k: (
            structure.templates[k].indications == tuple(indications),
            structure.templates[k].differences == tuple(differences),
        ),
    )
    template = structure.templates[index]
    bits = Bits()
    bits.put(begins, 1)
    bits.put(ends, 1)
    bits.put((structure.first_template + index) & 63, 6)
    bits.put(frame_number, 16)
    own_indications = template.indications != tuple(indications)
    own_differences = template.differences != tuple(differences)
    if not (bring or own_indications or own_differences):
        return bits.bytes()
    for flag in (bring, False, own_indications, own_differences, False):
        bits.put(flag, 1)
    if bring:
        _write_structure(bits, structure)
    if own_indications:
        for value in indications:
            bits.put(value, 2)
    if own_differences:
        for difference in differences:
            groups = ((difference - 1).bit_length() + 3) // 4 or 1
            bits.put(groups, 2)
            bits.put(difference - 1, 4 * groups)
        bits.put(0, 2)
    return bits.bytes()


def _write_structure(bits: Bits, structure: Structure) -> None:
    bits.put(structure.first_template, 6)
    bits.put(len(structure.targets) - 1, 5)
    before = structure.templates[0]
    for template in structure.templates[1:]:
        if template.spatial > before.spatial:
            bits.put(2, 2)
        else:
            bits.put(template.temporal - before.temporal, 2)
        before = template
    bits.put(3, 2)
    for template in structure.templates:
        for value in template.indications:
            bits.put(value, 2)
    for template in structure.templates:
        for difference in template.differences:
            bits.put(1, 1)
            bits.put(difference - 1, 4)
        bits.put(0, 1)
    bits.below(structure.chains, len(structure.targets) + 1)
    if structure.chains:
        for target in range(len(structure.targets)):
            bits.below(target % structure.chains, structure.chains)
        for index in range(len(structure.templates)):
            for chain in range(structure.chains):
                bits.put((index + chain) % 16, 4)
    bits.put(bool(structure.sizes), 1)
    for width, height in structure.sizes:
        bits.put(width - 1, 16)
        bits.put(height - 1, 16)
