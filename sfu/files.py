"""File sharing in a room over its participants' data channels: passes on, holds no file.

The receiver pulls: a sender may be WINDOW_BYTES ahead of what one receiver has acknowledged, so that is the most that
waits here for each pair of them, and a slow reader slows its own transfer only.
Joins the messages of `signaling.files` to channels of `sfu.transport`; knows who is in the room by id only.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError

from signaling.bucket import TokenBucket
from signaling.fields import ErrorCode
from signaling.files import (
    WINDOW_BYTES,
    AnyFileMessage,
    BadFileMessage,
    Cancel,
    Chunk,
    Done,
    FileError,
    FileOffer,
    Pull,
    Pulled,
    read,
    read_chunk,
    write,
    write_chunk,
)

MAX_PULLS = 8
"""Files one participant may receive at once: with WINDOW_BYTES the bound of what waits for it."""
MAX_BUFFERED_BYTES = (MAX_PULLS + 1) * WINDOW_BYTES
MESSAGES_PER_SECOND = 200.0
"""MAX_PULLS at 5 MB/s in all, acknowledged every 64 KiB, are 80; chunks are bounded by their window instead."""
MESSAGES_AT_ONCE = 400.0
# Offers make everybody's page show something.
OFFERS_PER_SECOND = 5.0
OFFERS_AT_ONCE = 20.0

Key = tuple[str, str, str]
"""Sender, receiver, file."""


@dataclass(slots=True)
class _Transfer:
    """How far one file is on its way to one receiver, in bytes."""

    passed_on: int
    acknowledged: int
    done: bool = False


class _Refused(Exception):
    """A message is not passed on; its sender is told why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message


class _Desk:
    """One participant's files channel, and how much it may still ask."""

    __slots__ = ("channel", "messages", "offers", "refused")

    def __init__(self, channel: RTCDataChannel, now: float) -> None:
        self.channel = channel
        self.messages = TokenBucket(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE, now)
        self.offers = TokenBucket(OFFERS_PER_SECOND, OFFERS_AT_ONCE, now)
        self.refused = False


