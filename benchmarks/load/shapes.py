"""Who sends to whom: `fanout:N` is one publisher and N subscribers, `party:K` a room of K, all to all.

Knows: the words on the command line and the arithmetic of each shape.
Does not know: servers, sockets, media.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("fanout", "party", "rooms")
ROOM_OF = 4  # participants in each room of `rooms:R`
MOST = 1000


@dataclass(frozen=True, slots=True)
class Room:
    """Members 0 .. publishers - 1 publish; everybody watches all publishers but itself."""

    publishers: int
    members: int

    @property
    def pairs(self) -> int:
        """How many (subscriber, publisher) pairs there are: the forwarded streams."""
        return self.publishers * (self.members - 1)


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of load, such as fanout:10."""

    kind: str
    n: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.n}"

    @property
    def rooms(self) -> list[Room]:
        if self.kind == "fanout":
            return [Room(publishers=1, members=1 + self.n)]
        if self.kind == "party":
            return [Room(publishers=self.n, members=self.n)]
        return [Room(publishers=ROOM_OF, members=ROOM_OF)] * self.n

    @property
    def members(self) -> int:
        return sum(room.members for room in self.rooms)

    @property
    def pairs(self) -> int:
        """Forwarded streams."""
        return sum(room.pairs for room in self.rooms)


def parse_shapes(text: str) -> list[Shape]:
    """Read `fanout:1,fanout:10,party:8`. Raises ValueError with a sentence for the user."""
    shapes = []
    for word in text.split(","):
        kind, _, count = word.strip().partition(":")
        if kind not in KINDS or not count.isascii() or not count.isdigit():
            raise ValueError(f"'{word}' is not a shape: write {', '.join(f'{kind}:N' for kind in KINDS)}")
        shape = Shape(kind, int(count))
        if not (2 if kind == "party" else 1) <= shape.n <= MOST:
            raise ValueError(f"'{word}': the number must be from {2 if kind == 'party' else 1} to {MOST}")
        shapes.append(shape)
    return shapes
