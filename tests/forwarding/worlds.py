"""A publisher and three subscribers in memory, with real SRTP, driven by a random script: for comparing engines.

Subscribers may leave, and others come in their place.

Everything that is random in the product is given here, so two worlds that follow one script send the same bytes.
"""

import secrets
import struct
from random import Random

import pytest
from pylibsrtp import Policy, Session

from sfu.flow.layers import ALL
from sfu.forwarding.engine import Engine
from sfu.forwarding.link import MediaLink
from sfu.forwarding.profile import SendProfile
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, Target
from sfu.transport.seam import Srtp, SrtpError, SrtpWorkspace
from sfu.wire import extensions
from sfu.wire.rtcp import Nack, PictureLoss, Remb, TransportFeedback
from sfu.wire.sdp import Codec, SourceGroup
from sfu.wire.transport_feedback import Feedback, write_fci
from tests.flow.layers.streams import DESCRIPTOR_ID
from tests.flow.layers.svc import av1_views, stream, structure_of
from tests.forwarding.doubles import FEEDBACK, H264, IDS, OPUS, VP8, VP9, accepted, packet, section
from tests.forwarding.rig import simulcast

AV1 = Codec(45, "AV1", 90_000, 1, "profile=0", FEEDBACK, 46)
CODECS = {"vp8": VP8, "vp9": VP9, "av1": AV1, "h264": H264, "opus": OPUS}
LAYERED = {**IDS, extensions.DEPENDENCY_DESCRIPTOR: DESCRIPTOR_ID}
# Bytes of extensions that a publisher may send.
SAID = {
    extensions.AUDIO_LEVEL: 1,
    extensions.ABS_SEND_TIME: 3,
    extensions.TRANSPORT_WIDE: 2,
    extensions.PLAYOUT_DELAY: 3,
    extensions.VIDEO_ORIENTATION: 1,
}
HERE, SUBSCRIBERS = ("192.0.2.1", 9), 3
PICTURES = 240  # of AV1, which are all made before


def given_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is drawn is a fixed number of its range."""
    monkeypatch.setattr(secrets, "randbelow", lambda bound: bound - 7)
    monkeypatch.setattr(secrets, "randbits", lambda bits: (1 << bits) - 70_000)


def session(kind: int) -> Session:
    policy = Policy(key=bytes(range(28)), ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    policy.allow_repeat_tx = True
    return Session(policy)


class Wire:
    """An outlet whose datagrams are kept, as they would leave; RTCP, the same work for all engines, is plain."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ready = True
        self.open = True
        self._sent: list[bytes] = []
        self._srtp = Srtp(
            session(Policy.SSRC_ANY_INBOUND), session(Policy.SSRC_ANY_OUTBOUND), SrtpWorkspace()
        )
        self._outbox = engine.outbox(-1, True, lambda: None)
        self.link = engine.link(self._outbox)
        if self.link is not None:
            self.link.open(self._srtp, *self._srtp.addresses())
            self.link.aim(HERE)

    def let(self, value: bool) -> None:
        """Whether there is an address to send to."""
        self.open = value
        if self.link is not None:
            self.link.aim(HERE if value else None)

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
        if not self.open:
            return False
        numbers = (seq16, timestamp, ssrc, stamp_at, stamp, patch_at, patch)
        try:
            self._sent.append(self._srtp.protect_numbered(template, *numbers))
        except SrtpError:  # a late packet that is too old
            return False
        return True

    def send_rtcp(self, compound: bytes) -> None:
        if self._outbox is not None:
            self._outbox.queue(compound, HERE)
        else:
            self._sent.append(compound)

    def schedule(self) -> None:
        pass

    def take(self) -> list[bytes]:
        sent, self._sent = self._sent, []
        return sent if self._outbox is None else self._outbox.take().get(HERE, [])


