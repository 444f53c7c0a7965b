"""Measures the floor: bare system calls (and libsrtp) for the datagrams that a server would send.

Knows: the names of the floors, the sockets of receivers, the two threads.
Does not know: servers.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.load import figures, media, seam
from benchmarks.load.bench import Options
from benchmarks.load.figures import Result
from benchmarks.load.link import RECEIVE_BUFFER, dropped
from benchmarks.load.native import FloorStruct, Loop, NativeError, Schedule, pointer
from benchmarks.load.shapes import Shape
from benchmarks.load.usage import Usage
from benchmarks.servers.adapter import on_core

MODES = {"sendto": 0, "sendmmsg": 1, "gso": 2}  # enum mode of floor.c
NAMES = tuple(f"floor-{mode}{suffix}" for mode in MODES for suffix in ("", "-srtp"))
QUIET = 0.05  # seconds after the last packet: it arrived when it was sent, the receivers only empty sockets
TAG = 16  # bytes that AEAD_AES_128_GCM adds to a packet (RFC 7714)


@dataclass(slots=True)
class Receivers:
    """Sockets that stand for subscribers, and their addresses as C wants them."""

    sockets: list[socket.socket]
    addresses: np.ndarray[tuple[int], np.dtype[np.uint8]]

    @classmethod
    def open(cls, count: int) -> Receivers:
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        raw = b""
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.bind(("127.0.0.1", 0))
            host, port = sock.getsockname()
            raw += (
                struct.pack("=H", socket.AF_INET)
                + struct.pack("!H", port)
                + socket.inet_aton(host)
                + bytes(8)
            )
        return cls(sockets, np.frombuffer(raw, np.uint8))

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


async def measure(
    library: ctypes.CDLL, name: str, shape: Shape, options: Options, say: Callable[[str], None]
) -> Result:
    """Send the shape's video from one thread on the server's core, drain on this one. Raises NativeError."""
    _, mode, *srtp = name.split("-")
    profile = media.PROFILES["video"]
    interval = profile.interval / options.timing_of(shape).pace
    room = shape.rooms[0]
    rotate = room.publishers > 1
    receivers = Receivers.open(room.members if rotate else room.members - 1)
    publishers = sum(room.publishers for room in shape.rooms)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind(("127.0.0.1", 0))
    count = len(receivers.sockets)
    sessions = [
        seam.srtp_sender(random.Random(number).randbytes(28)) for number in range(count if srtp else 0)
    ]
    pointers = np.array([seam.session_pointer(session) for session in sessions] or [0], np.uint64)
    size = profile.size + (0 if srtp else TAG)  # the same bytes on the wire with and without
    floor = FloorStruct(
        addresses=pointer(receivers.addresses),
        address_count=count,
        rotate=int(rotate),
        socket=sender.fileno(),
        mode=MODES[mode],
        packets=profile.burst,
        size=size,
        frames=max(1, round(options.timing.window / interval)) * publishers,
        interval_ns=round(interval * 1e9 / publishers),
        protect=seam.protect_pointer() if srtp else None,
        sessions=pointer(pointers),
    )
    loop = Loop(
        library, [sock.fileno() for sock in receivers.sockets], Schedule.empty(), 0, 0, options.drain_ms
    )
    loop.start(time.monotonic_ns())
    say(f"measuring {options.timing.window:g} s")
    try:
        await _both(library, floor, loop, options)
        lost = sum(dropped(sock) for sock in receivers.sockets)
    finally:
        sender.close()
        receivers.close()
    if floor.errors:
        raise NativeError(f"{name}: {floor.errors} packets could not be sent")
    received = int(loop.packets.sum())
    spent = Usage(floor.cpu_ns * 1e-9, floor.user_us * 1e-6, floor.system_us * 1e-6, 0)
    each, user, system = figures.per_packet(spent, floor.sent)
    return Result(
        server=name,
        shape=shape.kind,
        n=shape.n,
        cpu_us_per_packet=each,
        cpu_user_us=user,
        cpu_system_us=system,
        loss=figures.loss(received, floor.sent),
        client_dropped=lost,
        packets_per_second=floor.sent / options.timing.window,
        video_pps=profile.burst / interval,
        server_cores=spent.cpu / options.timing.window,
        profile="AEAD_AES_128_GCM" if srtp else "none",
        window_s=options.timing.window,
    )


async def _both(library: ctypes.CDLL, floor: FloorStruct, loop: Loop, options: Options) -> None:
    def send() -> None:
        with on_core(options.server_core):
            failure = library.floor_run(ctypes.byref(floor))
        if failure:
            raise NativeError(f"the floor could not start: {os.strerror(failure)}")

    # No wall-clock limit on the sending: at full speed (or overloaded) it takes what it takes.
    draining = asyncio.ensure_future(asyncio.to_thread(loop.run, 0, 0, 1 << 62))
    sending = asyncio.ensure_future(asyncio.to_thread(send))
    try:
        await asyncio.wait([sending, draining], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(QUIET)
    finally:
        floor.stop = 1
        loop.stop()
        await asyncio.wait([sending, draining])
    sending.result()
    draining.result()
