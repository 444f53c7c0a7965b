"""AV1 in spatial layers, as Chromium sends it: the largest to who reads the descriptor, to others the smallest."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sfu.flow.layers import ALL
from sfu.forwarding.egress import Egress
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, Target
from sfu.wire import extensions, rtp
from sfu.wire.sdp import Codec
from tests.forwarding.doubles import FEEDBACK, IDS, VP8, FakeOutlet, accepted, section

AV1 = Codec(45, "AV1", 90_000, 1, "profile=0", FEEDBACK, 46)
LAYERED = {**IDS, extensions.DEPENDENCY_DESCRIPTOR: 13}  # as in the captures
CAPTURES = Path(__file__).parents[1] / "flow" / "layers" / "captures"
PICTURES = 10


def profile(ids: Mapping[str, int] = LAYERED, *, mixed: bool = True) -> SendProfile:
    return SendProfile.of(accepted(section([AV1, VP8], direction="recvonly", ids=ids, mixed=mixed)))


def pictures(name: str) -> list[rtp.RtpView]:
    """The packets of the first few temporal units."""
    views = [rtp.parse(bytes.fromhex(line)) for line in (CAPTURES / f"{name}.txt").read_text().split()]
    stamps = list(dict.fromkeys(view.timestamp for view in views))[:PICTURES]
    return [view for view in views if view.timestamp in stamps]


def forwarded(name: str, to: SendProfile) -> tuple[Slot, list[rtp.RtpView]]:
    """What a slot gets that was aimed at all there is."""
    entry = accepted(section([AV1], direction="sendonly", ids=LAYERED, mixed=True))
    publication = Publication("t_1", "p_1", "0", "camera", False, entry, lambda encoding: None)
    outlet = FakeOutlet()
    slot = Slot("5", "video", to, Egress(outlet), "tile", lambda slot: None)
    slot.point(publication, 10.0)
    encoding = publication.encoding
    for index, view in enumerate(pictures(name)):
        encoding.receive(view, 10.0 + index / 100)
        slot.aim(Target(encoding, ALL, ALL), 10.0 + index / 100)
    return slot, outlet.take()


@pytest.mark.parametrize(("name", "whole"), [("av1_l3t3", True), ("av1_l3t3_key", False)])
def test_with_the_descriptor_the_largest_layer_is_forwarded(name: str, whole: bool) -> None:
    slot, sent = forwarded(name, profile())
    assert slot.filter.spatial == 2
    assert len({view.timestamp for view in sent if view.marker}) == PICTURES
    # Between key frames nothing refers to the smaller layers of the KEY modes.
    assert (len(sent) == len(pictures(name))) is whole


@pytest.mark.parametrize("name", ["av1_l3t3", "av1_l3t3_key"])
@pytest.mark.parametrize(
    "to", [profile(IDS), profile(mixed=False)], ids=["no descriptor", "none with a structure"]
)
def test_without_it_only_the_smallest(name: str, to: SendProfile) -> None:
    slot, sent = forwarded(name, to)
    assert 0 < len(sent) < len(pictures(name)) / 2
    assert slot.filter.spatial == 0
    assert sum(view.marker for view in sent) == PICTURES  # each picture ends with what is sent of it
    assert len({view.timestamp for view in sent}) == PICTURES


def test_without_it_what_has_one_spatial_layer_is_whole() -> None:
    _, sent = forwarded("av1_l1t3", profile(IDS))
    assert len(sent) == len(pictures("av1_l1t3"))


def test_the_descriptor_is_passed_on_for_av1_alone() -> None:
    to = profile()
    assert to.reads_layers(AV1)
    assert not profile(IDS).reads_layers(AV1)
    assert profile(IDS).reads_layers(VP8)  # its layers are told by the payload
