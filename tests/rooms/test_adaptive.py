"""Subscribers behind slow links, in virtual time: which encoding they get, and that it never breaks."""

from collections import Counter
from itertools import pairwise

import pytest

from sfu.forwarding.slot import SlotState
from sfu.rooms import sharing
from sfu.rooms.member import View
from tests.rooms import adaptive
from tests.rooms.adaptive import RATE, Camera, Viewer, World


def assert_sound(viewer: Viewer) -> None:
    """No number is missing, time never goes back, picture ids have no gap, and what came whole can be decoded."""
    numbers = sorted(viewer.pieces)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    pieces = [piece for number in numbers if (piece := viewer.pieces[number]) is not None]
    for before, after in pairwise(pieces):
        step = (after.timestamp - before.timestamp) & 0xFFFFFFFF
        same = (before.rid, before.frame) == (after.rid, after.frame)
        assert step == 0 if same else 0 < step < 30 * RATE
        assert (after.picture - before.picture) & 0x7FFF == (0 if same else 1)
        if not same:
            assert (after.tl0 - before.tl0) & 0xFF == (after.temporal == 0)
    # The last may be on its way still; a switch may cut off the frame before it.
    for (_, frame, good), (_, following, _) in pairwise(viewer.frames()):
        assert good or following[0].key, (frame[0], len(frame))


def settled(viewer: Viewer, seconds: float = 3.0) -> Counter[str]:
    """Frames of the last seconds, by encoding."""
    since = viewer.world.now - seconds
    return Counter(rid for at, rid, _ in viewer.shown() if at >= since)


def room(rate_bps: float | None, *, wide: bool = True) -> tuple[World, Camera, Viewer]:
    world = World()
    camera = world.camera()
    return world, camera, world.viewer(camera, rate_bps, wide=wide)


def count_divisions(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the viewer's downlink is divided from now on."""
    own = viewer.participant._sharing
    divide, divided = own.allocate, []

    def counted(now: float) -> None:
        divided.append(now)
        divide(now)

    monkeypatch.setattr(own, "allocate", counted)
    return divided


# -- what a link carries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate_bps", "rid"), [(5e6, "f"), (1e6, "h"), (300e3, "q")])
def test_a_link_gets_the_encoding_that_fits_it(rate_bps: float, rid: str) -> None:
    world, _, viewer = room(rate_bps)
    world.run(8.0)
    assert set(settled(viewer)) == {rid}
    assert viewer.to_client.overflowed == 0
    assert viewer.longest_gap(100.5, world.now - 0.1) < 0.25
    assert_sound(viewer)


def test_the_best_encoding_is_there_in_a_few_seconds() -> None:
    world, camera, viewer = room(5e6)
    world.run(3.0)
    assert "f" in viewer.between(101.5, 103.0)
    assert sum(stream.key_frames for stream in camera.streams.values()) <= 4


def test_without_reports_of_any_kind_everything_is_sent() -> None:
    world, _, viewer = room(None, wide=False)
    world.run(3.0)
    assert settled(viewer, 1.0)["f"] >= 28
    assert viewer.participant.report(world.now) is not None
    assert_sound(viewer)


def test_a_link_that_becomes_slow_and_fast_again() -> None:
    world, _, viewer = room(3e6)
    world.run(8.0)
    assert set(settled(viewer)) == {"f"}
    viewer.to_client.rate_bps = 500e3
    world.run(12.0)
    assert "f" not in viewer.between(world.now - 9, world.now)
    assert viewer.longest_gap(108.0, 120.0) < 0.5
    viewer.to_client.rate_bps = 3e6
    world.run(12.0)
    assert set(settled(viewer)) == {"f"}
    assert viewer.longest_gap(120.0, 132.0) < 0.25
    assert_sound(viewer)


def test_a_slow_subscriber_costs_the_fast_one_nothing() -> None:
    world, camera, fast = room(10e6)
    world.run(6.0)
    slow = world.viewer(camera, 250e3)
    before = camera.streams["f"].key_frames
    world.run(14.0)
    assert set(settled(fast, 12.0)) == {"f"}
    assert settled(fast, 12.0)["f"] >= 355
    assert camera.streams["f"].key_frames - before <= 1
    assert set(settled(slow)) == {"q"}
    for viewer in (fast, slow):
        assert_sound(viewer)


def test_a_key_frame_leaves_over_time_where_the_link_is_slow() -> None:
    world, camera, viewer = room(1e6)
    world.run(8.0)
    rid = next(iter(settled(viewer, 1.0)))
    viewer.left.clear()
    camera.streams[rid].wanted = True
    world.run(0.5)
    (frame,) = [pieces for _, pieces, _ in viewer.frames() if pieces[0].key and pieces[0].at > 108.0]
    span = frame[-1].at - frame[0].at
    assert len(frame) > 6
    assert 0.02 < span < 0.3
    leaving = [at for at, _, ssrc in viewer.left if ssrc == viewer.slot.ssrc]
    assert max(Counter(leaving).values()) < len(frame)
    pacing = viewer.participant.stats(world.now)["pacing"]
    assert isinstance(pacing, dict)
    assert pacing["waited"] >= 5
    assert pacing["refused"] == 0
    assert_sound(viewer)


@pytest.mark.parametrize(("longest", "expected"), [(sharing.LONGEST_KEY_FRAME, {"h"}), (10.0, {"f"})])
def test_a_picture_whose_key_frame_fills_the_link_for_long_is_not_switched_to(
    longest: float, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptive, "KEY_FACTOR", 30)  # of a grainy picture: 1.5 Mbit
    monkeypatch.setattr(sharing, "LONGEST_KEY_FRAME", longest)
    world, _, viewer = room(3e6)
    world.run(6.0)
    assert set(settled(viewer)) == {"f"}
    viewer.to_client.rate_bps = 700e3
    world.run(8.0)
    assert set(settled(viewer)) == {"h"}
    viewer.to_client.rate_bps = 1.3e6  # enough for half the frames of the largest
    world.run(14.0)
    assert set(settled(viewer)) == expected


def test_a_fast_link_is_explored_as_far_as_a_large_key_frame_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive, "KEY_FACTOR", 60)  # 3 Mbit, twice what the stream takes in a second
    world, _, viewer = room(20e6)
    viewer.participant.view({"5": View(320, 180)}, world.now)
    world.run(4.0)
    assert set(settled(viewer, 2.0)) == {"q"}
    viewer.participant.view({"5": View(1280, 720)}, world.now)
    world.run(10.0)
    assert set(settled(viewer)) == {"f"}


