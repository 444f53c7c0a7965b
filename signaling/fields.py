"""What signaling messages are made of: types and limits of fields, as PROTOCOL.md specifies them, and base classes.

Knows: which texts, numbers and words a field may hold. Does not know: which message has which field (messages.py).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_MESSAGE_BYTES = 1024 * 1024
"""Largest message a client may send, in bytes of UTF-8: the largest offer, escaped as JSON, and its lists."""
MAX_SDP_CHARS = 900_000
"""256 sections, half of them video, are about 850,000 characters from Chromium."""

Id = Annotated[str, Meta(min_length=1, max_length=64)]
"""An opaque identifier made by the server: `p_...` a participant, `t_...` a publication."""
RequestId = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A number the client chooses; 2**53 - 1 is the largest integer JavaScript holds exactly."""
RoomName = Annotated[
    # Also the last part of /r/NAME: browsers resolve `.` and `..` themselves, and lose spaces at the ends.
    str,
    Meta(min_length=1, max_length=64, pattern=r"\A(?!\.{1,2}\Z)(?! )[A-Za-z0-9 _.\-]+(?<! )\Z"),
]
DisplayName = Annotated[
    # Something visible, and no control characters, line breaks or marks that turn the writing direction.
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"\A(?=[\s\S]*\S)[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+\Z",
    ),
]
SessionSecret = Annotated[str, Meta(min_length=1, max_length=128)]
Sdp = Annotated[str, Meta(min_length=1, max_length=MAX_SDP_CHARS)]
Mid = Annotated[str, Meta(min_length=1, max_length=32)]
"""The a=mid value of a media section (RFC 5888 section 4)."""
SyncWord = Annotated[str, Meta(min_length=1, max_length=64)]
Rid = Annotated[str, Meta(max_length=255)]
"""The a=rid name of an encoding (RFC 8851 section 4), or nothing."""
Key = Annotated[str, Meta(min_length=1, max_length=64)]
"""The client's own word for a track it announces; means something to that client alone."""

Pixels = Annotated[int, Meta(ge=0, le=65_535)]
MIN_REPORT_MS = 200
MAX_REPORT_MS = 10_000

Source = Literal["microphone", "camera", "screen", "screen-audio", "other"]
Kind = Literal["audio", "video"]
Topology = Literal["sfu", "mesh", "auto", "broadcast"]
MediaPath = Literal["sfu", "mesh"]
"""Where media goes: through the server, or from client to client."""
Role = Literal["member", "publisher", "viewer"]
SlotState = Literal["active", "empty", "unsupported-codec", "paused"]
PauseReason = Literal["bandwidth", "last-n"]
Quality = Literal["auto", "low", "medium", "high"]
EstimateSource = Literal["none", "remb", "transport-cc"]
SlotLimit = Literal["none", "bandwidth", "size", "chosen", "source", "hidden", "last-n", "nothing"]
"""Why a slot doesn't get more: the best there is, the connection, its size on screen, the person's choice, the
publisher sends nothing better, it is not seen, too many others spoke later, the publisher sends nothing."""
LeftReason = Literal["left", "disconnected", "timeout", "replaced", "too-slow", "shutdown"]
ByeReason = Literal["shutdown", "too-slow", "replaced", "timeout"]
ErrorCode = Literal[
    "bad-json",
    "bad-message",
    "unknown-type",
    "too-large",
    "not-joined",
    "already-joined",
    "bad-room",
    "bad-name",
    "room-full",
    "bad-sdp",
    "unknown-publication",
    "unknown-mid",
    "not-yours",
    "unknown-participant",
    "not-allowed",
    "role-taken",
    "too-many-requests",
    "internal",
]


class Value(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a message."""


class Request(Value, frozen=True, tag_field="type", kw_only=True):
    """What a client sends; `id` is repeated as `re` in the answer, or in the error that stands for it."""

    id: RequestId | None = None


class Reply(Value, frozen=True, tag_field="type", kw_only=True):
    """What the server sends; `re` is the `id` of the request that it answers."""

    re: RequestId | None = None
