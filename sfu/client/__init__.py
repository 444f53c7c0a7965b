"""A client of aiosfu rooms for Python programs: joins, publishes, receives, writes, shares files, in any topology.

    async with connect("http://127.0.0.1:8080", room="blue", name="Ada") as room:
        await room.publish(track, source="camera")
        async for event in room.events():
            ...

It stands on stock aiortc connections and knows of the server only what `signaling/PROTOCOL.md` says.
"""

from sfu.client.connecting import connect
from sfu.client.errors import ClientError
from sfu.client.events import (
    Bandwidth,
    ChatMessage,
    Closed,
    Event,
    EventStream,
    FileDelivered,
    FileOffered,
    Flow,
    Joined,
    Left,
    Muted,
    PathChanged,
    Paused,
    Published,
    Refused,
    Resumed,
    SpeakersChanged,
    Unpublished,
)
from sfu.client.local import LocalPublication
from sfu.client.model import Participant, Publication
from sfu.client.room import Room
from sfu.client.statistics import ConnectionStats, RoomStats
from sfu.client.uploads import SharedFile
from signaling.fields import Topology

__all__ = [
    "Bandwidth",
    "ChatMessage",
    "ClientError",
    "Closed",
    "ConnectionStats",
    "Event",
    "EventStream",
    "FileDelivered",
    "FileOffered",
    "Flow",
    "Joined",
    "Left",
    "LocalPublication",
    "Muted",
    "Participant",
    "PathChanged",
    "Paused",
    "Publication",
    "Published",
    "Refused",
    "Resumed",
    "Room",
    "RoomStats",
    "SharedFile",
    "SpeakersChanged",
    "Topology",
    "Unpublished",
    "connect",
]
