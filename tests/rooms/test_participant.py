"""What offers, RTCP and the end of a participant mean for a room."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.forwarding.outlet import Drop
from sfu.forwarding.slot import SlotState
from sfu.rooms.member import NotYours, UnknownMid, UnknownPublication
from sfu.rooms.room import Room
from sfu.wire import extensions, rtcp
from sfu.wire.answer import Local, write
from sfu.wire.rtcp import (
    FullIntra,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    SourceDescription,
)
from sfu.wire.sdp import Offer, SourceGroup
from tests.forwarding.doubles import H264, KEY, OPUS, VP8, extensions_of, packet, section
from tests.rooms.doubles import OFFERS, Peer, offer, run

LOCAL = Local("ufrag", "password", [("sha-256", ":".join(["AB"] * 32))], [], 1, 1)
CHROMIUM = OFFERS["chromium_call"]
FIREFOX = OFFERS["firefox_call"]


def two(codec_offer: Offer = CHROMIUM) -> tuple[Peer, Peer, str]:
    """A publisher of a camera on mid 1, a subscriber, and the publication's id."""
    room = Room("blue")
    publisher, subscriber = Peer(room, "p_1"), Peer(room, "p_2")
    return publisher, subscriber, publisher.publish(codec_offer, "1")


def ssrc_of(offer: Offer, mid: str) -> int:
    return next(s.ssrcs[0].ssrc for s in offer.sections if s.mid == mid)


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
    assert extensions_of(sent) == {6: b"\0\0\0", 4: extensions.abs_send_time(10.5)}


def test_firefox_to_chromium() -> None:
    publisher, subscriber, publication = two(FIREFOX)
    subscriber.negotiate(CHROMIUM, {}, {"3": publication})
    publisher.participant.receive_rtp(
        packet(0, ssrc=ssrc_of(FIREFOX, "1"), payload_type=120, payload=KEY), 10.5
    )
    (sent,) = subscriber.outlet.take()
    assert sent.payload_type == 96
    assert extensions_of(sent) == {2: extensions.abs_send_time(10.5)}


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
    assert peer.participant._ingress.drops[Drop.FOREIGN_RTCP] == 1


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


# -- RTCP ----------------------------------------------------------------------------------------------------


def watching() -> tuple[Peer, Peer]:
    """A publisher and a subscriber whose slot on mid 3 has started."""
    publisher, peer, publication = two()
    peer.negotiate(CHROMIUM, {}, {"3": publication})
    publisher.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY), 10.0)
    publisher.outlet.take_rtcp()
    return publisher, peer


def test_pli_and_fir_reach_the_publisher() -> None:
    publisher, peer = watching()
    ssrc = peer.participant.slots["3"].ssrc
    peer.participant.receive_rtcp(PictureLoss(1, ssrc).write(), 11.0)
    peer.participant.receive_rtcp(FullIntra(1, ((ssrc, 0), (77, 1))).write(), 12.0)
    asked = [sent for sent in publisher.outlet.take_rtcp() if isinstance(sent, PictureLoss)]
    assert [one.media_ssrc for one in asked] == [ssrc_of(CHROMIUM, "1")] * 2


def test_plis_of_fifty_subscribers_are_one() -> None:
    publisher, _, publication = two()
    room = publisher.participant.room
    peers = [Peer(room, f"p_{n}") for n in range(50)]
    for peer in peers:
        peer.negotiate(CHROMIUM, {}, {"3": publication})
    publisher.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY), 10.1)
    publisher.outlet.take_rtcp()
    for peer in peers:
        peer.participant.receive_rtcp(PictureLoss(1, peer.participant.slots["3"].ssrc).write(), 11.0)
    assert len(publisher.outlet.take_rtcp()) == 1


def test_a_nack_is_answered() -> None:
    _, peer = watching()
    (sent,) = peer.outlet.take()
    peer.participant.receive_rtcp(Nack(1, sent.ssrc, (sent.seq16,)).write(), 10.1)
    assert [again.payload_type for again in peer.outlet.take()] == [97]


