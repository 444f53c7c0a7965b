"""Errors that a client may see, and the one function that turns any exception into what it sees.

Knows: the error codes and when each is used. Does not know: sessions, rooms, sockets.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType

from signaling.fields import ErrorCode
from signaling.messages import Error

logger = logging.getLogger(__name__)

CODES: Mapping[ErrorCode, str] = MappingProxyType(
    {
        "bad-json": "The message is not JSON text.",
        "bad-message": "A field is missing, or has a wrong type or length, or the frame is binary.",
        "unknown-type": "There is no message of this type.",
        "too-large": "The message is longer than 1048576 bytes. The server then closes the WebSocket.",
        "not-joined": "The request needs a room, and the client is in none (yet).",
        "already-joined": "The client is in a room already, or on its way into one.",
        "bad-room": "The room name is not allowed.",
        "bad-name": "The display name is not allowed.",
        "room-full": "The room has as many participants as the server allows.",
        "bad-sdp": "The offer can't be read, or asks for what the server can't do.",
        "unknown-publication": "There is no such publication in the room (any more).",
        "unknown-mid": "The client's last offer has no such slot.",
        "not-yours": "The publication belongs to somebody else.",
        "unknown-participant": "There is nobody else of this id in the room (any more).",
        "not-allowed": "The room's topology, or the client's role in it, has no place for this.",
        "role-taken": "The room has a publisher already.",
        "too-many-requests": "More requests than the server takes; try again a little later.",
        "internal": "The server failed; the fault is not the client's.",
    }
)
"""Every code and when it is used: the table of PROTOCOL.md."""


class SignalingError(Exception):
    """A request that fails by the client's fault (or the room's state): the client is told why.

    `message` is a sentence for a person; `re` the id of the request, where the raiser knows it.
    """

    def __init__(self, code: ErrorCode, message: str, re: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code: ErrorCode = code
        self.message = message
        self.re = re


def to_message(error: Exception, re: int | None = None) -> Error:
    """Return what the client sees of `error`; whatever is not a SignalingError is logged and hidden."""
    if isinstance(error, SignalingError):
        return Error(code=error.code, message=error.message, re=re if error.re is None else error.re)
    logger.error("x a request failed inside the server", exc_info=error)
    return Error(code="internal", message="Something went wrong inside the server.", re=re)
