"""Both engines send the same bytes: random scripts of packets, losses, switches, layers, NACKs and feedback."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.layers import ALL
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.engine import PYTHON
from sfu.forwarding.slot import Slot
from sfu.wire.rtp import RtpView
from tests.engines import engine
from tests.forwarding.worlds import CODECS, SUBSCRIBERS, Camera, World, given_randomness, script

LENGTH = 120


@pytest.fixture
def engine_of_outlets() -> None:
    """Not once for each: both are here in every test."""


@pytest.fixture(scope="module", autouse=True)
def no_chance() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        given_randomness(patch)
        yield


def same(codec: str, seed: int) -> World:
    """Drive both engines by one script; the native world at its end."""
    python, native = World(PYTHON, codec), World(engine("native"), codec)
    for number, (name, arguments) in enumerate(script(codec, seed, LENGTH)):
        for world in (python, native):
            getattr(world, name)(*arguments)
        assert native.take() == python.take(), f"step {number}: {name} at {python.now}"
        assert native.stats() == python.stats(), f"step {number}: {name} at {python.now}"
    return native


@pytest.mark.parametrize("codec", CODECS)
@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=25)
def test_the_same_bytes(codec: str, seed: int) -> None:
    same(codec, seed)


@pytest.mark.parametrize(
    ("codec", "most"), [("vp8", 0.05), ("vp9", 0.75), ("av1", 0.75), ("h264", 0.1), ("opus", 0.15)]
)
def test_plain_packets_never_meet_python(codec: str, most: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of VP9 and AV1 the first packet of each layer frame does, and the last, which may need a marker."""
    met: set[tuple[Slot, int]] = set()
    for name in ("send", "send_layer"):
        plain = getattr(Slot, name)

        def counted(self: Slot, template: bytes, seq: int, *more: Any, _plain: Any = plain) -> None:
            before = self.packets
            _plain(self, template, seq, *more)
            if self.packets > before:  # not left out with its layer
                met.add((self, seq))

        monkeypatch.setattr(Slot, name, counted)
    came: list[int] = []
    receive = Encoding.receive

    def count(self: Encoding, view: RtpView, now: float, *, repaired: bool = False) -> None:
        came.append(view.seq16)
        receive(self, view, now, repaired=repaired)

    monkeypatch.setattr(Encoding, "receive", count)
    world = World(engine("native"), codec, paced=False)
    camera = Camera(codec, "q" if codec == "vp8" else "", Random(1))
    for subscriber in range(SUBSCRIBERS):
        world.aim(subscriber, 0, 0, ALL, ALL)
    for number in range(100):
        for data in camera.frame(key=number < 3):
            world.packet(data, 0.001)
    packets = sum(subscriber.slots[0].packets for subscriber in world.subscribers)
    assert sum(len(sent) for sent in world.take()[1:]) == packets >= 290
    assert len(met) < packets * most
    assert len(came) < packets / SUBSCRIBERS * most
