"""A room in virtual time whose links are slow: a camera in three encodings, and subscribers that report as browsers do.

The camera sends VP8 with three temporal layers. A subscriber gives transport-wide feedback, repairs by NACK, and knows
afterwards which frames it could have decoded.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sfu.flow.arrivals import Arrivals
from sfu.flow.feedback import TransportWideArrivals
from sfu.rooms.room import Room
from sfu.wire import extensions, rtcp, rtp
from sfu.wire.rtcp import FullIntra, Nack, PictureLoss, SenderReport, TransportFeedback
from sfu.wire.seq import Unwrapper16
from sfu.wire.transport_feedback import write_fci
from tests.forwarding.doubles import OPUS, VP8, packet, section
from tests.forwarding.rig import SIMULCAST_IDS
from tests.net import Link
from tests.rooms.doubles import Peer, offer

STEP = 0.002
RATE = 90_000
FRAME = 1 / 30
NTP = 0xE8000000 << 32
MOST = 1100  # bytes of payload in a packet
RIDS = ("q", "h", "f")
HEIGHTS = {"q": 180, "h": 360, "f": 720}
# Kbit/s by encoding, and the share of a frame of each temporal layer, of what all of them take on average.
KBPS = {"q": 150, "h": 500, "f": 1500}
SHARES = (1.6, 0.9, 0.75)
PATTERN = (0, 2, 1, 2)
KEY_FACTOR = 5
_CONTENT = struct.Struct("!BIIHHBB")  # encoding, frame, frame that it depends on, part, parts, temporal, key


@dataclass
class Stream:
    """One encoding of a camera."""

    rid: str
    ssrc: int
    seq: int
    stamp_offset: int
    picture: int = 77
    tl0: int = 5
    frame: int = 0
    last: list[int] = field(default_factory=lambda: [0, 0, 0])  # newest frame by temporal layer
    position: int = 0
    active: bool = True
    wanted: bool = True
    key_frames: int = 0
    plis: int = 0
    bytes: int = 0


class Camera:
    """The publisher's camera and its encoder; `told` is what the server asks for."""

    def __init__(self, world: "World", *, rids: tuple[str, ...] = RIDS, first_ssrc: int = 1000) -> None:
        self.peer = Peer(world.room, f"p_{len(world.cameras)}")
        self.to_server = Link(1, delay=0.01)
        self.streams = {
            rid: Stream(rid, first_ssrc + 10 * index, 100 * index, 1_000_000 * index)
            for index, rid in enumerate(rids)
        }
        self.unable: set[str] = set()  # what its own link can't carry
        self.off = False
        self.told: list[tuple[float, dict[str, bool]]] = []
        self.world = world
        self.peer.observer.encodings = self._asked  # type: ignore[method-assign]
        whole = section([VP8], mid="1", direction="sendonly", ids=SIMULCAST_IDS)
        simulcast = rids if len(rids) > 1 else ()
        self.publication = self.peer.publish(
            offer(replace(whole, rids=tuple(simulcast), simulcast_send=tuple(simulcast))), "1"
        )

    def _asked(self, publication_id: str, active: Mapping[str, bool]) -> None:
        self.told.append((self.world.now, dict(active)))
        for rid, on in active.items():
            stream = self.streams[rid if rid else next(iter(self.streams))]
            stream.wanted = stream.wanted or (on and not stream.active)
            stream.active = on

    def frame(self, now: float) -> None:
        if self.off:
            return
        for stream in self.streams.values():
            if stream.active and stream.rid not in self.unable:
                for data in self._encode(stream, now):
                    stream.bytes += len(data)
                    self.to_server.send(data, now)

    def report(self, now: float) -> None:
        for stream in self.streams.values():
            stamp = (round(now * RATE) + stream.stamp_offset) & 0xFFFFFFFF
            report = SenderReport(stream.ssrc, NTP + round(now * (1 << 32)), stamp, 0, 0)
            self.to_server.send(report.write(), now)

    def _encode(self, stream: Stream, now: float) -> list[bytes]:
        key, stream.wanted = stream.wanted, False
        stream.position = 0 if key else stream.position + 1
        temporal = PATTERN[stream.position % 4]
        stream.frame += 1
        stream.key_frames += key
        depends = 0 if key else stream.last[0] if temporal == 0 else max(stream.last[:temporal])
        if key:
            stream.last = [0, 0, 0]
        stream.last[temporal] = stream.frame
        stream.picture = (stream.picture + 1) & 0x7FFF
        stream.tl0 = (stream.tl0 + (temporal == 0)) & 0xFF
        size = KBPS[stream.rid] * 1000 / 8 * FRAME * (KEY_FACTOR if key else SHARES[temporal])
        parts = max(1, round(size / MOST))
        made = []
        for part in range(parts):
            head = bytes((0x80 | 0x10 * (part == 0), 0xE0)) + (stream.picture | 0x8000).to_bytes(2, "big")
            head += bytes((stream.tl0, temporal << 6 | (key or temporal > 0) << 5))
            if part == 0:
                height = HEIGHTS[stream.rid]
                size_bytes = struct.pack("<HH", height * 16 // 9, height)
                head += bytes((0x10, 0, 0)) + b"\x9d\x01\x2a" + size_bytes if key else b"\x11\0\0"
            content = _CONTENT.pack(RIDS.index(stream.rid), stream.frame, depends, part, parts, temporal, key)
            stream.seq = (stream.seq + 1) & 0xFFFF
            block = extensions.build([(4, b"1"), (10, stream.rid.encode())], allow_two_byte=False)
            made.append(
                packet(
                    stream.seq,
                    round(now * RATE) + stream.stamp_offset,
                    head.ljust(16, b"\0") + content + bytes(max(0, round(size / parts) - 16 - _CONTENT.size)),
                    ssrc=stream.ssrc,
                    marker=part == parts - 1,
                    block=block,
                )
            )
        return made

    def receive(self, compound: bytes) -> None:
        for item in rtcp.parse(compound):
            ssrcs = [item.media_ssrc] if isinstance(item, PictureLoss) else []
            ssrcs += [ssrc for ssrc, _ in item.entries] if isinstance(item, FullIntra) else []
            for stream in self.streams.values():
                if stream.ssrc in ssrcs:
                    stream.plis += 1
                    stream.wanted = True


@dataclass
class Piece:
    """One packet as it came."""

    at: float
    timestamp: int
    picture: int
    tl0: int
    rid: str
    frame: int
    depends: int
    part: int
    parts: int
    temporal: int
    key: bool


class Viewer:
    """A subscriber with one video slot; `rate_bps` is its link's."""

    def __init__(
        self, world: "World", rate_bps: float | None, *, delay: float = 0.02, wide: bool = True
    ) -> None:
        self.world = world
        self.peer = Peer(world.room, f"v_{len(world.viewers)}")
        self.participant = self.peer.participant
        self.to_client = Link(7, delay=delay, rate_bps=rate_bps, queue_limit=150_000)
        self.to_server = Link(8, delay=delay)
        ids = {uri: id for uri, id in SIMULCAST_IDS.items() if wide or uri != extensions.TRANSPORT_WIDE}
        self.offer = offer(
            section([VP8], mid="5", direction="recvonly", ids=ids),
            section([OPUS], mid="6", kind="audio", direction="recvonly", ids=ids, index=1),
        )
        self.wide = wide
        self.arrivals = Arrivals(RATE, nack=True)
        self.pieces: dict[int, Piece | None] = {}  # by number; None = empty
        self.times: dict[int, float] = {}
        self.padding = 0
        self.bytes = 0
        self.delays: list[tuple[float, float]] = []  # when a packet arrived, and how long it was on the link
        self.left: list[tuple[float, int, int]] = []  # when RTP left the server, its size, its SSRC
        self._feedback = TransportWideArrivals()
        self._feedback_at = world.now
        self._unwrapper = Unwrapper16()

    def watch(self, publication: str | None) -> None:
        self.peer.negotiate(self.offer, {}, {"5": publication, "6": None}, self.world.now)
        self.slot = self.participant.slots["5"]

    def receive(self, data: bytes, now: float) -> None:
        if rtp.is_rtcp(data):
            return
        view = rtp.parse(data)
        self.bytes += len(data)
        if self.wide and (span := extensions.find(view, SIMULCAST_IDS[extensions.TRANSPORT_WIDE])):
            self._feedback.receive(int.from_bytes(data[span[0] : span[1]], "big"), now)
        payload = data[view.payload_start : view.payload_end]
        if view.ssrc == self.slot.rtx_ssrc:
            if len(payload) < 2:
                self.padding += 1
                return
            seq = self._unwrapper.unwrap(int.from_bytes(payload[:2], "big"))
            payload = payload[2:]
            fresh = self.arrivals.recovered(seq, now)
        else:
            assert view.ssrc == self.slot.ssrc
            seq = self._unwrapper.unwrap(view.seq16)
            fresh = self.arrivals.receive(seq, view.timestamp, now)
        if fresh:
            self.pieces[seq] = _piece(view, payload, now) if payload else None
            self.times[seq] = now

    def report(self, now: float) -> None:
        if lost := self.arrivals.nacks(now, 0.06):
            nack = Nack(1, self.slot.ssrc, tuple(seq & 0xFFFF for seq in lost))
            self.to_server.send(nack.write(), now)
        if self.wide and now >= self._feedback_at:
            self._feedback_at = now + 0.05
            for feedback in self._feedback.build(now):
                self.to_server.send(TransportFeedback(1, self.slot.ssrc, write_fci(feedback)).write(), now)

    # -- what came of it -----------------------------------------------------------------------------------------

    def shown(self) -> list[tuple[float, str, int]]:
        """The frames that can be decoded, in order: when whole, which encoding, which temporal layer."""
        return [(at, pieces[0].rid, pieces[0].temporal) for at, pieces, good in self.frames() if good]

    def frames(self) -> list[tuple[float, list[Piece], bool]]:
        """Every frame of which something came: when its last packet came, and whether it can be decoded."""
        found: dict[tuple[str, int, int], list[Piece]] = {}
        for seq in sorted(self.pieces):
            piece = self.pieces[seq]
            if piece is not None:
                found.setdefault((piece.rid, piece.frame, piece.timestamp), []).append(piece)
        decoded: set[tuple[str, int]] = set()
        result = []
        for (rid, frame, _), pieces in found.items():
            whole = [piece.part for piece in pieces] == list(range(pieces[0].parts))
            if pieces[0].key and whole:
                decoded.clear()
            good = whole and (pieces[0].key or (rid, pieces[0].depends) in decoded)
            if good:
                decoded.add((rid, frame))
            result.append((max(piece.at for piece in pieces), pieces, good))
        return result

    def longest_gap(self, start: float, end: float) -> float:
        """The longest time without a new picture, seconds."""
        times = sorted(at for at, _, _ in self.shown() if start <= at <= end)
        return max(b - a for a, b in zip([start, *times], [*times, end], strict=True))

    def between(self, start: float, end: float) -> set[str]:
        return {rid for at, rid, _ in self.shown() if start <= at < end}


def _piece(view: rtp.RtpView, payload: bytes, now: float) -> Piece:
    index, frame, depends, part, parts, temporal, key = _CONTENT.unpack_from(payload, 16)
    picture = int.from_bytes(payload[2:4], "big") & 0x7FFF
    return Piece(
        now,
        view.timestamp,
        picture,
        payload[4],
        RIDS[index],
        frame,
        depends,
        part,
        parts,
        temporal,
        bool(key),
    )


class World:
    """Cameras and viewers of one room; `run` moves the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.room = Room("blue")
        self.cameras: list[Camera] = []
        self.viewers: list[Viewer] = []
        self._frame_at = self._report_at = 100.0

    def camera(self, *, rids: tuple[str, ...] = RIDS) -> Camera:
        camera = Camera(self, rids=rids, first_ssrc=1000 * (1 + len(self.cameras)))
        self.cameras.append(camera)
        return camera

    def viewer(
        self, camera: Camera | None, rate_bps: float | None, *, delay: float = 0.02, wide: bool = True
    ) -> Viewer:
        viewer = Viewer(self, rate_bps, delay=delay, wide=wide)
        viewer.watch(camera.publication if camera else None)
        self.viewers.append(viewer)
        return viewer

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            now = self.now
            if now >= self._frame_at:
                self._frame_at += FRAME
                for camera in self.cameras:
                    camera.frame(now)
            if now >= self._report_at:
                self._report_at += 1
                for camera in self.cameras:
                    camera.report(now)
            for camera in self.cameras:
                for data in camera.to_server.deliver(now):
                    if rtp.is_rtcp(data):
                        camera.peer.participant.receive_rtcp(data, now)
                    else:
                        camera.peer.participant.receive_rtp(data, now)
            for viewer in self.viewers:
                for data in viewer.to_server.deliver(now):
                    viewer.participant.receive_rtcp(data, now)
            for camera in self.cameras:
                self._pulse(camera.peer)
                for data in camera.peer.outlet.rtcp:
                    camera.receive(data)
                camera.peer.outlet.rtcp.clear()
            for viewer in self.viewers:
                self._pulse(viewer.peer)
                outlet = viewer.peer.outlet
                for data in outlet.rtp:
                    viewer.left.append((now, len(data), int.from_bytes(data[8:12], "big")))
                for data in outlet.rtp + outlet.rtcp:
                    viewer.to_client.send(data, now)
                outlet.rtp, outlet.rtcp = [], []
                for data in viewer.to_client.deliver(now):
                    viewer.receive(data, now)
                viewer.report(now)
            self.now += STEP

    def _pulse(self, peer: Peer) -> None:
        deadline = peer.participant.deadline()
        if deadline is not None and deadline <= self.now:
            peer.participant.pulse(self.now)
            after = peer.participant.deadline()
            assert after is None or after > self.now, "the connection's timer would spin"
