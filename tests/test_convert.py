"""Values of the media side and messages of signaling say the same."""

from typing import get_args

import msgspec
import pytest

from sfu import convert
from sfu.flow.wants import Limit
from sfu.rooms.member import (
    Bandwidth,
    NotYours,
    Published,
    SlotFlow,
    SlotView,
    UnknownMid,
    UnknownPublication,
    View,
)
from signaling import quality
from signaling.fields import EstimateSource, PauseReason, SlotLimit, SlotState, Source
from signaling.messages import Slot, encode


def flow(limit: str) -> SlotFlow:
    return SlotFlow("2", "t_9", "h", 1, 2, 360, 512_000, limit)


@pytest.mark.parametrize("state", get_args(SlotState))
def test_every_state_of_a_slot_can_be_told(state: str) -> None:
    assert convert.slot_message(SlotView("2", None, state)).state == state
    assert convert.receive_result(SlotView("2", None, state)).state == state


@pytest.mark.parametrize("reason", get_args(PauseReason))
def test_why_a_slot_is_paused(reason: str) -> None:
    view = SlotView("2", "t_9", "paused", "Too slow.", reason)
    message = convert.slot_message(view)
    assert message == Slot(
        mid="2", publication="t_9", state="paused", message="Too slow.", reason=message.reason
    )
    assert message.reason == convert.receive_result(view).reason == reason


@pytest.mark.parametrize("limit", get_args(SlotLimit))
def test_every_limit_can_be_told(limit: str) -> None:
    report = Bandwidth(3, 2, 1, "remb", (flow(limit),))
    message = convert.bandwidth_message(report)
    assert (message.estimate_bps, message.target_bps, message.sent_bps) == (3, 2, 1)
    assert msgspec.structs.asdict(message.slots[0]) == {
        "mid": "2",
        "publication": "t_9",
        "rid": "h",
        "spatial": 1,
        "temporal": 2,
        "height": 360,
        "bps": 512_000,
        "limit": limit,
    }


def test_the_allocation_has_no_limit_that_can_not_be_told() -> None:
    assert {limit.value for limit in Limit} == set(get_args(SlotLimit))


@pytest.mark.parametrize("source", get_args(EstimateSource))
def test_every_source_of_an_estimate_can_be_told(source: str) -> None:
    assert convert.bandwidth_message(Bandwidth(3, 2, 1, source, ())).source == source


@pytest.mark.parametrize("source", get_args(Source))
def test_every_source_of_a_publication_can_be_told(source: str) -> None:
    published = Published("t_1", "0", "video", source, False, "VP8")
    assert convert.publication_message(published).source == source


def test_words_that_the_protocol_does_not_have_are_the_nearest_that_it_has() -> None:
    assert convert.slot_message(SlotView("2", None, "dancing", reason="whim")).state == "empty"
    assert convert.slot_message(SlotView("2", None, "paused", reason="whim")).reason is None
    message = convert.bandwidth_message(Bandwidth(3, 2, 1, "guess", (flow("whim"),)))
    assert (message.source, message.slots[0].limit) == ("none", "none")
    assert (
        convert.publication_message(Published("t_1", "0", "audio", "attic", False, "opus")).source == "other"
    )


def test_views_of_slots() -> None:
    message = quality.View(
        slots=(
            quality.SlotWish(mid="2", width=640, height=360, pinned=True, quality="low"),
            quality.SlotWish(mid="3", visible=False),
        )
    )
    assert convert.views(message) == {"2": View(640, 360, True, True, "low"), "3": View(visible=False)}


def test_encodings() -> None:
    message = convert.encodings_message("t_2", {"q": True, "f": False})
    assert encode(message) == (
        '{"type":"encodings","publication":"t_2",'
        '"encodings":[{"rid":"q","active":true},{"rid":"f","active":false}]}'
    )


def test_errors_are_sentences() -> None:
    for error, code in (
        (UnknownPublication("there is none"), "unknown-publication"),
        (UnknownMid("there is none"), "unknown-mid"),
        (NotYours("there is none"), "not-yours"),
    ):
        told = convert.as_signaling(error)
        assert (told.code, told.message) == (code, "There is none.")
    with pytest.raises(ZeroDivisionError):
        convert.as_signaling(ZeroDivisionError())
