"""The client's offers, and the little of an answer that it needs.

Knows: SDP lines for sending and receiving one VP8 or Opus stream per media section, without RTX and without
transport-wide feedback (they would add traffic that is not forwarding).
Does not know: signaling, sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.ice import PRIORITY
from benchmarks.load.link import Link, Remote
from benchmarks.load.media import ABS_SEND_TIME_ID, MID_ID, PROFILES, Stream

CODECS = {
    "video": ("VP8/90000", ("nack", "nack pli", "ccm fir")),
    "audio": ("opus/48000/2", ()),
}
EXTENSIONS = (
    (MID_ID, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (ABS_SEND_TIME_ID, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
)


@dataclass(slots=True)
class Section:
    """One media section of an offer: sends `stream`, or receives when there is none."""

    mid: str
    kind: str  # "video" or "audio"
    stream: Stream | None = None


def write_offer(
    link: Link, name: str, sections: Sequence[Section], candidate: tuple[str, int] | None = None
) -> str:
    """The SDP of an offer with these sections over one bundled connection; `name` is CNAME and stream id.

    `candidate` is the client's address, for servers that check it themselves (full ICE).
    """
    algorithm, fingerprint = link.dtls.fingerprint
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(section.mid for section in sections),
        "a=msid-semantic: WMS *",
    ]
    for section in sections:
        codec, feedback = CODECS[section.kind]
        payload_type = PROFILES[section.kind].payload_type
        lines += [
            f"m={section.kind} 9 UDP/TLS/RTP/SAVPF {payload_type}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{section.mid}",
            f"a=ice-ufrag:{link.agent.ufrag}",
            f"a=ice-pwd:{link.agent.pwd}",
            *_candidate(candidate),
            f"a=fingerprint:{algorithm} {fingerprint}",
            "a=setup:actpass",
            "a=rtcp-mux",
            f"a=rtpmap:{payload_type} {codec}",
            *(f"a=rtcp-fb:{payload_type} {value}" for value in feedback),
            *(f"a=extmap:{number} {uri}" for number, uri in EXTENSIONS),
        ]
        if section.stream is None:
            lines.append("a=recvonly")
        else:
            lines += [
                "a=sendonly",
                f"a=msid:{name} {name}-{section.kind}",
                f"a=ssrc:{section.stream.ssrc} cname:{name}",
            ]
    return "\r\n".join(lines) + "\r\n"


def _candidate(address: tuple[str, int] | None) -> list[str]:
    """RFC 8839 5.1: a host candidate of component 1."""
    return [f"a=candidate:1 1 udp {PRIORITY} {address[0]} {address[1]} typ host"] if address else []


def write_answer(link: Link, offer: str, candidate: tuple[str, int]) -> str:
    """The SDP of an answer that receives every media section of a server's offer, as the DTLS server.

    As DTLS server the client chooses the SRTP profile (RFC 5764 4.1.2), so it is the same with every server.
    """
    algorithm, fingerprint = link.dtls.fingerprint
    session, *blocks = offer.replace("\r\n", "\n").split("\nm=")
    groups = [line for line in session.splitlines() if line.startswith("a=group:BUNDLE")]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", *groups, "a=msid-semantic: WMS *"]
    for block in blocks:
        head, *attributes = block.splitlines()
        kept = [
            line for line in attributes if line.startswith(("a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"))
        ]
        lines += [
            f"m={head}",
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{link.agent.ufrag}",
            f"a=ice-pwd:{link.agent.pwd}",
            *_candidate(candidate),
            f"a=fingerprint:{algorithm} {fingerprint}",
            "a=setup:passive",
            "a=rtcp-mux",
            *kept,
            "a=inactive" if "a=inactive" in attributes else "a=recvonly",
        ]
    return "\r\n".join(lines) + "\r\n"


def read_offer(sdp: str) -> Remote:
    """The end of a server that offered and was answered by `write_answer`. Raises ValueError."""
    remote = read_answer(sdp)
    remote.setup = "active"
    return remote


def read_answer(sdp: str) -> Remote:
    """The server's end of the connection. Raises ValueError when something needed is missing."""
    values: dict[str, list[str]] = {}
    for line in sdp.splitlines():
        name, _, value = line.removeprefix("a=").partition(":")
        if line.startswith("a="):
            values.setdefault(name, []).append(value)
    try:
        return Remote(
            address=_pick_candidate(values["candidate"]),
            ufrag=values["ice-ufrag"][0],
            pwd=values["ice-pwd"][0],
            fingerprints=sorted({_fingerprint(value) for value in values["fingerprint"]}),
            setup=values["setup"][0],
        )
    except (KeyError, IndexError) as missing:
        raise ValueError(f"the answer lacks {missing}") from None


def _fingerprint(value: str) -> tuple[str, str]:
    algorithm, _, digest = value.partition(" ")
    return algorithm, digest


def _pick_candidate(candidates: Sequence[str]) -> tuple[str, int]:
    """The UDP candidate to use: loopback if offered, else the first IPv4 one (fields: RFC 8839 5.1)."""
    fields = [candidate.split() for candidate in candidates]
    usable = [(f[4], int(f[5])) for f in fields if len(f) >= 8 and f[2].lower() == "udp" and "." in f[4]]
    if not usable:
        raise ValueError("the answer has no IPv4 UDP candidate")
    return next((address for address in usable if address[0].startswith("127.")), usable[0])