# -- what is seen --------------------------------------------------------------------------------------------


def test_a_small_tile_gets_the_small_picture_and_nobody_sends_more() -> None:
    world, camera, viewer = room(20e6)
    world.run(3.0)
    viewer.participant.view({"5": View(320, 180)}, world.now)
    world.run(4.0)
    assert set(settled(viewer, 2.0)) == {"q"}
    assert camera.told[-1][1] == {"q": True, "h": False, "f": False}
    report = viewer.participant.report(world.now)
    assert report is not None
    assert (report.slots[0].rid, report.slots[0].height, report.slots[0].limit) == ("q", 180, "size")
    assert_sound(viewer)


def test_a_flood_of_views_costs_ten_divisions_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _, viewer = room(20e6)
    world.run(1.0)
    divided = count_divisions(viewer, monkeypatch)
    for height in range(100):
        viewer.participant.view({"5": View(320, 180 + height)}, world.now)
        world.run(0.01)
    assert 2 <= len(divided) <= 12


def test_while_nothing_flows_nothing_is_divided_and_its_start_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    camera = world.camera(rids=("f",))
    camera.off = True
    viewer = world.viewer(camera, None, wide=False)
    world.run(1.0)
    divided = count_divisions(viewer, monkeypatch)
    world.run(20.0)
    assert divided == []
    camera.off = False
    world.run(1.0)
    assert 1 <= len(divided) <= 2
    assert settled(viewer, 0.5)["f"] >= 14
    world.run(sharing.RARELY + 0.2)
    assert 2 <= len(divided) <= 4


def test_what_nobody_sees_stops_at_once_and_at_the_publisher_soon() -> None:
    world, camera, viewer = room(20e6)
    world.run(3.0)
    viewer.participant.view({"5": View(visible=False)}, world.now)
    world.run(0.2)
    viewer.left.clear()
    world.run(3.0)
    assert [size for _, size, ssrc in viewer.left if ssrc == viewer.slot.ssrc] == []
    assert camera.told[-1][1] == {"q": False, "h": False, "f": False}
    assert viewer.peer.observer.take() == []  # the client hid it and knows
    sent = sum(stream.bytes for stream in camera.streams.values())
    world.run(1.0)
    assert sum(stream.bytes for stream in camera.streams.values()) == sent
    at = world.now
    viewer.participant.view({"5": View()}, at)
    world.run(1.0)
    assert min(shown for shown, _, _ in viewer.shown() if shown > at) - at < 0.3
    world.run(3.0)
    assert set(settled(viewer, 1.0)) == {"f"}
    assert_sound(viewer)


def test_an_encoding_that_the_browser_can_not_send_is_not_waited_for() -> None:
    world, camera, viewer = room(20e6)
    camera.unable = {"f"}
    world.run(5.0)
    assert set(settled(viewer, 2.0)) == {"h"}
    assert camera.told[-1][1]["f"]  # and yet asked for, as long as somebody would take it
    camera.unable = set()
    camera.streams["f"].wanted = True
    world.run(4.0)
    assert set(settled(viewer, 2.0)) == {"f"}
    assert viewer.longest_gap(101.0, world.now - 0.1) < 0.25
    assert_sound(viewer)


