"""The descriptions that the benchmark's clients exchange with the server and with each other.

Knows: SDP lines for one VP8 stream per media section without retransmission, and the few lines it needs back.
Does not know: signaling, sockets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.topology.packets import PAYLOAD_TYPE


@dataclass(frozen=True, slots=True)
class Identity:
    """What an end says of its transport."""

    ufrag: str
    pwd: str
    candidates: list[str]
    fingerprints: list[tuple[str, str]]
    setup: str  # actpass, active, passive
    lite: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One video section; `ssrc` of what the writer of the description sends, if it sends."""

    mid: str
    direction: str
    ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """An offer or an answer, read."""

    identity: Identity
    ssrcs: dict[str, int] = field(default_factory=dict)  # mid -> what the other side sends there


def write(identity: Identity, name: str, sections: Sequence[Section]) -> str:
    """An offer or answer with these sections over one bundled connection; `name` is CNAME and stream id."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines += ["a=group:BUNDLE " + " ".join(section.mid for section in sections), "a=msid-semantic: WMS *"]
    for section in sections:
        lines += [
            f"m=video 9 UDP/TLS/RTP/SAVPF {PAYLOAD_TYPE}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{section.mid}",
            f"a=ice-ufrag:{identity.ufrag}",
            f"a=ice-pwd:{identity.pwd}",
            *(f"a=fingerprint:{algorithm} {value}" for algorithm, value in identity.fingerprints),
            f"a=setup:{identity.setup}",
            "a=rtcp-mux",
            f"a={section.direction}",
            f"a=rtpmap:{PAYLOAD_TYPE} VP8/90000",
            *(f"a=rtcp-fb:{PAYLOAD_TYPE} {kind}" for kind in ("nack pli", "goog-remb")),
            *(f"a=candidate:{candidate}" for candidate in identity.candidates),
            "a=end-of-candidates",
        ]
        if section.ssrc is not None:
            lines += [f"a=msid:{name} {name}-{section.mid}", f"a=ssrc:{section.ssrc} cname:{name}"]
    return "\r\n".join(lines) + "\r\n"


def parse(sdp: str) -> Description:
    """Read an offer or an answer. Raises ValueError when something needed is missing."""
    ssrcs: dict[str, int] = {}
    for text in re.split(r"^m=", sdp, flags=re.MULTILINE)[1:]:
        mid, ssrc = (
            re.search(r"^a=mid:(\S+)", text, re.MULTILINE),
            re.search(r"^a=ssrc:(\d+)", text, re.MULTILINE),
        )
        if mid and ssrc:
            ssrcs[mid[1]] = int(ssrc[1])

    def values(name: str) -> list[str]:
        return [match.strip() for match in re.findall(rf"^a={name}:(.*)$", sdp, re.MULTILINE)]

    try:
        identity = Identity(
            values("ice-ufrag")[0],
            values("ice-pwd")[0],
            sorted(set(values("candidate"))),
            sorted({(line.partition(" ")[0], line.partition(" ")[2]) for line in values("fingerprint")}),
            values("setup")[0],
            re.search(r"^a=ice-lite", sdp, re.MULTILINE) is not None,
        )
    except IndexError:
        raise ValueError("a description lacks its ICE or DTLS lines") from None
    if not identity.candidates:
        raise ValueError("a description has no candidates")
    return Description(identity, ssrcs)
