"""What offers, pointing and muting mean for a room."""

import pytest

from sfu.forwarding.outlet import Drop
from sfu.forwarding.slot import SlotState
from sfu.rooms.member import NotYours, UnknownMid, UnknownPublication, View
from sfu.rooms.room import Room
from sfu.wire import extensions
from sfu.wire.answer import Local, write
from sfu.wire.rtcp import (
    PictureLoss,
    SenderReport,
    SourceDescription,
)
from sfu.wire.sdp import SourceGroup
from tests.forwarding.doubles import H264, KEY, OPUS, VP8, extensions_of, packet, section
from tests.rooms.doubles import CHROMIUM, FIREFOX, OFFERS, Peer, offer, ssrc_of, two

LOCAL = Local("ufrag", "password", [("sha-256", ":".join(["AB"] * 32))], [], 1, 1)


# -- offers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OFFERS)
def test_every_captured_offer_is_answered(name: str) -> None:
    peer = Peer(Room("blue"))
    media = [s for s in OFFERS[name].sections if s.kind != "application" and not s.rejected]
    sending = {s.mid: "camera" for s in media if s.client_sends}
    receiving = {s.mid: None for s in media if s.client_receives}
    negotiated = peer.negotiate(OFFERS[name], sending, receiving)
    assert {published.mid for published in negotiated.published} == set(sending)
    assert {slot.mid for slot in negotiated.slots} == set(peer.participant.slots) == set(receiving)
    for section_, answer in zip(OFFERS[name].sections, negotiated.sections, strict=True):
        assert (answer.accepted is None) == section_.rejected
        assert answer.receive == (section_.mid in sending)
        assert (answer.send is not None) == (section_.mid in receiving)
    assert write(OFFERS[name], negotiated.sections, LOCAL).startswith("v=0")


@pytest.mark.parametrize("name", ["chromium_call", "firefox_call", "aiortc_call"])
def test_the_same_offer_again_changes_nothing(name: str) -> None:
    peer = Peer(Room("blue"))
    media = [s for s in OFFERS[name].sections if s.kind != "application"]
    sending = {s.mid: "camera" for s in media if s.client_sends}
    receiving = {s.mid: None for s in media if s.client_receives}
    first = peer.negotiate(OFFERS[name], sending, receiving)
    peer.observer.take()
    again = peer.negotiate(OFFERS[name], sending, receiving)
    assert again == first
    assert peer.observer.take() == []


def test_a_section_not_named_is_neither_published_nor_received() -> None:
    peer = Peer(Room("blue"))
    negotiated = peer.negotiate(CHROMIUM, {"1": "camera"}, {"3": None})
    assert [p.mid for p in negotiated.published] == ["1"]
    assert [a.direction for a in negotiated.sections if a.accepted and a.accepted.codecs].count(
        "inactive"
    ) == 6


def test_publishing_on_a_section_that_receives() -> None:
    assert Peer(Room("blue")).negotiate(CHROMIUM, {"3": "camera"}).published == []


def test_receiving_on_a_section_that_sends() -> None:
    (slot,) = Peer(Room("blue")).negotiate(CHROMIUM, {}, {"1": None}).slots
    assert slot.state == "empty"
    assert slot.message is not None


def test_chromium_to_firefox_in_payload_types_and_ids() -> None:
    publisher, subscriber, publication = two()
    subscriber.negotiate(FIREFOX, {}, {"3": publication})
    block = extensions.build(
        [(4, b"1"), (2, b"abc"), (3, b"\0\1"), (13, b"\2"), (5, b"\0\0\0")], allow_two_byte=False
    )
    publisher.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY, block=block), 10.5)
    (sent,) = subscriber.outlet.take()
    assert sent.payload_type == 120
    assert sent.ssrc == subscriber.participant.slots["3"].ssrc
    assert extensions_of(sent) == {6: b"\0\0\0", 4: extensions.abs_send_time(10.5), 7: b"\0\0"}


def test_firefox_to_chromium() -> None:
    publisher, subscriber, publication = two(FIREFOX)
    subscriber.negotiate(CHROMIUM, {}, {"3": publication})
    publisher.participant.receive_rtp(
        packet(0, ssrc=ssrc_of(FIREFOX, "1"), payload_type=120, payload=KEY), 10.5
    )
    (sent,) = subscriber.outlet.take()
    assert sent.payload_type == 96
    assert extensions_of(sent) == {2: extensions.abs_send_time(10.5), 3: b"\0\0"}


def test_a_new_publication_is_announced_after_it_can_be_found() -> None:
    room = Room("blue")
    peer = Peer(room)
    publication = peer.publish(CHROMIUM, "1")
    assert peer.observer.take() == [("published", publication)]
    assert room.find(publication).participant == "p_1"


