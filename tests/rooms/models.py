"""A browser's two sides in virtual time, as far as RTP goes: a publisher of VP8, and a subscriber that repairs.

They know packets and times, and nothing of the server but what comes from it.
"""

import struct
from dataclasses import dataclass, field

from sfu.flow.arrivals import Arrivals
from sfu.wire import extensions, rtcp, rtp
from sfu.wire.rtcp import FullIntra, Nack, PictureLoss, SenderReport
from sfu.wire.seq import Unwrapper16
from tests.forwarding.doubles import packet

RATE = 90_000
PARTS = 4
NTP = 0xE8000000 << 32
_CONTENT = struct.Struct("!IBB")  # frame, part, is key frame


@dataclass
class Sender:
    """Frames of PARTS packets; answers NACKs by RTX and PLIs by a key frame."""

    ssrc: int
    rtx_ssrc: int
    payload_type: int = 96
    mid: bytes = b"1"
    seq: int = 60_000
    stamp_offset: int = 0xFFFF0000
    frames: int = 0
    key_frames: int = 0
    plis: int = 0
    nacked: int = 0
    feedback: int = 0
    reports: int = 0
    padding: int = 0
    made: dict[int, float] = field(default_factory=dict)  # frame to the time it left
    _wanted: bool = True
    _wide: int = 0
    _rtx_seq: int = 100
    _sent: dict[int, bytes] = field(default_factory=dict)

    def frame(self, now: float) -> list[bytes]:
        key, self._wanted = self._wanted, False
        self.frames += 1
        self.made[self.frames] = now
        self.key_frames += key
        packets = []
        for part in range(PARTS):
            head = bytes((0x10, not key)) if part == 0 else b"\x00\xff"
            payload = head + _CONTENT.pack(self.frames, part, key) + bytes(600)
            packets.append(self._packet(payload, now, marker=part == PARTS - 1))
        return packets

    def padded(self, now: float) -> bytes:
        """A packet of nothing but padding, in the numbers of the media."""
        self.padding += 1
        return self._packet(b"", now, padding=200)

    def probe(self) -> bytes:
        """A bandwidth probe of libwebrtc: padding in the numbers of the retransmissions."""
        self._rtx_seq += 1
        return packet(
            self._rtx_seq, 0, b"", ssrc=self.rtx_ssrc, payload_type=self.payload_type + 1, padding=220
        )

    def report(self, now: float) -> bytes:
        stamp = (round(now * RATE) + self.stamp_offset) & 0xFFFFFFFF
        return SenderReport(self.ssrc, NTP + round(now * (1 << 32)), stamp, self.frames, 0).write()

    def receive_rtcp(self, compound: bytes) -> list[bytes]:
        """What is sent again at once."""
        again: list[bytes] = []
        for item in rtcp.parse(compound):
            if isinstance(item, PictureLoss | FullIntra):
                self.plis += 1
                self._wanted = True
            elif isinstance(item, Nack):
                self.nacked += len(item.lost)
                again += [self._again(seq16) for seq16 in item.lost if seq16 in self._sent]
            elif isinstance(item, rtcp.TransportFeedback):
                self.feedback += 1
            elif isinstance(item, rtcp.ReceiverReport):
                self.reports += 1
        return again

    def _packet(self, payload: bytes, now: float, *, marker: bool = False, padding: int = 0) -> bytes:
        self.seq = (self.seq + 1) & 0xFFFF
        self._wide = (self._wide + 1) & 0xFFFF
        block = extensions.build([(4, self.mid), (3, self._wide.to_bytes(2, "big"))], allow_two_byte=False)
        made = packet(
            self.seq,
            round(now * RATE) + self.stamp_offset,
            payload,
            ssrc=self.ssrc,
            payload_type=self.payload_type,
            marker=marker,
            block=block,
            padding=padding,
        )
        self._sent[self.seq] = made
        return made

    def _again(self, seq16: int) -> bytes:
        view = rtp.parse(self._sent[seq16])
        self._rtx_seq += 1
        payload = seq16.to_bytes(2, "big") + view.packet[view.payload_start : view.payload_end]
        return packet(
            self._rtx_seq,
            view.timestamp,
            payload,
            ssrc=self.rtx_ssrc,
            payload_type=self.payload_type + 1,
            marker=view.marker,
            block=view.packet[12 : view.payload_start],
        )


