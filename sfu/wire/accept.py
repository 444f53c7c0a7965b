"""What the server takes of an offered section: codecs, header extensions, and the encodings of simulcast.

Knows what a forwarding server can pass on. Does not know how an answer is written (sfu.wire.answer), or which
sections the rest of the server makes use of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from sfu.wire import extensions as uris
from sfu.wire.sdp import Codec, Section

SUPPORTED_CODECS: Final[Mapping[str, frozenset[tuple[str, int, int]]]] = {
    "audio": frozenset({("opus", 48_000, 2), ("red", 48_000, 2)}),
    "video": frozenset({(name, 90_000, 1) for name in ("vp8", "vp9", "h264", "av1")}),
}
"""Kind of section to (name in lower case, clock rate, channels) of what is forwarded."""

FEEDBACK: Final = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")

SUPPORTED_EXTENSIONS: Final = frozenset(
    {
        uris.MID,
        uris.RID,
        uris.REPAIRED_RID,
        uris.ABS_SEND_TIME,
        uris.TRANSPORT_WIDE,
        uris.AUDIO_LEVEL,
        uris.DEPENDENCY_DESCRIPTOR,
        uris.VIDEO_ORIENTATION,
        uris.PLAYOUT_DELAY,
    }
)

MAX_ENCODINGS: Final = 4
"""Of one section. Browsers send three at most; a history of two seconds is kept of each."""
MAX_RID: Final = 16
"""Characters: what an element with a one-byte header holds (RFC 8285 section 4.2)."""

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


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the server takes of a section: payload types and extension ids stay the client's own."""

    section: Section
    codecs: tuple[Codec, ...]
    """In the order of the offer, but red behind opus; feedback reduced to what the server handles."""
    extensions: Mapping[str, int]
    """URI to id."""
    rids: tuple[str, ...] = ()
    """The encodings of simulcast in the order of a=simulcast; empty: one encoding, without a rid."""


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
    if not codecs:
        return None
    extensions = _extensions(section)
    if section.direction != "recvonly" and codecs[0].name.lower() != "av1":
        # Chromium leaves picture ids out of VP8 beside it; of AV1 alone it is the only word on layers.
        extensions.pop(uris.DEPENDENCY_DESCRIPTOR, None)
    return Accepted(section, codecs, extensions, _rids(section, extensions))


def _codecs(section: Section) -> tuple[Codec, ...]:
    supported = SUPPORTED_CODECS.get(section.kind, frozenset())
    codecs = [
        replace(codec, feedback=tuple(kind for kind in FEEDBACK if kind in codec.feedback))
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
    return {
        uri: identifier
        for uri, identifier in section.extensions.items()
        if uri in SUPPORTED_EXTENSIONS and any(_directions(section, uri))
    }


def _directions(section: Section, uri: str) -> tuple[bool, bool]:
    """Whether the client would send an extension that it offers, and whether it would receive it."""
    direction = section.extension_directions.get(uri, "sendrecv")
    sent = section.direction != "recvonly" and direction in ("sendrecv", "sendonly")
    received = section.direction != "sendonly" and direction in ("sendrecv", "recvonly")
    return sent, received


def _rids(section: Section, extensions: Mapping[str, int]) -> tuple[str, ...]:
    """The encodings to take. Without MID and RID in the packets (RFC 8852) nobody could tell them apart.

    One that the client begins paused is taken too. A browser leaves out those beyond the answer's.
    """
    if section.kind != "video" or section.direction == "recvonly":
        return ()
    if not all(uri in extensions and _directions(section, uri)[0] for uri in (uris.MID, uris.RID)):
        return ()
    sent = set(section.rids)  # RFC 8853 section 5.1: without an a=rid of its own a name stands for no stream
    named = [rid for rid in section.simulcast_send if rid in sent and len(rid) <= MAX_RID]
    return tuple(dict.fromkeys(named))[:MAX_ENCODINGS]
