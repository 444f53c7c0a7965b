"""Who is there, what they publish, and the events that tell of it."""

import pytest

from sfu.client.events import (
    MAX_WAITING,
    Bandwidth,
    Closed,
    Event,
    EventHub,
    Flow,
    Joined,
    Left,
    Muted,
    PathChanged,
    Published,
    SpeakersChanged,
    Unpublished,
)
from sfu.client.model import Roster
from signaling import messages, quality
from signaling.fields import MediaPath, Source


def track(
    key: str, path: MediaPath = "sfu", *, muted: bool = False, source: Source = "camera"
) -> messages.Publication:
    codec = "VP8" if path == "sfu" else ""
    return messages.Publication(key, "video", source, muted, codec, path)


class Told(Roster):
    """A roster with Ada in it, that remembers what it told."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        super().__init__(self.told.append)
        self.welcome((messages.Participant("p_1", "Ada", ()),))

    def take(self) -> list[str]:
        told = [type(event).__name__ for event in self.told]
        self.told.clear()
        return told


def test_people_come_and_go_with_what_they_publish() -> None:
    roster = Told()
    roster.joined(messages.Participant("p_2", "Bob", (track("t_1"),), "publisher"))
    assert [(one.name, one.role, len(one.publications)) for one in roster.participants().values()] == [
        ("Ada", "member", 0),
        ("Bob", "publisher", 1),
    ]
    roster.left("p_2", "timeout")
    roster.left("p_2", "timeout")
    (joined, left) = roster.told
    assert isinstance(joined, Joined)
    assert isinstance(left, Left)
    assert (left.participant.name, left.reason, len(left.participant.publications)) == ("Bob", "timeout", 1)
    assert roster.publications() == ()
    assert roster.find("t_1") is None
    assert "p_2" not in roster


def test_a_publication() -> None:
    roster = Told()
    roster.published("p_1", track("t_1"))
    roster.muted("t_1", True)
    roster.muted("t_1", True)
    roster.unpublished("t_1")
    roster.unpublished("t_1")
    assert [type(event) for event in roster.told] == [Published, Muted, Unpublished]


@pytest.mark.parametrize(("old", "new"), [("mesh", "sfu"), ("sfu", "mesh")])
def test_a_track_that_moves_is_one_publication(old: MediaPath, new: MediaPath) -> None:
    roster = Told()
    roster.published("p_1", track("t_1", old))
    assert roster.take() == ["Published"]
    roster.published("p_1", track("t_2", new))
    roster.unpublished("t_1")
    assert roster.take() == []
    (publication,) = roster.publications()
    assert (publication.id, publication.codec) == ("t_1", "VP8")
    for known in ("t_1", "t_2"):
        listing = roster.find(known)
        assert listing is not None
        assert listing.ids == {new: "t_2"}
    roster.muted("t_2", True)
    roster.unpublished("t_2")
    assert roster.take() == ["Muted", "Unpublished"]


def test_two_alike_move_as_two() -> None:
    roster = Told()
    for key in ("t_1", "t_2"):
        roster.published("p_1", track(key, "mesh", source="other"))
    for key in ("t_3", "t_4", "t_5"):
        roster.published("p_1", track(key, source="other"))
    assert roster.take() == ["Published"] * 3
    ids = [listing.ids for listing in map(roster.find, ("t_1", "t_2", "t_5")) if listing]
    assert ids == [{"mesh": "t_1", "sfu": "t_3"}, {"mesh": "t_2", "sfu": "t_4"}, {"sfu": "t_5"}]


async def test_streams() -> None:
    hub = EventHub()
    hub.emit(PathChanged("mesh"))
    hub.begin()
    hub.emit(PathChanged("sfu"))
    first, second = hub.stream(), hub.stream()
    hub.emit(Closed("left"))
    third = hub.stream()
    assert [event async for event in first] == [PathChanged("sfu"), Closed("left")]
    assert [event async for event in second] == [Closed("left")]
    assert [event async for event in third] == [Closed("left")]
    assert [event async for event in third] == []


async def test_a_stream_that_is_not_read_is_bounded() -> None:
    hub = EventHub()
    stream = hub.stream()
    for _ in range(MAX_WAITING + 5):
        hub.emit(PathChanged("mesh"))
    hub.emit(Closed("left"))
    assert len([event async for event in stream]) == MAX_WAITING


def test_who_speaks_is_told_on_change() -> None:
    roster = Told()
    roster.speaking(("p_1",))
    roster.speaking(("p_1",))
    roster.speaking(())
    assert roster.told == [SpeakersChanged(("p_1",)), SpeakersChanged(())]
    assert roster.speakers == ()


def test_reports_name_publications_as_the_program_knows_them() -> None:
    roster = Told()
    roster.published("p_1", track("t_1", "mesh"))
    roster.published("p_1", track("t_2", "sfu"))  # the same, by another path
    roster.told.clear()
    roster.measured(
        quality.Bandwidth(
            estimate_bps=3,
            target_bps=2,
            sent_bps=1,
            source="remb",
            slots=tuple(
                quality.SlotFlow("0", publication, "h", 0, 1, 360, 5, "size")
                for publication in ("t_2", "t_gone", None)
            ),
        )
    )
    assert roster.told == [Bandwidth(3, 2, 1, "remb", (Flow("t_1", "h", 0, 1, 360, 5, "size"),))]
