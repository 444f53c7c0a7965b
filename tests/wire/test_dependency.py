"""The dependency descriptor: every field, whatever is cut off, and arbitrary bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire.dependency import DependencyError, Descriptor, Structure, Template, read, read_mandatory
from tests.flow.layers.svc import write_descriptor

STRUCTURE = Structure(
    first_template=60,
    targets=((0, 0), (0, 1), (1, 1)),
    chains=2,
    templates=(
        Template(0, 0, (2, 2, 2), ()),
        Template(0, 0, (2, 2, 3), (4,)),
        Template(0, 1, (0, 1, 3), (2,)),
        Template(1, 0, (0, 0, 2), (1,)),
        Template(1, 1, (0, 0, 1), (2, 1)),
    ),
    sizes=((320, 180), (65536, 1)),
)


def write(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "begins": True,
        "ends": False,
        "frame_number": 0xABCD,
        "layer": (0, 0),
        "indications": (2, 2, 2),
        "differences": (),
        "bring": True,
    }
    return write_descriptor(STRUCTURE, **(fields | changes))  # type: ignore[arg-type]


def test_a_structure_and_its_frame() -> None:
    found = read(write(), None)
    assert found.structure == STRUCTURE
    assert found.new_structure
    assert found.active == 0b111
    assert not found.mandatory.ends
    assert (found.mandatory.template, found.mandatory.frame_number) == (60, 0xABCD)
    assert (found.spatial, found.temporal, found.indications, found.differences) == (0, 0, (2, 2, 2), ())


def test_a_frame_by_its_template() -> None:
    data = write(
        layer=(1, 1), indications=(0, 0, 1), differences=(2, 1), bring=False, begins=False, ends=True
    )
    assert len(data) == 3
    found = read(data, STRUCTURE)
    # The fifth template: their numbers count on modulo 64.
    assert found.mandatory.template == 0
    assert (found.spatial, found.temporal, found.indications, found.differences) == (1, 1, (0, 0, 1), (2, 1))
    assert not found.new_structure
    assert found.active is None
    assert found.mandatory.ends


def test_own_indications_and_differences() -> None:
    found = read(
        write(layer=(0, 1), indications=(0, 3, 3), differences=(16, 17, 4096), bring=False), STRUCTURE
    )
    assert (found.indications, found.differences) == ((0, 3, 3), (16, 17, 4096))


@pytest.mark.parametrize(
    ("data", "active"),
    [
        # Flags: structure, active targets, own indications, own differences, own chains; then the fields.
        pytest.param("3c0001 41", 0b001, id="active targets"),
        pytest.param("3c0001 0807f8", None, id="own chains"),
    ],
)
def test_flags(data: str, active: int | None) -> None:
    found = read(bytes.fromhex(data), STRUCTURE)
    assert found.active == active
    assert (found.indications, found.differences) == ((2, 2, 2), ())


def test_own_chains_are_passed_over_and_may_not_be_cut_off() -> None:
    with pytest.raises(DependencyError):
        read(bytes.fromhex("3c0001 0807"), STRUCTURE)


def test_every_cut_is_an_error() -> None:
    data = write()
    for size in range(len(data)):
        with pytest.raises(DependencyError):
            read(data[:size], None)
    assert read(data + b"\x00\x00", None) == read(data, None)
    assert read_mandatory(b"\x00\x01") is None


def test_a_template_that_is_not_there() -> None:
    for template in range(64):
        known = (template - 60) & 63 < 5
        if known:
            read(bytes([template, 0, 1]), STRUCTURE)
        else:
            with pytest.raises(DependencyError):
                read(bytes([template, 0, 1]), STRUCTURE)
    with pytest.raises(DependencyError):
        read(bytes([60, 0, 1]), None)


@settings(max_examples=400)
@given(st.binary(max_size=80), st.booleans())
def test_arbitrary_bytes(data: bytes, known: bool) -> None:
    try:
        found = read(data, STRUCTURE if known else None)
    except DependencyError:
        return
    _check(found)


@settings(max_examples=400)
@given(st.binary(max_size=120))
def test_arbitrary_structures(data: bytes) -> None:
    try:
        found = read(b"\x80\x00\x01" + bytes([0x80 | data[0] & 0x7F if data else 0]) + data[1:], None)
    except DependencyError:
        return
    _check(found)


def _check(found: Descriptor) -> None:
    structure = found.structure
    count = len(structure.targets)
    assert 1 <= count <= 32
    assert 1 <= len(structure.templates) <= 64
    assert len(found.indications) == count
    assert all(len(template.indications) == count for template in structure.templates)
    assert 0 <= structure.chains <= count
    assert all(difference > 0 for difference in found.differences)
    assert all(0 <= s < 4 and 0 <= t < 8 for s, t in structure.targets)
