"""When the next thing is due. Knows times, and that None means never."""


def earliest(*times: float | None) -> float | None:
    """The first of these times; None if there is none. Called at packet rate: no list is made."""
    found: float | None = None
    for at in times:
        if at is not None and (found is None or at < found):
            found = at
    return found
