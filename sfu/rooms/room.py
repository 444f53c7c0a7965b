"""A room on the media side: who is in it and which publications there are to point slots at."""

from sfu.forwarding.publication import Publication
from sfu.rooms.member import UnknownPublication


class Room:
    """The publications of one room, by id."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.publications: dict[str, Publication] = {}

    def find(self, publication_id: str) -> Publication:
        """Raises UnknownPublication."""
        found = self.publications.get(publication_id)
        if found is None:
            raise UnknownPublication(f"there is no publication {publication_id!r} in this room")
        return found
