"""When reports and speakers are told, in virtual time."""

from itertools import pairwise

from sfu.forwarding.publication import Publication
from sfu.rooms.room import Room
from sfu.telling import SPEAKERS_INTERVAL, Reporter, SpeakerNews
from tests.forwarding.doubles import OPUS, accepted, section
from tests.signaling.clock import Clock

AUDIO = accepted(section([OPUS], kind="audio", direction="sendonly"))


class Reports:
    """A reporter and the times it rang."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.times: list[float] = []
        self.reporter = Reporter(self.times.append, clock=self.clock, call_later=self.clock.call_later)


def test_reports_come_as_often_as_they_were_asked_for() -> None:
    reports = Reports()
    reports.clock.forward(5.0)
    assert reports.times == []
    reports.reporter.every(1.0)
    reports.clock.forward(3.5)
    assert reports.times == [6.0, 7.0, 8.0]


def test_one_timer_however_often_they_are_asked_for() -> None:
    reports = Reports()
    for seconds in (1.0, 0.5, 2.0):
        reports.reporter.every(seconds)
        assert len(reports.clock.pending()) == 1
    reports.clock.forward(5.0)
    assert reports.times == [2.0, 4.0]
    reports.reporter.every(0)
    assert reports.clock.pending() == []
    reports.clock.forward(5.0)
    assert reports.times == [2.0, 4.0]


def test_lateness_neither_shifts_the_grid_nor_is_made_up_for() -> None:
    reports = Reports()
    reports.reporter.every(1.0)
    (alarm,) = reports.clock.pending()
    reports.clock.alarms.remove(alarm)
    reports.clock.now = 3.25  # the process slept
    alarm.callback()
    assert reports.times == [3.25]
    reports.clock.forward(1.0)
    assert reports.times == [3.25, 4.0]


def test_a_report_that_fails_is_not_the_last() -> None:
    clock = Clock()
    times: list[float] = []

    def report(now: float) -> None:
        times.append(now)
        if len(times) == 1:
            raise RuntimeError

    Reporter(report, clock=clock, call_later=clock.call_later).every(1.0)
    for _ in range(2):
        try:
            clock.forward(1.0)
        except RuntimeError:
            continue
    assert times == [1.0, 2.0]


# -- speakers ------------------------------------------------------------------------------------------------


class News:
    """A room whose speakers are what a test says, and what was told of them when."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.room = Room("blue")
        self.publications: dict[str, Publication] = {}
        self.told: list[tuple[float, tuple[str, ...]]] = []
        self.news = SpeakerNews(
            self.room,
            lambda participants: self.told.append((self.clock.now, participants)),
            clock=self.clock,
            call_later=self.clock.call_later,
        )

    def publication(self, participant: str) -> Publication:
        return self.publications.setdefault(
            participant,
            Publication(
                f"t_{participant}", participant, "0", "microphone", False, AUDIO, lambda encoding: None
            ),
        )

    def talk(self, seconds: float, *people: str) -> None:
        """Sound of people, with the gaps of speech; of the others nothing comes."""
        for number in range(round(seconds * 50)):
            self.clock.forward(0.02)
            for id in people:
                level = 90 if number % 10 == 0 else 25
                self.room.audio_level(self.publication(id), level, True, self.clock.now)


def test_speakers_are_told_once_and_silence_too() -> None:
    news = News()
    news.clock.forward(10.0)
    assert news.clock.pending() == []
    news.talk(5.0, "p_1")
    assert [who for _, who in news.told] == [("p_1",)]
    assert 10.0 < news.told[0][0] < 11.0
    news.talk(5.0)
    assert [who for _, who in news.told] == [("p_1",), ()]
    assert news.told[1][0] < 18.0
    assert news.clock.pending() == []


def test_speakers_are_told_four_times_a_second_at_most() -> None:
    news = News()
    news.clock.forward(10.0)
    for number in range(40):
        news.talk(0.1, *(f"p_{other}" for other in range(number)))
    times = [at for at, _ in news.told]
    assert len(times) > 5
    assert min(b - a for a, b in pairwise(times)) >= SPEAKERS_INTERVAL - 1e-9
    assert news.told[-1][1] == news.room.speakers.active


def test_after_the_end_nothing_is_told() -> None:
    news = News()
    news.talk(2.0, "p_1")
    news.news.close()
    news.news.close()
    assert news.clock.pending() == []
    news.talk(5.0)
    assert len(news.told) == 1
