"""A participant's camera, what leaves on each connection, and what arrives from each other participant.

Knows: pacing, key frames on request, one source of frames per connection as a browser has one encoder for each.
Does not know: rooms, signaling, how a connection is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.topology.clip import FPS, Encoder, Frame
from benchmarks.topology.link import Link
from benchmarks.topology.packets import CLOCK_RATE, Assembler, Packetizer, wire_bytes
from benchmarks.topology.pictures import Pictures, Plane
from benchmarks.topology.records import Order, Sent
from sfu.wire.rtcp import PictureLoss, Remb, SenderReport

KEY_INTERVAL_MIN = 0.3  # seconds between key frames on request, and between requests; as Chromium's encoders
REPORT_INTERVAL = 1.0
NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970


class Outgoing:
    """What leaves on one connection."""

    def __init__(self, link: Link, order: Order, chosen: random.Random) -> None:
        self.link = link
        self.packetizer = Packetizer(chosen.randrange(1, 1 << 32), chosen.randrange(1 << 15))
        self.sent: list[Sent] = []
        self.produced = 0
        self._clip = order.clip
        self._place = 0
        self._encoder = Encoder(order.bitrate_bps) if order.encode else None
        self._encoding = False
        self._key_wanted = True  # begin with one
        self._key_at = 0.0

    def want_key(self) -> None:
        """The other side asks for a key frame."""
        self._key_wanted = True

    def _key_now(self, now: float) -> bool:
        if self._key_wanted and now - self._key_at >= KEY_INTERVAL_MIN:
            self._key_wanted, self._key_at = False, now
            return True
        return False

    def from_clip(self, now: float, timestamp: int) -> None:
        """Send the clip's next frame; if a key frame is wanted, go on to the next one of the clip."""
        if not self.link.connected:
            return
        if self._key_now(now):
            while not self._clip[self._place].key:
                self._place = (self._place + 1) % len(self._clip)
        frame = self._clip[self._place]
        self._place = (self._place + 1) % len(self._clip)
        self.produced += 1
        self._send(frame, now, timestamp)

    async def encode(
        self, picture: Plane, counter: int, now: float, timestamp: int, pool: ThreadPoolExecutor
    ) -> None:
        """Encode for this connection and send; a picture that finds the encoder busy is left out."""
        if self._encoding or self._encoder is None or not self.link.connected:
            return
        self._encoding = True
        try:
            run = asyncio.get_running_loop().run_in_executor
            frame = await run(pool, self._encoder.encode, picture, counter, self._key_now(now))
        finally:
            self._encoding = False
        self.produced += 1
        if frame is not None:
            self._send(frame, now, timestamp)

    def _send(self, frame: Frame, now: float, timestamp: int) -> None:
        if not self.link.connected:
            return
        count = 0
        for packet in self.packetizer.packets_of(frame, timestamp):
            self.link.send_rtp(packet)
            count += 1
        self.sent.append(
            Sent(now, timestamp & 0xFFFFFFFF, frame.crc, frame.counter, count, wire_bytes(len(frame.data)))
        )

    def report(self, timestamp: int) -> None:
        """Send a sender report."""
        now = time.time() + NTP_EPOCH
        packets, octets = self.packetizer.packets & 0xFFFFFFFF, self.packetizer.octets & 0xFFFFFFFF
        ntp = int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
        ssrc = self.packetizer.ssrc
        if self.link.connected:
            self.link.send_rtcp(SenderReport(ssrc, ntp, timestamp & 0xFFFFFFFF, packets, octets, ()).write())


class Incoming:
    """What arrives from one other participant; asks for a key frame when the pictures break off."""

    def __init__(self, keep: bool, on_first: Callable[[], None]) -> None:
        self.assembler = Assembler(keep)
        self._on_first = on_first
        self._asked_at = 0.0

    def receive(self, link: Link, packet: bytes) -> None:
        """Take one decrypted packet."""
        now = time.monotonic()
        nothing_yet = self.assembler.first_shown is None
        self.assembler.receive(packet, now)
        if nothing_yet and self.assembler.first_shown is not None:
            self._on_first()
        if self.assembler.broken and now - self._asked_at > KEY_INTERVAL_MIN:
            self._asked_at = now
            link.send_rtcp(PictureLoss(1, int.from_bytes(packet[8:12], "big")).write())


class Media:
    """All media of one participant. `start` begins to send on what is in `outgoing`, now and later."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._chosen = random.Random(order.seed)
        self.outgoing: dict[str, Outgoing] = {}
        self.incoming: dict[str, Incoming] = {}
        self.all_shown = asyncio.Event()
        self.late = 0
        self.restrain: Callable[[], None] | None = None  # tells the server how much each stream may have
        self._pictures = Pictures(order.seed) if order.encode else None
        self._pool = ThreadPoolExecutor(thread_name_prefix="encode") if order.encode else None
        self._tasks: list[asyncio.Task[None]] = []

    def send_on(self, link: Link, to: str = "") -> Outgoing:
        """Send the camera on one more connection; `to` is who receives it, "" when that is a server."""
        self.outgoing[to] = Outgoing(link, self._order, self._chosen)
        return self.outgoing[to]

    def receive_from(self, name: str) -> Incoming:
        """What arrives from a participant; the same object each time."""
        if name not in self.incoming:
            self.incoming[name] = Incoming(self._order.decode, self._check_all_shown)
        return self.incoming[name]

    def _check_all_shown(self) -> None:
        shown = sum(each.assembler.first_shown is not None for each in self.incoming.values())
        if shown == self._order.participants - 1:
            self.all_shown.set()

    @property
    def produced(self) -> int:
        return sum(each.produced for each in self.outgoing.values())

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._film()), asyncio.create_task(self._report())]

    async def _film(self) -> None:
        began = time.monotonic() + self._chosen.random() / FPS
        self._first_timestamp = self._chosen.randrange(1 << 32)
        self._began = began
        number = 0
        encodings: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(max(0.0, began + number / FPS - time.monotonic()))
            now = time.monotonic()
            if (behind := int((now - began) * FPS) - number) > 0:
                self.late += behind
                number += behind
            timestamp = self._first_timestamp + number * CLOCK_RATE // FPS
            if self._pictures is None or self._pool is None:
                for outgoing in list(self.outgoing.values()):
                    outgoing.from_clip(now, timestamp)
            else:
                picture = self._pictures.draw(number, int(now * 1000) & 0xFFFFFFFF)
                for outgoing in list(self.outgoing.values()):
                    task = asyncio.create_task(outgoing.encode(picture, number, now, timestamp, self._pool))
                    encodings.add(task)
                    task.add_done_callback(encodings.discard)
            number += 1

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL)
            timestamp = self._first_timestamp + int((time.monotonic() - self._began) * CLOCK_RATE)
            for outgoing in list(self.outgoing.values()):
                outgoing.report(timestamp)
            if self.restrain is not None:
                self.restrain()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def allow(link: Link, ssrcs: list[int], bitrate_bps: int) -> None:
    """Tell a server's encoders how much each of these streams may have (REMB)."""
    if ssrcs and link.connected:
        link.send_rtcp(Remb(1, bitrate_bps, tuple(ssrcs)).write())
