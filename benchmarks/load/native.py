"""Builds loop.c and floor.c at first use and describes them to ctypes.

Knows: the compiler call, the cache folder, the layout of the C structs. ctypes calls without Python's lock.
Does not know: what the datagrams are, nor what the counters mean for a server.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).parent
SOURCES = (HERE / "loop.c", HERE / "floor.c")
CACHE = HERE.parent / "out"
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
DATAGRAM_MAX = 2048  # loop.c

BURST = np.dtype(
    [("due_ns", "<i8"), ("first", "<u4"), ("count", "<u4"), ("socket", "<u4"), ("reserved", "<u4")]
)
KEPT = np.dtype(
    [("received_ns", "<i8"), ("socket", "<u4"), ("length", "<u4"), ("data", "u1", (DATAGRAM_MAX,))]
)


class NativeError(RuntimeError):
    """The C part can't be built or refuses to run; the message says why."""


class LoadStruct(ctypes.Structure):
    """struct load of loop.c; see there for the meaning of each field."""

    _fields_ = (
        ("sockets", ctypes.c_void_p),
        ("socket_count", ctypes.c_uint64),
        ("arena", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("bursts", ctypes.c_void_p),
        ("sent_ns", ctypes.c_void_p),
        ("packets", ctypes.c_void_p),
        ("bytes", ctypes.c_void_p),
        ("samples", ctypes.c_void_p),
        ("sample_capacity", ctypes.c_uint64),
        ("sample_count", ctypes.c_uint64),
        ("sample_every", ctypes.c_uint64),
        ("others", ctypes.c_void_p),
        ("others_capacity", ctypes.c_uint64),
        ("others_count", ctypes.c_uint64),
        ("start_ns", ctypes.c_int64),
        ("drain_ns", ctypes.c_int64),
        ("late_max_ns", ctypes.c_int64),
        ("sent", ctypes.c_uint64),
        ("send_errors", ctypes.c_uint64),
        ("stop", ctypes.c_uint32),
    )


class FloorStruct(ctypes.Structure):
    """struct floor of floor.c; see there for the meaning of each field."""

    _fields_ = (
        ("addresses", ctypes.c_void_p),
        ("address_count", ctypes.c_uint64),
        ("rotate", ctypes.c_uint64),
        ("socket", ctypes.c_int32),
        ("mode", ctypes.c_int32),
        ("packets", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("frames", ctypes.c_uint64),
        ("interval_ns", ctypes.c_int64),
        ("protect", ctypes.c_void_p),
        ("sessions", ctypes.c_void_p),
        ("cpu_ns", ctypes.c_int64),
        ("user_us", ctypes.c_int64),
        ("system_us", ctypes.c_int64),
        ("sent", ctypes.c_uint64),
        ("errors", ctypes.c_uint64),
        ("stop", ctypes.c_uint32),
    )


def build(cache: Path = CACHE) -> Path:
    """Compile the C sources unless `cache` has this very version; return the library. Raises NativeError."""
    recipe = hashlib.sha256(" ".join((*FLAGS, platform.machine())).encode())
    for source in SOURCES:
        recipe.update(source.read_bytes())
    library = cache / f"load-{recipe.hexdigest()[:16]}.so"
    if library.exists():
        return library
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NativeError("the load client needs a C compiler (cc): install gcc or clang")
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = library.with_suffix(f".{os.getpid()}.tmp")  # renamed when whole: two runs may build at once
    command = [*compiler.split(), *FLAGS, "-o", str(unfinished), *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NativeError(f"{command[0]} could not build the load client:\n{done.stderr}")
    unfinished.rename(library)
    return library


def open_library(path: Path | None = None) -> ctypes.CDLL:
    """Load the compiled loop and check that its structs are the ones described here. Raises NativeError."""
    library = ctypes.CDLL(str(path or build()))
    library.load_sizeof.restype = library.floor_sizeof.restype = ctypes.c_uint64
    library.load_run.argtypes = [
        ctypes.POINTER(LoadStruct),
        ctypes.c_uint64,
        ctypes.c_uint64,
        ctypes.c_int64,
    ]
    library.floor_run.argtypes = [ctypes.POINTER(FloorStruct)]
    theirs = [*(library.load_sizeof(which) for which in range(3)), library.floor_sizeof()]
    ours = [BURST.itemsize, KEPT.itemsize, ctypes.sizeof(LoadStruct), ctypes.sizeof(FloorStruct)]
    assert theirs == ours, f"struct layouts differ between C and Python: {theirs} {ours}"
    return library


def pointer(array: npt.NDArray[Any]) -> int:
    """The address of a numpy array's first element; the caller keeps the array alive."""
    assert array.flags.c_contiguous
    return array.ctypes.data


@dataclass(slots=True)
class Schedule:
    """What to send: datagrams back to back, and the bursts that name them, ordered by due time."""

    arena: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.uint64]  # one more than there are datagrams
    bursts: npt.NDArray[Any]  # dtype BURST

    @classmethod
    def empty(cls) -> Schedule:
        """Nothing to send: a loop that only receives."""
        return cls(np.zeros(1, np.uint8), np.zeros(1, np.uint64), np.zeros(0, BURST))


@dataclass(slots=True)
class Kept:
    """One datagram that the loop handed up. `received_ns` is wall-clock time stamped by the kernel."""

    received_ns: int
    socket: int
    data: bytes


@dataclass(slots=True)
class Loop:
    """Owns the memory of one struct load. `run` blocks its thread; other methods may be used meanwhile."""

    library: ctypes.CDLL
    sockets: list[int]
    schedule: Schedule
    sample_every: int = 64
    sample_capacity: int = 4096
    drain_ms: float = 1.0
    others_capacity: int = 4096
    struct: LoadStruct = field(init=False)
    sent_ns: npt.NDArray[np.int64] = field(init=False)
    packets: npt.NDArray[np.uint64] = field(init=False)
    bytes: npt.NDArray[np.uint64] = field(init=False)
    _fds: npt.NDArray[np.int32] = field(init=False)
    _samples: npt.NDArray[Any] = field(init=False)
    _others: npt.NDArray[Any] = field(init=False)
    _others_taken: int = 0

    def __post_init__(self) -> None:
        assert self.sample_every & (self.sample_every - 1) == 0, "sample_every is a power of two, or 0"
        self._fds = np.array(self.sockets, np.int32)
        self.sent_ns = np.zeros(max(1, len(self.schedule.offsets) - 1), np.int64)
        self.packets = np.zeros(len(self.sockets), np.uint64)
        self.bytes = np.zeros(len(self.sockets), np.uint64)
        self._samples = np.zeros(max(1, self.sample_capacity), KEPT)
        self._others = np.zeros(self.others_capacity, KEPT)
        self.struct = LoadStruct(
            sockets=pointer(self._fds),
            socket_count=len(self.sockets),
            arena=pointer(self.schedule.arena),
            offsets=pointer(self.schedule.offsets),
            bursts=pointer(self.schedule.bursts),
            sent_ns=pointer(self.sent_ns),
            packets=pointer(self.packets),
            bytes=pointer(self.bytes),
            samples=pointer(self._samples),
            sample_capacity=self.sample_capacity,
            sample_every=self.sample_every,
            others=pointer(self._others),
            others_capacity=self.others_capacity,
            drain_ns=int(self.drain_ms * 1e6),
        )

    def start(self, at_ns: int) -> None:
        """Set time zero of the schedule (nanoseconds of the monotonic clock)."""
        self.struct.start_ns = at_ns

    def run(self, first: int, last: int, end_ns: int) -> None:
        """Send bursts `first` to `last` - 1, drain until `end_ns` after time zero. Raises NativeError."""
        failure = self.library.load_run(ctypes.byref(self.struct), first, last, end_ns)
        if failure:
            raise NativeError(f"the load loop could not start: {os.strerror(failure)}")

    def stop(self) -> None:
        """End `run` early, from another thread."""
        self.struct.stop = 1

    def clear(self) -> None:
        """Forget counters and samples: the measured window begins. Not while `run` is under way."""
        self.packets[:] = 0
        self.bytes[:] = 0
        self.struct.sample_count = 0
        self.struct.sent = self.struct.send_errors = self.struct.late_max_ns = 0

    def samples(self) -> list[Kept]:
        """The sampled media packets since `clear`, in order of arrival per socket."""
        return [_kept(record) for record in self._samples[: self.struct.sample_count]]

    def take_others(self) -> list[Kept]:
        """What came since the last call and is not media: STUN, DTLS, RTCP; of too many, the newest."""
        count = self.struct.others_count
        first = max(self._others_taken, count - self.others_capacity)
        self._others_taken = count
        return [_kept(self._others[number % self.others_capacity]) for number in range(first, count)]


def _kept(record: Any) -> Kept:
    length = min(int(record["length"]), DATAGRAM_MAX)
    return Kept(int(record["received_ns"]), int(record["socket"]), record["data"][:length].tobytes())
