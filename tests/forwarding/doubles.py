"""An outlet that keeps what it is given, and packets, codecs and m-sections to feed forwarding with."""

import ctypes
import struct
from collections.abc import Callable, Mapping, Sequence

from sfu.forwarding.encoding import Encoding
from sfu.forwarding.engine import PYTHON, Engine
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot
from sfu.wire import extensions, rtcp, rtp
from sfu.wire.answer import Accepted, accept
from sfu.wire.rtp import RtpView
from sfu.wire.sdp import Codec, Direction, Section, SourceGroup

FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")
OPUS = Codec(111, "opus", 48_000, 2, "minptime=10;useinbandfec=1", ("transport-cc",), None)
RED = Codec(63, "red", 48_000, 2, "111/111", (), None)
VP8 = Codec(96, "VP8", 90_000, 1, "", FEEDBACK, 97)
VP9 = Codec(98, "VP9", 90_000, 1, "profile-id=0", FEEDBACK, 99)
H264 = Codec(
    102, "H264", 90_000, 1, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f", FEEDBACK, 103
)  # fmt: skip
IDS = {  # as Chromium numbers them
    extensions.AUDIO_LEVEL: 1,
    extensions.ABS_SEND_TIME: 2,
    extensions.TRANSPORT_WIDE: 3,
    extensions.MID: 4,
    extensions.PLAYOUT_DELAY: 5,
    extensions.VIDEO_ORIENTATION: 13,
}

KEY = bytes.fromhex("10 00")  # VP8: descriptor with S, then a payload header without P
DELTA = bytes.fromhex("10 01")
MORE = bytes.fromhex("00 5a")  # a later packet of a frame
KEY_VP9 = bytes.fromhex("08 5a")
DELTA_VP9 = bytes.fromhex("48 5a")

# In place of libsrtp's srtp_protect.
_leave_as_it_is = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
    lambda session, packet, size: 0
)


class FakeOutlet:
    """The sending side of a connection, in memory; what it sends is not encrypted."""

    engine: Engine = PYTHON
    """Of all that are made from now on; see the fixture in `conftest.py`."""

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready
        self.scheduled = 0
        self.rtcp: list[bytes] = []
        self._rtp: list[bytes] = []
        self._outbox = self.engine.outbox(-1, False, lambda: None)
        self.link = self.engine.link(self._outbox)
        if self.link is not None:
            self.link.open(None, 1, ctypes.cast(_leave_as_it_is, ctypes.c_void_p).value or 0)
        self.refusing = False

    @property
    def refusing(self) -> bool:
        """Whether nothing can be sent."""
        return self._refusing

    @refusing.setter
    def refusing(self, value: bool) -> None:
        self._refusing = value
        if self.link is not None:
            self.link.aim(None if value else ("192.0.2.1", 9))

    @property
    def rtp(self) -> list[bytes]:
        """What was sent since `take`."""
        if self._outbox is not None:
            for packets in self._outbox.take().values():
                self._rtp += packets
        return self._rtp

    @rtp.setter
    def rtp(self, value: list[bytes]) -> None:
        self._rtp = value

    def send_rtp(
        self,
        template: bytes,
        seq16: int,
        timestamp: int,
        ssrc: int,
        stamp_at: int = 0,
        stamp: int = 0,
        patch_at: int = 0,
        patch: bytes = b"",
    ) -> bool:
        if self.refusing:
            return False
        packet = bytearray(template)
        packet[2:12] = struct.pack("!HII", seq16, timestamp, ssrc)
        if stamp_at:
            packet[stamp_at : stamp_at + 2] = struct.pack("!H", stamp)
        packet[patch_at : patch_at + len(patch)] = patch
        assert len(packet) == len(template), "a patch lies within the packet"
        self._rtp.append(bytes(packet))
        return True

    def send_rtcp(self, compound: bytes) -> None:
        self.rtcp.append(compound)

    def schedule(self) -> None:
        self.scheduled += 1

    def take(self) -> list[RtpView]:
        """What was sent since the last call."""
        packets, self._rtp = self.rtp, []
        return [rtp.parse(packet) for packet in packets]

    def take_rtcp(self) -> list[rtcp.RtcpPacket]:
        compounds, self.rtcp = self.rtcp, []
        return [packet for compound in compounds for packet in rtcp.parse(compound)]


