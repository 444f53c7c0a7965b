"""RTCP of a participant, its timers and its end; and anything at all as its packets."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.forwarding.outlet import Drop
from sfu.rooms.room import Room
from sfu.wire import rtcp
from sfu.wire.rtcp import (
    FullIntra,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    TransportFeedback,
)
from sfu.wire.transport_feedback import Feedback, write_fci
from tests.forwarding.doubles import KEY, VP8, packet, section
from tests.rooms.doubles import CHROMIUM, FIREFOX, Peer, offer, run, ssrc_of, two

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
    assert publisher.participant._link.ingress.drops[Drop.FOREIGN_RTCP] == 3
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
    assert peer.participant._link.ingress.round_trip == pytest.approx(0.2)
    assert peer.participant._link.egress.available_bps == pytest.approx(2_000_000, rel=0.001)


def test_malformed_rtcp_is_counted_and_nothing_of_it_used() -> None:
    publisher, peer = watching()
    ssrc = peer.participant.slots["3"].ssrc
    peer.participant.receive_rtcp(PictureLoss(1, ssrc).write() + b"\x80", 11.0)
    assert peer.participant._link.ingress.drops[Drop.MALFORMED_RTCP] == 1
    assert publisher.outlet.rtcp == []


def test_feedback_that_claims_to_speak_of_millions_of_packets_is_not_read() -> None:
    _, peer = watching()
    link = peer.participant._link
    lost = struct.pack("!HH4x8H", 0, 8 * 0x1FFF, *[0x1FFF] * 8)  # eight runs of packets that did not arrive
    peer.participant.receive_rtcp(TransportFeedback(1, 2, lost).write() * 33, 11.0)
    assert link.ingress.drops == {Drop.EXCESSIVE_RTCP: 33}
    number = link.egress.estimator.sent(1200, 11.0)
    arrived = write_fci(Feedback(number, 0, 0, (1,)))
    peer.participant.receive_rtcp(TransportFeedback(1, 2, arrived).write(), 11.1)
    assert link.egress.available_bps is not None


def test_feedback_on_the_fastest_link_is_read() -> None:
    _, peer = watching()
    said = write_fci(Feedback(0, 0, 0, (1,) * 520))
    for step in range(100):
        peer.participant.receive_rtcp(TransportFeedback(1, 2, said).write(), 11 + step / 10)
    assert not peer.participant._link.ingress.drops


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
    assert stats["pacing"] == {"queued_bytes": 0, "waited": 0, "refused": 0}
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
