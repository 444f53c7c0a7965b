"""What a load client sends: RTP packets that look like VP8 and Opus, and can be recognised after forwarding.

Knows: RTP and VP8 headers, frame sizes and rates, the stamp at the end of each payload.
Does not know: encryption, sockets, when the run starts (due times count from zero).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load.native import BURST, Schedule

MID_ID, ABS_SEND_TIME_ID = 4, 2
STAMP = struct.Struct(
    "!4sHI"
)  # at the end of each payload: magic, stream number, packet number in its stream
MAGIC = b"load"
PAUSE = 1.0  # seconds of silence between two parts of a stream, about as long as it takes to make the second
DESCRIPTOR = 4  # bytes of VP8 payload descriptor: a server may rewrite its picture id
FILLER = random.Random(8).randbytes(2048)


@dataclass(frozen=True, slots=True)
class Profile:
    """How one kind of stream looks. `size` is the whole RTP packet before SRTP, in bytes."""

    packets_per_second: float
    burst: int  # packets of one frame, sent at once
    size: int
    clock_rate: int
    payload_type: int

    @property
    def interval(self) -> float:
        """Seconds between two frames."""
        return self.burst / self.packets_per_second


PROFILES = {
    "video": Profile(packets_per_second=260, burst=9, size=1200, clock_rate=90_000, payload_type=96),
    "audio": Profile(packets_per_second=50, burst=1, size=120, clock_rate=48_000, payload_type=111),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """One published stream. `number` is the load client's own, unique in a run."""

    number: int
    kind: str
    ssrc: int
    mid: str
    first_seq16: int

    @property
    def profile(self) -> Profile:
        return PROFILES[self.kind]


@dataclass(frozen=True, slots=True)
class Timing:
    """The phases of a run, in seconds. Nothing is sent in `quiet`, so the window can be counted alone."""

    warm_up: float = 2.0
    key_frames: float = 1.0  # from the start of the warm-up every frame is a key frame
    quiet: float = 0.3
    window: float = 5.0
    pace: float = 1.0  # frames a second, as a share of what the profile says; frames stay as large

    @property
    def window_start(self) -> float:
        return self.warm_up + self.quiet


@dataclass(frozen=True, slots=True)
class Frame:
    """The packets `first` .. `first + count - 1` of a stream, due `due` seconds after the start."""

    due: float
    first: int
    count: int
    key: bool
    with_mid: bool
    measured: bool
    origin: float = 0.0  # where the stream's own time stood when due times began to count, in seconds

    @property
    def at(self) -> float:
        """The stream's own time, in seconds: what its timestamps tell."""
        return self.origin + self.due


def frames(profile: Profile, timing: Timing, phase: float) -> Iterator[Frame]:
    """The frames of one stream over a whole run; `phase` in 0..1 shifts it within a frame interval."""
    packet = 0
    interval = profile.interval / timing.pace
    for start, length, measured in (
        (0.0, timing.warm_up, False),
        (timing.window_start, timing.window, True),
    ):
        for number in range(max(1, round(length / interval))):
            due = start + (number + phase) * interval
            key = due < timing.key_frames or int(due / 10) != int((due - interval) / 10)
            yield Frame(due, packet, profile.burst, key, due < timing.key_frames, measured)
            packet += profile.burst


def more_frames(profile: Profile, last: Frame, seconds: float, pace: float, phase: float) -> list[Frame]:
    """Frames for `seconds` more after `last`, with a pause between; due times count from their own start."""
    interval = profile.interval / pace
    first, origin = last.first + last.count, last.at + PAUSE
    return [
        Frame(
            due=(number + phase) * interval,
            first=first + number * profile.burst,
            count=profile.burst,
            key=number == 0,
            with_mid=False,
            measured=True,
            origin=origin,
        )
        for number in range(max(1, round(seconds / interval)))
    ]