class Subscriber:
    """One connection with two slots, of which the second may show the same."""

    def __init__(self, engine: Engine, codec: Codec, number: int, now: float, *, paced: bool) -> None:
        self.wire = Wire(engine)
        self.link = MediaLink(self.wire)
        if paced:
            self.link.egress.expect_reports(True, now)
        else:
            self.link.egress.transport_wide = True
        # The second knows no transport-wide numbers, the third no descriptor, without which layers have no patches.
        unknown = (None, extensions.TRANSPORT_WIDE, extensions.DEPENDENCY_DESCRIPTOR)[number]
        ids = {uri: id for uri, id in (LAYERED if codec is AV1 else IDS).items() if uri != unknown}
        kind = "audio" if codec is OPUS else "video"
        profile = SendProfile.of(
            accepted(section([codec], kind=kind, direction="recvonly", ids=ids, mixed=codec is AV1))
        )
        self.slots: list[Slot] = []
        for place in range(2):
            slot = engine.slot(
                str(place), kind, profile, self.link.egress, "tile", lambda slot: None, steered=True
            )
            slot.ssrc, slot.rtx_ssrc = 7000 + 10 * place, 7001 + 10 * place
            self.link.add(slot)
            self.slots.append(slot)


class World:
    """`step` takes a name and what it needs, all of it in numbers."""

    def __init__(self, engine: Engine, codec: str, *, paced: bool = True) -> None:
        self.now = 100.0
        self._engine, self._codec, self._paced = engine, CODECS[codec], paced
        layered = codec == "vp8"
        known = (SourceGroup(1000, 1001, "cname"),)
        kind = "audio" if codec == "opus" else "video"
        entry = (
            simulcast(rids=("q", "f"))
            if layered
            else accepted(
                section(
                    [CODECS[codec]],
                    kind=kind,
                    direction="sendonly",
                    ssrcs=known,
                    ids=LAYERED if codec == "av1" else IDS,
                    mixed=codec == "av1",
                )
            )
        )
        self.levels: list[object] = []
        self.publisher = MediaLink(Wire(engine), self._heard)
        asked = self.publisher.ingress.ask_key_frame
        self.publication = Publication("t_1", "p_1", "0", "camera", False, entry, asked, engine.encoding)
        self.publisher.ingress.configure([(self.publication, entry)], reduced_size=True)
        self.subscribers = [self._subscriber(n) for n in range(SUBSCRIBERS)]
        for subscriber in self.subscribers:
            subscriber.slots[0].point(self.publication, self.now)

    def _subscriber(self, number: int) -> Subscriber:
        return Subscriber(self._engine, self._codec, number, self.now, paced=self._paced)

    def wires(self) -> list[Wire]:
        return [link.outlet for link in self._links() if isinstance(link.outlet, Wire)]

    def _links(self) -> list[MediaLink]:
        return [self.publisher, *(subscriber.link for subscriber in self.subscribers)]

    def take(self) -> list[list[bytes]]:
        """What has left since the last call, by connection, in order; the publisher's encodings have none."""
        asked, *sent = [wire.take() for wire in self.wires()]
        return [sorted(asked), *sent]

    def stats(self) -> list[object]:
        """All counters there are."""
        found: list[object] = [self.publication.stats(self.now), self.levels]
        for subscriber in self.subscribers:
            egress = subscriber.link.egress
            found.append([slot.stats() | {"octets": slot.octets} for slot in subscriber.slots])
            found.append(egress.estimator.stats(self.now))
            pacer = egress.pacer
            found.append((pacer.admitted, pacer.paced, pacer.refused, pacer._free_at, egress.clogged))
        return found

    def _heard(self, publication: Publication, level: int, voice: bool | None, now: float) -> None:
        self.levels.append((publication.id, level, voice, now))
        if level == 7:  # who hears it may change what is forwarded
            self.aim(0, 1, 0, ALL, ALL)

    # -- what may happen -------------------------------------------------------------------------------------

    def packet(self, data: bytes, seconds: float) -> None:
        self.now += seconds
        self.publisher.receive_rtp(data, self.now)

    def aim(self, who: int, place: int, encoding: int, spatial: int, temporal: int) -> None:
        slot = self.subscribers[who].slots[place]
        slot.point(self.publication, self.now)
        encodings = self.publication.encodings
        slot.aim(Target(encodings[encoding % len(encodings)], spatial, temporal), self.now)

    def pause(self, who: int, place: int) -> None:
        self.subscribers[who].slots[place].pause("bandwidth", self.now)

    def let(self, who: int, value: bool) -> None:
        self.subscribers[who].wire.let(value)

    def leave(self, who: int) -> None:
        """Another one comes in its place, and shows the same."""
        old = self.subscribers[who]
        old.link.close()
        if old.wire.link is not None:
            old.wire.link.close()
        new = self.subscribers[who] = self._subscriber(who)
        new.slots[0].point(self.publication, self.now)

    def rtcp(self, who: int, data: bytes) -> None:
        self.subscribers[who].link.receive_rtcp(data, self.now)

    def acknowledge(self, who: int, first: int, lost: int, spacing: int) -> None:
        """Transport-wide feedback on the 20 packets from `first` on."""
        base = round(self.now / 0.064)
        deltas = tuple(None if lost >> n & 1 else spacing for n in range(20))
        if any(delta is not None for delta in deltas):
            feedback = Feedback(first & 0xFFFF, base, 0, deltas)
            self.rtcp(who, TransportFeedback(1, 7000, write_fci(feedback)).write())

    def pulse(self, seconds: float) -> None:
        self.now += seconds
        for link in self._links():
            link.pulse(self.now)