def test_a_section_no_longer_published_empties_slots() -> None:
    publisher, subscriber, publication = two()
    subscriber.negotiate(CHROMIUM, {}, {"3": publication})
    publisher.observer.take()
    publisher.negotiate(CHROMIUM)
    assert publisher.observer.take() == [("unpublished", publication)]
    assert subscriber.participant.slots["3"].state is SlotState.EMPTY
    assert subscriber.participant.room.publications == {}


def test_another_source_is_another_publication() -> None:
    publisher, _, publication = two()
    publisher.observer.take()
    screen = publisher.publish(CHROMIUM, "1", "screen")
    assert publisher.observer.take() == [("unpublished", publication), ("published", screen)]


def test_a_publication_muted_by_an_offer() -> None:
    publisher, _, publication = two()
    publisher.observer.take()
    publisher.participant.mute(publication, True)
    publisher.publish(CHROMIUM, "1")
    assert publisher.observer.take() == [("muted", publication), ("unmuted", publication)]


def test_a_mid_that_changes_its_kind_is_another_publication_and_another_slot() -> None:
    peer = Peer(Room("blue"))
    peer.negotiate(offer(section([VP8], mid="0")), {"0": "other"}, {"0": None})
    video = peer.participant.publications["0"]
    slot = peer.participant.slots["0"]
    peer.negotiate(offer(section([OPUS], kind="audio", mid="0")), {"0": "other"}, {"0": None})
    audio = peer.participant.publications["0"]
    assert (video.kind, audio.kind) == ("video", "audio")
    assert audio.id != video.id
    assert peer.participant.slots["0"].kind == "audio"
    assert peer.participant.slots["0"].ssrc != slot.ssrc
    peer.participant.point("0", audio.id, 11.0)


def test_a_slot_keeps_its_ssrc_over_offers_and_loses_it_with_its_section() -> None:
    peer = Peer(Room("blue"))
    peer.negotiate(CHROMIUM, {}, {"3": None})
    slot = peer.participant.slots["3"]
    peer.negotiate(CHROMIUM, {}, {"3": None, "5": None})
    assert peer.participant.slots["3"] is slot
    peer.negotiate(CHROMIUM, {}, {"5": None})
    peer.participant.receive_rtcp(PictureLoss(1, slot.ssrc).write(), 11.0)
    assert slot.plis == 0
    assert peer.participant._link.ingress.drops[Drop.FOREIGN_RTCP] == 1


def test_an_own_publication_that_ends_while_an_own_slot_shows_it() -> None:
    peer = Peer(Room("blue"))
    own = peer.publish(CHROMIUM, "1")
    peer.negotiate(CHROMIUM, {"1": "camera"}, {"3": own})
    negotiated = peer.negotiate(CHROMIUM, {}, {"3": own})
    assert [(slot.publication, slot.state) for slot in negotiated.slots] == [(None, "empty")]
    assert peer.participant.slots["3"].publication is None


def test_an_own_publication_in_an_own_slot() -> None:
    peer = Peer(Room("blue"))
    own = peer.publish(CHROMIUM, "1")
    peer.negotiate(CHROMIUM, {"1": "camera"}, {"3": own})
    peer.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY), 10.5)
    assert len(peer.outlet.take()) == 1


@pytest.mark.parametrize(
    ("publish", "receive", "error"),
    [
        ({"99": "camera"}, {}, UnknownMid),
        ({}, {"99": None}, UnknownMid),
        ({}, {"5": "t_none"}, UnknownPublication),
        ({}, {"4": "VIDEO"}, UnknownMid),
    ],
    ids=["publish-mid", "receive-mid", "publication", "kind"],
)
def test_an_offer_that_is_refused_changes_nothing(
    publish: dict[str, str], receive: dict[str, str | None], error: type[Exception]
) -> None:
    publisher, peer, publication = two()
    peer.negotiate(CHROMIUM, {"0": "microphone"}, {"3": publication})
    before = (dict(peer.participant.publications), dict(peer.participant.slots))
    peer.observer.take()
    named = {mid: publication if wanted == "VIDEO" else wanted for mid, wanted in receive.items()}
    with pytest.raises(error):
        peer.negotiate(CHROMIUM, publish, named)
    assert (peer.participant.publications, peer.participant.slots) == before
    assert peer.observer.take() == []
    publisher.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY), 10.5)
    assert len(peer.outlet.take()) == 1


