"""An ingress with publications, and the packets of their publisher."""

from collections.abc import Sequence
from dataclasses import replace

from sfu.forwarding.ingress import Ingress
from sfu.forwarding.publication import Publication
from sfu.wire import extensions
from sfu.wire.answer import Accepted
from sfu.wire.sdp import SourceGroup
from tests.forwarding.doubles import IDS, KEY, VP8, VP9, FakeOutlet, accepted, packet, section

KNOWN = (SourceGroup(1000, 1001, "cname"),)
SIMULCAST_IDS = {**IDS, extensions.RID: 10, extensions.REPAIRED_RID: 11}


class Rig:
    """An ingress with one publication of each section."""

    def __init__(self, *sections: Accepted, rsize: bool = True) -> None:
        self.outlet = FakeOutlet()
        self.ingress = Ingress(self.outlet)
        self.published = [(self.publish(entry), entry) for entry in sections or [video()]]
        self.ingress.configure(self.published, reduced_size=rsize)
        self.publication = self.published[0][0]
        self.arrivals = self.publication.encoding.arrivals

    def publish(self, entry: Accepted) -> Publication:
        mid = entry.section.mid
        return Publication(
            f"t_{mid}",
            "p_1",
            mid,
            "camera",
            False,
            entry,
            self.ingress.ask_key_frame,
            self.outlet.engine.encoding,
        )

    def receive(self, *packets: bytes, now: float = 10.0) -> None:
        for one in packets:
            self.ingress.receive_rtp(one, now)

    def by_rid(self) -> dict[str, int]:
        """Packets of each encoding of the first publication."""
        return {encoding.rid: encoding.arrivals.packets for encoding in self.publication.encodings}

    def renegotiate(self, *sections: Accepted, now: float = 10.0) -> None:
        """The same m-sections in a later offer."""
        self.published = [(p, entry) for (p, _), entry in zip(self.published, sections, strict=True)]
        for publication, entry in self.published:
            publication.renegotiated(entry, now)
        self.ingress.configure(self.published, reduced_size=True)

    def received(self) -> list[int]:
        return [publication.encoding.arrivals.packets for publication, _ in self.published]


def video(
    *, mid: str = "0", ssrcs: tuple[SourceGroup, ...] = KNOWN, ids: dict[str, int] = IDS, pt: int = 96
) -> Accepted:
    codec = replace(VP8, payload_type=pt, rtx_payload_type=pt + 1)
    return accepted(section([codec, VP9], mid=mid, direction="sendonly", ssrcs=ssrcs, ids=ids))


def simulcast(
    *, mid: str = "0", rids: Sequence[str] = ("q", "h", "f"), ssrcs: tuple[SourceGroup, ...] = ()
) -> Accepted:
    """As `video`, in several encodings; like Chromium it announces no SSRC."""
    whole = section([VP8, VP9], mid=mid, direction="sendonly", ssrcs=ssrcs, ids=SIMULCAST_IDS)
    return accepted(replace(whole, rids=tuple(rids), simulcast_send=tuple(rids)))


def naming(rid: str, mid: str = "0", *, repaired: bool = False) -> bytes:
    """The extension block of a packet that says whose it is; no MID if that is empty."""
    elements = [(4, mid.encode())] if mid else []
    return extensions.build([*elements, (11 if repaired else 10, rid.encode())], allow_two_byte=False)


def with_mid(mid: bytes) -> bytes:
    return extensions.build([(4, mid)], allow_two_byte=False)


def rtx(
    osn: int, payload: bytes = KEY, *, seq: int = 0, ssrc: int = 1001, pt: int = 97, block: bytes = b""
) -> bytes:
    return packet(seq, 0, osn.to_bytes(2, "big") + payload, ssrc=ssrc, payload_type=pt, block=block)