def payload(stream: Stream, frame: Frame, position: int) -> bytes:
    """The payload of the `position`-th packet of a frame."""
    head = b""
    if stream.kind == "video":
        picture_id = (frame.first // frame.count) & 0x7FFF
        # RFC 7741 4.2: X bit, and S on the first packet of the partition; I: a picture id, of 15 bits
        head = struct.pack("!BBH", 0x80 | (0x10 if position == 0 else 0), 0x80, 0x8000 | picture_id)
        if position == 0:
            # RFC 6386 9.1: frame tag (bit 0 is 0 for a key frame, bit 4 shows it), start code, 640 x 360
            head += bytes([0x10 if frame.key else 0x11, 0, 0])
            head += b"\x9d\x01\x2a" + struct.pack("<HH", 640, 360) if frame.key else b""
    packet = frame.first + position
    size = stream.profile.size - 12 - len(extension_block(stream, frame.at, frame.with_mid))
    shift = packet % 251  # so that no two neighbours are alike
    filler = FILLER[shift : shift + size - len(head) - STAMP.size]
    return head + filler + STAMP.pack(MAGIC, stream.number, packet)


def extension_block(stream: Stream, at: float, with_mid: bool) -> bytes:
    """RFC 8285 one-byte extensions: abs-send-time always, MID while the server may not know the SSRC."""
    ticks = int(at * (1 << 18)) & 0xFFFFFF  # 6.18 fixed point seconds
    body = bytes([ABS_SEND_TIME_ID << 4 | 2]) + ticks.to_bytes(3, "big")
    if with_mid:
        mid = stream.mid.encode()
        body += bytes([MID_ID << 4 | len(mid) - 1]) + mid
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", 0xBEDE, len(body) // 4) + body


def packets(stream: Stream, frame: Frame) -> Iterator[bytes]:
    """The unencrypted RTP packets of one frame (RFC 3550 5.1); the marker ends the frame."""
    timestamp = int(frame.at * stream.profile.clock_rate) & 0xFFFFFFFF
    extensions = extension_block(stream, frame.at, frame.with_mid)
    for position in range(frame.count):
        marker = 0x80 if position == frame.count - 1 and stream.kind == "video" else 0
        header = struct.pack(
            "!BBHII",
            0x90,
            marker | stream.profile.payload_type,
            (stream.first_seq16 + frame.first + position) & 0xFFFF,
            timestamp,
            stream.ssrc,
        )
        yield header + extensions + payload(stream, frame, position)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A stream, the index of the socket it leaves by, and how its packets are made and encrypted, in order."""

    stream: Stream
    socket: int
    protect: Callable[[bytes], bytes]
    make: Callable[[Stream, Frame], Iterable[bytes]] = packets


@dataclass(slots=True)
class Plan:
    """Everything that will be sent, encrypted, with what is needed to recognise it later."""

    schedule: Schedule
    measured_from: int  # bursts before this one are warm-up
    base: dict[int, int]  # stream number -> what to add to a packet's number for that of its datagram
    frames: dict[int, list[Frame]]
    warm_up: dict[int, int]  # stream number -> packets before the window
    measured: dict[int, int]  # and in it

    def frame_of(self, stream: int, packet: int) -> Frame | None:
        """The frame that a stream's packet belongs to; None when there is no such packet."""
        listed = self.frames.get(stream, [])
        place = (packet - listed[0].first) // listed[0].count if listed else 0
        return listed[place] if listed and packet >= listed[0].first and place < len(listed) else None

    def begin_measuring(self, timing: Timing) -> None:
        """Find the first burst of the measured window."""
        boundary = round((timing.window_start - timing.quiet / 2) * 1e9)
        self.measured_from = int(np.searchsorted(self.schedule.bursts["due_ns"], boundary))


def plan(outgoing: Sequence[Outgoing], timing: Timing) -> Plan:
    """Encrypt the whole run. Streams of a kind are spread evenly over a frame interval."""
    result = encrypt(
        outgoing,
        [
            list(frames(out.stream.profile, timing, place / len(outgoing)))
            for place, out in enumerate(outgoing)
        ],
    )
    result.begin_measuring(timing)
    return result


def more(outgoing: Sequence[Outgoing], earlier: Plan, seconds: float, pace: float) -> Plan:
    """What the same streams send next: `seconds` of it, at `pace` times their rate."""
    listings = [
        more_frames(
            out.stream.profile, earlier.frames[out.stream.number][-1], seconds, pace, place / len(outgoing)
        )
        for place, out in enumerate(outgoing)
    ]
    return encrypt(outgoing, listings)


def encrypt(outgoing: Sequence[Outgoing], listings: Sequence[list[Frame]]) -> Plan:
    """Make every packet of these frames, one list for each stream, in the order in which it will be sent."""
    datagrams: list[bytes] = []
    bursts: list[tuple[int, int, int, int, int]] = []
    result = Plan(Schedule.empty(), 0, {}, {}, {}, {})
    for out, listed in zip(outgoing, listings, strict=True):
        number = out.stream.number
        result.base[number] = base = len(datagrams) - listed[0].first
        result.frames[number] = listed
        result.warm_up[number] = sum(frame.count for frame in listed if not frame.measured)
        result.measured[number] = sum(frame.count for frame in listed if frame.measured)
        for frame in listed:
            datagrams += [out.protect(packet) for packet in out.make(out.stream, frame)]
            bursts.append((round(frame.due * 1e9), base + frame.first, frame.count, out.socket, 0))
    ordered = np.array(sorted(bursts), BURST)
    offsets = np.zeros(len(datagrams) + 1, np.uint64)
    np.cumsum([len(datagram) for datagram in datagrams], out=offsets[1:])
    result.schedule = Schedule(np.frombuffer(b"".join(datagrams), np.uint8), offsets, ordered)
    return result


def payload_of(packet: bytes) -> bytes:
    """The payload of an unencrypted RTP packet (RFC 3550 5.1, 5.3.1); b"" when it has none."""
    start = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10 and len(packet) >= start + 4:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[start:end]


def identify(received: bytes) -> tuple[int, int] | None:
    """(stream number, packet number) from the stamp at the end of a payload, None without one."""
    if len(received) < STAMP.size:
        return None
    magic, stream, packet = STAMP.unpack(received[-STAMP.size :])
    return (stream, packet) if magic == MAGIC else None


def descriptor_size(payload: bytes) -> int:
    """Bytes of the VP8 payload descriptor (RFC 7741 4.2) at the start of `payload`; more than it has when cut off."""
    if len(payload) < 2 or not payload[0] & 0x80:
        return 1
    extensions, size = payload[1], 2
    if extensions & 0x80:  # I: a picture id, of two bytes when its first bit is set
        size += 2 if len(payload) > size and payload[size] & 0x80 else 1
    size += 1 if extensions & 0x40 else 0  # L: TL0PICIDX
    return size + (1 if extensions & 0x30 else 0)  # T or K: one byte for both


def proven(received: bytes, stream: Stream, frame: Frame, packet: int) -> bool:
    """Whether a received payload is, byte for byte, what was sent.

    A server may write the VP8 descriptor anew, all but its S bit (which packet begins the frame) and N bit.
    """
    sent = payload(stream, frame, packet - frame.first)
    if stream.kind != "video":
        return received == sent
    start = descriptor_size(received)
    same_flags = received[:1] != b"" and (received[0] ^ sent[0]) & 0x3F == 0
    return same_flags and received[start:] == sent[DESCRIPTOR:]