def test_rtcp_about_what_is_not_ones_own_is_counted() -> None:
    publisher, peer = watching()
    peer.outlet.take()
    foreign = peer.participant.slots["3"].ssrc
    for message in (Nack(1, foreign, (0,)), PictureLoss(1, foreign), FullIntra(1, ((foreign, 0),))):
        publisher.participant.receive_rtcp(message.write(), 11.0)
    assert publisher.participant._ingress.drops[Drop.FOREIGN_RTCP] == 3
    assert peer.outlet.rtp == []


def test_reports_and_rates_of_the_subscriber() -> None:
    publisher, peer = watching()
    slot = peer.participant.slots["3"]
    publisher.participant.receive_rtcp(SenderReport(ssrc_of(CHROMIUM, "1"), 1 << 40, 0, 1, 1).write(), 10.0)
    peer.participant.pulse(10.0)
    report, _ = peer.outlet.take_rtcp()
    assert isinstance(report, SenderReport)
    block = ReportBlock(slot.ssrc, 128, 3, 0, 0, (report.ntp >> 16) & 0xFFFFFFFF, 0)
    peer.participant.receive_rtcp(
        ReceiverReport(1, (block,)).write() + Remb(1, 2_000_000, (1,)).write(), 10.2
    )
    assert slot.fraction_lost == 0.5
    assert slot.round_trip.rtt == pytest.approx(0.2)
    assert peer.participant._ingress.round_trip == pytest.approx(0.2)
    assert peer.participant.available_bps == pytest.approx(2_000_000, rel=0.001)


def test_malformed_rtcp_is_counted_and_nothing_of_it_used() -> None:
    publisher, peer = watching()
    ssrc = peer.participant.slots["3"].ssrc
    peer.participant.receive_rtcp(PictureLoss(1, ssrc).write() + b"\x80", 11.0)
    assert peer.participant._ingress.drops[Drop.MALFORMED_RTCP] == 1
    assert publisher.outlet.rtcp == []


def test_sender_reports_of_many_slots_share_datagrams() -> None:
    publisher, peer, publication = two()
    many = offer(*[section([VP8], mid=str(n), index=n, direction="recvonly") for n in range(25)])
    peer.negotiate(many, {}, {str(n): publication for n in range(25)}, sync="x" * 64)
    publisher.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY), 10.0)
    publisher.participant.receive_rtcp(SenderReport(ssrc_of(CHROMIUM, "1"), 1 << 40, 0, 1, 1).write(), 10.0)
    peer.participant.pulse(10.0)
    assert [len(rtcp.parse(compound)) for compound in peer.outlet.rtcp] == [20, 20, 10]
    assert max(len(compound) for compound in peer.outlet.rtcp) < 1200


# -- time and the end ----------------------------------------------------------------------------------------


def test_nothing_is_due_before_the_handshake() -> None:
    room = Room("blue")
    publisher, peer = Peer(room, "p_1"), Peer(room, "p_2", ready=False)
    publication = publisher.publish(CHROMIUM, "1")
    peer.negotiate(CHROMIUM, {}, {"3": publication})
    publisher.participant.receive_rtp(packet(0, ssrc=ssrc_of(CHROMIUM, "1"), payload=KEY), 10.0)
    assert peer.participant.deadline() is None
    assert peer.outlet.rtp == []
    publisher.outlet.take_rtcp()
    peer.outlet.ready = True
    peer.participant.connected(10.5)
    assert PictureLoss in [type(sent) for sent in publisher.outlet.take_rtcp()]


def test_leaving_ends_publications_and_slots_once() -> None:
    publisher, peer = watching()
    publication = publisher.participant.publications["1"]
    peer.observer.take()
    run(peer.participant.close())
    assert publication.slots == []
    for _ in range(2):
        run(publisher.participant.close())
    assert publisher.observer.take()[1:] == [("unpublished", publication.id)]
    assert publisher.participant.room.publications == {}
    publisher.participant.receive_rtp(packet(1, ssrc=ssrc_of(CHROMIUM, "1")), 11.0)
    peer.participant.receive_rtcp(PictureLoss(1, 1).write(), 11.0)
    peer.participant.pulse(11.0)


