"""Every message of the signaling WebSocket, as it is specified in PROTOCOL.md.

Knows: the shape, the field types and the length limits of each message, and how to write one as JSON.
Does not know: who sends what when (session.py), how bytes from a stranger become a message (decode.py),
rooms (lobby.py), or any media code.

Structs are frozen. Optional fields that hold their default are left out of the JSON; unknown fields of a
received message are ignored, so that either side can be newer than the other.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

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
Key = Annotated[str, Meta(min_length=1, max_length=64)]
"""The client's own word for a track it announces; means something to that client alone."""

Source = Literal["microphone", "camera", "screen", "screen-audio", "other"]
Kind = Literal["audio", "video"]
Topology = Literal["sfu", "mesh", "auto", "broadcast"]
MediaPath = Literal["sfu", "mesh"]
"""Where media goes: through the server, or from client to client."""
Role = Literal["member", "publisher", "viewer"]
SlotState = Literal["active", "empty", "unsupported-codec"]
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


# ------------------------------------------------------------------------------------- client to server


class Request(Value, frozen=True, tag_field="type", kw_only=True):
    """What a client sends; `id` is repeated as `re` in the answer, or in the error that stands for it."""

    id: RequestId | None = None


class Join(Request, frozen=True, tag="join"):
    """Enter a room; `replaces` is the session secret of an earlier connection of the same person.

    `topology` is a wish for a room that doesn't exist yet; `role` counts in broadcast rooms only.
    """

    room: RoomName
    name: DisplayName
    replaces: SessionSecret | None = None
    topology: Topology = "sfu"
    role: Role = "member"


class Publish(Value, frozen=True):
    """A media section of the offer that the client sends on, and what it shows there."""

    mid: Mid
    source: Source
    muted: bool = False


class Receive(Value, frozen=True):
    """A media section of the offer that the client receives on (a slot), and what it wants there.

    Slots with the same `sync` word get the same media stream, which browsers play lip-synchronised.
    """

    mid: Mid
    publication: Id | None
    sync: SyncWord | None = None


class Offer(Request, frozen=True, tag="offer"):
    """An SDP offer with the whole wanted state: a mid that is not listed is neither sent nor received.

    `fresh`: it is of a new RTCPeerConnection; the one before, and what it published, end.
    """

    sdp: Sdp
    publish: Annotated[tuple[Publish, ...], Meta(max_length=16)]
    receive: Annotated[tuple[Receive, ...], Meta(max_length=256)]
    fresh: bool = False


class Point(Request, frozen=True, tag="point"):
    """Show another publication (or none) in a slot, without SDP."""

    mid: Mid
    publication: Id | None


class Mute(Request, frozen=True, tag="mute"):
    """Tell the others that one's own publication is muted, or no longer."""

    publication: Id
    muted: bool


class Track(Value, frozen=True):
    """A track that the client sends directly to the others."""

    key: Key
    kind: Kind
    source: Source
    muted: bool = False


class Announce(Request, frozen=True, tag="announce"):
    """The whole wanted state of what the client sends directly to the others; keys are unique."""

    publications: Annotated[tuple[Track, ...], Meta(max_length=16)]


class Signal(Request, frozen=True, tag="signal"):
    """Something for one other participant; `data` is the JSON text of an object, passed on as it is."""

    to: Id
    data: msgspec.Raw


class Leave(Request, frozen=True, tag="leave"):
    """Leave the room; the server closes the WebSocket."""


class Ping(Request, frozen=True, tag="ping"):
    """Ask for a pong; answered at once, even while an offer is being worked on."""


ClientMessage = Join | Offer | Point | Mute | Announce | Signal | Leave | Ping

# ------------------------------------------------------------------------------------- server to client


class Publication(Value, frozen=True):
    """A track that a participant publishes; `codec` is its encoding name in SDP, such as VP8 or opus.

    With the path `mesh` it is sent directly, and the codec, which the server doesn't learn, is empty.
    """

    id: Id
    kind: Kind
    source: Source
    muted: bool
    codec: str
    path: MediaPath = "sfu"


class Participant(Value, frozen=True):
    """A member of the room, and what it publishes."""

    id: Id
    name: DisplayName
    publications: tuple[Publication, ...]
    role: Role = "member"


class Reply(Value, frozen=True, tag_field="type", kw_only=True):
    """What the server sends; `re` is the `id` of the request that it answers."""

    re: RequestId | None = None


