"""Every message of the signaling WebSocket, as it is specified in PROTOCOL.md.

Knows: the shape of each message, and how to write one as JSON.
Does not know: what a field may hold (fields.py), who sends what when (session.py), how bytes from a stranger become a
message (decode.py), rooms (lobby.py), or any media code.

Structs are frozen. Optional fields that hold their default are left out of the JSON; unknown fields of a
received message are ignored, so that either side can be newer than the other.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from signaling.fields import (
    ByeReason,
    DisplayName,
    ErrorCode,
    Id,
    Key,
    Kind,
    LeftReason,
    MediaPath,
    Mid,
    PauseReason,
    Reply,
    Request,
    Role,
    RoomName,
    Sdp,
    SessionSecret,
    SlotState,
    Source,
    SyncWord,
    Topology,
    Value,
)
from signaling.quality import Bandwidth, Encodings, Reports, Speakers, View

# ------------------------------------------------------------------------------------- client to server


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


ClientMessage = Join | Offer | Point | View | Reports | Mute | Announce | Signal | Leave | Ping

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
    reason: PauseReason | None = None


class Answer(Reply, frozen=True, tag="answer"):
    """Answers offer: the SDP answer, with the server's candidates inside."""

    sdp: str
    publish: tuple[PublishResult, ...]
    receive: tuple[ReceiveResult, ...]


class Slot(Reply, frozen=True, tag="slot"):
    """Answers point; without `re` it tells that the server changed what a slot shows. `reason`: of a paused one."""

    mid: Mid
    publication: Id | None
    state: SlotState
    message: str | None = None
    reason: PauseReason | None = None


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
    """Answers view, reports and mute, and a signal that has an id."""


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
    | Encodings
    | Speakers
    | Bandwidth
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
