"""What a process and its children have used: CPU time and resident memory, from /proc.

Knows: the files of /proc (proc(5)). Linux only.
Does not know: what the process is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the processes began, resident bytes now. `user` and `system` are coarse: ticks."""

    cpu: float
    user: float
    system: float
    resident: int

    def __sub__(self, earlier: Usage) -> Usage:
        return Usage(
            self.cpu - earlier.cpu,
            self.user - earlier.user,
            self.system - earlier.system,
            self.resident - earlier.resident,
        )


def descendants(pid: int, proc: Path = PROC) -> list[int]:
    """`pid` and all its children, and theirs."""
    found = [pid]
    for parent in found:
        for children in (proc / str(parent) / "task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


def read(pids: Iterable[int], proc: Path = PROC) -> Usage:
    """Add up the processes. One that is gone counts nothing."""
    cpu = user = system = 0.0
    resident = 0
    for pid in pids:
        for schedstat in (proc / str(pid) / "task").glob("*/schedstat"):
            with suppress(OSError, IndexError):  # a thread that ends meanwhile
                cpu += int(schedstat.read_text().split()[0]) * 1e-9
        with suppress(OSError):
            # The name in parentheses may hold spaces: fields are counted from behind it (utime is number 14).
            fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
            user += int(fields[11]) * TICK
            system += int(fields[12]) * TICK
            resident += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return Usage(cpu, user, system, resident)


def core_busy(core: int, proc: Path = PROC) -> float:
    """Seconds that a core was busy since the machine began; 0 when it can't be told.

    Without what is "nice" (proc_stat(5)): that gives way, as the loops do that keep cores awake.
    """
    for line in (proc / "stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            user, _nice, system, _idle, _wait, irq, softirq, steal = (int(field) for field in fields[:8])
            return (user + system + irq + softirq + steal) * TICK
    return 0.0
