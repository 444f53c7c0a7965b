"""Keeps cores awake: a server that is measured at some thousand packets a second leaves its core idle most of the time.

Then the machine's clock falls and each wake-up begins with a sleeping core: twice the CPU time per packet was seen, by
chance of what else ran. A loop of the lowest class (SCHED_IDLE, sched(7)) on each core gives way to everything else,
so that what is compared are the servers. Knows cores; does not know what is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STEPS = 1 << 20  # some hundredths of a second


@contextmanager
def awake(cores: set[int]) -> Iterator[None]:
    """Inside, these cores don't sleep."""
    loops: list[subprocess.Popen[bytes]] = []
    try:
        for core in cores:
            loop = subprocess.Popen([sys.executable, "-m", __name__, str(core), str(os.getpid())])
            loops.append(loop)
        yield
    finally:
        for one in loops:
            one.kill()
            one.wait()


def _turn(core: int, parent: int) -> None:
    """Until the parent has ended, however that came."""
    os.sched_setaffinity(0, {core})
    os.nice(19)  # for the kernel's sums only
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.getppid() == parent:
        for _ in range(_STEPS):
            pass


if __name__ == "__main__":
    try:
        _turn(int(sys.argv[1]), int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
