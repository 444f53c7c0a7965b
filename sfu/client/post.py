"""Texts and files as they come in over whatever channel, and the work that goes on behind a room.

Knows: the messages of the data channels, which path they came by. Does not know: connections.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from sfu.client.channel import Channel
from sfu.client.downloads import Downloads
from sfu.client.errors import ClientError
from sfu.client.events import ChatMessage, Event, FileDelivered, Paused, Refused, Resumed
from sfu.client.model import Roster
from sfu.client.uploads import Uploads
from signaling.chat import MAX_TEXT_CHARS, ChatError, ChatIn, ChatOut
from signaling.fields import PauseReason
from signaling.files import (
    BadFileMessage,
    Cancel,
    Done,
    FileError,
    FileOffer,
    read_any,
    read_chunk,
)

logger = logging.getLogger(__name__)


class RoomPost:
    """Implements `sfu.client.link.Post`."""

    def __init__(
        self, emit: Callable[[Event], None], roster: Roster, link_lost: Callable[[object], None]
    ) -> None:
        self.channel_to: Callable[[str], tuple[Channel, bool] | None] = lambda participant: None
        self.uploads = Uploads(
            lambda to: self.channel_to(to), lambda file, who: emit(FileDelivered(file, who))
        )
        self.downloads = Downloads(lambda to: self.channel_to(to), emit)
        self._emit = emit
        self._roster = roster
        self._link_lost = link_lost
        self._tasks: set[asyncio.Task[None]] = set()

    def chat(self, sender: str | None, data: str | bytes) -> None:
        """A message of a chat channel; `sender` is who is at its other end, None for the server."""
        try:
            if sender is not None:
                direct = msgspec.json.decode(data, type=ChatIn)
                self._write(sender, direct.text, direct.to is not None)
                return
            message = msgspec.json.decode(data, type=ChatOut | ChatError)
        except (msgspec.MsgspecError, UnicodeError):
            return  # of a newer client, or a broken one
        if isinstance(message, ChatError):
            self._emit(Refused(message.code, message.message))
        else:
            self._write(message.sender, message.text, message.to is not None)

    def file(self, sender: str | None, data: str | bytes) -> None:
        """A message of a files channel; `sender` as above."""
        try:
            if isinstance(data, bytes):
                chunk = read_chunk(data)
                self.downloads.chunk(sender or chunk.participant, chunk)
                return
            message = read_any(data)
        except BadFileMessage:
            return  # of a newer client, or a broken one
        if isinstance(message, FileError):
            self.uploads.refused(message)
            self.downloads.refused(message)
            self._emit(Refused(message.code, message.message))
            return
        who = sender or message.sender
        if who is None or who not in self._roster:
            return
        if isinstance(message, FileOffer | Done | Cancel):
            self.downloads.hear(who, message)
        if not isinstance(message, FileOffer | Done):
            self.uploads.obey(who, message)

    def paused(self, publication: str, reason: PauseReason | None, message: str) -> None:
        """The server pauses a subscribed video, or goes on with it."""
        listing = self._roster.find(publication)
        if listing is not None and reason is not None:
            self._emit(Paused(listing.publication, reason, message))
        elif listing is not None:
            self._emit(Resumed(listing.publication))

    def lost(self, link: object) -> None:
        """A link's only connection broke."""
        self._link_lost(link)

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def left(self, participant: str) -> None:
        self.uploads.left(participant)
        self.downloads.left(participant)

    async def close(self) -> None:
        """End transfers and what goes on in the background."""
        self.uploads.close()
        self.downloads.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _write(self, sender: str, text: str, private: bool) -> None:
        name = self._roster.name(sender)
        if name:
            self._emit(ChatMessage(sender, name, text, private))

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, ClientError):
            logger.info("x left undone: %s", error)
        elif error is not None:
            logger.error("x something went wrong behind the room", exc_info=error)


def chat_message(text: str, to: str | None) -> str:
    """Write a chat message; raises ClientError if the text is not allowed."""
    if len(text) > MAX_TEXT_CHARS:
        raise ClientError("too-large", f"A chat message has at most {MAX_TEXT_CHARS} characters.")
    try:
        message = msgspec.convert({"type": "chat", "text": text, "to": to}, ChatIn)
    except msgspec.ValidationError:
        why = "A chat text has a visible character, and no control characters."
        raise ClientError("bad-message", why) from None
    return msgspec.json.encode(message).decode()
