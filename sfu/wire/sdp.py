"""Offers of clients: session description text to values (RFC 8866, RFC 8829 section 5.8).

Knows the lines a forwarding server acts on, and bounds every number and name in them, since the text comes
from strangers. Does not know which codecs or extensions the server takes (sfu.wire.answer decides that), nor
whose section it is. Lines that are not understood are passed over, as RFC 8866 section 5 asks.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

from sfu.wire.sdp_lines import (
    MAX_SECTIONS,
    TOKEN,
    WORD,
    Block,
    SdpError,
    quote,
    read_by_payload_type,
    read_number,
    read_payload_type,
    split,
)

__all__ = ["Codec", "Direction", "Offer", "SdpError", "Section", "SourceGroup", "parse"]

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

MAX_SSRCS: Final = 64
"""Of one section. Simulcast of three encodings with retransmission names six."""
MAX_KNOWN: Final = 16_000
"""Characters about codecs in a section that is remembered. Chromium writes about 3000."""

_DIRECTIONS: Final[tuple[Direction, ...]] = ("sendrecv", "sendonly", "recvonly", "inactive")
_SETUPS: Final = ("actpass", "active", "passive", "holdconn")
_PROTOCOL: Final = re.compile(r"[0-9A-Za-z/]{1,40}")
_RID: Final = re.compile(r"[0-9A-Za-z_-]{1,255}")  # RFC 8851 section 10
_UFRAG: Final = re.compile(r"[0-9A-Za-z+/]{4,256}")  # RFC 8839 section 5.4
_PWD: Final = re.compile(r"[0-9A-Za-z+/]{22,256}")
_FINGERPRINT: Final = re.compile(
    r"([0-9A-Za-z-]{1,16}) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){15,63})"
)  # RFC 8122


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload format of a section, with the client's own payload types (RFC 8866 section 6.6)."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    parameters: str
    """The value of a=fmtp, or an empty string."""
    feedback: tuple[str, ...]
    """As in a=rtcp-fb, such as "nack", "nack pli" or "transport-cc"."""
    rtx_payload_type: int | None
    """The payload type of its retransmissions (RFC 4588 section 8.6)."""


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """One stream a client announced: its SSRC and that of its retransmissions (RFC 5576)."""

    ssrc: int
    rtx_ssrc: int | None
    cname: str
    rid: str = ""
    """The encoding of simulcast it carries. No offer tells; nodes tell each other."""


@dataclass(frozen=True, slots=True)
class Section:
    """One m-section. A section whose `rejected` is set carries no more than its m-line and its mid."""

    index: int
    mid: str
    """Empty only in a rejected section that names none."""
    kind: str
    """"audio", "video", "application" or whatever else the client wrote."""
    port: int
    protocol: str
    formats: tuple[str, ...]
    """The last part of the m-line as written: payload types, or "webrtc-datachannel"."""
    rejected: bool
    """Port 0, and not because of a=bundle-only (RFC 9143 section 6)."""
    bundled: bool
    """Goes over the one transport: BUNDLE names it, or it is the first in use of an offer without BUNDLE."""
    direction: Direction = "inactive"
    """As the client sees it."""
    codecs: tuple[Codec, ...] = ()
    """In the order of the offer, without retransmission formats."""
    extensions: Mapping[str, int] = field(default_factory=dict)
    """URI to id, 1..255 (RFC 8285)."""
    extension_directions: Mapping[str, Direction] = field(default_factory=dict)
    """URI to the direction written in its a=extmap line, for those that have one."""
    ssrcs: tuple[SourceGroup, ...] = ()
    msid: tuple[str, str] | None = None
    """Stream and track (RFC 8830)."""
    rids: tuple[str, ...] = ()
    """The restriction ids the client would send (RFC 8851)."""
    simulcast_send: tuple[str, ...] = ()
    """Rids of a=simulcast, the first alternative of each encoding (RFC 8853)."""
    rtcp_mux: bool = False
    rtcp_rsize: bool = False
    extmap_allow_mixed: bool = False
    """For this section, whether it was said here or for the whole session."""
    sctp_port: int | None = None
    max_message_size: int = 65_536
    """What the client takes, in bytes; 0 = any (RFC 8841 section 6.1)."""

    @property
    def client_sends(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")

    @property
    def client_receives(self) -> bool:
        return self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class Offer:
    """A whole offer. `ice_*`, `fingerprints` and `setup` describe its one transport, as the first bundled
    section or the session part gives them; they are empty only when no section is in use."""

    sections: tuple[Section, ...]
    bundle: tuple[str, ...]
    """Mids of the sections in use that share the transport; empty if the offer has no BUNDLE group."""
    ice_ufrag: str
    ice_pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    """Algorithm in lower case, value in upper case."""
    setup: str
    """ "actpass" or "active": the server is always the passive side."""
    extmap_allow_mixed: bool
    """Said for the whole session (Chromium); Firefox says it in every section instead."""


def parse(text: str) -> Offer:
    """Read an offer; raises SdpError, and nothing else, whatever the text."""
    session, blocks = split(text)
    bundle = _bundle(session)
    sections: list[Section] = []
    alone = True  # RFC 9143 section 7.3: without BUNDLE each section would need a transport of its own
    for index, block in enumerate(blocks):
        section = _media_line(index, block)
        if not section.rejected:
            section = _contents(section, block, session, section.mid in bundle if bundle else alone)
            alone = False
        sections.append(section)
    mids = [section.mid for section in sections if section.mid]
    if len(set(mids)) != len(mids):
        raise SdpError("Two sections have the same mid.")
    if unknown := set(bundle).difference(mids):
        raise SdpError(f"BUNDLE names the mid {quote(min(unknown))}, which no section has.")
    active = {section.mid: blocks[section.index] for section in sections if section.bundled}
    bundle = tuple(mid for mid in bundle if mid in active)
    first = active[bundle[0]] if bundle else next(iter(active.values()), None)
    return _transport(session, first, tuple(sections), bundle)


def _bundle(session: Block) -> tuple[str, ...]:
    """Mids of the first BUNDLE group (RFC 9143 section 7)."""
    for group in session.all("group"):
        semantics, *mids = group.split()[: MAX_SECTIONS + 1] or [""]
        if semantics == "BUNDLE":
            return tuple(dict.fromkeys(mids))
    return ()


def _media_line(index: int, block: Block) -> Section:
    """The section as far as its m-line and its mid tell; whether it is bundled is found out later."""
    where = f"section {index}"
    kind, port_text, protocol, *formats = [*block.media.split(), "", "", ""]
    formats = formats[:-3]
    if not formats:
        raise SdpError(f"The m-line of {where} is incomplete.")
    if not (TOKEN.fullmatch(kind) and _PROTOCOL.fullmatch(protocol) and all(map(TOKEN.fullmatch, formats))):
        raise SdpError(f"The m-line of {where} is malformed.")
    port = read_number(port_text.partition("/")[0], 65_535, f"The port of {where}")
    rejected = port == 0 and not block.has("bundle-only")
    mid = (block.first("mid") or "").strip()
    if mid and not TOKEN.fullmatch(mid):
        raise SdpError(f"The mid of {where} is malformed.")
    if not mid and not rejected:
        raise SdpError(f"Section {index} has no mid.")
    return Section(index, mid, kind, port, protocol, tuple(dict.fromkeys(formats)), rejected, bundled=False)


def _contents(section: Section, block: Block, session: Block, bundled: bool) -> Section:
    where = f"section {section.mid}"
    direction = _direction(block) or _direction(session) or "sendrecv"  # RFC 8866 section 6.7
    if section.kind == "application":
        port, size = block.first("sctp-port"), block.first("max-message-size")
        return replace(
            section,
            bundled=bundled,
            direction=direction,
            sctp_port=None if port is None else read_number(port, 65_535, f"The SCTP port of {where}"),
            max_message_size=65_536
            if size is None
            else read_number(size, 2**53, f"The max-message-size of {where}"),
        )
    if "RTP/" not in section.protocol:
        return replace(section, bundled=bundled, direction=direction)
    extensions, directions = _extensions(block, where)
    ssrcs, msid = _sources(block, where)
    return replace(
        section,
        bundled=bundled,
        direction=direction,
        codecs=_codecs(section.formats, block, where),
        extensions=extensions,
        extension_directions=directions,
        ssrcs=ssrcs,
        msid=msid,
        rids=_rids(block),
        simulcast_send=_simulcast(block),
        rtcp_mux=block.has("rtcp-mux"),
        rtcp_rsize=block.has("rtcp-rsize"),
        extmap_allow_mixed=block.has("extmap-allow-mixed") or session.has("extmap-allow-mixed"),
    )


def _codecs(formats: tuple[str, ...], block: Block, where: str) -> tuple[Codec, ...]:
    """Formats with an a=rtpmap. The static payload types without one (RFC 3551) are none that matter here."""
    rtpmaps, fmtps, feedbacks = (tuple(block.all(name)) for name in ("rtpmap", "fmtp", "rtcp-fb"))
    size = sum(len(word) for words in (formats, rtpmaps, fmtps, feedbacks) for word in words)
    read = _known_codecs if size <= MAX_KNOWN else _read_codecs
    return read(formats, rtpmaps, fmtps, feedbacks, where)


def _read_codecs(
    formats: Iterable[str],
    rtpmaps: tuple[str, ...],
    fmtps: tuple[str, ...],
    feedbacks: tuple[str, ...],
    where: str,
) -> tuple[Codec, ...]:
    maps = dict(read_by_payload_type(rtpmaps, where))
    parameters = dict(read_by_payload_type(fmtps, where))
    feedback = _feedback(feedbacks, where)
    everyone = feedback.get(-1, ())
    found: list[tuple[int, str, int, int]] = []
    rtx: dict[int, int] = {}
    for text in formats:
        payload_type = read_payload_type(text, where)
        if payload_type not in maps:
            continue
        name, clock_rate, channels = _rtpmap(maps[payload_type], where)
        if name.lower() != "rtx":
            found.append((payload_type, name, clock_rate, channels))
        elif apt := _parameter(parameters.get(payload_type, ""), "apt"):  # RFC 4588 section 8.1
            rtx.setdefault(read_payload_type(apt, where), payload_type)
    return tuple(
        Codec(
            payload_type,
            name,
            clock_rate,
            channels,
            parameters.get(payload_type, ""),
            tuple(dict.fromkeys((*feedback.get(payload_type, ()), *everyone))),
            rtx.get(payload_type),
        )
        for payload_type, name, clock_rate, channels in found
    )


# All browsers of a version offer the same: half of the time that an offer takes is saved, and codecs are shared.
_known_codecs = lru_cache(maxsize=256)(_read_codecs)


def _feedback(values: Iterable[str], where: str) -> dict[int, list[str]]:
    """Payload type to its kinds of feedback, -1 standing for all (RFC 4585 section 4.2)."""
    kinds: dict[int, list[str]] = {}
    for value in values:
        number, _, kind = value.partition(" ")
        kinds.setdefault(-1 if number == "*" else read_payload_type(number, where), []).append(kind.strip())
    return kinds


def _parameter(fmtp: str, name: str) -> str | None:
    for part in fmtp.split(";"):
        key, _, value = part.partition("=")
        if key.strip().lower() == name:
            return value.strip()
    return None


def _rtpmap(value: str, where: str) -> tuple[str, int, int]:
    name, _, numbers = value.strip().partition("/")
    clock_rate, _, channels = numbers.partition("/")
    if not TOKEN.fullmatch(name):
        raise SdpError(f"An rtpmap of {where} is malformed.")
    rate = read_number(clock_rate, 2**32 - 1, f"A clock rate of {where}", least=1)
    return name, rate, read_number(channels or "1", 255, f"A number of channels of {where}", least=1)


def _extensions(block: Block, where: str) -> tuple[dict[str, int], dict[str, Direction]]:
    """RFC 8285 sections 5 to 7. The first of several ids of one URI counts."""
    ids: dict[str, int] = {}
    directions: dict[str, Direction] = {}
    taken: set[int] = set()
    for value in block.all("extmap"):
        number, *rest = value.split(maxsplit=2) or [""]
        number, _, direction = number.partition("/")
        identifier = read_number(number, 4351, f"An extension id of {where}", least=1)
        if identifier >= 4096:  # offered, but only if the answer gives it a real id: left out of the answer
            continue
        if identifier > 255 or not rest:
            raise SdpError(f"An extension id of {where} is beyond 255 or has no URI.")
        if identifier in taken:
            raise SdpError(f"Two extensions of {where} have the id {identifier}.")
        taken.add(identifier)
        if ids.setdefault(rest[0], identifier) == identifier and direction:
            if direction not in _DIRECTIONS:
                raise SdpError(f"An extension of {where} has the direction {quote(direction)}.")
            directions[rest[0]] = direction
    return ids, directions


def _direction(block: Block) -> Direction | None:
    return next((name for name in _DIRECTIONS if block.has(name)), None)


def _sources(block: Block, where: str) -> tuple[tuple[SourceGroup, ...], tuple[str, str] | None]:
    """RFC 5576; RFC 8830, whose msid some clients write as an attribute of the SSRC only."""
    cnames: dict[int, str] = {}
    msid = block.first("msid")
    for value in block.all("ssrc"):
        number, _, attribute = value.partition(" ")
        ssrc = read_number(number, 2**32 - 1, f"An SSRC of {where}")
        name, _, text = attribute.strip().partition(":")
        cnames.setdefault(ssrc, "")
        if name == "cname" and WORD.fullmatch(text):
            cnames[ssrc] = text
        elif name == "msid" and msid is None:
            msid = text
    repairs: dict[int, int] = {}
    helpers: set[int] = set()  # SSRCs that carry no media of their own
    for value in block.all("ssrc-group"):
        semantics, *numbers = value.split()[:4] or [""]
        if semantics in ("FID", "FEC-FR") and len(numbers) == 2:  # RFC 5576 section 4.2, RFC 5956 section 4.3
            first, second = (read_number(number, 2**32 - 1, f"An SSRC of {where}") for number in numbers)
            helpers.add(second)
            cnames.setdefault(first, "")
            if semantics == "FID":
                repairs.setdefault(first, second)
    if len(cnames) > MAX_SSRCS:
        raise SdpError(f"More than {MAX_SSRCS} SSRCs are named in {where}.")
    groups = (SourceGroup(ssrc, repairs.get(ssrc), cnames[ssrc]) for ssrc in cnames if ssrc not in helpers)
    words = [word for word in (msid or "").split() if WORD.fullmatch(word)]
    return tuple(groups), (words[0], words[1] if len(words) > 1 else "") if words else None


def _rids(block: Block) -> tuple[str, ...]:
    parts = (value.split(maxsplit=2) for value in block.all("rid"))
    sent = (part[0] for part in parts if len(part) >= 2 and part[1] == "send")
    return tuple(dict.fromkeys(rid for rid in sent if _RID.fullmatch(rid)))


def _simulcast(block: Block) -> tuple[str, ...]:
    """`send q;h,i;~f recv ...`: alternatives after a comma, a tilde before what starts paused."""
    words = (block.first("simulcast") or "").split()
    for direction, streams in zip(words[::2], words[1::2], strict=False):
        if direction == "send":
            return tuple(stream.partition(",")[0].lstrip("~") for stream in streams.split(";"))
    return ()


def _transport(
    session: Block, first: Block | None, sections: tuple[Section, ...], bundle: tuple[str, ...]
) -> Offer:
    """ICE and DTLS of the transport: RFC 9143 section 7.1.3, RFC 8839 section 5.4, RFC 8842 section 5.1."""
    mixed = session.has("extmap-allow-mixed")
    if first is None:
        return Offer(sections, bundle, "", "", (), "actpass", mixed)
    ufrag, pwd, setup = (
        first.first(name) or session.first(name) or "" for name in ("ice-ufrag", "ice-pwd", "setup")
    )
    if not _UFRAG.fullmatch(ufrag) or not _PWD.fullmatch(pwd):
        raise SdpError("The ICE user fragment or password is missing or malformed.")
    if setup not in ("", *_SETUPS):
        raise SdpError(f"The DTLS setup {quote(setup)} is unknown.")
    if setup in ("passive", "holdconn"):
        raise SdpError("The client must offer setup actpass or active: the server is the passive side.")
    fingerprints: list[tuple[str, str]] = []
    for value in first.all("fingerprint") or session.all("fingerprint"):
        if not (found := _FINGERPRINT.fullmatch(value.strip())):
            raise SdpError("A certificate fingerprint is malformed.")
        fingerprints.append((found[1].lower(), found[2].upper()))
    if not fingerprints:
        raise SdpError("There is no certificate fingerprint.")
    return Offer(sections, bundle, ufrag, pwd, tuple(dict.fromkeys(fingerprints)), setup or "actpass", mixed)