class Camera:
    """Packets of one encoding, in order; what the network makes of them is the script's."""

    def __init__(self, codec: str, rid: str, random: Random) -> None:
        self._codec, self._rid, self._random = codec, rid, random
        self._seq = random.randrange(1 << 16)
        self._stamp = random.randrange(1 << 32)
        self._picture = random.randrange(1 << 15)
        self._tl0 = random.randrange(256)
        self._ssrc = {"q": 2000, "f": 3000}.get(rid, 1000)
        # What packets say of themselves, most of them alike, and how often they say whose they are.
        self._said = [uri for uri in SAID if random.random() < 0.4]
        self._named = random.choice((0.0, 0.1, 1.0))
        self._transport_wide = random.randrange(1 << 16)
        if codec == "av1":
            self._av1 = stream(
                PICTURES, 2, only_keys=random.random() < 0.5, key_every=random.randrange(8, 40)
            )
            self._structure = structure_of(self._av1)

    def frame(self, key: bool) -> list[bytes]:
        """The packets of one picture; AV1 has its key frames when they come."""
        random = self._random
        if self._codec == "av1":
            return self._unit()
        self._picture = (self._picture + 1) & 0x7FFF
        temporal = 0 if key else random.choice((0, 2, 1, 2))
        self._tl0 = (self._tl0 + (temporal == 0)) & 0xFF
        self._stamp = (self._stamp + 3000) & 0xFFFFFFFF
        packets: list[bytes] = []
        for spatial in range(2 if self._codec == "vp9" else 1):
            count = random.randrange(1, 5)
            for part in range(count):
                payload = self._head(key, temporal, spatial, part, count) + random.randbytes(
                    random.randrange(1, 90)
                )
                last = part == count - 1 and spatial == (self._codec == "vp9")
                packets.append(self._packet(payload, last))
        if random.random() < 0.05:
            packets.append(self._packet(b"", False))  # padding
        return packets

    def _unit(self) -> list[bytes]:
        """The packets of AV1's next temporal unit."""
        packets: list[bytes] = []
        at, self._at = self._at, self._at + 2
        for frame in self._av1.frames[at : at + 2]:
            views = av1_views(self._av1, self._structure, frame, self._random.randrange(1, 5), self._picture)
            for index, view in enumerate(views):
                self._seq += 1
                begins = frame.key and frame.spatial == 0 and index == 0
                payload = bytes((begins << 3 | 0x10,)) + self._random.randbytes(self._random.randrange(1, 90))
                block = view.packet[12 : view.payload_start]
                packets.append(
                    packet(self._seq, self._stamp + view.timestamp, payload, payload_type=AV1.payload_type,
                           marker=view.marker, block=block)
                )  # fmt: skip
        return packets

    def _head(self, key: bool, temporal: int, spatial: int, part: int, count: int) -> bytes:
        number = self._picture | 0x8000
        if self._codec == "vp8":
            sync = self._random.random() < 0.3
            head = struct.pack(
                "!BBHBB", 0x80 | (part == 0) << 4, 0xE0, number, self._tl0, temporal << 6 | sync << 5
            )
            return head + (bytes((not key,)) if part == 0 else b"")
        if self._codec == "vp9":
            flags = 0xA0 | (not key) << 6 | (part == 0) << 3 | (part == count - 1) << 2
            switch = self._random.random() < 0.3 if part == 0 else self._switch
            self._switch = switch
            layers = temporal << 5 | switch << 4 | spatial << 1 | (spatial > 0)
            return struct.pack("!BHBB", flags, number, layers, self._tl0)
        if self._codec == "h264":
            return bytes((0x65 if key else 0x41,))
        return b""

    _switch = False
    _at = 0

    def _packet(self, payload: bytes, marker: bool) -> bytes:
        self._seq += 1
        block = self._block()
        payload_type = CODECS[self._codec].payload_type
        padding = 0 if payload else 20
        return packet(
            self._seq, self._stamp, payload, ssrc=self._ssrc, payload_type=payload_type, marker=marker, block=block,
            padding=padding,
        )  # fmt: skip

    def _block(self) -> bytes:
        """The header extension of one packet."""
        random = self._random
        elements = []
        if self._rid and (random.random() < self._named or self._seq & 15 < 3):
            elements += [(4, b"0"), (10, self._rid.encode())]
        for uri in self._said:
            if random.random() < 0.9:
                self._transport_wide += 1
                size = SAID[uri] if random.random() < 0.98 else random.randrange(1, 20)
                data = (self._transport_wide & 0xFFFF).to_bytes(2, "big") + bytes(18)
                if uri == extensions.AUDIO_LEVEL:
                    data = bytes((random.getrandbits(1) << 7 | random.getrandbits(4),)) + data
                elements.append((IDS[uri], data[:size]))
        return extensions.build(elements, allow_two_byte=random.random() < 0.5)


