"""Answers to offers: what the server takes of a section, and the text that says so (RFC 8829 section 5.3).

Knows the codecs and header extensions the server passes on, and how an ICE-lite, DTLS-passive, bundling
answer is written. Does not know rooms or publications: the caller says which sections the server receives,
and what it sends on the others.

Simulcast is not answered: a browser that offers it sends its first encoding alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sfu.wire.sdp import Codec, Direction, Offer, Section

SUPPORTED_CODECS: Final[Mapping[str, frozenset[tuple[str, int, int]]]] = {
    "audio": frozenset({("opus", 48_000, 2), ("red", 48_000, 2)}),
    "video": frozenset({(name, 90_000, 1) for name in ("vp8", "vp9", "h264", "av1")}),
}
"""Kind of section to (name in lower case, clock rate, channels) of what is forwarded."""

FEEDBACK: Final = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")

TRANSPORT_WIDE: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
SUPPORTED_EXTENSIONS: Final = frozenset(
    {
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        TRANSPORT_WIDE,
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
        "urn:3gpp:video-orientation",
        "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    }
)

SCTP_PORT: Final = 5000
MAX_MESSAGE_SIZE: Final = 262_144
"""Bytes of one data channel message the server takes: what Chromium takes too."""

_RTP_PROTOCOLS: Final = frozenset(  # RFC 8829 section 5.1.2
    {
        "UDP/TLS/RTP/SAVPF",
        "TCP/TLS/RTP/SAVPF",
        "RTP/SAVPF",
        "UDP/TLS/RTP/SAVP",
        "TCP/TLS/RTP/SAVP",
        "RTP/SAVP",
    }
)
_DATA_PROTOCOLS: Final = frozenset({"UDP/DTLS/SCTP", "TCP/DTLS/SCTP"})
_REVERSED: Final[Mapping[Direction, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the server takes of a section: payload types and extension ids stay the client's own."""

    section: Section
    codecs: tuple[Codec, ...]
    """In the order of the offer, but red behind opus; feedback reduced to what the server handles."""
    extensions: Mapping[str, int]
    """URI to id."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """What the server sends on a section: a slot's constant identity, whatever it is pointed at."""

    ssrc: int
    rtx_ssrc: int | None
    cname: str
    stream: str
    track: str


@dataclass(frozen=True, slots=True)
class SectionAnswer:
    """The answer to one section, rejected if there is no `accepted`.

    Rejection stops the client's transceiver for good, and stock aiortc fails over it: a section with nothing
    to carry for now is better accepted, which leaves it inactive.
    """

    accepted: Accepted | None
    receive: bool = False
    send: Outbound | None = None

    @property
    def direction(self) -> Direction:
        """As the server sees it: no more than the client offered (RFC 3264 section 6.1)."""
        if self.accepted is None:
            return "inactive"
        receives = self.receive and self.accepted.section.client_sends
        sends = self.send is not None and self.accepted.section.client_receives
        if sends:
            return "sendrecv" if receives else "sendonly"
        return "recvonly" if receives else "inactive"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host candidate: the UDP port under one of the server's addresses (IPv4 or IPv6, no name)."""

    host: str
    port: int
    priority: int


@dataclass(frozen=True, slots=True)
class Local:
    """The server's side of one connection. `session_version` grows with each answer (RFC 3264 section 8)."""

    ice_ufrag: str
    ice_pwd: str
    fingerprints: Sequence[tuple[str, str]]
    candidates: Sequence[Candidate]
    session_id: int
    session_version: int


def accept(section: Section) -> Accepted | None:
    """What the server can use of a section, None if nothing: then it has to be rejected."""
    if section.rejected or not section.bundled:  # there is one transport only
        return None
    if section.kind == "application":
        usable = section.protocol in _DATA_PROTOCOLS and section.formats == ("webrtc-datachannel",)
        return Accepted(section, (), {}) if usable and section.sctp_port else None
    if section.protocol not in _RTP_PROTOCOLS or not section.rtcp_mux:  # and one port
        return None
    codecs = _codecs(section)
    return Accepted(section, codecs, _extensions(section)) if codecs else None


def _codecs(section: Section) -> tuple[Codec, ...]:
    supported = SUPPORTED_CODECS.get(section.kind, frozenset())
    # The server gives transport-wide feedback but does not ask for it: it sends no transport-wide numbers.
    handled = FEEDBACK if section.direction != "recvonly" else FEEDBACK[:-1]
    codecs = [
        replace(codec, feedback=tuple(kind for kind in handled if kind in codec.feedback))
        for codec in section.codecs
        if (codec.name.lower(), codec.clock_rate, codec.channels) in supported
    ]
    primary = [codec for codec in codecs if codec.name.lower() != "red"]
    types = {str(codec.payload_type) for codec in primary}
    # RFC 2198 section 5: red names the formats it may hold. Opus goes first: not every subscriber reads red.
    red = [
        codec for codec in codecs if codec not in primary and types.issuperset(codec.parameters.split("/"))
    ]
    return (*primary, *red)


def _extensions(section: Section) -> dict[str, int]:
    """The extensions that can be of use in the direction of the section (RFC 8285 section 7).

    An inactive section keeps those of both directions: Chromium never again offers an extension for a section
    whose answer went without it.
    """
    extensions: dict[str, int] = {}
    for uri, identifier in section.extensions.items():
        direction = section.extension_directions.get(uri, "sendrecv")
        sent = section.direction != "recvonly" and direction in ("sendrecv", "sendonly")
        received = section.direction != "sendonly" and direction in ("sendrecv", "recvonly")
        if uri in SUPPORTED_EXTENSIONS and (sent or (received and uri != TRANSPORT_WIDE)):
            extensions[uri] = identifier
    return extensions


