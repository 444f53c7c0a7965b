"""How Python and C have numbers in common."""

from operator import attrgetter
from typing import Any


def shared(record: str, name: str) -> Any:
    """An attribute that is `name` of the record that `self` has under `record`."""
    owner = attrgetter(record)

    def write(self: object, value: object) -> None:
        setattr(owner(self), name, value)

    return property(attrgetter(f"{record}.{name}"), write)
