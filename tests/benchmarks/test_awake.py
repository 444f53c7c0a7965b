"""Cores that are kept awake: by loops that give way to everything, and end."""

import os
import time
from pathlib import Path

from benchmarks.load.awake import awake
from benchmarks.load.usage import descendants


def _idle_class(pid: int) -> bool:
    return os.sched_getscheduler(pid) == os.SCHED_IDLE


def test_a_loop_on_each_core_that_gives_way() -> None:
    core = min(os.sched_getaffinity(0))
    before = set(descendants(os.getpid()))
    with awake({core}):
        (loop,) = set(descendants(os.getpid())) - before
        for _ in range(500):
            if _idle_class(loop):
                break
            time.sleep(0.01)
        assert _idle_class(loop)
        assert os.sched_getaffinity(loop) == {core}
    assert not Path(f"/proc/{loop}").exists()


def test_without_cores_there_is_none() -> None:
    before = descendants(os.getpid())
    with awake(set()):
        assert descendants(os.getpid()) == before
