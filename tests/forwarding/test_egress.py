"""The sending side of a connection: pacing, numbers at leaving, probes, and the cut of frames on a slow link."""

import pytest

from sfu.flow.bandwidth import Probe, Source
from sfu.forwarding.egress import ALIVE_STEP, MAX_PADDING, Egress, Outgoing
from sfu.forwarding.outlet import Drop
from sfu.wire import extensions, rtp
from sfu.wire.seq import Unwrapper16
from sfu.wire.transport_feedback import Feedback
from tests.forwarding.doubles import DELTA, IDS, KEY, MORE, FakeOutlet, Track, extensions_of, payload_of, seqs

WIDE, SENT = IDS[extensions.TRANSPORT_WIDE], IDS[extensions.ABS_SEND_TIME]


def numbers(outlet: FakeOutlet) -> list[int]:
    """Transport-wide numbers of what was sent."""
    return [int.from_bytes(extensions_of(packet)[WIDE], "big") for packet in outlet.take()]


def report(egress: Egress, count: int, now: float, base: int = 0) -> None:
    """All of `count` packets came, 1 ms apart."""
    egress.feedback(Feedback(base, 100 + round(now * 15), 0, (4,) * count), now)


def running(now: float = 10.0) -> tuple[Track, Egress, FakeOutlet]:
    """A slot that is forwarded to, whose client has reported at a low rate."""
    track = Track()
    slot, outlet = track.slot(now)
    track.send(0, now, KEY)
    report(slot.egress, 1, now + 0.05)
    assert slot.egress.paced
    return track, slot.egress, outlet


def test_packets_are_numbered_over_all_slots_of_a_connection() -> None:
    one, other = Track(), Track()
    slot, outlet = one.slot(10.0)
    second = type(slot)("6", "video", slot.profile, slot.egress, "tile", lambda slot: None)
    second.point(other.publication, 10.0)
    for n in range(3):
        one.send(n, 10.0, KEY)
        other.send(n, 10.0, KEY)
    assert numbers(outlet) == list(range(6))


def test_before_a_report_nothing_waits() -> None:
    track = Track()
    _, outlet = track.slot(10.0)
    for n in range(100):
        track.send(n, 10.0, KEY + bytes(1000))
    assert len(outlet.take()) == 100


def test_a_burst_leaves_over_time_in_order_with_numbers_and_times_of_leaving() -> None:
    track, egress, outlet = running()
    outlet.take()
    for n in range(1, 21):
        track.send(n, 11.0, (KEY if n == 1 else MORE) + bytes(1000))
    at_once = outlet.take()
    assert 0 < len(at_once) < 5
    assert outlet.scheduled > 0
    left = list(at_once)
    times = []
    now = 11.0
    while (due := egress.pacer.deadline()) is not None and now < 14.0:
        now = max(due, now)
        egress.pulse(now, ())
        for packet in outlet.take():
            assert extensions_of(packet)[SENT] == extensions.abs_send_time(now)
            left.append(packet)
            times.append(now)
    assert seqs(left) == list(range(20))
    wide = [int.from_bytes(extensions_of(packet)[WIDE], "big") for packet in left]
    assert wide == list(range(1, 21))
    expected = 20 * 1030 * 8 / egress.pacer.rate_bps
    assert times[-1] - 11.0 == pytest.approx(expected, rel=0.25)


def test_too_much_waiting_cuts_the_frame_and_ends_in_one_key_frame_request() -> None:
    track, egress, outlet = running()
    (slot,) = track.publication.slots
    asked = track.asked
    n = 1
    while not slot.waiting and n < 500:
        track.send(n, 11.0, (DELTA if n == 1 else MORE) + bytes(1000))
        n += 1
    assert slot.drops[Drop.QUEUE_FULL] == 1
    for late in range(n, n + 10):  # a key frame that comes while it is still full is of no use
        track.send(late, 11.1, KEY)
    assert slot.waiting
    assert track.asked == asked
    cleared = False
    now = 11.0
    while len(egress.pacer):
        now += 0.01
        cleared = egress.pulse(now, ()) or cleared
    assert cleared
    assert not egress.clogged
    first = outlet.take()
    track.send(n + 10, now, KEY)
    track.send(n + 11, now, DELTA)
    egress.pulse(now + 1, ())
    sent = first + outlet.take()
    assert [payload_of(packet)[:2] for packet in sent[-2:]] == [KEY, DELTA]
    assert seqs(sent) == list(range(len(sent)))


