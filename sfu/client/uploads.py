"""Files this client offers, and sends to whoever pulls them.

Knows: the sending half of the files channel, as `signaling/PROTOCOL.md` has it. Does not know: connections (it is given
channels), or files that come in (downloads.py).
"""

import asyncio
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sfu.client.channel import Channel
from sfu.client.errors import ClientError
from signaling.files import (
    CHUNK_BYTES,
    WINDOW_BYTES,
    AnyFileMessage,
    Cancel,
    Chunk,
    Done,
    FileError,
    FileOffer,
    Pull,
    Pulled,
    new_file_id,
    write,
    write_chunk,
)

READ_BYTES = 256 * 1024
"""Read from the disk at once, in a thread: sixteen chunks."""


class SharedFile:
    """One's own file, as `room.send_file` returns it: how far each receiver is."""

    def __init__(self, source: Path | bytes, offer: FileOffer) -> None:
        self.id = offer.file
        self.name = offer.name
        self.size = offer.size
        self.progress: dict[str, int] = {}
        """Bytes that each participant who pulled has acknowledged."""
        self.offer = offer
        self._source = source
        self._changed = asyncio.Event()
        self._failed: dict[str, ClientError] = {}

    async def delivered(self, participant: str) -> None:
        """Return when a participant has the whole file; raises ClientError if that will not be."""
        await self.until(
            lambda: participant in self._failed or self.progress.get(participant, -1) == self.size
        )
        if participant in self._failed:
            raise self._failed[participant]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on the progress."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def advance(self, participant: str, received: int) -> None:
        self.progress[participant] = received
        self._failed.pop(participant, None)
        self._changed.set()

    def fail(self, participant: str, error: ClientError) -> None:
        self._failed.setdefault(participant, error)
        self._changed.set()

    def open(self) -> BinaryIO:
        return self._source.open("rb") if isinstance(self._source, Path) else io.BytesIO(self._source)


class Uploads:
    """All of one's own files.

    `channel_to` gives the files channel to a participant, and whether the server relays it.
    """

    def __init__(
        self,
        channel_to: Callable[[str], tuple[Channel, bool] | None],
        delivered: Callable[[str, str], None],
    ) -> None:
        self._channel_to = channel_to
        self._delivered = delivered
        self._files: dict[str, SharedFile] = {}
        self._sending: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def add(self, source: Path | bytes, name: str, mime: str, to: str | None) -> SharedFile:
        """Take a file in; raises OSError when it can't be read."""
        size, digest = await asyncio.to_thread(_measure, source)
        offer = FileOffer(file=new_file_id(), name=name, size=size, mime=mime, sha256=digest, to=to)
        shared = self._files[offer.file] = SharedFile(source, offer)
        return shared

    def obey(self, sender: str, message: AnyFileMessage) -> None:
        """What a receiver says of one of these files."""
        shared = self._files.get(message.file)
        match message:
            case Pull() if shared is None or shared.offer.to not in (None, sender):
                self._post(sender, Cancel(file=message.file, to=sender))
            case Pull() if shared is not None and message.received <= shared.size:
                self._stop(sender, message.file)
                shared.advance(sender, message.received)
                task = asyncio.create_task(self._send(sender, shared))
                self._sending[sender, message.file] = task
            case Pulled() if shared is not None and shared.progress.get(sender, 2**53) < message.received:
                shared.advance(sender, message.received)
                if message.received == shared.size:
                    self._delivered(shared.id, sender)
            case Cancel() if shared is not None:
                self._fail(sender, shared, ClientError("cancelled", "The receiver does not want the file."))
            case _:
                pass

    def refused(self, error: FileError) -> None:
        """The server did not pass on something that was sent."""
        shared = self._files.get(error.file or "")
        if shared is not None and error.to is not None:
            self._fail(error.to, shared, ClientError(error.code, error.message))

    def left(self, participant: str) -> None:
        """A participant is gone."""
        for shared in self._files.values():
            if shared.progress.get(participant, shared.size) < shared.size:
                self._fail(participant, shared, ClientError("closed", "The receiver has left the room."))

    def withdraw(self, shared: SharedFile) -> None:
        """Offer a file no more; whoever is receiving it gets no more of it."""
        self._files.pop(shared.id, None)
        for participant, progress in shared.progress.items():
            if progress < shared.size:
                self._post(participant, Cancel(file=shared.id, to=participant))
                self._fail(participant, shared, ClientError("cancelled", "The file was withdrawn."))

    def close(self) -> None:
        for shared in self._files.values():
            for participant, progress in shared.progress.items():
                if progress < shared.size:
                    shared.fail(participant, ClientError("closed", "The room is closed."))
        for task in self._sending.values():
            task.cancel()
        self._sending.clear()

    def _fail(self, participant: str, shared: SharedFile, error: ClientError) -> None:
        self._stop(participant, shared.id)
        shared.fail(participant, error)

    def _stop(self, participant: str, file: str) -> None:
        task = self._sending.pop((participant, file), None)
        if task is not None:
            task.cancel()

    def _post(self, participant: str, message: AnyFileMessage) -> None:
        found = self._channel_to(participant)
        if found is not None:
            found[0].post(write(message))

    async def _send(self, to: str, shared: SharedFile) -> None:
        """Send a file from where its receiver has it to its end, never more than the window ahead of it."""
        found = self._channel_to(to)
        if found is None:
            return
        channel, relayed = found
        offset = shared.progress[to]
        try:
            with shared.open() as stream:
                stream.seek(offset)
                while block := await asyncio.to_thread(stream.read, READ_BYTES):
                    for start in range(0, len(block), CHUNK_BYTES):
                        data = block[start : start + CHUNK_BYTES]
                        end = offset + len(data)
                        await shared.until(lambda end=end: end - shared.progress[to] <= WINDOW_BYTES)  # type: ignore[misc]
                        await channel.send(write_chunk(Chunk(shared.id, to if relayed else "", offset, data)))
                        offset = end
            assert shared.offer.sha256 is not None
            await channel.send(write(Done(file=shared.id, to=to, sha256=shared.offer.sha256)))
            if shared.size == 0:
                self._delivered(shared.id, to)
        except ClientError:
            pass  # this connection is over; if there is another, the receiver pulls the rest over that
        except OSError as error:
            self._post(to, Cancel(file=shared.id, to=to))
            shared.fail(to, ClientError("cancelled", f"The file can't be read any more: {error}."))


def _measure(source: Path | bytes) -> tuple[int, str]:
    """Size and SHA-256."""
    if isinstance(source, bytes):
        return len(source), hashlib.sha256(source).hexdigest()
    with source.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest
