"""Views, reports, and what a backend says of encodings, speakers and bandwidth; no sockets, no media."""

import json
from typing import Any

import pytest

from signaling.auto import AutoSettings
from signaling.decode import decode
from signaling.errors import SignalingError
from signaling.fields import MAX_REPORT_MS, MIN_REPORT_MS, Topology
from signaling.messages import Answer, Left, Offer, Ok, Publish, Receive, Welcome, decode_server, encode
from signaling.outbox import MAX_MESSAGES
from signaling.quality import Bandwidth, Encodings, EncodingState, Reports, SlotWish, Speakers, View
from tests.signaling.test_lobby import inbox
from tests.signaling.test_topologies import World

LISTEN = Offer(id=3, sdp="v=0", publish=(), receive=(Receive(mid="2", publication=None),))
FRESH = Offer(id=3, sdp="v=0", publish=(), receive=(), fresh=True)
SHOW = Offer(id=3, sdp="v=0", publish=(Publish(mid="0", source="camera"),), receive=())
HIDE = View(id=8, slots=(SlotWish(mid="2", visible=False),))
REPORTS = Reports(id=9, every_ms=1000)


def report(estimate: int) -> Bandwidth:
    return Bandwidth(estimate_bps=estimate, target_bps=1, sent_bps=1, source="none", slots=())


# -- what may be asked ---------------------------------------------------------------------------------------


def test_what_is_left_out_of_a_view_has_its_default() -> None:
    assert decode('{"type": "view", "slots": [{"mid": "2"}]}') == View(
        slots=(SlotWish(mid="2", width=0, height=0, visible=True, pinned=False, quality="auto"),)
    )


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"mid": ""},
        {"mid": "2", "width": -1},
        {"mid": "2", "width": 65_536},
        {"mid": "2", "width": 1.5},
        {"mid": "2", "height": True},
        {"mid": "2", "visible": 1},
        {"mid": "2", "pinned": None},
        {"mid": "2", "quality": "best"},
    ],
)
def test_wrong_wishes(wish: dict[str, Any]) -> None:
    with pytest.raises(SignalingError, match="bad-message") as caught:
        decode(json.dumps({"type": "view", "id": 5, "slots": [wish]}))
    assert caught.value.re == 5


def test_a_view_has_at_most_256_slots_each_of_them_once() -> None:
    slots = tuple(SlotWish(mid=str(number)) for number in range(256))
    assert decode(encode(View(slots=slots))) == View(slots=slots)
    for wrong in ((*slots, SlotWish(mid="256")), (slots[0], slots[0])):
        with pytest.raises(SignalingError, match="bad-message"):
            decode(encode(View(slots=wrong)))


@pytest.mark.parametrize(
    ("every_ms", "right"),
    [
        (-1, False),
        (0, True),
        (1, False),
        (MIN_REPORT_MS - 1, False),
        (MIN_REPORT_MS, True),
        (MAX_REPORT_MS, True),
        (MAX_REPORT_MS + 1, False),
        (1000.5, False),
    ],
)
def test_the_interval_of_reports(every_ms: float, *, right: bool) -> None:
    text = json.dumps({"type": "reports", "id": 5, "every_ms": every_ms})
    if right:
        assert decode(text) == Reports(id=5, every_ms=int(every_ms))
        return
    with pytest.raises(SignalingError, match="bad-message") as caught:
        decode(text)
    assert caught.value.re == 5


# -- who may ask, and when -----------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", ["sfu", "auto", "broadcast"])
async def test_views_and_reports_reach_the_backend(topology: Topology) -> None:
    world = World()
    ada = world.join("Ada", topology)
    assert isinstance(await world.ask(ada, LISTEN), Answer)
    assert await world.ask(ada, HIDE) == Ok(re=8)
    assert await world.ask(ada, REPORTS) == Ok(re=9)
    assert world.backend.members[ada.id].views == [SlotWish(mid="2", visible=False)]
    assert world.backend.members[ada.id].every_ms == 1000


async def test_a_mesh_room_has_no_place_for_them() -> None:
    world = World()
    ada = world.join("Ada", "mesh")
    assert await world.refused(ada, HIDE) == "not-allowed"
    assert await world.refused(ada, REPORTS) == "not-allowed"


@pytest.mark.parametrize("topology", ["sfu", "auto"])
async def test_there_are_no_slots_before_the_first_offer(topology: Topology) -> None:
    world = World()
    assert await world.refused(world.join("Ada", topology), HIDE) == "unknown-mid"