class Welcome(Reply, frozen=True, tag="welcome"):
    """Answers join. `participants` are the others; `session` proves, in a later join, that this was me.

    `path` is in force now; `threshold` (auto rooms only) participants and more speak through the server.
    """

    participant: Id
    session: SessionSecret
    room: RoomName
    topology: Topology
    path: MediaPath
    role: Role
    participants: tuple[Participant, ...]
    threshold: int | None = None


class Joined(Value, frozen=True, tag_field="type", tag="joined"):
    """Somebody else entered the room."""

    participant: Participant


class Left(Value, frozen=True, tag_field="type", tag="left"):
    """Somebody else is gone, and all that it published with it."""

    participant: Id
    reason: LeftReason


class Published(Value, frozen=True, tag_field="type", tag="published"):
    """Somebody else publishes a track."""

    participant: Id
    publication: Publication


class Unpublished(Value, frozen=True, tag_field="type", tag="unpublished"):
    """Somebody else ended a track; slots that showed it are empty."""

    participant: Id
    publication: Id


class Muted(Value, frozen=True, tag_field="type", tag="muted"):
    """Somebody else muted or unmuted a track."""

    participant: Id
    publication: Id
    muted: bool


class PublishResult(Value, frozen=True):
    """The id that a published media section got; it keeps it as long as it is published."""

    mid: Mid
    publication: Id


class ReceiveResult(Value, frozen=True):
    """What a slot shows after an offer; `message` says why, for a person, when it isn't what was asked."""

    mid: Mid
    publication: Id | None
    state: SlotState
    message: str | None = None


class Answer(Reply, frozen=True, tag="answer"):
    """Answers offer: the SDP answer, with the server's candidates inside."""

    sdp: str
    publish: tuple[PublishResult, ...]
    receive: tuple[ReceiveResult, ...]


class Slot(Reply, frozen=True, tag="slot"):
    """Answers point; without `re` it tells that the server changed what a slot shows."""

    mid: Mid
    publication: Id | None
    state: SlotState
    message: str | None = None


class AnnounceResult(Value, frozen=True):
    """The id that an announced track got; it keeps it as long as it is announced under that key."""

    key: Key
    publication: Id


class Announced(Reply, frozen=True, tag="announced"):
    """Answers announce."""

    publications: tuple[AnnounceResult, ...]


class Signaled(Value, frozen=True, tag_field="type", tag="signal"):
    """Something from one other participant; who that is, the server says."""

    sender: Id = msgspec.field(name="from")
    data: msgspec.Raw


class Path(Value, frozen=True, tag_field="type", tag="path"):
    """Where media goes from now on (auto rooms): set up the new way, then end the other."""

    path: MediaPath


class Ok(Reply, frozen=True, tag="ok"):
    """Answers mute, and a signal that has an id."""


class Pong(Reply, frozen=True, tag="pong"):
    """Answers ping."""


class Error(Reply, frozen=True, tag="error"):
    """A request that failed: a stable code for programs and a sentence for people."""

    code: ErrorCode
    message: str


class Bye(Value, frozen=True, tag_field="type", tag="bye"):
    """The last message before the server closes the WebSocket of its own accord."""

    reason: ByeReason


ServerMessage = (
    Welcome
    | Joined
    | Left
    | Published
    | Unpublished
    | Answer
    | Slot
    | Muted
    | Announced
    | Signaled
    | Path
    | Ok
    | Pong
    | Error
    | Bye
)  # fmt: skip

Data = Mapping[str, Any]

_encoder = msgspec.json.Encoder()
_data_decoder: msgspec.json.Decoder[Data] = msgspec.json.Decoder(dict[str, Any])
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def encode(message: ClientMessage | ServerMessage) -> str:
    """Write a message as the JSON text of one WebSocket frame."""
    return _encoder.encode(message).decode()


def decode_server(text: str | bytes) -> ServerMessage:
    """Read a message of the server, as a client does; raises msgspec.MsgspecError if it is none."""
    return _server_decoder.decode(text)


def to_data(fields: Data) -> msgspec.Raw:
    """Write the `data` of a signal."""
    return msgspec.Raw(_encoder.encode(fields))


def from_data(data: msgspec.Raw) -> Data:
    """Read the `data` of a signal; raises msgspec.MsgspecError if it is no JSON object."""
    return _data_decoder.decode(data)