def test_an_encoding_that_the_browser_stops_is_left_for_another() -> None:
    world, camera, viewer = room(20e6)
    viewer.participant.view({"5": View()}, world.now)
    other = world.viewer(camera, 20e6)
    other.participant.view({"5": View(320, 180)}, world.now)
    world.run(5.0)
    camera.unable = {"f"}
    world.run(4.0)
    assert set(settled(viewer, 2.0)) <= {"h", "q"}
    assert viewer.longest_gap(105.0, 109.0) < 1.8
    assert set(settled(other, 4.0)) == {"q"}
    assert_sound(viewer)


def test_a_camera_that_is_off_and_on_again() -> None:
    world, camera, viewer = room(20e6)
    world.run(4.0)
    camera.off = True
    world.run(5.0)
    camera.off = False
    world.run(2.0)
    assert settled(viewer, 1.5)["f"] >= 40
    assert_sound(viewer)


def test_a_ceiling_chosen_by_hand() -> None:
    world, _, viewer = room(20e6)
    viewer.participant.view({"5": View(quality="medium")}, world.now)
    world.run(4.0)
    assert set(settled(viewer, 2.0)) == {"h"}
    report = viewer.participant.report(world.now)
    assert report is not None
    assert report.slots[0].limit == "chosen"


# -- repointing ----------------------------------------------------------------------------------------------


def test_pointed_twenty_times_in_a_row_it_waits_for_one_key_frame() -> None:
    world, camera, viewer = room(20e6)
    other = world.camera()
    world.run(4.0)
    for turn in range(20):
        target = (other, camera)[turn % 2]
        viewer.participant.point("5", target.publication, world.now)
        world.run(0.02)
    at = world.now
    world.run(3.0)
    assert min(shown for shown, _, _ in viewer.shown() if shown > at) - at < 0.5
    numbers = sorted(viewer.pieces)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_a_flood_of_pointing_costs_ten_divisions_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    world, camera, viewer = room(20e6)
    other = world.camera()
    world.run(2.0)
    divided = count_divisions(viewer, monkeypatch)
    for turn in range(100):
        target = (other, camera)[turn % 2]
        view = viewer.participant.point("5", target.publication, world.now)
        assert (view.publication, view.state) == (target.publication, "active")
        world.run(0.01)
    assert 2 <= len(divided) <= 12
    at = world.now
    world.run(1.0)
    assert min(shown for shown, _, _ in viewer.shown() if shown > at) - at < 0.5


def test_pointing_to_a_publication_that_sleeps() -> None:
    world, _, viewer = room(20e6)
    other = world.camera()
    world.run(5.0)
    assert not any(stream.active for stream in other.streams.values())
    at = world.now
    viewer.participant.point("5", other.publication, at)
    world.run(1.0)
    assert min(shown for shown, _, _ in viewer.shown() if shown > at) - at < 0.3


# -- too little ----------------------------------------------------------------------------------------------


def test_a_link_that_carries_nothing_pauses_the_video_and_tells() -> None:
    world, _, viewer = room(3e6)
    viewer.to_client.queue_limit = 30_000  # or what is in it would take half a minute
    world.run(5.0)
    viewer.to_client.rate_bps = 45e3
    world.run(10.0)
    assert ("paused", "5") in viewer.peer.observer.told
    viewer.peer.observer.take()
    viewer.to_client.rate_bps = 3e6
    world.run(20.0)
    assert ("active", "5") in viewer.peer.observer.told
    assert settled(viewer, 1.0)
    numbers = sorted(viewer.pieces)
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    assert missing <= viewer.to_client.overflowed


def test_the_next_video_of_a_paused_slot_has_its_own_patience() -> None:
    world, _, viewer = room(3e6)
    other = world.camera()
    viewer.to_client.queue_limit = 30_000
    world.run(5.0)
    viewer.to_client.rate_bps = 45e3
    world.run(10.0)
    assert viewer.slot.state is SlotState.PAUSED
    viewer.peer.observer.take()
    assert viewer.participant.point("5", other.publication, world.now).state == "active"
    world.run(0.5)
    assert ("paused", "5") not in viewer.peer.observer.take()
    world.run(4.0)
    assert ("paused", "5") in viewer.peer.observer.take()


def test_loss_on_the_way_is_repaired_with_the_patches_of_the_first_copy() -> None:
    world, _, viewer = room(2e6)
    world.run(5.0)  # what is lost just before a switch of encodings is not sent again
    viewer.to_client.loss = 0.03
    world.run(10.0)
    viewer.to_client.loss = 0.0
    world.run(1.0)
    assert viewer.slot.resender.resent > 10
    assert_sound(viewer)


def test_one_encoding_without_simulcast_loses_temporal_layers_first() -> None:
    world = World()
    camera = world.camera(rids=("h",))
    viewer = world.viewer(camera, 450e3)
    world.run(12.0)
    layers = Counter(temporal for at, _, temporal in viewer.shown() if at > world.now - 4)
    assert layers[0] >= 25
    assert layers[2] == 0
    assert camera.told == []
    assert_sound(viewer)
