"""What a publisher is asked to send, and what can be expected of it."""

from collections.abc import Mapping

from sfu.forwarding.asking import PATIENCE, Asking
from sfu.forwarding.egress import Egress
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, Target
from tests.forwarding.doubles import VP8, FakeOutlet, accepted, section
from tests.forwarding.rig import simulcast

OFF = {"q": False, "h": False, "f": False}


class Case:
    """A publication of three encodings, and slots that take them."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, bool]] = []
        self.scheduled = 0
        self.publication = Publication("t_1", "p_1", "0", "camera", False, simulcast(), lambda encoding: None)
        self.publication.asking = self.asking = Asking(
            self.publication, self.told.append, self._schedule, 10.0
        )
        self.asking.update(10.0)

    def _schedule(self) -> None:
        self.scheduled += 1

    def slot(self) -> Slot:
        profile = SendProfile.of(accepted(section([VP8], direction="recvonly")))
        slot = Slot("5", "video", profile, Egress(FakeOutlet()), "tile", lambda slot: None, steered=True)
        slot.point(self.publication, 10.0)
        return slot

    def encoding(self, rid: str) -> Encoding:
        found = self.publication.find(rid)
        assert found is not None
        return found


def test_what_nobody_takes_is_switched_off_after_a_while_and_on_at_once() -> None:
    case = Case()
    at = case.asking.deadline()
    assert at is not None
    assert 11 < at < 12.5
    case.asking.pulse(at)
    assert case.told == [OFF]
    slot = case.slot()
    slot.aim(Target(case.encoding("h")), 20.0)
    assert case.told[1:] == [{**OFF, "h": True}]
    slot.wish(frozenset({"f"}), 21.0)
    assert case.told[2:] == [{**OFF, "h": True, "f": True}]


def test_a_slot_that_goes_away_is_seen_at_the_next_pulse() -> None:
    case = Case()
    slot = case.slot()
    slot.aim(Target(case.encoding("q")), 10.0)
    case.asking.pulse(15.0)
    case.scheduled = 0
    slot.close()
    assert case.scheduled == 1
    assert case.asking.deadline() == 0.0
    case.asking.pulse(16.0)
    case.asking.pulse(20.0)
    assert case.told[-1] == OFF
    assert case.asking.deadline() is None


def test_a_paused_slot_takes_nothing() -> None:
    case = Case()
    slot = case.slot()
    slot.aim(Target(case.encoding("q")), 10.0)
    slot.pause("bandwidth", 11.0)
    case.asking.pulse(20.0)
    assert case.told == [OFF]


def test_the_old_encoding_is_taken_until_the_switch() -> None:
    case = Case()
    slot = case.slot()
    slot.aim(Target(case.encoding("q")), 10.0)
    case.encoding("q")._begin(slot)
    slot.start(case.encoding("q"), 5, 0, None, 10.0)
    slot.aim(Target(case.encoding("f")), 11.0)
    assert case.publication.taken == {"q", "f"}
    slot.start(case.encoding("f"), 5, 0, None, 12.0)
    assert case.publication.taken == {"f"}


def test_what_sleeps_because_nobody_asks_is_available_and_what_does_not_come_is_not() -> None:
    case = Case()
    slot = case.slot()
    f = case.encoding("f")
    case.asking.pulse(12.0)
    f.stopped = True
    assert case.asking.available(f, 13.0)
    slot.aim(Target(f), 20.0)
    assert case.asking.available(f, 20.0 + PATIENCE - 0.1)
    assert not case.asking.available(f, 20.0 + PATIENCE)
    f.stopped = False
    assert case.asking.available(f, 30.0)


def test_encodings_of_a_later_offer_are_all_sent_at_first() -> None:
    case = Case()
    case.asking.pulse(12.0)
    case.publication.renegotiated(simulcast(rids=("q", "f")), 13.0)
    case.asking.update(13.0)
    case.asking.pulse(20.0)
    assert case.told[-1] == {"q": False, "f": False}