def test_retransmissions_go_before_what_waits() -> None:
    track, egress, outlet = running()
    (slot,) = track.publication.slots
    first = outlet.take()[0]
    for n in range(1, 20):
        track.send(n, 11.0, MORE + bytes(1000))
    outlet.take()
    slot.nack((first.seq16,), 11.0)
    egress.pulse(11.05, ())
    assert outlet.take()[0].ssrc == slot.rtx_ssrc


class Padder:
    """Makes packets of padding and keeps their sizes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def padding(self, size: int, now: float) -> Outgoing | None:
        self.sizes.append(size)
        return bytes(12 + size), len(self.sizes), 0, 77, 0, 0, 0, b""


def test_a_probe_leaves_at_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    _, egress, outlet = running()
    egress.transport_wide = True
    outlet.take()
    probes = [Probe(1, 2_000_000, 10_000)]
    monkeypatch.setattr(type(egress.estimator), "probe", lambda self, now: probes.pop() if probes else None)
    monkeypatch.setattr(type(egress.estimator), "wants", lambda self, probe: True)
    padder = Padder()
    now = 11.0
    sent: list[tuple[float, int]] = []
    while now < 11.2:
        egress.pulse(now, (padder,))
        sent += [(now, len(packet)) for packet in outlet.rtp]
        outlet.rtp.clear()
        now += 0.001
    total = sum(size for _, size in sent)
    assert 10_000 <= total < 10_000 + 12 + MAX_PADDING
    assert sent[-1][0] - sent[0][0] == pytest.approx(0.04, abs=0.006)
    assert set(padder.sizes) == {MAX_PADDING}


def test_the_rest_of_a_probe_that_has_filled_the_link_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    _, egress, outlet = running()
    egress.transport_wide = True
    outlet.take()
    probes = [Probe(1, 800_000, 40_000)]
    monkeypatch.setattr(type(egress.estimator), "probe", lambda self, now: probes.pop() if probes else None)
    wanted = {1}
    monkeypatch.setattr(type(egress.estimator), "wants", lambda self, probe: probe in wanted)
    padder = Padder()
    for n in range(101):
        egress.pulse(11.0 + n / 1000, (padder,))
    assert 9_000 < sum(padder.sizes) < 12_000
    wanted.clear()
    before = len(padder.sizes)
    for n in range(101, 601):
        egress.pulse(11.0 + n / 1000, (padder,))
    assert len(padder.sizes) == before


def test_without_anything_to_pad_with_a_probe_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    _, egress, _ = running()
    egress.transport_wide = True
    probes = [Probe(1, 2_000_000, 10_000)]
    monkeypatch.setattr(type(egress.estimator), "probe", lambda self, now: probes.pop() if probes else None)
    egress.reports_at = None
    egress.pulse(11.0, ())
    due = egress.deadline()
    assert due is None or due > 11.0


def test_a_starved_link_is_watched() -> None:
    _, egress, outlet = running()
    egress.transport_wide = True
    outlet.take()
    egress.wish(0, 11.0, starved=True)
    padder = Padder()
    for n in range(1, 101):
        egress.pulse(11.0 + n / 100, (padder,))
    assert len(outlet.rtp) == round(1 / ALIVE_STEP)
    egress.wish(0, 12.0, starved=False)
    egress.pulse(13.0, (padder,))
    assert len(outlet.rtp) == round(1 / ALIVE_STEP)


def test_a_slots_padding_is_rtx_with_numbers_of_its_own() -> None:
    track, egress, outlet = running()
    (slot,) = track.publication.slots
    outlet.take()
    unwrap = Unwrapper16().unwrap
    found = []
    for _ in range(3):
        made = slot.padding(100, 11.0)
        assert made is not None
        egress.send_again(made, 11.0, paced=False)
    for packet in outlet.take():
        assert (packet.ssrc, packet.payload_type, packet.payload_start) == (
            slot.rtx_ssrc,
            97,
            packet.payload_end,
        )
        found.append(unwrap(packet.seq16))
    assert found == [found[0], found[0] + 1, found[0] + 2]


def test_remb_is_the_estimate_of_who_gives_nothing_else() -> None:
    egress = Egress(FakeOutlet())
    assert egress.available_bps is None
    egress.remb(700_000, 10.0)
    assert egress.available_bps == pytest.approx(700_000, rel=0.01)
    assert egress.estimator.source is Source.REMB
    egress.remb(1 << 80, 11.0)
    assert egress.available_bps is not None
    assert egress.available_bps < 1 << 63
    egress.remb(1_000, 12.0)
    assert egress.pacer.rate_bps >= 900_000


def test_padding_parses_as_rtp() -> None:
    track, _, _ = running()
    (slot,) = track.publication.slots
    made = slot.padding(MAX_PADDING, 11.0)
    assert made is not None
    assert rtp.parse(made[0]).payload_type == 97
