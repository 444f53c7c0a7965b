"""What two nodes of a relay tree say to each other about one room, over a WebSocket at /pipe; JSON, one object each.

A child node opens it and says `hello`; the parent answers `accept`; the child then dials the media connection. From
then on both send `members` and `want` whenever that has changed: always the whole state, so a message can't be missed
by its order, and receiving one twice changes nothing.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sfu.rooms.pipe import MAX_PARAMETERS, PipeEncoding, PipeStream
from sfu.wire.accept import MAX_ENCODINGS, MAX_RID
from sfu.wire.sdp import Codec

MAX_MESSAGE_BYTES = 4 << 20
"""1000 members with three streams of five codecs and three encodings each are about 2.4 MB."""
MAX_NODES_PASSED = 16
"""The depth of a tree: each level costs a hop of delay, so that nobody builds more than a few."""

Word = Annotated[str, Meta(min_length=1, max_length=64)]
"""An id, a name or another short text."""
Rid = Annotated[str, Meta(max_length=MAX_RID)]
"""Of an encoding of simulcast; "" where there is none."""
Ssrc = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
PayloadType = Annotated[int, Meta(ge=96, le=127)]
Fingerprints = Annotated[
    tuple[tuple[Word, Annotated[str, Meta(max_length=256)]], ...], Meta(min_length=1, max_length=8)
]
"""(algorithm, value) of the certificates (RFC 8122)."""

# What a room, a member and a publication can be: the words of the clients' protocol, which nodes pass on.
Topology = Literal["sfu", "broadcast"]
Role = Literal["member", "publisher", "viewer"]
Kind = Literal["audio", "video"]
Source = Literal["microphone", "camera", "screen", "screen-audio", "other"]


class Message(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of all messages."""


class Hello(Message, frozen=True, tag="hello"):
    """Child to parent: this room, and the certificate I will present. `node` tells nodes apart.

    `topology` is that of the room here; it counts if the parent has no such room yet.
    """

    room: Word
    topology: Topology
    node: Word
    fingerprints: Fingerprints


class Candidate(msgspec.Struct, frozen=True):
    """An address of the media port; `host` is an IP literal."""

    host: Word
    port: Annotated[int, Meta(ge=1, le=65535)]


class Accept(Message, frozen=True, tag="accept"):
    """Parent to child: where to dial, and the certificate I will present."""

    node: Word
    ufrag: Annotated[str, Meta(min_length=4, max_length=256)]
    password: Annotated[str, Meta(min_length=22, max_length=256)]
    fingerprints: Fingerprints
    candidates: Annotated[tuple[Candidate, ...], Meta(min_length=1, max_length=32)]


class PipeCodec(msgspec.Struct, frozen=True):
    """See `sfu.wire.sdp.Codec`."""

    payload_type: PayloadType
    name: Word
    clock_rate: Annotated[int, Meta(ge=1000, le=1_000_000)]
    channels: Annotated[int, Meta(ge=1, le=8)]
    parameters: Annotated[str, Meta(max_length=MAX_PARAMETERS)]
    feedback: Annotated[tuple[Word, ...], Meta(max_length=8)]
    rtx_payload_type: PayloadType | None


class StreamEncoding(msgspec.Struct, frozen=True):
    """See `sfu.rooms.pipe.PipeEncoding`."""

    rid: Rid
    ssrc: Ssrc
    rtx_ssrc: Ssrc
    height: Annotated[int, Meta(ge=0, le=65_535)] = 0


class Stream(msgspec.Struct, frozen=True):
    """One publication of a member; encodings ascend in quality."""

    publication: Word
    kind: Kind
    source: Source
    muted: bool
    codecs: Annotated[tuple[PipeCodec, ...], Meta(min_length=1, max_length=16)]
    encodings: Annotated[tuple[StreamEncoding, ...], Meta(min_length=1, max_length=MAX_ENCODINGS)]


class PipeMember(msgspec.Struct, frozen=True):
    """A participant on my side of the tree, and what it publishes.

    `nodes` are those that it has passed, its own first: who is among them has it already, and must not take it again.
    """

    id: Word
    name: Word
    role: Role
    nodes: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=MAX_NODES_PASSED)]
    streams: Annotated[tuple[Stream, ...], Meta(max_length=16)]


class Members(Message, frozen=True, tag="members"):
    """Everybody on my side: those that did not come from you."""

    members: Annotated[tuple[PipeMember, ...], Meta(max_length=10_000)]


class Wanted(msgspec.Struct, frozen=True):
    """A publication of yours, and those of its encodings that somebody on my side takes."""

    publication: Word
    rids: Annotated[tuple[Rid, ...], Meta(min_length=1, max_length=MAX_ENCODINGS)]


class Want(Message, frozen=True, tag="want"):
    """What somebody on my side takes; the rest need not be sent."""

    publications: Annotated[tuple[Wanted, ...], Meta(max_length=100_000)]


AnyMessage = Hello | Accept | Members | Want

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)


def encode(message: AnyMessage) -> str:
    """The text of one WebSocket frame."""
    return _encoder.encode(message).decode()


def decode(text: str | bytes) -> AnyMessage:
    """Read a frame of the neighbour; raises msgspec.MsgspecError, whatever it holds."""
    try:
        return _decoder.decode(text)
    except (RecursionError, UnicodeEncodeError):
        raise msgspec.DecodeError("it is nested too deeply, or no Unicode text") from None


def to_stream(stream: PipeStream) -> Stream:
    """Write a stream of ours."""
    kind: Kind = msgspec.convert(stream.kind, Kind)
    source: Source = msgspec.convert(stream.source, Source)
    codecs = tuple(
        PipeCodec(
            c.payload_type, c.name, c.clock_rate, c.channels, c.parameters, c.feedback, c.rtx_payload_type
        )
        for c in stream.codecs
    )
    encodings = tuple(StreamEncoding(e.rid, e.ssrc, e.rtx_ssrc, e.height) for e in stream.encodings)
    return Stream(stream.publication, kind, source, stream.muted, codecs, encodings)


def from_stream(participant: str, stream: Stream) -> PipeStream:
    """Read a stream of a neighbour's member. Raises ValueError if two of its encodings have one name."""
    if len({encoding.rid for encoding in stream.encodings}) < len(stream.encodings):
        raise ValueError("two encodings of a stream have the same rid")
    codecs = tuple(
        Codec(c.payload_type, c.name, c.clock_rate, c.channels, c.parameters, c.feedback, c.rtx_payload_type)
        for c in stream.codecs
    )
    encodings = tuple(PipeEncoding(e.rid, e.ssrc, e.rtx_ssrc, e.height) for e in stream.encodings)
    return PipeStream(
        stream.publication, participant, stream.kind, stream.source, stream.muted, codecs, encodings
    )
