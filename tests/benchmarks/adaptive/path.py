"""A publisher and a subscriber with nothing but a shaped link between them: one encoding passes as it is."""

import heapq
import struct
from collections.abc import Callable

from benchmarks.adaptive.descriptions import Received
from benchmarks.adaptive.profiles import Shape
from benchmarks.adaptive.publisher import MID_ID, RTX_TYPE, TRANSPORT_WIDE_ID, VIDEO_TYPE, Publisher
from benchmarks.adaptive.record import Record
from benchmarks.adaptive.shaped import ShapedLink
from benchmarks.adaptive.subscriber import Subscriber
from sfu.wire import extensions, rtcp, rtp

SSRC, RTX_SSRC = 5000, 5001
BEGAN = 100.0


class Path:
    """`run` in virtual time; `keep` decides by payload descriptor which frames pass."""

    def __init__(self, shape: Shape, seconds: float, encoding: int = 1, seed: int = 1) -> None:
        self.record = Record("", shape, seconds)
        self.keep: Callable[[bytes], bool] = lambda payload: True
        self.publisher = Publisher(0, 1, seed, self._media, lambda compound, now: None)
        received = {"v": Received("video", SSRC, RTX_SSRC)}
        self.subscriber = Subscriber(received, self.record, self._feedback, BEGAN)
        self.feedback: list[rtcp.RtcpPacket] = []
        self._link = ShapedLink(shape, seed)
        self._encoding = encoding
        self._events: list[tuple[float, int, bytes]] = []
        self._order = self._wide = 0
        self._ssrcs: list[int] = []

    def _media(self, packet: bytes, now: float) -> None:
        view = rtp.parse(packet)
        if view.payload_type not in (VIDEO_TYPE, RTX_TYPE):
            return
        if view.payload_type == VIDEO_TYPE and view.ssrc not in self._ssrcs:
            self._ssrcs.append(view.ssrc)
        payload = packet[view.payload_start : view.payload_end]
        is_rtx = view.payload_type == RTX_TYPE
        if not is_rtx and self._ssrcs.index(view.ssrc) != self._encoding:
            return
        if not self.keep(payload[2:] if is_rtx else payload):
            return
        self._wide += 1
        block = extensions.build(
            [(TRANSPORT_WIDE_ID, (self._wide & 0xFFFF).to_bytes(2, "big")), (MID_ID, b"v")], False
        )
        head = struct.pack("!II", view.timestamp, RTX_SSRC if is_rtx else SSRC)
        arrives = self._link.send(len(packet), now - BEGAN)
        if arrives is not None:
            self._order += 1
            data = bytes((0x90, packet[1])) + packet[2:4] + head + block + payload
            heapq.heappush(self._events, (BEGAN + arrives, self._order, data))

    def _feedback(self, compound: bytes, now: float) -> None:
        items = rtcp.parse(compound)
        self.feedback += items
        for item in items:
            ssrc = self._ssrcs[self._encoding].to_bytes(4, "big")
            if isinstance(item, rtcp.Nack | rtcp.PictureLoss):
                self.publisher.receive_rtcp(compound[:8] + ssrc + compound[12:], now)

    def run(self) -> Record:
        now = BEGAN
        self.publisher.start(now)
        self.subscriber.start(now)
        while now < BEGAN + self.record.seconds:
            due = [
                at for client in (self.publisher, self.subscriber) if (at := client.deadline()) is not None
            ]
            now = min([*due, *(event[0] for event in self._events[:1])])
            while self._events and self._events[0][0] <= now:
                self.subscriber.receive_rtp(heapq.heappop(self._events)[2], now)
            self.publisher.pulse(now)
            self.subscriber.pulse(now)
        self.subscriber.finish(now)
        return self.record