async def test_reports_go_on_over_a_fresh_connection() -> None:
    world = World()
    ada = world.join("Ada")
    assert await world.ask(ada, REPORTS) == Ok(re=9)
    assert isinstance(await world.ask(ada, LISTEN), Answer)
    before = world.backend.members[ada.id]
    assert isinstance(await world.ask(ada, FRESH), Answer)
    assert world.backend.members[ada.id] is not before
    assert world.backend.members[ada.id].every_ms == 1000


# -- what the backend says -----------------------------------------------------------------------------------


async def test_encodings_are_for_their_publisher_alone() -> None:
    world = World()
    ada, bob = world.join("Ada"), world.join("Bob")
    answer = await world.ask(ada, SHOW)
    assert isinstance(answer, Answer)
    message = Encodings(
        publication=answer.publish[0].publication, encodings=(EncodingState(rid="f", active=False),)
    )
    await inbox(bob)
    world.backend.members[ada.id].events.encodings(message)
    assert await inbox(ada) == [message]
    assert await inbox(bob) == []


async def test_who_joins_is_told_who_speaks() -> None:
    world = World()
    ada = world.join("Ada")
    world.backend.members[ada.id].events.speakers((ada.id,))
    assert (await inbox(ada))[-1] == Speakers(participants=(ada.id,))
    first, second = await inbox(world.join("Bob"))
    assert isinstance(first, Welcome)
    assert second == Speakers(participants=(ada.id,))


async def test_after_left_nothing_is_said_of_a_speaker() -> None:
    world = World()
    ada, bob = world.join("Ada"), world.join("Bob")
    events = world.backend.members[bob.id].events
    events.speakers((ada.id, bob.id))
    await inbox(bob)
    await world.lobby.leave(ada, "left")
    events.speakers((ada.id, bob.id))
    assert await inbox(bob) == [
        Left(participant=ada.id, reason="left"),
        Speakers(participants=(bob.id,)),
    ]
    joined = await inbox(world.join("Cy"))
    assert joined[-1] == Speakers(participants=(bob.id,))


async def test_who_speaks_directly_is_not_told_by_the_server() -> None:
    world = World(AutoSettings(threshold=2, quiet=10.0))
    ada = world.join("Ada", "auto")
    events = world.backend.members[ada.id].events
    await inbox(ada)
    events.speakers((ada.id,))
    assert await inbox(ada) == []
    bob = world.join("Bob", "auto")  # by now the path is sfu
    events.speakers((ada.id,))
    assert (await inbox(ada))[-1] == Speakers(participants=(ada.id,))
    await world.lobby.leave(bob, "left")
    world.clock.forward(11.0)
    await inbox(ada)
    assert ada.room.path == "mesh"
    world.join("Cy", "auto")
    assert not [m for m in await inbox(ada) if isinstance(m, Speakers)]  # it is of before the move


async def test_a_slow_reader_gets_the_latest_and_is_not_dropped() -> None:
    world = World()
    ada = world.join("Ada")
    events = world.backend.members[ada.id].events
    await inbox(ada)
    one = Encodings(publication="t_1", encodings=(EncodingState(rid="", active=True),))
    other = Encodings(publication="t_2", encodings=(EncodingState(rid="", active=True),))
    for number in range(2 * MAX_MESSAGES):
        events.speakers((ada.id,) * (number % 2))
        events.encodings(one)
        events.encodings(other)
        events.bandwidth(report(number))
    assert await inbox(ada) == [Speakers(participants=(ada.id,)), one, other, report(2 * MAX_MESSAGES - 1)]
    assert ada.outbox.ending is None


async def test_what_is_said_after_a_fresh_offer_of_the_connection_before_goes_nowhere() -> None:
    world = World()
    ada = world.join("Ada")
    await world.ask(ada, LISTEN)
    before = world.backend.members[ada.id].events
    await world.ask(ada, FRESH)
    before.bandwidth(report(1))
    before.speakers((ada.id,))
    before.encodings(Encodings(publication="t_1", encodings=()))
    assert await inbox(ada) == []


def test_a_newer_client_or_server_may_say_more() -> None:
    text = '{"type": "speakers", "participants": ["p_1"], "levels": [12]}'
    assert decode_server(text) == Speakers(participants=("p_1",))
