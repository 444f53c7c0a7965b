"""What two nodes of a relay tree say to each other about one room, over a WebSocket at /pipe; JSON, one object each.

A child node opens it and says `hello`; the parent answers `accept`; the child then dials the media connection. From
then on both send `members` and `want` whenever that has changed: always the whole state, so a message can't be missed
by its order, and receiving one twice changes nothing.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from sfu.rooms.pipe import PipeStream
from sfu.wire.sdp import Codec

MAX_MESSAGE_BYTES = 4 << 20
"""1000 members with three streams of five codecs each are about 2 MB."""

Ssrc = Annotated[int, Meta(ge=1, le=0xFFFFFFFF)]
PayloadType = Annotated[int, Meta(ge=96, le=127)]


class Message(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of all messages."""


class Hello(Message, frozen=True, tag="hello"):
    """Child to parent: this room, and the certificate I will present. `node` tells nodes apart."""

    room: str
    node: str
    fingerprints: tuple[tuple[str, str], ...]


class Candidate(msgspec.Struct, frozen=True):
    host: str
    port: int


class Accept(Message, frozen=True, tag="accept"):
    """Parent to child: where to dial, and the certificate I will present."""

    node: str
    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[Candidate, ...]


class PipeCodec(msgspec.Struct, frozen=True):
    payload_type: PayloadType
    name: str
    clock_rate: Annotated[int, Meta(ge=1000, le=1_000_000)]
    channels: Annotated[int, Meta(ge=1, le=8)]
    parameters: Annotated[str, Meta(max_length=1000)]
    feedback: tuple[str, ...]
    rtx_payload_type: PayloadType | None


class Stream(msgspec.Struct, frozen=True):
    """One publication of a member."""

    publication: str
    kind: str
    source: str
    muted: bool
    codecs: Annotated[tuple[PipeCodec, ...], Meta(min_length=1, max_length=16)]
    ssrc: Ssrc
    rtx_ssrc: Ssrc


class PipeMember(msgspec.Struct, frozen=True):
    """A participant on my side of the tree, and what it publishes."""

    id: str
    name: str
    role: str
    streams: Annotated[tuple[Stream, ...], Meta(max_length=16)]


class Members(Message, frozen=True, tag="members"):
    """Everybody on my side: those that did not come from you."""

    members: Annotated[tuple[PipeMember, ...], Meta(max_length=10_000)]


class Want(Message, frozen=True, tag="want"):
    """The publications of yours that somebody on my side takes; the others need not be sent."""

    publications: tuple[str, ...]


AnyMessage = Hello | Accept | Members | Want

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)


def encode(message: AnyMessage) -> str:
    return _encoder.encode(message).decode()


def decode(text: str | bytes) -> AnyMessage:
    """Raises msgspec.MsgspecError."""
    return _decoder.decode(text)


def to_stream(stream: PipeStream) -> Stream:
    codecs = tuple(
        PipeCodec(
            c.payload_type, c.name, c.clock_rate, c.channels, c.parameters, c.feedback, c.rtx_payload_type
        )
        for c in stream.codecs
    )
    return Stream(
        stream.publication, stream.kind, stream.source, stream.muted, codecs, stream.ssrc, stream.rtx_ssrc
    )


def from_stream(participant: str, stream: Stream) -> PipeStream:
    codecs = tuple(
        Codec(c.payload_type, c.name, c.clock_rate, c.channels, c.parameters, c.feedback, c.rtx_payload_type)
        for c in stream.codecs
    )
    return PipeStream(
        stream.publication,
        participant,
        stream.kind,
        stream.source,
        stream.muted,
        codecs,
        stream.ssrc,
        stream.rtx_ssrc,
    )