def write(offer: Offer, sections: Sequence[SectionAnswer], local: Local) -> str:
    """The whole answer. `sections` are the answers to `offer.sections`, one each, in the same order."""
    assert len(sections) == len(offer.sections)
    return "".join(f"{line}\r\n" for line in _lines(offer, sections, local))


def _lines(offer: Offer, answers: Sequence[SectionAnswer], local: Local) -> Iterator[str]:
    accepted = [answer.accepted.section.mid for answer in answers if answer.accepted]
    yield "v=0"
    yield f"o=- {local.session_id} {local.session_version} IN IP4 127.0.0.1"
    yield "s=-"
    yield "t=0 0"
    if offer.bundle and accepted:  # RFC 9143 section 7.3: rejected sections stay out
        yield f"a=group:BUNDLE {' '.join(mid for mid in offer.bundle if mid in accepted)}"
    yield "a=ice-lite"  # RFC 8839 section 5.3
    if offer.extmap_allow_mixed:
        yield "a=extmap-allow-mixed"
    yield "a=msid-semantic:WMS *"
    for section, answer in zip(offer.sections, answers, strict=True):
        if answer.accepted is None:
            yield from _rejected(section)
            continue
        assert answer.accepted.section == section
        yield from _transport(answer.accepted, local)
        if section.kind == "application":
            yield f"a=sctp-port:{SCTP_PORT}"  # RFC 8841 section 5
            yield f"a=max-message-size:{MAX_MESSAGE_SIZE}"
        else:
            yield from _media(offer, answer.accepted, answer)


def _rejected(section: Section) -> Iterator[str]:
    """RFC 3264 section 6: port 0, and the formats are of no meaning but one has to stand there."""
    yield f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}"
    yield "c=IN IP4 0.0.0.0"
    if section.mid:
        yield f"a=mid:{section.mid}"
    yield "a=inactive"


def _transport(accepted: Accepted, local: Local) -> Iterator[str]:
    """The m-line and the one transport, ICE (RFC 8839 section 5) and DTLS (RFC 8842 section 5.3).

    By RFC 9143 section 7.3.1 the first bundled section alone needs it. It stands in all of them, as browsers
    write it too, because stock aiortc takes the candidates from the last section of a kind.
    """
    section = accepted.section
    formats = [str(number) for codec in accepted.codecs for number in _payload_types(codec)]
    # RFC 8839 section 4.2.1.2: the default destination is one of the candidates; port 9 stands for none yet.
    default = local.candidates[0] if local.candidates else Candidate("0.0.0.0", 9, 0)
    yield f"m={section.kind} {default.port} {section.protocol} {' '.join(formats or section.formats)}"
    yield f"c=IN {'IP6' if ':' in default.host else 'IP4'} {default.host}"
    yield f"a=mid:{section.mid}"
    yield f"a=ice-ufrag:{local.ice_ufrag}"
    yield f"a=ice-pwd:{local.ice_pwd}"
    for algorithm, value in local.fingerprints:
        yield f"a=fingerprint:{algorithm} {value}"
    yield "a=setup:passive"
    for foundation, candidate in enumerate(local.candidates, 1):  # of component 1: RTCP is multiplexed
        address = f"{candidate.host} {candidate.port}"
        yield f"a=candidate:{foundation} 1 udp {candidate.priority} {address} typ host"
    yield "a=end-of-candidates"  # RFC 8840 section 8.2


def _media(offer: Offer, accepted: Accepted, answer: SectionAnswer) -> Iterator[str]:
    section = accepted.section
    yield f"a={answer.direction}"
    yield "a=rtcp-mux"
    if section.rtcp_rsize:
        yield "a=rtcp-rsize"
    if section.extmap_allow_mixed and not offer.extmap_allow_mixed:  # RFC 8285 section 6
        yield "a=extmap-allow-mixed"
    for uri, identifier in accepted.extensions.items():
        direction = section.extension_directions.get(uri)
        yield f"a=extmap:{identifier}{f'/{_REVERSED[direction]}' if direction else ''} {uri}"
    for codec in accepted.codecs:
        yield from _codec(codec)
    if answer.send is not None and answer.direction in ("sendrecv", "sendonly"):
        yield from _sources(answer.send, any(codec.rtx_payload_type for codec in accepted.codecs))


def _payload_types(codec: Codec) -> tuple[int, ...]:
    return (
        (codec.payload_type,)
        if codec.rtx_payload_type is None
        else (codec.payload_type, codec.rtx_payload_type)
    )


def _codec(codec: Codec) -> Iterator[str]:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    yield f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}"
    for kind in codec.feedback:
        yield f"a=rtcp-fb:{codec.payload_type} {kind}"
    if codec.parameters:
        yield f"a=fmtp:{codec.payload_type} {codec.parameters}"
    if codec.rtx_payload_type is not None:  # RFC 4588 section 8.6
        yield f"a=rtpmap:{codec.rtx_payload_type} rtx/{codec.clock_rate}"
        yield f"a=fmtp:{codec.rtx_payload_type} apt={codec.payload_type}"


def _sources(send: Outbound, rtx: bool) -> Iterator[str]:
    """RFC 8830 section 2, and RFC 5576 for the SSRCs, which are said so that nobody has to guess them."""
    yield f"a=msid:{send.stream} {send.track}"
    ssrcs = [send.ssrc]
    if rtx and send.rtx_ssrc is not None:
        ssrcs.append(send.rtx_ssrc)
        yield f"a=ssrc-group:FID {send.ssrc} {send.rtx_ssrc}"
    for ssrc in ssrcs:
        yield f"a=ssrc:{ssrc} cname:{send.cname}"
        yield f"a=ssrc:{ssrc} msid:{send.stream} {send.track}"
