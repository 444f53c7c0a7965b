"""Files that others offer, and that are being received.

Knows: the receiving half of the files channel, as `signaling/PROTOCOL.md` has it. Does not know: connections, or one's
own files (uploads.py).
"""

import asyncio
import contextlib
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sfu.client.channel import Channel
from sfu.client.errors import ClientError
from sfu.client.events import FileOffered
from signaling.files import AnyFileMessage, Cancel, Chunk, Done, FileError, FileOffer, Pull, Pulled, write

ACKNOWLEDGE_BYTES = 64 * 1024
STALL_SECONDS = 4.0
"""After so long without a byte the rest is pulled again: the connection may have been replaced by another."""
STALLS = 5
RETRY_SECONDS = 0.3
MAX_KNOWN = 1000
"""Offers remembered; the oldest are forgotten."""

Key = tuple[str, str]
"""Sender and file."""


class _Download:
    """One file on its way in. `progress` is called with the bytes received so far."""

    def __init__(self, offer: FileOffered, stream: BinaryIO, progress: Callable[[int], None] | None) -> None:
        self.offer = offer
        self.stream = stream
        self.received = 0
        self.acknowledged = 0
        self.result: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._progress = progress
        self._digest = hashlib.sha256()

    def take(self, data: bytes) -> None:
        self.stream.write(data)
        self._digest.update(data)
        self.received += len(data)
        if self._progress is not None:
            self._progress(self.received)

    def finish(self, digest: str) -> None:
        """The sender has sent everything. What was lost on the way, when the path changed, is pulled again."""
        if self.received < self.offer.size:
            return
        if self._digest.hexdigest() == digest:
            self.end(None)
        else:
            self.end(ClientError("corrupt", "What arrived is not what was sent."))

    def end(self, error: ClientError | None) -> None:
        if self.result.done():
            return
        if error is None:
            self.result.set_result(None)
        else:
            self.result.set_exception(error)


class Downloads:
    """All files that others offer. `channel_to` gives the files channel to a participant."""

    def __init__(
        self,
        channel_to: Callable[[str], tuple[Channel, bool] | None],
        offered: Callable[[FileOffered], None],
    ) -> None:
        self._channel_to = channel_to
        self._offered = offered
        self._known: dict[Key, FileOffered] = {}
        self._running: dict[Key, _Download] = {}

    async def receive(
        self, offer: FileOffered, into: Path | None, progress: Callable[[int], None] | None
    ) -> bytes | Path:
        """Fetch a file, see `Room.receive_file`."""
        key = (offer.sender, offer.file)
        if key in self._running:
            raise ClientError("not-allowed", "This file is being received already.")
        path = _place(into, offer.name)
        memory = io.BytesIO()
        stream: BinaryIO = memory if path is None else path.open("xb")
        download = self._running[key] = _Download(offer, stream, progress)
        try:
            with stream:
                await self._fetch(download)
                if path is None:
                    return memory.getvalue()
        except BaseException:
            self._post(download, Cancel(file=offer.file, to=offer.sender))
            if path is not None:
                path.unlink(missing_ok=True)
            raise
        finally:
            del self._running[key]
        return path

    async def _fetch(self, download: _Download) -> None:
        stalls = 0
        while True:
            self._pull(download)
            before = -1
            while download.received != before:  # as long as there is progress
                before = download.received
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STALL_SECONDS):
                        await asyncio.shield(download.result)
                        return
                stalls = 0 if download.received != before else stalls + 1
            if stalls >= STALLS:
                raise ClientError("timeout", "The sender does not send.")

    def hear(self, sender: str, message: AnyFileMessage) -> None:
        """What the sender of a file says."""
        key = (sender, message.file)
        if isinstance(message, FileOffer):
            if key not in self._known:
                offer = FileOffered(
                    message.file, sender, message.name, message.size, message.mime, message.to is not None
                )
                self._known[key] = offer
                if len(self._known) > MAX_KNOWN:
                    del self._known[next(iter(self._known))]
                self._offered(offer)
            return
        download = self._running.get(key)
        if download is None:
            return
        if isinstance(message, Done):
            download.finish(message.sha256)
        elif isinstance(message, Cancel):
            download.end(ClientError("cancelled", "The sender does not send the file."))

    def chunk(self, sender: str, chunk: Chunk) -> None:
        """A piece of a file."""
        download = self._running.get((sender, chunk.file))
        if download is None or download.result.done() or chunk.offset != download.received:
            return  # of a transfer that has begun anew
        if chunk.offset + len(chunk.data) > download.offer.size:
            download.end(ClientError("corrupt", "More was sent than the file has."))
            return
        try:
            download.take(chunk.data)
        except OSError as error:
            download.end(ClientError("cancelled", f"The file can't be written: {error}."))
            return
        complete = download.received == download.offer.size
        if complete or download.received - download.acknowledged >= ACKNOWLEDGE_BYTES:
            download.acknowledged = download.received
            self._post(download, Pulled(file=chunk.file, to=sender, received=download.received))

    def refused(self, error: FileError) -> None:
        """The server did not pass on a pull."""
        download = self._running.get((error.to or "", error.file or ""))
        if download is None:
            return
        if error.code == "unknown-participant":
            # It has no channel there yet, while the room moves. If it is gone, `left` says so.
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry, download)
        else:
            download.end(ClientError(error.code, error.message))

    def moved(self) -> None:
        """The room has taken another path: what is on its way is pulled there."""
        for download in self._running.values():
            self._pull(download)

    def left(self, participant: str) -> None:
        for (sender, _), download in self._running.items():
            if sender == participant:
                download.end(ClientError("closed", "The sender has left the room."))

    def close(self) -> None:
        for download in self._running.values():
            download.end(ClientError("closed", "The room is closed."))

    def _retry(self, download: _Download) -> None:
        if not download.result.done():
            self._pull(download)

    def _pull(self, download: _Download) -> None:
        offer = download.offer
        download.acknowledged = download.received
        self._post(download, Pull(file=offer.file, to=offer.sender, received=download.received))

    def _post(self, download: _Download, message: AnyFileMessage) -> None:
        found = self._channel_to(download.offer.sender)
        if found is not None:
            found[0].post(write(message))


def _place(into: Path | None, name: str) -> Path | None:
    """Where to write: `into` itself, or, if that is a folder, under the file's name in it."""
    return into / name if into is not None and into.is_dir() else into
