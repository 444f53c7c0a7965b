"""The protocol as one client sees it: frames and `now` in, effects out.

Knows: which message is allowed when, how fast, by when a client must have
joined, and how long it may be silent.
Does not know: sockets, tasks, clocks; what is in the rooms (lobby.py) and who does the work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from signaling.bucket import TokenBucket
from signaling.decode import decode
from signaling.errors import SignalingError, to_message
from signaling.fields import ErrorCode
from signaling.messages import (
    Announce,
    ClientMessage,
    Join,
    Leave,
    Mute,
    Offer,
    Ping,
    Point,
    Pong,
    ServerMessage,
    Signal,
)
from signaling.outbox import LEFT, TIMEOUT, TOO_LARGE, Ending
from signaling.quality import Reports, View

MESSAGES_PER_SECOND = 50.0
"""A page that repoints 20 tiles while it scrolls, twice a second, sends 40."""
MESSAGES_AT_ONCE = 200.0
MAX_PENDING = 32
"""Requests waiting for their answer, per client; the bound of the pump's queue."""
JOIN_TIMEOUT = 30.0
"""Seconds a client may hold a connection without being in a room."""
STALL = 0.5
"""Who wakes up so many seconds late was held up itself: what clients sent meanwhile may lie unread."""

Work = Join | Offer | Point | View | Reports | Mute | Announce | Signal


@dataclass(frozen=True, slots=True)
class Send:
    """Queue this message to the client."""

    message: ServerMessage


@dataclass(frozen=True, slots=True)
class Perform:
    """Do this in the room, after what was asked before; then call `Session.finished`."""

    request: Work


@dataclass(frozen=True, slots=True)
class Pause:
    """Read on only after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """End the connection; later effects will be empty."""

    ending: Ending


Effect = Send | Perform | Pause | End


class State(Enum):
    """Where a client stands; `JOINING` until its join has been worked on."""

    NEW = "new"
    JOINING = "joining"
    JOINED = "joined"
    ENDED = "ended"


MOVES: Mapping[State, Mapping[type[ClientMessage], State | ErrorCode]] = MappingProxyType(
    {
        State.NEW: {
            Join: State.JOINING,
            Offer: "not-joined",
            Point: "not-joined",
            View: "not-joined",
            Reports: "not-joined",
            Mute: "not-joined",
            Announce: "not-joined",
            Signal: "not-joined",
            Ping: State.NEW,
            Leave: State.ENDED,
        },
        State.JOINING: {
            Join: "already-joined",
            Offer: "not-joined",
            Point: "not-joined",
            View: "not-joined",
            Reports: "not-joined",
            Mute: "not-joined",
            Announce: "not-joined",
            Signal: "not-joined",
            Ping: State.JOINING,
            Leave: State.ENDED,
        },
        State.JOINED: {
            Join: "already-joined",
            Offer: State.JOINED,
            Point: State.JOINED,
            View: State.JOINED,
            Reports: State.JOINED,
            Mute: State.JOINED,
            Announce: State.JOINED,
            Signal: State.JOINED,
            Ping: State.JOINED,
            Leave: State.ENDED,
        },
    }
)
"""What each message does in each state: the next state, or the error it is answered with."""

_SENTENCES: Mapping[ErrorCode, str] = MappingProxyType(
    {
        "not-joined": "Join a room first, and wait for its welcome.",
        "already-joined": "This connection is in a room already.",
    }
)


class Session:
    """One client's side of the protocol. Never raises, whatever the client sends."""

    __slots__ = ("_bucket", "_heard", "_join_by", "_max_silence", "_pending", "state")

    def __init__(self, now: float) -> None:
        self.state = State.NEW
        self._bucket = TokenBucket(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE, now)
        self._join_by = now + JOIN_TIMEOUT
        self._pending = 0
        self._heard = now
        self._max_silence: float | None = None

    def receive(self, frame: str | bytes, now: float) -> list[Effect]:
        """Take a text (str) or binary (bytes) frame of the client."""
        self._heard = now
        overdue = self.tick(now)
        if overdue or self.state is State.ENDED:
            return overdue
        effects: list[Effect] = []
        granted = self._bucket.take(now)
        try:
            effects.append(self._obey(frame, granted))
        except SignalingError as error:
            effects.append(Send(to_message(error)))
            if error.code == "too-large":
                effects.append(self._end(TOO_LARGE))
        if not granted:
            effects.append(Pause(1 / MESSAGES_PER_SECOND))
        return effects

    def finished(self, request: Work, succeeded: bool, now: float, max_silence: float | None = None) -> None:
        """Tell that the work of a `Perform` effect is done and its answer or error was sent.

        `max_silence`: after a join, how many seconds the room lets a member be silent; None: for ever.
        """
        self._pending -= 1
        assert self._pending >= 0
        if isinstance(request, Join) and self.state is State.JOINING:
            self.state = State.JOINED if succeeded else State.NEW
            self._join_by = now + JOIN_TIMEOUT
            self._max_silence = max_silence
            self._heard = now

    def deadline(self) -> float | None:
        """Return when to call `tick`, None for never (until the next call of another method)."""
        if self.state in (State.NEW, State.JOINING):
            return self._join_by
        if self.state is State.JOINED and self._max_silence is not None:
            return self._heard + self._max_silence
        return None

    def tick(self, now: float) -> list[Effect]:
        """Let time pass."""
        if self.state is State.NEW and now >= self._join_by:
            return [self._end(TIMEOUT)]
        if self.state is State.JOINING and now >= self._join_by:
            self._join_by = now + JOIN_TIMEOUT
        if self.state is State.JOINED and self._max_silence is not None:
            late = now - self._heard - self._max_silence
            if late > STALL:
                self._heard += late + STALL
            elif late >= 0:
                return [self._end(TIMEOUT)]
        return []

    def _obey(self, frame: str | bytes, granted: bool) -> Effect:
        """Return what a frame does; raises SignalingError for what it gets instead."""
        if isinstance(frame, bytes):
            raise SignalingError("bad-message", "Messages are text frames, not binary ones.")
        message = decode(frame)
        if not granted:
            raise SignalingError("too-many-requests", "Too many messages a second.", message.id)
        move = MOVES[self.state][type(message)]
        if not isinstance(move, State):
            raise SignalingError(move, _SENTENCES[move], message.id)
        if isinstance(message, Ping):
            return Send(Pong(re=message.id))
        if isinstance(message, Leave):
            return self._end(LEFT)
        if self._pending >= MAX_PENDING:
            raise SignalingError("too-many-requests", "Too many requests wait for answers.", message.id)
        self.state = move
        self._pending += 1
        return Perform(message)

    def _end(self, ending: Ending) -> End:
        self.state = State.ENDED
        return End(ending)
