"""The offers of simulated clients, and the little of an answer that they need.

Knows: SDP lines of a simulcast publisher and of a subscriber. Does not know: signaling, sockets, media.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.adaptive.camera import ENCODINGS
from benchmarks.adaptive.publisher import (
    ABS_SEND_TIME_ID,
    AUDIO_LEVEL_ID,
    AUDIO_TYPE,
    MID_ID,
    REPAIRED_RID_ID,
    RID_ID,
    RTX_TYPE,
    TRANSPORT_WIDE_ID,
    VIDEO_TYPE,
)
from benchmarks.topology.sdp import Identity
from sfu.wire import extensions

COMMON = (
    (ABS_SEND_TIME_ID, extensions.ABS_SEND_TIME),
    (TRANSPORT_WIDE_ID, extensions.TRANSPORT_WIDE),
    (MID_ID, extensions.MID),
)
SIMULCAST = ((RID_ID, extensions.RID), (REPAIRED_RID_ID, extensions.REPAIRED_RID))
NOBODY = Identity("abcd", "0" * 22, [], [("sha-256", ":".join(["AB"] * 32))], "actpass")  # of virtual links


@dataclass(frozen=True, slots=True)
class Received:
    """What a subscriber receives in one section."""

    kind: str
    ssrc: int
    rtx_ssrc: int | None


def publishing(identity: Identity, name: str) -> str:
    """The offer of a publisher: its microphone in section "a", its camera in section "v"."""
    rids = [encoding.rid for encoding in ENCODINGS]
    simulcast = [*(f"a=rid:{rid} send" for rid in rids), f"a=simulcast:send {';'.join(rids)}"]
    stream = f"a=msid:{name} {name}"
    return _write(
        identity,
        [
            ("a", "audio", ["a=sendonly", f"{stream}-audio", *_audio()]),
            ("v", "video", ["a=sendonly", f"{stream}-video", *_video(), *_extensions(SIMULCAST), *simulcast]),
        ],
    )


def receiving(identity: Identity, mids: Sequence[tuple[str, str]]) -> str:
    """The offer of a subscriber with these (mid, kind)."""
    return _write(
        identity,
        [(mid, kind, ["a=recvonly", *(_audio() if kind == "audio" else _video())]) for mid, kind in mids],
    )


def _audio() -> list[str]:
    return [
        f"a=rtpmap:{AUDIO_TYPE} opus/48000/2",
        f"a=rtcp-fb:{AUDIO_TYPE} transport-cc",
        f"a=fmtp:{AUDIO_TYPE} minptime=10;useinbandfec=1;usedtx=1",
        *_extensions(((AUDIO_LEVEL_ID, extensions.AUDIO_LEVEL), *COMMON)),
    ]


def _video() -> list[str]:
    feedback = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    return [
        f"a=rtpmap:{VIDEO_TYPE} VP8/90000",
        *(f"a=rtcp-fb:{VIDEO_TYPE} {kind}" for kind in feedback),
        f"a=rtpmap:{RTX_TYPE} rtx/90000",
        f"a=fmtp:{RTX_TYPE} apt={VIDEO_TYPE}",
        *_extensions(COMMON),
    ]


def _extensions(which: Sequence[tuple[int, str]]) -> list[str]:
    return [f"a=extmap:{number} {uri}" for number, uri in which]


def _write(identity: Identity, sections: Sequence[tuple[str, str, list[str]]]) -> str:
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines += ["a=group:BUNDLE " + " ".join(mid for mid, _, _ in sections), "a=extmap-allow-mixed"]
    for mid, kind, media in sections:
        types = f"{AUDIO_TYPE}" if kind == "audio" else f"{VIDEO_TYPE} {RTX_TYPE}"
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {types}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            f"a=ice-ufrag:{identity.ufrag}",
            f"a=ice-pwd:{identity.pwd}",
            *(f"a=fingerprint:{algorithm} {value}" for algorithm, value in identity.fingerprints),
            f"a=setup:{identity.setup}",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            *media,
            *(f"a=candidate:{candidate}" for candidate in identity.candidates),
            "a=end-of-candidates",
        ]
    return "\r\n".join(lines) + "\r\n"


def received(answer: str) -> dict[str, Received]:
    """By mid: what the server sends. Raises ValueError when a section that it sends in has no SSRC."""
    found: dict[str, Received] = {}
    for text in re.split(r"^m=", answer, flags=re.MULTILINE)[1:]:
        kind, mid = text.partition(" ")[0], re.search(r"^a=mid:(\S+)", text, re.MULTILINE)
        if mid is None or not re.search(r"^a=(sendonly|sendrecv)\s*$", text, re.MULTILINE):
            continue
        group = re.search(r"^a=ssrc-group:FID (\d+) (\d+)", text, re.MULTILINE)
        alone = re.search(r"^a=ssrc:(\d+)", text, re.MULTILINE)
        if group is None and alone is None:
            raise ValueError(f"section {mid[1]} of the answer names no SSRC")
        ssrc, rtx = (int(group[1]), int(group[2])) if group else (int(alone[1]) if alone else 0, None)
        found[mid[1]] = Received(kind, ssrc, rtx)
    return found
