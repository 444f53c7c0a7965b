"""Answers to offers as text (RFC 8829 section 5.3), once it is known what is taken of each section.

Knows how an ICE-lite, DTLS-passive, bundling answer is written. Does not know which codecs, extensions and
encodings the server takes (sfu.wire.accept decides that), nor rooms or publications: the caller says which
sections the server receives, and what it sends on the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sfu.wire.accept import Accepted, accept
from sfu.wire.sdp import Codec, Direction, Offer, Section

__all__ = ["Accepted", "Candidate", "Local", "Outbound", "SectionAnswer", "accept", "write"]

SCTP_PORT: Final = 5000
MAX_MESSAGE_SIZE: Final = 262_144
"""Bytes of one data channel message the server takes: what Chromium takes too."""

_REVERSED: Final[Mapping[Direction, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


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
    if accepted.rids:
        # Whatever the direction is for now: a browser told of no simulcast never offers it again.
        yield from (f"a=rid:{rid} recv" for rid in accepted.rids)  # RFC 8851 section 6
        yield f"a=simulcast:recv {';'.join(accepted.rids)}"  # RFC 8853 section 5.3
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
