"""The files data channel: the shape of its messages and of its chunks, as PROTOCOL.md says.

Knows: how messages and chunks are read and written, by the server that relays them and by clients. Does not know:
data channels, rooms, or the contents of files.
"""

import secrets
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from signaling.fields import ErrorCode, Id

LABEL = "files"
WINDOW_BYTES = 1024 * 1024
"""What may be on its way to one receiver without its acknowledgement."""
CHUNK_BYTES = 16 * 1024
"""The largest message that every browser passes on without delay to others on the same connection."""
MAX_MESSAGE_CHARS = 16 * 1024
CHUNK_VERSION = 1
_ID_BYTES = 8
_OFFSET_BYTES = 8

FileId = Annotated[str, Meta(pattern=r"\Af_[0-9a-f]{16}\Z")]
"""Made by the sender: `f_` and 8 random bytes in hexadecimal digits, which chunks carry as bytes."""
FileName = Annotated[
    # A name, never a path: no separators, no control characters, neither `.` nor `..`.
    str,
    Meta(min_length=1, max_length=255, pattern=r"\A(?!\.{1,2}\Z)[^\x00-\x1f\x7f-\x9f/\\]+\Z"),
]
Mime = Annotated[str, Meta(max_length=127, pattern=r"\A[\x20-\x7e]*\Z")]
Size = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class FileMessage(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, kw_only=True):
    """`to` is what a client writes when the server relays; `sender` is what the server writes in its place."""

    file: FileId
    to: Id | None = None
    sender: Id | None = msgspec.field(name="from", default=None)


class FileOffer(FileMessage, frozen=True, tag="file"):
    """Somebody has a file for everybody, or for one participant."""

    name: FileName
    size: Size
    mime: Mime = ""
    sha256: Sha256 | None = None


class Pull(FileMessage, frozen=True, tag="pull"):
    """Send me the file, from this byte on."""

    received: Size = 0


class Pulled(FileMessage, frozen=True, tag="pulled"):
    """I have the first `received` bytes."""

    received: Size


class Cancel(FileMessage, frozen=True, tag="cancel"):
    """I will not send, or not receive, (the rest of) this file."""


class Done(FileMessage, frozen=True, tag="done"):
    """All chunks were sent; this is the digest of the whole file."""

    sha256: Sha256


class FileError(msgspec.Struct, frozen=True, tag_field="type", tag="error", omit_defaults=True):
    """The server did not pass on something."""

    code: ErrorCode
    message: str
    file: str | None = None
    to: str | None = None


AnyFileMessage = FileOffer | Pull | Pulled | Cancel | Done
_decoder: msgspec.json.Decoder[AnyFileMessage] = msgspec.json.Decoder(AnyFileMessage)
_client_decoder: msgspec.json.Decoder[AnyFileMessage | FileError] = msgspec.json.Decoder(
    AnyFileMessage | FileError
)
TYPES = frozenset({"file", "pull", "pulled", "cancel", "done"})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file. `participant` is the receiver on the way to the server, the sender on the way from it."""

    file: str
    participant: str
    offset: int
    data: bytes


class BadFileMessage(ValueError):
    """What came over a files channel can't be read; `code` and `message` are for its sender."""

    def __init__(
        self, code: Literal["bad-json", "bad-message", "unknown-type", "too-large"], message: str
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message


def new_file_id() -> str:
    """A fresh file id."""
    return "f_" + secrets.token_hex(_ID_BYTES)


def write(message: AnyFileMessage | FileError) -> str:
    """Write a message as the text of one data channel message."""
    return msgspec.json.encode(message).decode()


def read(text: str) -> AnyFileMessage:
    """Read a message of a client; raises BadFileMessage."""
    message = _read(text, _decoder)
    assert not isinstance(message, FileError)
    return message


def read_any(text: str) -> AnyFileMessage | FileError:
    """Read a message as clients do, who may get an error too; raises BadFileMessage."""
    return _read(text, _client_decoder)


def _read(
    text: str,
    decoder: "msgspec.json.Decoder[AnyFileMessage] | msgspec.json.Decoder[AnyFileMessage | FileError]",
) -> AnyFileMessage | FileError:
    if len(text) > MAX_MESSAGE_CHARS:
        raise BadFileMessage(
            "too-large", f"A message about files has at most {MAX_MESSAGE_CHARS} characters."
        )
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise _judge(text, error) from None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise BadFileMessage("bad-json", "The message is not valid JSON.") from None


def _judge(text: str, error: msgspec.ValidationError) -> BadFileMessage:
    """Tell an unknown type, which a newer client may send, from a broken message."""
    try:
        head = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return BadFileMessage("bad-json", "The message is not valid JSON.")
    tag = head.get("type") if isinstance(head, dict) else None
    if isinstance(tag, str) and tag not in TYPES:
        return BadFileMessage("unknown-type", f"There is no file message type {tag[:40]!r}.")
    return BadFileMessage("bad-message", f"The file message is wrong: {error}.")


def write_chunk(chunk: Chunk) -> bytes:
    """Write a chunk: version, file id (8 bytes), length and text of the participant id, offset (8 bytes), data."""
    participant = chunk.participant.encode()
    return b"".join(
        (
            bytes((CHUNK_VERSION,)),
            bytes.fromhex(chunk.file[2:]),
            bytes((len(participant),)),
            participant,
            chunk.offset.to_bytes(_OFFSET_BYTES, "big"),
            chunk.data,
        )
    )


def read_chunk(data: bytes) -> Chunk:
    """Read a chunk; raises BadFileMessage."""
    start = 1 + _ID_BYTES + 1
    if len(data) < start + _OFFSET_BYTES or data[0] != CHUNK_VERSION:
        raise BadFileMessage("bad-message", "The binary message is no chunk of a file.")
    end = start + data[start - 1]
    body = end + _OFFSET_BYTES
    if body > len(data):
        raise BadFileMessage("bad-message", "The chunk ends within its header.")
    if len(data) - body > CHUNK_BYTES:
        raise BadFileMessage("too-large", f"A chunk carries at most {CHUNK_BYTES} bytes of a file.")
    try:
        participant = data[start:end].decode("ascii")
    except UnicodeDecodeError:
        raise BadFileMessage("bad-message", "The chunk's participant id is not ASCII text.") from None
    return Chunk(
        file="f_" + data[1 : 1 + _ID_BYTES].hex(),
        participant=participant,
        offset=int.from_bytes(data[end:body], "big"),
        data=data[body:],
    )
