"""Two offers that cross: how the polite side takes the other's while its own is void.

aiortc has no rollback, and answers no offer that lacks a line which it has made itself. So aiortc is given the offer
with those lines at its end, inactive, and the other gets the answer without them; the next offer of our own, made right
away, then brings them. Knows: descriptions. Does not know: connections.
"""

import secrets
from collections.abc import Collection, Sequence

from aiortc import RTCSessionDescription
from aiortc.sdp import MediaDescription, SessionDescription


def lines_of(description: RTCSessionDescription, known: Collection[str]) -> list[MediaDescription]:
    """The media sections of an offer whose mid is not among the known ones."""
    media = SessionDescription.parse(description.sdp).media
    return [m for m in media if m.kind != "application" and m.rtp.muxId not in known]


def not_taken(own: Sequence[MediaDescription], taken: Sequence[MediaDescription]) -> list[MediaDescription]:
    """Those of our lines that no line of the other's offer will be put on: aiortc puts them on the first of a kind."""
    kinds = [line.kind for line in taken]
    left = []
    for line in own:
        if line.kind in kinds:
            kinds.remove(line.kind)
        else:
            left.append(line)
    return left


def own_mid() -> str:
    """A mid that the other will not choose; short, since each packet carries it."""
    return f"o{secrets.token_hex(3)}"


def with_lines(offer: RTCSessionDescription, lines: Sequence[MediaDescription]) -> RTCSessionDescription:
    """The offer with our lines at its end, inactive, on the transport of the others."""
    session = SessionDescription.parse(offer.sdp)
    first = session.media[0]
    for line in lines:
        line.direction, line.ssrc, line.ssrc_group, line.ice_candidates = "inactive", [], [], []
        line.ice, line.dtls = first.ice, first.dtls
        session.media.append(line)
        for group in session.group:
            if group.semantic == "BUNDLE":
                group.items.append(line.rtp.muxId)
    return RTCSessionDescription(sdp=str(session), type=offer.type)


def without_lines(answer: RTCSessionDescription, mids: Collection[str]) -> RTCSessionDescription:
    """The answer without the lines that the other doesn't know of."""
    session = SessionDescription.parse(answer.sdp)
    session.media = [line for line in session.media if line.rtp.muxId not in mids]
    for group in session.group:
        group.items = [mid for mid in group.items if mid not in mids]
    return RTCSessionDescription(sdp=str(session), type=answer.type)
