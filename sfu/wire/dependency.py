"""The dependency descriptor of AV1 (AOM's "RTP Payload Format For AV1", appendix A): which frames need which.

Knows the bits of one descriptor, and of the structure that later ones lean on. Does not know which structure is in
force or what was forwarded (flow/layers).
"""

from dataclasses import dataclass
from typing import Final

from sfu.wire.codecs.bits import BitReader, BitsMissing

# Decode target indications (section A.8.1), two bits each.
NOT_PRESENT, DISCARDABLE, SWITCH, REQUIRED = 0, 1, 2, 3

MAX_TEMPLATES: Final = 64
MAX_SPATIAL: Final = 4
"""Section A.8.2: spatial ids are 0 to 3, temporal ids 0 to 7."""
MAX_TEMPORAL: Final = 8


@dataclass(frozen=True, slots=True)
class Template:
    spatial: int
    temporal: int
    indications: tuple[int, ...]
    """One for each decode target."""
    differences: tuple[int, ...]
    """How many frames back the references are."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A template dependency structure (section A.8.3)."""

    first_template: int
    """The id of the first template (template_id_offset); they count on modulo 64."""
    targets: tuple[tuple[int, int], ...]
    """Highest (spatial, temporal) layer of each decode target."""
    chains: int
    """How many there are: what they protect is passed over."""
    templates: tuple[Template, ...]
    sizes: tuple[tuple[int, int], ...]
    """Width and height by spatial layer; () if not told."""


@dataclass(frozen=True, slots=True)
class Mandatory:
    """What every descriptor holds (section A.8.2), in its first three bytes; no structure is needed for it."""

    ends: bool
    """Last packet of its frame."""
    template: int
    frame_number: int
    """16 bits, in bytes 1 and 2."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """All of one packet's descriptor."""

    mandatory: Mandatory
    structure: Structure
    """The one given, or the one the packet brings."""
    new_structure: bool
    active: int | None
    """Bits of the decode targets that are active from here on, the first one lowest; None = as before."""
    spatial: int
    temporal: int
    indications: tuple[int, ...]
    differences: tuple[int, ...]


class DependencyError(ValueError):
    """The bytes are no dependency descriptor, or it needs another structure."""


def read_mandatory(data: bytes) -> Mandatory | None:
    """The first three bytes; None if there are less."""
    if len(data) < 3:
        return None
    return Mandatory(data[0] & 0x40 != 0, data[0] & 0x3F, data[1] << 8 | data[2])


def read(data: bytes, structure: Structure | None) -> Descriptor:
    """The descriptor in `data`, by `structure` unless it brings one. Raises DependencyError."""
    try:
        return _read(data, structure)
    except BitsMissing:
        raise DependencyError("the descriptor is cut off") from None


def _read(data: bytes, structure: Structure | None) -> Descriptor:
    mandatory = read_mandatory(data)
    if mandatory is None:
        raise DependencyError("the descriptor is shorter than three bytes")
    bits = BitReader(data, 24)
    own_structure = own_active = own_indications = own_differences = own_chains = 0
    active: int | None = None
    if len(data) > 3:
        own_structure, own_active, own_indications, own_differences, own_chains = (
            bits.take(1) for _ in range(5)
        )
        if own_structure:
            structure = _read_structure(bits)
            active = (1 << len(structure.targets)) - 1
        if structure is None:
            raise DependencyError("no structure is known")
        if own_active:
            active = bits.take(len(structure.targets))
    if structure is None:
        raise DependencyError("no structure is known")
    index = (mandatory.template - structure.first_template) & 63
    if index >= len(structure.templates):
        raise DependencyError("the template is not in the structure")
    template = structure.templates[index]
    indications, differences = template.indications, template.differences
    if own_indications:
        indications = tuple(bits.take(2) for _ in structure.targets)
    if own_differences:
        differences = _custom_differences(bits)
    if own_chains:
        bits.take(8 * structure.chains)
    return Descriptor(
        mandatory,
        structure,
        bool(own_structure),
        active,
        template.spatial,
        template.temporal,
        indications,
        differences,
    )


def _custom_differences(bits: BitReader) -> tuple[int, ...]:
    """frame_fdiffs (section A.8.3), in groups of four bits; the end of the data bounds their number."""
    differences: list[int] = []
    while groups := bits.take(2):
        differences.append(bits.take(4 * groups) + 1)
    return tuple(differences)


def _read_structure(bits: BitReader) -> Structure:
    first = bits.take(6)
    count = bits.take(5) + 1
    layers = _template_layers(bits)
    indications = [tuple(bits.take(2) for _ in range(count)) for _ in layers]
    differences: list[tuple[int, ...]] = []
    for _ in layers:
        found: list[int] = []
        while bits.take(1):
            found.append(bits.take(4) + 1)
        differences.append(tuple(found))
    chains = bits.below(count + 1)
    if chains:
        for _ in range(count):  # decode_target_protected_by
            bits.below(chains)
        bits.take(4 * chains * len(layers))  # template_chain_fdiff
    targets = tuple(
        (
            max((layers[k][0] for k, row in enumerate(indications) if row[target]), default=0),
            max((layers[k][1] for k, row in enumerate(indications) if row[target]), default=0),
        )
        for target in range(count)
    )
    sizes: tuple[tuple[int, int], ...] = ()
    if bits.take(1):
        sizes = tuple((bits.take(16) + 1, bits.take(16) + 1) for _ in range(layers[-1][0] + 1))
    templates = tuple(
        Template(spatial, temporal, *rest)
        for (spatial, temporal), *rest in zip(layers, indications, differences, strict=True)
    )
    return Structure(first, targets, chains, templates, sizes)


def _template_layers(bits: BitReader) -> list[tuple[int, int]]:
    """(spatial, temporal) of each template (section A.8.3, template_layers)."""
    layers: list[tuple[int, int]] = []
    spatial = temporal = 0
    while True:
        if len(layers) == MAX_TEMPLATES:
            raise DependencyError("too many templates")
        layers.append((spatial, temporal))
        step = bits.take(2)
        if step == 3:
            return layers
        if step == 1:
            temporal += 1
        elif step == 2:
            spatial, temporal = spatial + 1, 0
        if spatial >= MAX_SPATIAL or temporal >= MAX_TEMPORAL:
            raise DependencyError("too many layers")