def test_statistics() -> None:
    _, peer = watching()
    stats = peer.participant.stats(11.0)
    assert (stats["available_bps"], stats["drops"]) == (None, {})
    assert isinstance(stats["subscriptions"], list)
    assert stats["subscriptions"][0]["packets"] == 1


# -- anything at all -----------------------------------------------------------------------------------------

OWN = ssrc_of(CHROMIUM, "1")
OWN_RTX = next(s.ssrcs[0].rtx_ssrc for s in CHROMIUM.sections if s.mid == "1") or 0


@given(st.lists(st.binary(max_size=80), max_size=20))
@settings(max_examples=100)
def test_any_bytes_as_rtp_and_rtcp(datagrams: list[bytes]) -> None:
    publisher, peer = watching()
    for n, data in enumerate(datagrams):
        for participant in (publisher.participant, peer.participant):
            participant.receive_rtp(data, 10.0 + n / 100)
            participant.receive_rtcp(data, 10.0 + n / 100)
            participant.pulse(10.0 + n / 100)


RTP_LIKE = st.builds(
    lambda flags, second, seq, stamp, ssrc, rest: (
        struct.pack("!BBHII", 0x80 | flags, second, seq, stamp, ssrc) + rest
    ),
    st.sampled_from([0, 0, 0x10, 0x20, 0x30, 0x12]),
    st.sampled_from([96, 97, 98, 102, 111, 63, 224, 50]),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([OWN, OWN, OWN_RTX, ssrc_of(CHROMIUM, "0"), 5, 6]),
    st.one_of(
        st.binary(max_size=40),
        st.binary(max_size=24).map(lambda body: b"\xbe\xde\0\2" + body),
        st.binary(max_size=24).map(lambda body: b"\x10\0\0\2" + body),
    ),
)


@given(st.lists(st.tuples(RTP_LIKE, st.floats(0, 2)), max_size=40))
@settings(max_examples=150)
def test_nearly_right_rtp_never_raises_and_no_timer_spins(packets: list[tuple[bytes, float]]) -> None:
    publisher, peer, publication = two()
    publisher.negotiate(CHROMIUM, {"0": "microphone", "1": "camera"})
    peer.negotiate(FIREFOX, {}, {"3": publication})
    now = 10.0
    for data, pause in packets:
        publisher.participant.receive_rtp(data, now)
        now += pause
        for one in (publisher, peer):
            one.participant.pulse(now)
            deadline = one.participant.deadline()
            assert deadline is None or deadline > now
            one.outlet.take_rtcp()
    peer.outlet.take()


@given(st.data())
@settings(max_examples=150)
def test_nearly_right_rtcp_never_raises(data: st.DataObject) -> None:
    publisher, peer = watching()
    slot = peer.participant.slots["3"]
    word = st.integers(0, 0xFFFFFFFF)
    ssrc = st.sampled_from([slot.ssrc, slot.rtx_ssrc, OWN, 0])
    blocks = st.lists(
        st.builds(
            ReportBlock,
            ssrc,
            st.integers(0, 255),
            st.integers(-0x800000, 0x7FFFFF),
            word,
            word,
            word,
            word,
        ),
        max_size=3,
    ).map(tuple)
    lost = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=50).map(tuple)
    message = st.one_of(
        st.builds(SenderReport, ssrc, st.integers(0, 2**64 - 1), word, word, word, blocks),
        st.builds(ReceiverReport, ssrc, blocks),
        st.builds(Nack, ssrc, ssrc, lost),
        st.builds(FullIntra, ssrc, st.tuples(st.tuples(ssrc, st.integers(0, 255)))),
        st.builds(Remb, ssrc, st.integers(0, 2**80), st.just(())),
    )
    now = 10.0
    for one in data.draw(st.lists(message, max_size=10)):
        for member in (publisher.participant, peer.participant):
            member.receive_rtcp(one.write(), now)
            member.pulse(now)
        now += 0.1
