"""The chat data channel: reads, judges and writes its messages, as PROTOCOL.md says.

Knows: the shape of chat messages, their limits and their rate. Does not know: data channels, rooms,
clocks (`now` in seconds of a monotonic clock, `at_ms` in milliseconds since 1970, are passed in).
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from signaling.bucket import TokenBucket
from signaling.fields import ErrorCode, Id

LABEL = "chat"
MAX_TEXT_CHARS = 4000
MAX_MESSAGE_CHARS = 64 * 1024
"""4000 characters, each escaped as two \\uXXXX, and room for more fields."""
MESSAGES_PER_SECOND = 5.0
MESSAGES_AT_ONCE = 20.0

ChatText = Annotated[
    # Something visible, and no control characters but tab and line breaks.
    str,
    Meta(min_length=1, pattern=r"\A(?=[\s\S]*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+\Z"),
]


class ChatIn(msgspec.Struct, frozen=True, tag_field="type", tag="chat", omit_defaults=True):
    """What a client sends, to everybody or to one participant."""

    text: ChatText
    to: Id | None = None


class ChatOut(msgspec.Struct, frozen=True, tag_field="type", tag="chat", omit_defaults=True):
    """What the others get; `sender` is a participant id, `at` milliseconds since 1970; `to` if nobody else got it."""

    sender: Id = msgspec.field(name="from")
    text: str
    at: int
    to: Id | None = None


class ChatError(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """What the sender gets when its message was not passed on."""

    code: ErrorCode
    message: str


@dataclass(frozen=True, slots=True)
class ToOthers:
    """Send this text to every other participant's chat channel, or to that of one of them."""

    text: str
    to: str | None = None


@dataclass(frozen=True, slots=True)
class ToSender:
    """Send this text back."""

    text: str


class ChatLine:
    """One participant's chat channel. Never raises, whatever the client sends."""

    __slots__ = ("_bucket", "_participant", "_refused")

    def __init__(self, participant: str, now: float) -> None:
        self._participant = participant
        self._bucket = TokenBucket(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE, now)
        self._refused = False

    def receive(self, data: str | bytes, now: float, at_ms: int) -> ToOthers | ToSender | None:
        """Take a message of the client; None when it is one of many too many, and not answered any more."""
        if not self._bucket.take(now):
            already, self._refused = self._refused, True
            return None if already else _error("too-many-requests", "Too many chat messages; wait a little.")
        self._refused = False
        if isinstance(data, bytes):
            return _error("bad-message", "Chat messages are text, not binary.")
        if len(data) > MAX_MESSAGE_CHARS:
            return _error("too-large", f"A chat message has at most {MAX_TEXT_CHARS} characters.")
        try:
            line = msgspec.json.decode(data, type=ChatIn)
        except msgspec.ValidationError as error:
            return _judge(data, error)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return _error("bad-json", "The message is not valid JSON.")
        if len(line.text) > MAX_TEXT_CHARS:
            return _error("too-large", f"A chat message has at most {MAX_TEXT_CHARS} characters.")
        message = ChatOut(sender=self._participant, text=line.text, at=at_ms, to=line.to)
        return ToOthers(msgspec.json.encode(message).decode(), line.to)


def nobody(participant: str) -> ToSender:
    """Return what the sender of a message to an unknown participant gets."""
    return _error(
        "unknown-participant", f"There is no other participant {participant!r} who can be written to."
    )


def _judge(data: str, error: msgspec.ValidationError) -> ToSender:
    """Tell an unknown type, which a newer client may send, from a broken message."""
    try:
        head = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return _error("bad-json", "The message is not valid JSON.")
    tag = head.get("type") if isinstance(head, dict) else None
    if isinstance(tag, str) and tag != "chat":
        return _error("unknown-type", f"There is no chat message type {tag[:40]!r}.")
    if tag == "chat" and isinstance(head.get("text"), str) and not str(error).endswith("`$.to`"):
        return _error("bad-message", "A chat text has a visible character, and no control characters.")
    return _error("bad-message", f"The chat message is wrong: {error}.")


def _error(code: ErrorCode, message: str) -> ToSender:
    return ToSender(msgspec.json.encode(ChatError(code=code, message=message)).decode())