@pytest.mark.parametrize("sync", ["\N{GRINNING FACE}" * 64, "a b\r\na=evil:1", "x" * 64])
def test_a_sync_word_can_neither_break_sdp_nor_reports(sync: str) -> None:
    publisher, peer, publication = two()
    negotiated = peer.negotiate(CHROMIUM, {}, {"3": publication}, sync=sync)
    assert "evil:1" not in write(CHROMIUM, negotiated.sections, LOCAL).split("\r\na=")
    publisher.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY), 10.5)
    publisher.participant.receive_rtcp(SenderReport(ssrc_of(CHROMIUM, "1"), 1 << 32, 0, 1, 1).write(), 10.5)
    peer.participant.pulse(10.5)
    assert [type(sent) for sent in peer.outlet.take_rtcp()] == [SenderReport, SourceDescription]


def test_slots_of_one_sync_word_have_one_stream() -> None:
    peer = Peer(Room("blue"))
    negotiated = peer.negotiate(CHROMIUM, {}, {"2": None, "3": None}, sync="tile1")
    sent = [answer.send for answer in negotiated.sections if answer.send]
    assert {(one.stream, one.cname) for one in sent} == {("tile1", "tile1")}


# -- pointing and muting -------------------------------------------------------------------------------------


def test_pointing_by_name() -> None:
    publisher, peer, publication = two()
    peer.negotiate(CHROMIUM, {}, {"3": None, "2": None})
    assert peer.participant.point("3", publication, 11.0).state == "active"
    assert [type(sent) for sent in publisher.outlet.take_rtcp()] == [PictureLoss]
    assert peer.participant.point("3", None, 11.0).state == "empty"
    for mid, wanted, error in [
        ("9", None, UnknownMid),
        ("2", publication, UnknownMid),
        ("3", "t_none", UnknownPublication),
    ]:
        with pytest.raises(error):
            peer.participant.point(mid, wanted, 11.0)


@pytest.mark.parametrize("apart", [0.0, 0.05, 0.2])
def test_pointing_again_and_again_is_answered_by_what_holds(apart: float) -> None:
    room = Room("blue", 1)
    videos = [Peer(room, f"p_{n}").publish(CHROMIUM, "1") for n in range(3)]
    screen = Peer(room, "p_3").publish(CHROMIUM, "1", "screen")
    peer = Peer(room, "p_4")
    peer.negotiate(CHROMIUM, {}, {"3": None, "2": None})
    now = 10.0
    for wanted, state, reason in [
        (videos[0], "active", None),
        (videos[1], "paused", "last-n"),
        (videos[2], "paused", "last-n"),
        (screen, "active", None),
        (None, "empty", None),
        (videos[2], "paused", "last-n"),
        (videos[0], "active", None),
    ]:
        now += apart
        answer = peer.participant.point("3", wanted, now)
        assert (answer.publication, answer.state, answer.reason) == (wanted, state, reason)
    peer.observer.take()
    peer.participant.view({"3": View(visible=False)}, now)
    assert peer.participant.point("3", videos[1], now).state == "active"  # nobody looks: nothing to tell
    peer.participant.pulse(now + 0.2)
    assert peer.observer.take() == []


def test_a_codec_that_a_subscriber_has_not_is_told_in_words() -> None:
    h264 = offer(section([H264], mid="1", direction="sendonly"))
    _, peer, publication = two(h264)
    (view,) = peer.negotiate(FIREFOX, {}, {"3": publication}).slots
    assert (view.publication, view.state) == (publication, "unsupported-codec")
    assert view.message is not None
    assert "H264" in view.message


def test_a_codec_switch_is_told_and_leaves_no_timer_behind() -> None:
    both = offer(section([VP8, H264], mid="1", direction="sendonly", ssrcs=(SourceGroup(1000, 1001, "c"),)))
    publisher, peer, publication = two(both)
    peer.negotiate(FIREFOX, {}, {"3": publication})
    publisher.participant.receive_rtp(packet(0, payload=KEY), 10.0)
    publisher.participant.receive_rtp(packet(1, payload=b"\x67\0", payload_type=102), 11.0)
    assert peer.observer.take() == [("unsupported-codec", "3")]
    peer.participant.pulse(11.0)
    assert peer.participant.deadline() is None
    publisher.participant.receive_rtp(packet(2, payload=KEY), 12.0)
    assert peer.observer.take() == [("active", "3")]
    assert len(peer.outlet.take()) == 2


def test_muting() -> None:
    publisher, other, publication = two()
    publisher.observer.take()
    for _ in range(2):
        publisher.participant.mute(publication, True)
    assert publisher.observer.take() == [("muted", publication)]
    with pytest.raises(NotYours):
        other.participant.mute(publication, False)
    with pytest.raises(UnknownPublication):
        other.participant.mute("t_none", False)
