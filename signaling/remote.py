"""Members of a room that are on another node: they are here by name, and their messages go elsewhere.

Knows: how what another node says of its members becomes joined, left, published, unpublished and muted. Does not know:
how nodes speak to each other, or media.
"""

from collections.abc import Callable, Iterable

from signaling.messages import Joined, Left, Participant
from signaling.outbox import DISCONNECTED, Outbox
from signaling.room import Member, Room


def _no_id() -> str:
    raise AssertionError("the ids of a remote member's publications are made by its own node")


class RemoteSide:
    """One neighbour's part of a room. `changed` is called after anything in the room has changed."""

    def __init__(
        self,
        room: Room,
        changed: Callable[[], None],
        entered: Callable[[Room], None],
        closed: Callable[["RemoteSide"], None],
    ) -> None:
        self.room = room
        self._entered = entered
        self._closed = closed
        self._members: dict[str, Member] = {}
        self._changed = changed
        room.observers.append(changed)

    def others(self) -> list[Member]:
        """Everybody in the room who did not come from this neighbour."""
        return [member for member in self.room.members.values() if member.id not in self._members]

    def replace(self, participants: Iterable[tuple[Participant, tuple[str, ...]]]) -> None:
        """The neighbour has exactly these members, each with the ids of the nodes it has passed.

        Tells everybody else what is new, and what is no more. An id that is in the room by another way stays as it is
        there.
        """
        wanted = {participant.id: (participant, nodes) for participant, nodes in participants}
        for id in [id for id in self._members if id not in wanted]:
            self._remove(id)
        for id, (participant, nodes) in wanted.items():
            if id in self._members:
                self._update(self._members[id], participant, nodes)
            elif id not in self.room.members:
                self._add(participant, nodes)

    def _add(self, participant: Participant, nodes: tuple[str, ...]) -> None:
        outbox = Outbox()
        outbox.end(DISCONNECTED)  # nothing is queued for somebody who reads elsewhere
        member = Member(self.room, participant.id, "", participant.name, participant.role, outbox, _no_id)
        member.nodes = nodes
        self._members[member.id] = self.room.members[member.id] = member
        self.room.tell_others(member, Joined(participant=member.describe()))
        self._entered(self.room)
        self._update(member, participant, nodes)

    def _update(self, member: Member, participant: Participant, nodes: tuple[str, ...]) -> None:
        member.nodes = nodes
        wanted = {publication.id: publication for publication in participant.publications}
        for id in [id for id in member.publications if id not in wanted]:
            member.unpublished(id)
        for id, publication in wanted.items():
            known = member.publications.get(id)
            if known is None:
                member.published(publication)
            elif known.muted != publication.muted:
                member.muted(id, publication.muted)

    def _remove(self, id: str) -> None:
        member = self._members.pop(id)
        del self.room.members[id]
        self.room.tell_others(member, Left(participant=id, reason="left"))

    def close(self) -> None:
        """The neighbour is gone, and all its members with it. Idempotent."""
        self.replace(())
        if self._changed in self.room.observers:
            self.room.observers.remove(self._changed)
            self._closed(self)
