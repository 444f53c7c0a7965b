"""The estimator on recorded links: the kernel's queues and losses, real clocks, a real browser.

The folder `recordings` is what `python -m benchmarks.adaptive --link netns --record DIR --seconds 22 --profiles
1M,300k,step,loss5,loss10,bucket` and `python -m benchmarks.adaptive.browser DIR` have written. What must hold is told
by each link's rate, which its recording names, less the headers that the link counts as well.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.adaptive.recording import SUFFIX, RecordingEstimator, read, write
from sfu.flow.bandwidth import BandwidthEstimator
from sfu.flow.bandwidth.loss import LossTest
from sfu.flow.bandwidth.overuse import Usage
from sfu.flow.bandwidth.probing import Probing
from sfu.flow.bandwidth.standing import StandingQueue
from sfu.flow.bandwidth.trend import DelayTrend
from tests.flow.bandwidth.path import Path as Link
from tests.flow.bandwidth.replay import Replay, replay

FOLDER = Path(__file__).parent / "recordings"
NAMES = sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.iterdir())
# What is asked of the estimate: so much of a link is used, and a link is known in so many seconds.
USED = 0.85
COLD, UP, DOWN = 5.0, 10.0, 2.0
# More than the link carries is tried, and believed now and then. Used, it makes a queue, so it ends as soon as a step
# down is known: at this rate the queue is then a fifth of a second.
MOST = 1.1
COLLAPSED = 0.7  # of the link: far below what is to be used of it
Break = Callable[[pytest.MonkeyPatch], None]


def _replay(name: str) -> Replay:
    return replay(read(FOLDER / f"{name}{SUFFIX}"))


def _complaints(result: Replay) -> list[str]:
    """What does not hold, of each time in which the link has one rate."""
    recording = result.recording
    starts = [at for at, _ in recording.shape.rates]
    found = []
    before = 0
    for (since, rate), until in zip(recording.shape.rates, [*starts[1:], recording.seconds], strict=True):
        settled = since + (COLD if not before else UP if rate > before else DOWN)
        before = rate
        link = result.link_bps(settled, until)
        mean, lowest = result.mean(settled, until) / link, result.lowest(settled, until) / link
        above = result.longest_above(MOST, link, since, until)
        if not USED <= mean <= MOST:
            found.append(f"{mean:.2f} of the link from {settled:.0f} to {until:.0f} s")
        if lowest < COLLAPSED:
            found.append(f"only {lowest:.2f} of the link between {settled:.0f} and {until:.0f} s")
        if above > DOWN:
            found.append(f"more than the link for {above:.1f} s between {since:.0f} and {until:.0f} s")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_estimate_is_that_of_the_link(name: str) -> None:
    assert _complaints(_replay(name)) == []


def test_a_step_is_followed() -> None:
    result = _replay("step")
    _, (down, _), (up, _) = result.recording.shape.rates
    less = result.link_bps(down + DOWN, up)
    assert result.first(0, MOST * less, down) < DOWN
    assert result.lowest(COLD, down) > MOST * less
    more = result.link_bps(up + UP, result.recording.seconds)
    assert result.first(USED * more, 1e9, up) < UP


def _without_delay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StandingQueue, "delay", lambda *_: 0.0)
    _without_slope(patch)


def _without_slope(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DelayTrend, "update", lambda *_: Usage.NORMAL)


def _afraid_of_loss(patch: pytest.MonkeyPatch) -> None:
    """As in draft-ietf-rmcat-gcc-02 section 6, but at much less of it."""

    def judge(self: LossTest, arriving_bps: float, now: float, *, idle: bool = False) -> float | None:
        count = self._lost + self._received
        if count < 20:
            return None
        ratio = self._lost / count
        self.skip(0.0)
        return arriving_bps * (1 - 0.5 * ratio) if ratio > 0.02 else None

    patch.setattr(LossTest, "judge", judge)


def _without_probes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Probing, "result", lambda *_: None)


def _deaf(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(BandwidthEstimator, "feedback", lambda *_: False)


@pytest.mark.parametrize(
    ("broken", "shows"),
    [
        (_without_delay, NAMES),
        (_without_slope, NAMES),
        (_afraid_of_loss, ["loss5", "loss10"]),
        (_without_probes, ["1M", "chromium", "loss5", "loss10", "step"]),
        (_deaf, ["1M", "300k", "chromium", "loss5", "loss10", "step"]),
    ],
)
def test_what_is_broken_shows(broken: Break, shows: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    assert [name for name in shows if not _complaints(_replay(name))] == []


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_replay_of_the_same_estimator_says_the_same(loss: float, tmp_path: Path) -> None:
    estimator = RecordingEstimator()
    rate, seconds = (lambda now: 2e6 if now < 8 else 4e5), 14.0
    figures = Link(rate=rate, seconds=seconds, loss=loss, timer=0.005).run(estimator)
    assert figures.probes > 2
    file = tmp_path / f"simulated{SUFFIX}"
    write(file, estimator.recording())
    result = replay(read(file))
    for at, bps in figures.targets:
        assert result.target(at) == bps, at