class FileRoom:
    """Passes offers, requests and chunks from each participant's channel to those they are for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._desks: dict[str, _Desk] = {}
        self._transfers: dict[Key, _Transfer] = {}
        self.offers = 0
        self.bytes = 0
        self.refused = 0
        self.dropped = 0

    def attach(self, participant: str, channel: RTCDataChannel) -> None:
        """A participant opened its files channel; it replaces the one before, and brings no new allowance."""
        before = self._desks.get(participant)
        desk = self._desks[participant] = _Desk(channel, self._clock())
        if before is not None:
            desk.messages, desk.offers = before.messages, before.offers
            before.channel.close()
        channel.on("message", lambda data: self._receive(participant, desk, data))
        channel.on("close", lambda: self._forget(participant, desk))

    def leave(self, participant: str) -> None:
        """The participant is gone, and with it all transfers from and to it (who is left hears that from signaling)."""
        self._desks.pop(participant, None)
        for key in [key for key in self._transfers if participant in key[:2]]:
            del self._transfers[key]

    def stats(self) -> dict[str, int]:
        """Figures of this room since it exists."""
        return {
            "offers": self.offers,
            "transfers": len(self._transfers),
            "bytes": self.bytes,
            "refused": self.refused,
            "dropped": self.dropped,
        }

    def _forget(self, participant: str, desk: _Desk) -> None:
        if self._desks.get(participant) is desk:
            self.leave(participant)

    # -- what comes in ---------------------------------------------------------------------------------------

    def _receive(self, participant: str, desk: _Desk, data: str | bytes) -> None:
        if self._desks.get(participant) is not desk:
            return
        try:
            if isinstance(data, bytes):
                self._chunk(participant, read_chunk(data))
            else:
                self._message(participant, desk, data)
        except BadFileMessage as error:
            self._refuse(desk, FileError(error.code, error.message))

    def _message(self, participant: str, desk: _Desk, text: str) -> None:
        now = self._clock()
        granted = desk.messages.take(now)
        if not granted:
            if not desk.refused:
                self._refuse(
                    desk, FileError("too-many-requests", "Too many messages about files; wait a little.")
                )
            desk.refused = True
            return
        desk.refused = False
        message = read(text)
        try:
            self._obey(participant, desk, message, now)
        except _Refused as error:
            self._refuse(desk, FileError(error.code, error.message, message.file, message.to))

    def _obey(self, participant: str, desk: _Desk, message: AnyFileMessage, now: float) -> None:
        """Pass a message on; raises _Refused."""
        match message:
            case FileOffer():
                if not desk.offers.take(now):
                    raise _Refused("too-many-requests", "Too many files at once; wait a little.")
                self.offers += 1
                self._pass_on(participant, message)
            case Pull(to=str() as sender):
                key = (sender, participant, message.file)
                self._bound_pulls(key)
                self._pass_on(participant, message)
                self._transfers[key] = _Transfer(message.received, message.received)
            case Pulled(to=str() as sender):
                self._acknowledge((sender, participant, message.file), message)
            case Done(to=str() as receiver):
                self._end((participant, receiver, message.file), message)
            case Cancel():
                for key in list(self._transfers):
                    if key[2] == message.file and participant in key[:2] and message.to in (None, *key[:2]):
                        del self._transfers[key]
                self._pass_on(participant, message)
            case _:
                raise _Refused("bad-message", "The message does not say whom it is for.")

    def _chunk(self, sender: str, chunk: Chunk) -> None:
        key = (sender, chunk.participant, chunk.file)
        transfer = self._transfers.get(key)
        if transfer is None or transfer.done or chunk.offset != transfer.passed_on:
            self.dropped += 1  # of a transfer that was cancelled, or has begun anew elsewhere
            return
        if chunk.offset + len(chunk.data) - transfer.acknowledged > WINDOW_BYTES:
            del self._transfers[key]
            why = f"More than {WINDOW_BYTES} bytes were sent without acknowledgement."
            self._refuse(self._desks[sender], FileError("too-large", why, chunk.file, chunk.participant))
            self._tell(chunk.participant, write(Cancel(file=chunk.file, sender=sender)))
            return
        transfer.passed_on += len(chunk.data)
        self.bytes += len(chunk.data)
        self._tell(
            chunk.participant, write_chunk(Chunk(chunk.file, sender, chunk.offset, chunk.data))
        )  # fmt: skip

    def _acknowledge(self, key: Key, message: Pulled) -> None:
        transfer = self._transfers.get(key)
        if transfer is None:
            self.dropped += 1  # it ended just now
            return
        transfer.acknowledged = max(transfer.acknowledged, min(message.received, transfer.passed_on))
        self._forget_if_complete(key, transfer)
        self._pass_on(key[1], message)

    def _end(self, key: Key, message: Done) -> None:
        transfer = self._transfers.get(key)
        if transfer is None:
            raise _Refused("not-allowed", "This file is not being sent to that participant.")
        transfer.done = True
        self._forget_if_complete(key, transfer)
        self._pass_on(key[0], message)

    def _forget_if_complete(self, key: Key, transfer: _Transfer) -> None:
        if transfer.done and transfer.acknowledged == transfer.passed_on:
            del self._transfers[key]

    def _bound_pulls(self, wanted: Key) -> None:
        own = sum(key[1] == wanted[1] and key != wanted for key in self._transfers)
        if own >= MAX_PULLS:
            raise _Refused("too-many-requests", f"At most {MAX_PULLS} files can be received at once.")

    # -- what goes out ---------------------------------------------------------------------------------------

    def _pass_on(self, participant: str, message: AnyFileMessage) -> None:
        """Pass a message to the one it is for, or to everybody else; raises _Refused if there is no such one."""
        private = isinstance(message, FileOffer)
        text = write(
            msgspec.structs.replace(message, sender=participant, to=message.to if private else None)
        )  # fmt: skip
        if message.to is None:
            for other in list(self._desks):
                if other != participant:
                    self._tell(other, text)
        elif message.to == participant or message.to not in self._desks:
            raise _Refused("unknown-participant", "There is nobody else of this id who can receive files.")
        else:
            self._tell(message.to, text)

    def _refuse(self, desk: _Desk, error: FileError) -> None:
        self.refused += 1
        self._send(desk.channel, write(error))

    def _tell(self, participant: str, data: str | bytes) -> None:
        desk = self._desks.get(participant)
        if desk is not None:
            self._send(desk.channel, data)

    def _send(self, channel: RTCDataChannel, data: str | bytes) -> None:
        if channel.readyState != "open" or channel.bufferedAmount > MAX_BUFFERED_BYTES:
            self.dropped += 1
            return
        try:
            channel.send(data)
        except (InvalidStateError, ConnectionError, ValueError):
            self.dropped += 1
