"""Reading /proc, and how results are shown."""

import io
import json
import math
import os
from pathlib import Path

from benchmarks.load import report, usage
from benchmarks.load.figures import Result


def fake_process(proc: Path, pid: int, threads: dict[int, int], children: str = "") -> None:
    for thread, nanoseconds in threads.items():
        task = proc / str(pid) / "task" / str(thread)
        task.mkdir(parents=True)
        (task / "schedstat").write_text(f"{nanoseconds} 5 6\n")
        (task / "children").write_text(children if thread == pid else "")
    fields = ["S", *map(str, range(4, 14)), "300", "200", *map(str, range(16, 24)), "25"]
    (proc / str(pid) / "stat").write_text(f"{pid} (a (strange) name) " + " ".join(fields))


def test_threads_and_children_are_added_up(tmp_path: Path) -> None:
    fake_process(tmp_path, 10, {10: 1_000_000_000, 11: 500_000_000}, children="20 ")
    fake_process(tmp_path, 20, {20: 250_000_000})
    pids = usage.descendants(10, tmp_path)
    assert pids == [10, 20]
    used = usage.read([*pids, 99], tmp_path)
    assert used.cpu == 1.75
    assert used.user == 600 * usage.TICK
    assert used.system == 400 * usage.TICK
    assert used.resident == 2 * 25 * os.sysconf("SC_PAGE_SIZE")


def test_how_long_a_core_was_busy(tmp_path: Path) -> None:
    rows = [
        "cpu  1 1 1 1 1 1 1 1 0 0",
        "cpu0 9 9 9 9 9 9 9 9 0 0",
        "cpu1 100 10 50 7000 30 2 3 5 0 0",
        "intr 1 2",
    ]
    (tmp_path / "stat").write_text("\n".join(rows))
    assert usage.core_busy(1, tmp_path) == 160 * usage.TICK
    assert usage.core_busy(7, tmp_path) == 0.0


def test_the_own_process_has_used_something() -> None:
    before = usage.read([os.getpid()])
    sum(range(300_000))
    spent = usage.read([os.getpid()]) - before
    assert spent.cpu > 0
    assert before.resident > 1 << 20


RESULT = Result("aiosfu-python", "fanout", 10, 9.5, packets_per_second=2610, latency_ms_p99=math.nan)


def test_table_leaves_out_columns_that_nobody_fills() -> None:
    text = report.table([RESULT])
    assert "aiosfu-python  fanout:10       9.50" in text
    assert "join ms" not in text
    assert "!" not in text


def test_remarks_say_what_must_not_be_trusted() -> None:
    odd = Result(
        "x", "party", 8, 1.0, loss=0.02, unproven=3, client_dropped=7, client_cores=0.95, client_late_ms=50.0
    )
    text = "\n".join(report.remarks(odd))
    assert "x party:8" in text
    assert all(
        part in text
        for part in (
            "3 sampled",
            "7 packets were lost in the load client's",
            "2.0% of the packets lost",
            "95% of a core",
            "50 ms late",
        )
    )
    assert "received twice" in report.remarks(Result("x", "party", 8, 1.0, loss=-0.5))[0]


def test_json_is_strict(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    report.write_json(file, {"seconds": 5.0}, [RESULT])
    document = json.loads(file.read_text(), parse_constant=lambda text: 1 / 0)
    (line,) = document["results"]
    assert (line["server"], line["shape"], line["n"], line["cpu_us_per_packet"]) == (
        "aiosfu-python",
        "fanout",
        10,
        9.5,
    )
    assert line["latency_ms_p99"] is None
    assert {"loss", "latency_ms_p50", "profile"} <= set(line)
    assert document["machine"]["cores"] == os.cpu_count()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_rewrites_its_line_on_a_terminal_only() -> None:
    plain, terminal = io.StringIO(), Terminal()
    for stream in (plain, terminal):
        progress = report.Progress(2, stream)
        progress.begin("a fanout:1")
        progress.say("joining 1/2")
        progress.line("note")
        progress.end()
    assert plain.getvalue() == "[1/2] a fanout:1\nnote\n"
    assert "\r\033[K[1/2] a fanout:1: joining 1/2" in terminal.getvalue()