Step = tuple[str, tuple[object, ...]]


def damaged(data: bytes, random: Random) -> bytes:
    """A packet as somebody may send it who means harm: with wrong bytes, most of them in its headers, or cut off."""
    wrong = bytearray(data)
    for _ in range(random.randrange(1, 4)):
        place = random.choice(
            (0, 1, 12, 14, 15, 16, random.randrange(12, 60), random.randrange(len(wrong)), -1)
        )
        wrong[min(place, len(wrong) - 1)] = random.choice(
            (0, 0xFF, random.getrandbits(8), random.getrandbits(8))
        )
    if random.random() < 0.3:
        del wrong[random.randrange(12, len(wrong) + 1) :]
    return bytes(wrong)


def script(codec: str, seed: int, length: int) -> list[Step]:
    """Method names of `World` with arguments: frames over a bad network, and everything else now and then."""
    random = Random(seed)
    damage = random.choice((0.0, 0.0, 0.02, 0.3))
    cameras = [Camera(codec, rid, random) for rid in (("q", "f") if codec == "vp8" else ("",))]
    loss = random.choice((0.0, 0.02, 0.1))
    steps: list[Step] = []
    late: list[bytes] = []
    for number in range(length):
        camera = random.choice(cameras)
        pieces = camera.frame(key=number < 2 or random.random() < 0.07)
        for data in pieces:
            if random.random() < loss:
                if random.random() < 0.7:
                    late.append(data)
                continue
            came = damaged(data, random) if random.random() < damage else data
            steps.append(("packet", (came, random.choice((0.0, 0.0, 0.0001)))))
            if random.random() < 0.01:
                steps.append(("packet", (data, 0.0)))
            while late and random.random() < 0.2:
                steps.append(("packet", (late.pop(random.randrange(len(late))), 0.0)))
        steps.append(
            ("pulse", (random.choice((0.001, 0.02, 0.033, 0.2 if random.random() < 0.1 else 0.01)),))
        )
        if random.random() < 0.4:
            steps.append(_event(random))
    return steps


def _event(random: Random) -> Step:
    who, place = random.randrange(SUBSCRIBERS), random.choice((0, 0, 1))
    ssrc = 7000 + 10 * place
    kind = random.random()
    if kind < 0.25:
        layers = (random.choice((0, 1, ALL)), random.choice((0, 1, 2, ALL)))
        return "aim", (who, place, random.randrange(2), *layers)
    if kind < 0.5:
        # Numbers go on from the first one, which is fixed.
        first = (1 << 15) - 7 + random.randrange(200)
        lost = tuple((first + n) & 0xFFFF for n in range(random.randrange(1, 6)))
        return "rtcp", (who, Nack(1, ssrc, lost).write())
    if kind < 0.7:
        return "acknowledge", (who, random.randrange(300), random.getrandbits(20) & random.getrandbits(20), 4)
    if kind < 0.78:
        return "rtcp", (who, Remb(1, random.choice((50_000, 400_000, 5_000_000)), (ssrc,)).write())
    if kind < 0.86:
        return "rtcp", (who, PictureLoss(1, ssrc).write())
    if kind < 0.92:
        return "pause", (who, place)
    if kind < 0.95:
        return "leave", (who,)
    return "let", (who, random.random() < 0.7)