@dataclass(frozen=True)
class Part:
    """One packet as its subscriber sees it, repaired or not."""

    timestamp: int
    frame: int
    part: int
    key: bool
    at: float


class Receiver:
    """Collects packets by unwrapped number, NACKs what is missing, asks for a key frame until one is whole."""

    def __init__(self, ssrc: int, rtx_ssrc: int, payload_type: int, rtx_payload_type: int) -> None:
        self.ssrc = ssrc
        self.rtx_ssrc = rtx_ssrc
        self.parts: dict[int, Part] = {}
        self.strangers = 0  # packets that none of this should be
        self.extension_ids: set[int] = set()
        self.reports: list[tuple[float, SenderReport]] = []
        self.repaired = 0
        self.arrivals = Arrivals(RATE, nack=True)
        self._types = (payload_type, rtx_payload_type)
        self._unwrapper = Unwrapper16()
        self._asked_at = float("-inf")
        self._started = False

    def receive(self, data: bytes, now: float) -> None:
        if rtp.is_rtcp(data):
            self.reports += [(now, item) for item in rtcp.parse(data) if isinstance(item, SenderReport)]
            return
        view = rtp.parse(data)
        payload = view.packet[view.payload_start : view.payload_end]
        self.extension_ids |= {id for id, _, _ in extensions.elements(view)}
        if (view.ssrc, view.payload_type) == (self.ssrc, self._types[0]):
            seq = self._unwrapper.unwrap(view.seq16)
            fresh = self.arrivals.receive(seq, view.timestamp, now)
        elif (view.ssrc, view.payload_type) == (self.rtx_ssrc, self._types[1]) and len(payload) >= 2:
            seq = self._unwrapper.unwrap(int.from_bytes(payload[:2], "big"))
            payload = payload[2:]
            fresh = self.arrivals.recovered(seq, now)
            self.repaired += fresh
        else:
            self.strangers += 1
            return
        if fresh:
            frame, part, key = _CONTENT.unpack_from(payload, 2) if payload else (0, 0, 0)
            self.parts[seq] = Part(view.timestamp, frame, part, bool(key), now)

    def ask(self, now: float, rtt: float) -> list[bytes]:
        """NACK and PLI, as due."""
        sent: list[bytes] = []
        if lost := self.arrivals.nacks(now, rtt):
            sent.append(Nack(1, self.ssrc, tuple(seq & 0xFFFF for seq in lost)).write())
        if not self._started:
            whole = [frame for frame in self.frames().values() if len(frame) == PARTS and frame[0].key]
            self._started = bool(whole)
            if not whole and now >= self._asked_at + 0.2:
                self._asked_at = now
                sent.append(PictureLoss(1, self.ssrc).write())
        return sent

    def frames(self) -> dict[int, list[Part]]:
        """By frame number: its packets, in order."""
        found: dict[int, list[Part]] = {}
        for seq in sorted(self.parts):
            if self.parts[seq].frame:
                found.setdefault(self.parts[seq].frame, []).append(self.parts[seq])
        return found

    def gaps(self) -> int:
        """Numbers missing from the first whole key frame on; a receiver asks for nothing before its first packet."""
        whole = {frame[0].frame for frame in self.frames().values() if len(frame) == PARTS and frame[0].key}
        first = min(seq for seq, part in self.parts.items() if part.frame in whole)
        return max(self.parts) - first + 1 - sum(seq >= first for seq in self.parts)
