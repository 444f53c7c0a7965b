"""Who speaks in a room, as its clients' packets say; and whose video last-N leaves to whom."""

from collections.abc import Mapping

import pytest

from sfu.rooms.member import Publishing
from sfu.rooms.room import Room
from sfu.wire import extensions
from tests.forwarding.doubles import IDS, OPUS, VP8, packet, section
from tests.rooms.doubles import Peer, offer, run

LOUD, QUIET = 25, 80
GAP = 10
"""Packets from one pause between words to the next."""
AUDIO = section([OPUS], kind="audio", mid="0", direction="sendonly")
VIDEO = section([VP8], kind="video", mid="1", direction="sendonly", index=1)
IN = 0.02
"""Seconds of sound in a packet."""


class Talk:
    """Some participants who publish sound and picture, in virtual time."""

    def __init__(self, last_n: int = 0, *, people: int = 3) -> None:
        self.room = Room("blue", last_n)
        self.now = 10.0
        self.seq = 0
        self.told: list[tuple[str, ...]] = []
        self.room.on_speakers = self.told.append
        self.peers: dict[str, Peer] = {}
        for number in range(people):
            self.enter(f"p_{number}")

    def enter(self, id: str, source: str = "microphone", *, muted: bool = False) -> Peer:
        peer = self.peers[id] = Peer(self.room, id)
        run(
            peer.participant.negotiate(
                offer(AUDIO, VIDEO),
                {"0": Publishing(source, muted), "1": Publishing("camera", False)},
                {},
                self.now,
            )
        )
        return peer

    def talk(self, seconds: float, **levels: int) -> None:
        """Everybody named sends sound of that level, with the gaps of speech; of the others nothing comes."""
        until = self.now + seconds
        while self.now < until:
            self.now += IN
            self.seq += 1
            for id, level in levels.items():
                self.hear(id, bytes(((QUIET if self.seq % GAP == 0 else level) | 0x80,)))
            self.room.pulse(self.now)

    def hear(self, id: str, data: bytes) -> None:
        block = extensions.build([(IDS[extensions.AUDIO_LEVEL], data)], allow_two_byte=True) if data else b""
        self.peers[id].participant.receive_rtp(
            packet(self.seq, self.seq * 960, b"opus", payload_type=111, block=block), self.now
        )

    def publication(self, id: str) -> str:
        return self.peers[id].participant.publications["0"].id


def test_who_is_loud_speaks_until_it_is_silent() -> None:
    talk = Talk()
    talk.talk(2.0, p_0=LOUD, p_1=QUIET)
    assert talk.room.speakers.active == ("p_0",)
    assert talk.told == [("p_0",)]
    talk.talk(4.0, p_0=QUIET, p_1=QUIET)
    assert talk.told == [("p_0",), ()]


def test_who_sends_nothing_any_more_speaks_no_more() -> None:
    talk = Talk()
    talk.talk(2.0, p_0=LOUD)
    talk.talk(4.0)
    assert talk.told == [("p_0",), ()]


def test_who_is_muted_is_silent_at_once() -> None:
    talk = Talk()
    talk.talk(2.0, p_0=LOUD)
    talk.peers["p_0"].participant.mute(talk.publication("p_0"), True)
    assert talk.told == [("p_0",), ()]
    assert talk.room.speakers.recent == ("p_0",)
    talk.talk(2.0, p_0=LOUD)  # of a client that goes on sending
    assert talk.told == [("p_0",), ()]
    talk.peers["p_0"].participant.mute(talk.publication("p_0"), False)
    talk.talk(2.0, p_0=LOUD)
    assert talk.room.speakers.active == ("p_0",)


def test_a_publication_that_ends_is_silent_at_once() -> None:
    talk = Talk()
    talk.talk(2.0, p_0=LOUD)
    run(talk.peers["p_0"].participant.negotiate(offer(AUDIO, VIDEO), {}, {}, talk.now))
    assert talk.told == [("p_0",), ()]


def test_who_leaves_is_forgotten() -> None:
    talk = Talk()
    talk.talk(2.0, p_0=LOUD)
    run(talk.peers["p_0"].participant.close())
    talk.room.leave("p_0")
    assert talk.told == [("p_0",), ()]
    assert talk.room.speakers.recent == ()


def test_who_has_left_is_not_heard_any_more() -> None:
    """Packets may come until the connection is closed, which takes its time."""
    talk = Talk()
    talk.room.leave("p_0")
    run(talk.peers["p_0"].participant.close())
    talk.talk(2.0, p_0=LOUD)
    assert talk.told == []
    assert talk.room.speakers.recent == ()


def test_shared_sound_is_no_speech() -> None:
    talk = Talk(people=0)
    talk.enter("p_0", "screen-audio")
    talk.talk(3.0, p_0=LOUD)
    assert talk.told == []


@pytest.mark.parametrize("data", [b"", b"\x94\x00"])
def test_sound_without_a_level_says_nothing(data: bytes) -> None:
    talk = Talk()
    for _ in range(100):
        talk.now += IN
        talk.seq += 1
        talk.hear("p_0", data)
    assert talk.told == []
    assert talk.peers["p_0"].participant.publications["0"].encoding.arrivals.packets == 100


def test_watchers_are_called_on_every_change_and_may_go_meanwhile() -> None:
    talk = Talk()
    calls: list[str] = []

    def first() -> None:
        calls.append("first")
        talk.room.unwatch(first)
        talk.room.unwatch(second)

    def second() -> None:
        calls.append("second")

    talk.room.watch(first)
    talk.room.watch(first)
    talk.room.watch(second)
    talk.talk(2.0, p_0=LOUD)
    assert calls == ["first", "second"]
    talk.talk(4.0, p_1=LOUD)
    assert calls == ["first", "second"]


# -- last-N --------------------------------------------------------------------------------------------------


def kept(talk: Talk) -> Mapping[str, set[str]]:
    return {id: set(talk.room.kept(id) or ()) for id in talk.peers}


def test_without_last_n_everybodys_video_is_kept() -> None:
    talk = Talk()
    assert talk.room.kept("p_0") is None


def test_while_nobody_has_spoken_those_are_kept_who_came_first() -> None:
    talk = Talk(last_n=2, people=4)
    assert kept(talk) == {
        "p_0": {"p_1", "p_2"},
        "p_1": {"p_0", "p_2"},
        "p_2": {"p_0", "p_1"},
        "p_3": {"p_0", "p_1"},
    }


def test_those_are_kept_who_spoke_last() -> None:
    talk = Talk(last_n=2, people=4)
    talk.talk(2.0, p_3=LOUD)
    assert kept(talk)["p_0"] == {"p_3", "p_1"}
    assert kept(talk)["p_3"] == {"p_0", "p_1"}  # not one's own
    talk.talk(3.0, p_2=LOUD)
    talk.talk(3.0, p_1=LOUD)
    assert kept(talk)["p_0"] == {"p_1", "p_2"}


def test_who_has_no_video_takes_no_place() -> None:
    talk = Talk(last_n=1, people=3)
    peer = talk.peers["p_2"]
    talk.talk(2.0, p_2=LOUD)
    assert kept(talk)["p_0"] == {"p_2"}
    run(peer.participant.negotiate(offer(AUDIO, VIDEO), {"0": Publishing("microphone", False)}, {}, talk.now))
    assert kept(talk)["p_0"] == {"p_1"}