def packet(
    seq: int,
    timestamp: int = 0,
    payload: bytes = DELTA,
    *,
    ssrc: int = 1000,
    payload_type: int = 96,
    marker: bool = False,
    block: bytes = b"",
    padding: int = 0,
) -> bytes:
    flags = 0x80 | (0x10 if block else 0) | (0x20 if padding else 0)
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    head = struct.pack(
        "!BBHII", flags, payload_type | marker << 7, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )
    return head + block + payload + tail


def view(seq: int, timestamp: int = 0, payload: bytes = DELTA, *, ssrc: int = 1000) -> RtpView:
    return rtp.parse(packet(seq, timestamp, payload, ssrc=ssrc))


def payload_of(packet: RtpView) -> bytes:
    return packet.packet[packet.payload_start : packet.payload_end]


def extensions_of(packet: RtpView) -> dict[int, bytes]:
    return {id: packet.packet[start:end] for id, start, end in extensions.elements(packet)}


def section(
    codecs: Sequence[Codec],
    *,
    kind: str = "video",
    mid: str = "0",
    direction: Direction = "sendrecv",
    ids: Mapping[str, int] = IDS,
    ssrcs: tuple[SourceGroup, ...] = (),
    mixed: bool = False,
    rsize: bool = True,
    index: int = 0,
) -> Section:
    formats = tuple(str(codec.payload_type) for codec in codecs)
    return Section(
        index, mid, kind, 9, "UDP/TLS/RTP/SAVPF", formats, rejected=False, bundled=True, direction=direction,
        codecs=tuple(codecs), extensions=ids, ssrcs=ssrcs, rtcp_mux=True, rtcp_rsize=rsize,
        extmap_allow_mixed=mixed,
    )  # fmt: skip


def accepted(section: Section) -> Accepted:
    found = accept(section)
    assert found is not None
    return found


class Track:
    """A publication whose publisher's PLIs are counted, and slots that show it."""

    def __init__(self, codecs: Sequence[Codec] = (VP8, VP9, H264), kind: str = "video") -> None:
        self.asked = 0
        self.changes: list[str] = []
        section_ = section(codecs, kind=kind, direction="sendonly")
        self.publication = Publication(
            "t_1", "p_1", "0", "camera", False, accepted(section_), self._ask, FakeOutlet.engine.encoding
        )
        self.encoding = self.publication.encoding
        self.encoding.ssrc = 1000

    def _ask(self, encoding: Encoding) -> None:
        self.asked += 1

    def slot(
        self,
        now: float,
        codecs: Sequence[Codec] = (VP8, VP9),
        *,
        ids: Mapping[str, int] = IDS,
        outlet: FakeOutlet | None = None,
    ) -> tuple[Slot, FakeOutlet]:
        """A new subscriber's slot, pointed at this publication."""
        outlet = outlet or FakeOutlet()
        kind = self.publication.kind
        profile = SendProfile.of(accepted(section(codecs, kind=kind, direction="recvonly", ids=ids)))
        changed: Callable[[Slot], None] = lambda slot: self.changes.append(slot.state.value)  # noqa: E731
        slot = outlet.engine.slot("5", kind, profile, outlet.engine.egress(outlet), "tile", changed)
        slot.point(self.publication, now)
        return slot, outlet

    def send(
        self, seq: int, now: float, payload: bytes = DELTA, *, timestamp: int | None = None, rtx: bool = False
    ) -> None:
        stamp = round(now * self.encoding.codec.clock_rate) if timestamp is None else timestamp
        self.encoding.receive(view(seq, stamp, payload), now, repaired=rtx)


def seqs(packets: Sequence[RtpView]) -> list[int]:
    """Sequence numbers relative to the first."""
    return [(one.seq16 - packets[0].seq16) & 0xFFFF for one in packets]
