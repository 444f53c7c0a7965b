"""What the native engine does with offsets outside of packets, and with what is closed or changed while it works.

Under a sanitizer (`make sanitize`) these fail for what reads or writes where it must not, too.
"""

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest

from sfu.forwarding.engine import Engine
from tests import engines
from tests.forwarding.doubles import FakeOutlet, packet

if TYPE_CHECKING:
    from sfu.forwarding.native.core import Link

TEMPLATE = packet(0, 0, bytes(100))
SIZE = len(TEMPLATE)
HUGE = (1 << 64) - 1


@pytest.fixture
def engine_of_outlets() -> None:
    """There is only one engine with these parts."""


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = engines.engine("native")
    monkeypatch.setattr(FakeOutlet, "engine", engine)
    return engine


class OneSlot:
    """As much of a slot as a fan needs; what the fan leaves to it is done by `then`."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        from sfu.forwarding.native.core import Leg

        self.outlet = FakeOutlet()
        assert self.outlet.link is not None
        self.link: Link = self.outlet.link
        self.leg: Leg = Leg(self.link)
        self.leg.observe_at = float("inf")
        self.leg.whole_until = -1
        self.left = 0
        self.then = then

    def send(self, *arguments: object) -> None:
        self.left += 1
        self.then()

    send_layer = send


class OneLayer:
    key = 5


def fan(native: Engine, *slots: OneSlot) -> Any:
    from sfu.forwarding.native.core import Fan

    return Fan(cast(Any, slots))


def give(fan: Any, seq: int, *, stamp_at: int = 0, layer: object = None, patch_at: int = 0) -> None:
    fan.send(TEMPLATE, seq, 0, 100, stamp_at, 1.0, layer, patch_at)


@pytest.mark.parametrize(
    ("template", "stamp_at", "patch_at", "patch"),
    [
        (TEMPLATE[:11], 0, 0, b""),
        (b"", 0, 0, b""),
        (bytes(2049), 0, 0, b""),
        (TEMPLATE, SIZE - 1, 0, b""),
        (TEMPLATE, SIZE, 0, b""),
        (TEMPLATE, HUGE, 0, b""),
        (TEMPLATE, HUGE - 1, 0, b""),
        (TEMPLATE, 0, SIZE - 1, b"ab"),
        (TEMPLATE, 0, SIZE, b"a"),
        (TEMPLATE, 0, HUGE, b"ab"),
        (TEMPLATE, 0, 12, bytes(SIZE)),
    ],
)
def test_what_lies_outside_of_the_packet_is_not_written(
    native: Engine, template: bytes, stamp_at: int, patch_at: int, patch: bytes
) -> None:
    slot = OneSlot()
    assert not slot.link.send_rtp(template, 1, 2, 3, stamp_at, 4, patch_at, patch)
    assert slot.link.not_sent == 1
    assert slot.outlet.rtp == []


def test_up_to_the_last_byte_it_is(native: Engine) -> None:
    slot = OneSlot()
    assert slot.link.send_rtp(TEMPLATE, 1, 2, 3, SIZE - 2, 0xABCD, 12, b"xy")
    (sent,) = slot.outlet.rtp
    assert (sent[-2:], sent[12:14], len(sent)) == (b"\xab\xcd", b"xy", SIZE)


@pytest.mark.parametrize("offset", [SIZE - 13, SIZE, (1 << 32) - 1])
def test_decisions_that_point_outside_are_left_to_python(native: Engine, offset: int) -> None:
    slot = OneSlot()
    slot.leg.remember(5, offset, b"ab", False)
    give(fan(native, slot), 10, layer=OneLayer, patch_at=12)
    assert (slot.left, slot.outlet.rtp, slot.leg.high) == (1, [], 0)
    slot.leg.remember(5, SIZE - 14, b"ab", False)
    give(fan(native, slot), 10, layer=OneLayer, patch_at=12)
    assert (slot.left, len(slot.outlet.rtp), slot.leg.high) == (1, 1, 10)


@pytest.mark.parametrize("count", [2, 40])
def test_a_connection_that_is_closed_while_others_get_the_packet(native: Engine, count: int) -> None:
    slots = [OneSlot() for _ in range(count)]
    slots[0].leg.high = 100  # Python's, as it is late
    slots[0].then = slots[-1].link.close
    give(fan(native, *slots), 10)
    assert [slot.left for slot in slots] == [1, *[0] * (count - 2), 1]
    assert [len(slot.outlet.rtp) for slot in slots] == [0, *[1] * (count - 2), 0]


def test_a_fan_that_nobody_holds_any_more_ends_its_work(native: Engine) -> None:
    outlets = []
    slots = [OneSlot() for _ in range(20)]
    outlets = [slot.outlet for slot in slots]
    slots[0].leg.high = 100
    held = [fan(native, *slots)]

    def forget() -> None:
        held.clear()
        slots.clear()
        gc.collect()

    slots[0].then = forget
    give(held[0], 10)
    assert [len(outlet.rtp) for outlet in outlets] == [0, *[1] * 19]


def test_a_packet_in_the_middle_of_another(native: Engine) -> None:
    slots = [OneSlot() for _ in range(3)]
    slots[0].leg.high = 11
    whole = fan(native, *slots)
    slots[0].then = lambda: None if slots[0].left > 1 else give(whole, 11)
    give(whole, 10)
    # To the others 11 came first, so 10 is late.
    assert [slot.left for slot in slots] == [2, 1, 1]
    assert [len(slot.outlet.rtp) for slot in slots] == [0, 1, 1]


def test_a_slot_that_fails_keeps_nobody_from_what_was_sent_before(native: Engine) -> None:
    slots = [OneSlot() for _ in range(2)]
    slots[1].leg.high = 100

    def fail() -> None:
        raise RuntimeError("defect")

    slots[1].then = fail
    with pytest.raises(RuntimeError, match="defect"):
        give(fan(native, *slots), 10)
    assert len(slots[0].outlet.rtp) == 1


def test_collected_with_what_still_waits(native: Engine) -> None:
    for _ in range(50):
        slot = OneSlot()
        slot.link.on_rtp = lambda data, now, slot=slot: None
        give(fan(native, slot), 10)
        del slot
        gc.collect()
