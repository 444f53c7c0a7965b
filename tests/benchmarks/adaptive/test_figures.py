"""From records to figures, verdicts, documents: records made by hand, whose figures are known."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from benchmarks.adaptive import output, report, table
from benchmarks.adaptive.display import Display, Freeze, Shown
from benchmarks.adaptive.figures import Result, result
from benchmarks.adaptive.goals import GOALS, verdicts
from benchmarks.adaptive.profiles import Profile, Shape
from benchmarks.adaptive.record import Opinion, Record
from benchmarks.adaptive.report import Report

DEMAND = 7_000_000


def record(
    rates: tuple[tuple[float, int], ...], seconds: float, sent_bps: Callable[[float], float], name: str = ""
) -> Record:
    """`sent_bps(second)` fills the link."""
    made = Record(name, Shape(rates), seconds, demand_bps=DEMAND)
    for place in range(round(seconds * 100)):
        at = (place + 0.5) / 100
        size = round(sent_bps(at) / 800)
        for bins in (made.sent, made.passed, made.media):
            bins.add(at, size)
        made.queue.append((at, 40.0))
        made.packets += 1
    made.displays = [Display(shown=[Shown(place / 30, 1, 0) for place in range(1, round(seconds * 30))])]
    made.opinions = [Opinion(at / 5, 900_000, 800_000, 700_000) for at in range(round(seconds * 5))]
    return made


def profile_of(made: Record, name: str = "1M") -> Profile:
    return Profile(name, "a link", made.seconds, {made.subscriber: made.shape})


def test_a_stable_link_is_judged_after_it_has_settled() -> None:
    made = record(((0.0, 1_000_000),), 30, lambda at: 300_000 if at < 4 else 900_000)
    found = result(profile_of(made), made)
    assert found.utilisation == pytest.approx(0.9, abs=0.01)
    assert found.converge_up_s == pytest.approx(5.0, abs=0.2)
    assert found.converge_down_s is None
    assert found.queue_delay_ms_p95 == 40
    assert found.frozen_s == 0
    assert found.encodings["h"] > 0.99
    assert found.received_bps == pytest.approx((300_000 * 4 + 900_000 * 26) / 30, rel=0.01)


def test_a_step_is_timed_both_ways() -> None:
    rates = ((0.0, 3_000_000), (10.0, 500_000), (20.0, 3_000_000))
    made = record(rates, 40, lambda at: 2_900_000 if at < 11.4 else 450_000 if at < 26 else 2_800_000)
    found = result(profile_of(made, "step"), made)
    assert found.converge_down_s == pytest.approx(1.4, abs=0.2)
    assert found.converge_up_s == pytest.approx(7.0, abs=0.3)


def test_who_never_gets_there_is_given_the_whole_time() -> None:
    made = record(((0.0, 3_000_000), (10.0, 500_000)), 20, lambda at: 1_000_000)
    found = result(profile_of(made), made)
    assert found.converge_up_s == 10
    assert found.converge_down_s == 10
    assert [goal.met(found) for goal in GOALS[2:]] == [False, False]
    assert GOALS[3].shown(found) == "more than 10 s"


def test_a_link_that_is_wider_than_the_demand_has_no_utilisation() -> None:
    made = record(((0.0, 20_000_000),), 20, lambda at: 7_000_000)
    found = result(profile_of(made), made)
    assert (found.utilisation, found.converge_up_s) == (None, None)
    assert found.share_of_demand == pytest.approx(1.0, abs=0.01)
    assert GOALS[0].met(found) is None


def test_freezes_and_pauses_add_up_over_all_pictures() -> None:
    made = record(((0.0, 1_000_000),), 20, lambda at: 900_000)
    (display,) = made.displays
    display.freezes += [Freeze(3.0, 4.0), Freeze(8.0, 8.5)]
    second = Display(
        shown=[Shown(1.0, 0, 0), Shown(5.1, 0, 0)], pauses=[Freeze(5.0, 20.0)], freezes=[Freeze(1.0, 5.0)]
    )
    made.displays.append(second)
    found = result(profile_of(made), made)
    assert (found.frozen_s, found.freezes, found.paused_s) == (5.5, 3, 15)
    assert found.encodings["paused"] == pytest.approx(15 / 40, abs=0.01)


def results() -> list[Result]:
    made = record(((0.0, 1_000_000),), 20, lambda at: 600_000)
    slow = record(((0.0, 400_000),), 20, lambda at: 390_000, "slow")
    fast = record(((0.0, 20_000_000),), 20, lambda at: 5_000_000, "fast")
    alone = record(((0.0, 20_000_000),), 20, lambda at: 6_900_000, "fast alone")
    return [result(profile_of(made), made)] + [
        result(profile_of(each, "slow-and-fast"), each) for each in (slow, fast, alone)
    ]


def test_verdicts_name_what_is_missed_and_what_the_slow_one_costs() -> None:
    said = [each.sentence for each in verdicts(results())]
    assert said[0] == "6 of 8 goals are met"
    assert any(sentence.startswith("1M: utilisation of a stable link is 60 %") for sentence in said)
    assert "costs something" in said[-1]
    fine = results()
    same = msgspec.structs.replace(fine[3], subscriber="fast")
    assert "costs nothing" in verdicts([same, fine[3]])[-1].sentence


def test_the_table_marks_what_is_missed() -> None:
    text = table.table(results())
    line = next(line for line in text.splitlines() if line.startswith("1M "))
    assert "60 !" in line
    assert "slow-and-fast (fast alone)" in text


def test_everything_is_written_and_read_again(tmp_path: Path) -> None:
    document = Report(
        command="python -m benchmarks.adaptive", link="virtual", seed=1,
        machine={"cpu": "?", "cores": 1, "kernel": "?", "python": "?", "packages": {}, "time": "now"},
        results=results(), verdicts=[], skipped=["jitter200 skipped: <netem>"],
    )  # fmt: skip
    files = output.write_all(tmp_path, document)
    assert {"report.json", "report.html", "1M.png", "1M.svg", "slow-and-fast-fast-alone.svg"} <= {
        f.name for f in files
    }
    assert all(file.stat().st_size > 500 for file in files)
    html = (tmp_path / "report.html").read_text()
    assert "&lt;netem&gt;" in html
    assert html.count("<svg") == 4
    assert "stroke: #" not in html.split("</style>")[1]  # all colours come from the page
    plain = json.loads((tmp_path / "report.json").read_bytes())
    asked = {"profile", "utilisation", "queue_delay_ms_p95", "converge_down_s", "converge_up_s", "frozen_s"}
    assert all(asked <= set(entry) for entry in plain["results"])
    assert report.read(tmp_path / "report.json").results[0].profile == "1M"
