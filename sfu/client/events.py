"""What happens in a room, as frozen values, and the streams by which programs read them."""

import asyncio
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from signaling.fields import EstimateSource, LeftReason, MediaPath, PauseReason, SlotLimit

if TYPE_CHECKING:
    from sfu.client.model import Participant, Publication

MAX_WAITING = 10_000
"""Events kept for one stream that is not read; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody entered the room."""

    participant: "Participant"


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody is gone, and all that it published; tracks of those have ended."""

    participant: "Participant"
    reason: LeftReason


@dataclass(frozen=True, slots=True)
class Published:
    """Somebody publishes a track: `await room.subscribe(event.publication)` receives it."""

    publication: "Publication"


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Somebody publishes a track no more; if it was subscribed to, its track has ended."""

    publication: "Publication"


@dataclass(frozen=True, slots=True)
class Muted:
    """Somebody muted or unmuted a track: see `publication.muted`."""

    publication: "Publication"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A text; `sender` is a participant id, `private` if nobody else got it."""

    sender: str
    name: str
    text: str
    private: bool


@dataclass(frozen=True, slots=True)
class FileOffered:
    """Somebody offers a file of `size` bytes: `await room.receive_file(event)` fetches it."""

    file: str
    sender: str
    name: str
    size: int
    mime: str
    private: bool


@dataclass(frozen=True, slots=True)
class FileDelivered:
    """A participant has received the whole of one's own file."""

    file: str
    participant: str


@dataclass(frozen=True, slots=True)
class PathChanged:
    """An auto room moves its media: through the server (`sfu`), or directly (`mesh`)."""

    path: MediaPath


@dataclass(frozen=True, slots=True)
class Paused:
    """The server sends no frames of a subscribed video for now. `reason`: `bandwidth` (the connection can't carry it)
    or `last-n` (others spoke later); `message` says it for a person."""

    publication: "Publication"
    reason: PauseReason
    message: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """A paused video goes on."""

    publication: "Publication"


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """Who speaks now: participant ids, the dominant one first, oneself included."""

    participants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """What comes of a video now: an encoding, its highest layers, the picture's height (0: unknown), bit/s.

    `limit` is why it is not better, in the words of the protocol; `none` if it is the best there is.
    """

    publication: str
    rid: str
    spatial: int
    temporal: int
    height: int
    bps: int
    limit: SlotLimit


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """What the connection from the server carries, all in bit/s: see `Room.reports`."""

    estimate_bps: int
    target_bps: int
    sent_bps: int
    source: EstimateSource
    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The server did not pass on a text or a file."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The room is over for this client; always the last event. `reason`: `left` (by its own will), that of the
    server's bye (`shutdown`, `replaced`, `timeout`, `too-slow`), or `disconnected`."""

    reason: str


Event = (
    Joined
    | Left
    | Published
    | Unpublished
    | Muted
    | ChatMessage
    | FileOffered
    | FileDelivered
    | PathChanged
    | Paused
    | Resumed
    | SpeakersChanged
    | Bandwidth
    | Refused
    | Closed
)


class EventStream:
    """An asynchronous iterator over events; ends after Closed."""

    def __init__(self, waiting: "deque[Event]") -> None:
        self._waiting = waiting
        self._wake = asyncio.Event()

    def put(self, event: Event) -> None:
        self._waiting.append(event)
        self._wake.set()

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        event = self._waiting.popleft()
        if isinstance(event, Closed):
            self._waiting.append(event)
            if self._ended:
                raise StopAsyncIteration
            self._ended = True
        return event

    _ended = False


class EventHub:
    """Gives every event to every stream. What happened before the first stream was made waits for that one."""

    def __init__(self) -> None:
        self._early: deque[Event] | None = deque(maxlen=MAX_WAITING)
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self._closed: Closed | None = None

    def emit(self, event: Event) -> None:
        if isinstance(event, Closed):
            self._closed = event
        if self._early is not None:
            self._early.append(event)
        for stream in list(self._streams):
            stream.put(event)

    def begin(self) -> None:
        """What has happened until now needs no telling: it is part of how the room is found."""
        if self._early is not None and self._closed is None:
            self._early.clear()

    def stream(self) -> EventStream:
        waiting, self._early = self._early, None
        if waiting is None:
            waiting = deque([self._closed] if self._closed else [], maxlen=MAX_WAITING)
        stream = EventStream(waiting)
        self._streams.add(stream)
        return stream
