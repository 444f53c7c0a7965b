"""What leaves one connection when: the queue for a slow link, and what is refused."""

from sfu.forwarding.egress import CLEARED, CLOGGED, Egress, Outgoing
from tests.forwarding.doubles import DELTA, FakeOutlet, packet

PACKET = packet(0, payload=DELTA.ljust(988, b"\0"))


def outgoing(number: int) -> Outgoing:
    return PACKET, number, 0, 5, 0, 0, 0, b""


def slow() -> tuple[Egress, FakeOutlet]:
    """A client whose link carries a megabit a second."""
    outlet = FakeOutlet()
    egress = Egress(outlet)
    egress.remb(600_000, 10.0)
    assert egress.paced
    return egress, outlet


def test_more_retransmissions_than_there_is_room_for_do_not_cut_off_frames() -> None:
    egress, _ = slow()
    sent = [egress.send_again(outgoing(number), 10.0, paced=True) for number in range(200)]
    assert False in sent
    assert not egress.clogged
    assert egress.send_paced(outgoing(200), 10.0)


def test_a_second_of_waiting_packets_cuts_off_frames_until_most_of_it_has_left() -> None:
    egress, outlet = slow()
    number = 0
    while not egress.clogged:
        assert egress.send_paced(outgoing(number), 10.0)
        number += 1
    assert CLOGGED < egress.pacer.queued_seconds < CLOGGED + 0.02
    now, cleared = 10.0, False
    while not cleared:
        deadline = egress.deadline()
        assert deadline is not None
        now = max(now + 0.001, deadline)
        cleared = egress.pulse(now, ())
    assert CLOGGED - CLEARED - 0.1 < now - 10.0 < CLOGGED - CLEARED + 0.1
    assert [one.seq16 for one in outlet.take()] == list(range(number - len(egress.pacer)))
