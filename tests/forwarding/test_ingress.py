"""What a sender is told: NACK, PLI, FIR, reports, transport-wide feedback, REMB; and its retransmissions."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.forwarding.outlet import Drop
from sfu.wire import extensions
from sfu.wire.rtcp import FullIntra, Nack, PictureLoss, ReceiverReport, Remb, TransportFeedback
from sfu.wire.transport_feedback import parse_fci
from tests.forwarding.doubles import DELTA, FEEDBACK, KEY, OPUS, VP8, accepted, packet, section
from tests.forwarding.rig import KNOWN, Rig, naming, rtx, simulcast, video, with_mid

MID_ONLY = {extensions.MID: 4}


# -- retransmissions -----------------------------------------------------------------------------------------


def test_rtx_repairs() -> None:
    rig = Rig()
    rig.receive(packet(0), packet(2), rtx(1))
    assert rig.arrivals.repaired == 1
    history = rig.publication.encoding.history
    repaired = history.get(0x10000 + 1, 10.0)
    assert repaired == packet(1, 0, KEY)


def test_rtx_probes_are_no_media() -> None:
    rig = Rig()
    probe = packet(0, 0, b"", ssrc=1001, payload_type=97, padding=220)
    rig.receive(packet(0), probe, rtx(0))
    assert rig.received() == [1]
    assert rig.ingress.drops[Drop.PADDING] == 1
    assert rig.publication.encoding.drops[Drop.DUPLICATE] == 1


def test_rtx_before_any_media_is_no_media() -> None:
    rig = Rig(video(ssrcs=()))
    rig.receive(rtx(5, ssrc=77))
    assert rig.received() == [0]
    assert rig.ingress.drops[Drop.BAD_RTX] == 1


@pytest.mark.parametrize(
    "damaged", [rtx(1, pt=96), packet(0, 0, b"\1", ssrc=1001, payload_type=97)], ids=["type", "size"]
)
def test_damaged_rtx(damaged: bytes) -> None:
    rig = Rig()
    rig.receive(packet(0), damaged)
    assert rig.ingress.drops[Drop.BAD_RTX] == 1


def test_rtx_keeps_extensions_and_marker() -> None:
    rig = Rig()
    block = extensions.build([(13, b"\x03")], allow_two_byte=False)
    osn = (1).to_bytes(2, "big")
    repaired = packet(9, 5, osn + KEY, ssrc=1001, payload_type=97, marker=True, block=block, padding=3)
    rig.receive(packet(0), packet(2), repaired)
    assert rig.publication.encoding.history.get(0x10001, 10.0) == packet(1, 5, KEY, marker=True, block=block)


# -- feedback ------------------------------------------------------------------------------------------------


def test_what_is_missing_is_asked_for() -> None:
    rig = Rig()
    rig.receive(packet(0), packet(3), packet(4))
    rig.ingress.pulse(10.01)
    (nack,) = rig.outlet.take_rtcp()
    assert isinstance(nack, Nack)
    assert (nack.media_ssrc, nack.lost) == (1000, (1, 2))


def test_numbers_asked_for_wrap() -> None:
    rig = Rig()
    rig.receive(packet(0xFFFE), packet(1), packet(2))
    rig.ingress.pulse(10.01)
    (nack,) = rig.outlet.take_rtcp()
    assert isinstance(nack, Nack)
    assert nack.lost == (0xFFFF, 0)


def test_audio_without_nack_is_not_asked_for() -> None:
    rig = Rig(accepted(section([OPUS], kind="audio", direction="sendonly", ssrcs=KNOWN)))
    rig.receive(packet(0, payload_type=111), packet(3, payload_type=111), packet(4, payload_type=111))
    rig.ingress.pulse(10.05)
    assert rig.outlet.rtcp == []


@pytest.mark.parametrize(
    ("feedback", "kind"), [(FEEDBACK, PictureLoss), (("nack", "ccm fir"), FullIntra), (("nack",), None)]
)
def test_how_a_key_frame_is_asked_for(feedback: tuple[str, ...], kind: type | None) -> None:
    codec = replace(VP8, feedback=feedback)
    rig = Rig(accepted(section([codec], direction="sendonly", ssrcs=KNOWN)))
    rig.publication.encoding.request_key_frame(10.0)
    assert [type(sent) for sent in rig.outlet.take_rtcp()] == ([kind] if kind else [])


def test_each_fir_has_a_number_of_its_own() -> None:
    codec = replace(VP8, feedback=("ccm fir",))
    rig = Rig(accepted(section([codec], direction="sendonly", ssrcs=KNOWN)))
    for n in range(3):
        rig.publication.encoding.request_key_frame(10.0 + n)
    sent = rig.outlet.take_rtcp()
    assert [one.entries for one in sent if isinstance(one, FullIntra)] == [((1000, n),) for n in (1, 2, 3)]


def test_a_key_frame_request_is_repeated_at_its_deadline() -> None:
    rig = Rig()
    rig.receive(packet(0))
    rig.publication.encoding.request_key_frame(10.0)
    deadline = rig.ingress.deadline()
    assert deadline is not None
    rig.ingress.pulse(deadline)
    assert [type(sent) for sent in rig.outlet.take_rtcp()] == [PictureLoss] * 2


def test_without_reduced_size_every_compound_begins_with_a_report() -> None:
    rig = Rig(rsize=False)
    rig.publication.encoding.request_key_frame(10.0)
    assert [type(sent) for sent in rig.outlet.take_rtcp()] == [ReceiverReport, PictureLoss]


def test_receiver_reports_come_once_a_second_while_packets_come() -> None:
    rig = Rig(video(ids=MID_ONLY))
    for n in range(100):
        rig.receive(packet(n), now=10.0 + n / 25)
        rig.ingress.pulse(10.0 + n / 25)
    reports = [sent for sent in rig.outlet.take_rtcp() if isinstance(sent, ReceiverReport)]
    assert [[block.ssrc for block in report.reports] for report in reports] == [[1000]] * 3


def test_a_receiver_report_answers_the_sender_report() -> None:
    rig = Rig(video(ids=MID_ONLY))
    rig.receive(packet(0), packet(3))
    rig.ingress.sender_report(1000, 0x1122334455667788, 0, 10.0)
    rig.ingress.pulse(11.0)
    (block,) = next(s for s in rig.outlet.take_rtcp() if isinstance(s, ReceiverReport)).reports
    assert (block.last_sr, block.delay_since_last_sr) == (0x33445566, 65536)
    assert (block.packets_lost, block.fraction_lost) == (2, 128)


def test_a_sender_report_of_another_ssrc_is_not_this_streams_clock() -> None:
    rig = Rig()
    rig.receive(packet(0, ssrc=5000, block=with_mid(b"0")))
    for ssrc in (1000, 1001, 4):
        rig.ingress.sender_report(ssrc, 1 << 32, 0, 10.0)
    assert rig.publication.encoding.clock.at(10.0) is None


def test_the_timer_rests_and_memory_is_given_back_when_packets_end() -> None:
    rig = Rig()
    for n in range(100):
        rig.receive(packet(n, 0, DELTA + bytes(1000)), now=10.0 + n / 100)
    now, pulses = 11.0, 0
    while (deadline := rig.ingress.deadline()) is not None:
        assert pulses < 100
        now, pulses = max(now, deadline), pulses + 1
        rig.ingress.pulse(now)
    assert now < 16.0
    assert rig.publication.encoding.history.bytes_held == 0


# -- several encodings ---------------------------------------------------------------------------------------


def test_each_encoding_is_asked_for_what_it_misses() -> None:
    rig = Rig(simulcast())
    for seq in (0, 3, 4):
        rig.receive(packet(seq, ssrc=100, block=naming("q")), packet(seq + 7, ssrc=300, block=naming("f")))
    rig.ingress.pulse(10.01)
    nacks = [sent for sent in rig.outlet.take_rtcp() if isinstance(sent, Nack)]
    assert {nack.media_ssrc: nack.lost for nack in nacks} == {100: (1, 2), 300: (8, 9)}


def test_retransmissions_repair_their_own_encoding() -> None:
    rig = Rig(simulcast())
    for seq in (0, 2):
        rig.receive(packet(seq, ssrc=100, block=naming("q")), packet(seq, ssrc=300, block=naming("f")))
    rig.receive(rtx(1, ssrc=301, block=naming("f", repaired=True)))
    repaired = {encoding.rid: encoding.arrivals.repaired for encoding in rig.publication.encodings}
    assert repaired == {"q": 0, "h": 0, "f": 1}
    top = rig.publication.find("f")
    assert top is not None
    found = top.history.get(0x10001, 10.0)
    assert found is not None
    assert found[8:12] == (300).to_bytes(4, "big")


def test_a_key_frame_is_asked_of_one_encoding() -> None:
    rig = Rig(simulcast())
    rig.receive(packet(0, ssrc=100, block=naming("q")), packet(0, ssrc=300, block=naming("f")))
    for encoding in rig.publication.encodings:
        encoding.request_key_frame(10.0)
    sent = [one for one in rig.outlet.take_rtcp() if isinstance(one, PictureLoss)]
    assert [one.media_ssrc for one in sent] == [100, 300]  # of the one that was never seen nobody can ask


def test_each_encoding_has_a_clock_and_a_report_of_its_own() -> None:
    rig = Rig(simulcast())
    for n in range(60):
        now = 10.0 + n / 50
        rig.receive(
            packet(n, ssrc=100, block=naming("q")), packet(2 * n, ssrc=300, block=naming("f")), now=now
        )
    rig.ingress.sender_report(300, 0x1122334455667788, 0, 11.1)
    rig.ingress.pulse(11.2)
    report = next(sent for sent in rig.outlet.take_rtcp() if isinstance(sent, ReceiverReport))
    assert [(block.ssrc, block.packets_lost) for block in report.reports] == [(100, 0), (300, 59)]
    assert [block.last_sr for block in report.reports] == [0, 0x33445566]
    clocks = [encoding.clock.at(11.2) is not None for encoding in rig.publication.encodings]
    assert clocks == [False, False, True]


def test_an_encoding_that_fell_silent_is_left_alone() -> None:
    rig = Rig(simulcast())
    top = packet(5, ssrc=300, block=naming("f"))
    rig.receive(packet(0, ssrc=300, block=naming("f")), packet(3, ssrc=300), now=10.0)
    for n in range(400):
        now = 10.0 + n / 50
        rig.receive(packet(n, ssrc=100, block=naming("q")), now=now)
        rig.ingress.pulse(now)
    sent = rig.outlet.take_rtcp()
    reports = [[block.ssrc for block in one.reports] for one in sent if isinstance(one, ReceiverReport)]
    assert reports[0] == [100, 300]
    assert reports[2:] == [[100]] * (len(reports) - 2)
    silent = rig.publication.find("f")
    assert silent is not None
    assert silent.history.bytes_held == 0
    assert silent not in rig.ingress._touched
    rig.receive(top, now=18.0)  # and it goes on where it was
    assert silent.arrivals.restarts == 0
    assert silent.arrivals.packets == 3


def test_the_timer_rests_when_no_encoding_speaks() -> None:
    rig = Rig(simulcast())
    for n in range(10):
        rig.receive(packet(n, ssrc=100, block=naming("q")), packet(n, ssrc=300, block=naming("f")))
    now, pulses = 10.0, 0
    while (deadline := rig.ingress.deadline()) is not None:
        assert pulses < 100
        now, pulses = max(now, deadline), pulses + 1
        rig.ingress.pulse(now)
    assert now < 16.0
    reports = [one for one in rig.outlet.take_rtcp() if isinstance(one, ReceiverReport)]
    assert all(len(report.reports) in (0, 2) for report in reports)


def test_one_remb_names_every_encoding() -> None:
    entry = simulcast()
    ids = {**entry.extensions, extensions.ABS_SEND_TIME: 2}
    del ids[extensions.TRANSPORT_WIDE]
    rig = Rig(replace(entry, extensions=ids))
    now = 10.0
    for n in range(500):
        for ssrc, rid in ((100, b"q"), (300, b"f")):
            elements = [(2, extensions.abs_send_time(now)), (4, b"0"), (10, rid)]
            block = extensions.build(elements, allow_two_byte=False)
            rig.receive(packet(n, 0, DELTA + bytes(1000), ssrc=ssrc, block=block), now=now + 0.02)
            now += 0.01
    rembs = [sent for sent in rig.outlet.take_rtcp() if isinstance(sent, Remb)]
    assert rembs[-1].ssrcs == (100, 300)


# -- the rate ------------------------------------------------------------------------------------------------


def test_transport_wide_feedback_every_100_ms() -> None:
    rig = Rig()
    for n in range(100):
        block = extensions.build([(3, (65_500 + n & 0xFFFF).to_bytes(2, "big"))], allow_two_byte=False)
        if n % 10 != 5:
            rig.receive(packet(n, block=block), now=10.0 + n / 100)
        rig.ingress.pulse(10.0 + n / 100)
    sent = [one for one in rig.outlet.take_rtcp() if isinstance(one, TransportFeedback)]
    feedback = [parse_fci(one.fci) for one in sent]
    assert {one.media_ssrc for one in sent} == {1000}
    assert 8 <= len(feedback) <= 10
    assert [one.feedback_count for one in feedback] == list(range(len(feedback)))
    arrived = {}
    for one in feedback:
        ticks = one.reference_time * 256
        for number, delta in enumerate(one.deltas, one.base_seq16):
            if delta is not None:
                ticks += delta
                arrived[number - 65_500 & 0xFFFF] = ticks / 4000
    assert arrived == {n: 10.0 + n / 100 for n in range(max(arrived) + 1) if n % 10 != 5}


@pytest.mark.parametrize("gap", [0.002, 0.02, 0.07, 0.3])
def test_transport_wide_feedback_is_neither_rare_nor_more_frequent_than_useful(gap: float) -> None:
    rig = Rig()
    times: list[float] = []
    for n in range(300):
        now = 10.0 + n * gap
        while (deadline := rig.ingress.deadline()) is not None and deadline < now:
            rig.ingress.pulse(deadline)
            if any(isinstance(one, TransportFeedback) for one in rig.outlet.take_rtcp()):
                times.append(deadline)
        rig.receive(
            packet(n, block=extensions.build([(3, n.to_bytes(2, "big"))], allow_two_byte=False)), now=now
        )
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert min(pauses) > 0.0999
    assert max(pauses) < max(0.1001, gap + 0.051)
    assert times[0] == pytest.approx(10.05)


def test_no_remb_beside_transport_wide_feedback() -> None:
    assert Rig().ingress.estimate_bps is None
    assert Rig().ingress._estimate is None


def remb_rig() -> Rig:
    return Rig(video(ids={extensions.ABS_SEND_TIME: 2}))


def test_remb_for_a_client_without_transport_wide_numbers() -> None:
    rig = remb_rig()
    now = 10.0
    for n in range(500):
        block = extensions.build([(2, extensions.abs_send_time(now))], allow_two_byte=False)
        rig.receive(packet(n, 0, DELTA + bytes(1000), block=block), now=now + 0.02)
        now += 0.01
    rembs = [sent for sent in rig.outlet.take_rtcp() if isinstance(sent, Remb)]
    assert rembs
    assert {remb.ssrcs for remb in rembs} == {(1000,)}
    assert rembs[-1].bitrate_bps > 500_000
    assert rig.ingress.estimate_bps == pytest.approx(rembs[-1].bitrate_bps, rel=0.01)


def test_the_estimator_does_not_remember_every_ssrc() -> None:
    rig = remb_rig()
    rig.ingress._sources._mid_id = 4
    block = extensions.build([(2, b"\1\2\3"), (4, b"0")], allow_two_byte=False)
    rig.receive(*[packet(0, ssrc=ssrc, block=block) for ssrc in range(1, 1000)])
    estimate = rig.ingress._estimate
    assert estimate is not None
    assert len(estimate._estimator.ssrcs) == 1


@given(st.lists(st.tuples(st.binary(min_size=3, max_size=3), st.floats(0, 70)), max_size=60))
@settings(max_examples=50)
def test_any_send_times_give_an_estimate_or_none(arrivals: list[tuple[bytes, float]]) -> None:
    rig = remb_rig()
    now = 10.0
    for n, (send_time, pause) in enumerate(arrivals):
        now += pause
        rig.receive(packet(n, block=extensions.build([(2, send_time)], allow_two_byte=False)), now=now)
    assert rig.ingress.drops[Drop.MALFORMED] == 0
