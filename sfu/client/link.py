"""What a room asks of a way for media, whichever it is: through the server (sfu_link.py) or directly (mesh_link.py).

Whoever uses a link says the whole wanted state (`send`, `receive`), then has it settled. Does not know: what is wanted.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver

from sfu.client.channel import Channel
from sfu.client.errors import ClientError
from sfu.client.local import LocalPublication
from sfu.client.pipe import Pipe
from sfu.client.statistics import ConnectionStats
from signaling.fields import PauseReason

CONNECT_SECONDS = 15.0


class Post(Protocol):
    """What a link tells its owner. `sender` is a participant, or None: then the message says it.

    `paused`: the server sends nothing of a video for now, for that reason; None: it goes on.
    """

    def chat(self, sender: str | None, data: str | bytes) -> None: ...
    def file(self, sender: str | None, data: str | bytes) -> None: ...
    def paused(self, publication: str, reason: PauseReason | None, message: str) -> None: ...
    def lost(self, link: object) -> None: ...
    def background(self, work: Coroutine[Any, Any, None]) -> None: ...


class Link(Protocol):
    """One way for media and data. `rank` is that of its frames: higher than that of the way before it."""

    rank: int

    def send(self, tracks: Sequence[LocalPublication]) -> None:
        """All that is to be sent from now on."""

    def receive(self, wanted: Mapping[str, Pipe]) -> None:
        """All that is to be received from now on, by its publication id on this path."""

    async def settle(self) -> None:
        """Return when the server, or the others, have been told what is wanted now; raises ClientError."""

    def problem(self, publication: str) -> ClientError | None:
        """Why a publication can't be received, as far as is known."""

    @property
    def up(self) -> bool:
        """Whether media and data can pass."""
        ...

    def channels(self, label: str, to: str | None) -> Sequence[Channel]:
        """The channels that lead to a participant, or to everybody."""

    async def stats(self) -> list[ConnectionStats]: ...

    async def close(self) -> None:
        """End it, and what is published over it; idempotent."""


def new_connection() -> RTCPeerConnection:
    """A connection without public servers and with one transport for everything."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


def add_sender(
    pc: RTCPeerConnection, track: LocalPublication, pipe: Pipe, direction: str
) -> RTCRtpTransceiver:
    """A new m-line that sends a pipe of a track, in the codec that was asked for."""
    transceiver = pc.addTransceiver(pipe, direction=direction)
    if track.codec is not None:
        transceiver.setCodecPreferences(
            [c for c in RTCRtpSender.getCapabilities(track.kind).codecs if _named(c.mimeType, track.codec)]
        )
    return transceiver


async def until_decided(pc: RTCPeerConnection) -> None:
    """Wait until the first handshake of a connection is over, well or not; raises ClientError("timeout").

    aiortc starts what is negotiated before or after it, but never what is negotiated during it.
    """
    decided = asyncio.Event()

    def look() -> None:
        if pc.connectionState not in ("new", "connecting"):
            decided.set()

    pc.on("connectionstatechange", look)
    try:
        look()
        async with asyncio.timeout(CONNECT_SECONDS):
            await decided.wait()
    except TimeoutError:
        raise ClientError("timeout", f"There was no connection within {CONNECT_SECONDS:.0f} s.") from None
    finally:
        with contextlib.suppress(KeyError):  # a closed connection has let go of its listeners
            pc.remove_listener("connectionstatechange", look)


def can_encode(kind: str, codec: str) -> bool:
    """Whether stock aiortc has this codec; `codec` is an encoding name of SDP, in any case."""
    return any(_named(c.mimeType, codec) for c in RTCRtpSender.getCapabilities(kind).codecs)


def _named(mime: str, codec: str) -> bool:
    return mime.partition("/")[2].lower() == codec.lower()
