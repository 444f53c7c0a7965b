"""What a publisher is asked to send, as slots come, wait, switch and go."""

from collections.abc import Mapping

from sfu.forwarding.asking import Asking
from sfu.forwarding.egress import Egress
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.slot import Slot, Target
from tests.forwarding.doubles import KEY, VP8, FakeOutlet, accepted, section, view
from tests.forwarding.rig import Rig, simulcast


class Asked:
    """A camera in encodings, and what its publisher was told."""

    def __init__(self, *rids: str) -> None:
        self.rig = Rig(simulcast(rids=rids))
        self.publication = self.rig.publication
        self.told: list[Mapping[str, bool]] = []
        self.publication.asking = self.asking = Asking(
            self.publication, self.told.append, self._schedule, 10.0
        )
        self.asking.update(10.0)
        for ssrc, encoding in enumerate(self.publication.encodings, 1):
            encoding.ssrc = ssrc

    def _schedule(self) -> None:
        """Time passes by `run`."""

    def slot(self) -> Slot:
        profile = SendProfile.of(accepted(section([VP8], direction="recvonly")))
        slot = Slot("5", "video", profile, Egress(FakeOutlet()), "tile", lambda slot: None, steered=True)
        slot.point(self.publication, 10.0)
        return slot

    def aim(self, slot: Slot, rid: str, now: float) -> None:
        encoding = self.publication.find(rid)
        assert encoding is not None
        slot.aim(Target(encoding), now)

    def key_frame(self, rid: str, seq: int, now: float) -> None:
        encoding = self.publication.find(rid)
        assert encoding is not None
        assert encoding.ssrc is not None
        encoding.receive(view(seq, 0, KEY, ssrc=encoding.ssrc), now)

    def run(self, start: float, end: float) -> None:
        while (deadline := self.asking.deadline()) is not None and deadline < end:
            start = max(deadline, start)
            self.asking.pulse(start)


def test_what_nobody_takes_is_switched_off() -> None:
    asked = Asked("q", "h", "f")
    slot = asked.slot()
    asked.aim(slot, "q", 10.0)
    asked.run(10.0, 20.0)
    assert asked.told == [{"q": True, "h": False, "f": False}]
    slot.point(None, 20.0)
    asked.run(20.0, 30.0)
    assert asked.told[1:] == [{"q": False, "h": False, "f": False}]


def test_an_encoding_left_in_the_middle_of_a_switch_is_switched_off() -> None:
    asked = Asked("q", "f")
    slot = asked.slot()
    asked.aim(slot, "f", 10.0)
    asked.key_frame("f", 1, 10.0)
    asked.aim(slot, "q", 10.1)
    assert slot.encoding is not None
    slot.encoding.interrupt(slot)  # its link's queue is full
    asked.key_frame("q", 1, 10.2)
    asked.run(10.2, 20.0)
    assert asked.told[-1] == {"q": True, "f": False}
    assert asked.asking.asked == ("q",)


def test_encodings_of_a_later_offer_are_switched_off_if_nobody_takes_them() -> None:
    asked = Asked("q")
    asked.run(10.0, 13.0)
    asked.rig.renegotiate(simulcast(rids=("q", "h", "f")), now=13.0)
    asked.run(13.0, 20.0)
    assert asked.told == [{"q": False}, {"q": False, "h": False, "f": False}]
