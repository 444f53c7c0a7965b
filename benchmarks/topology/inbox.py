"""What the server says unasked, kept in order until the client is ready to hear it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[[dict[str, Any]], None]


class Inbox:
    """Give it to `Signaling.unasked`; `open` hands over what waits and, from then on, everything at once."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []
        self._handler: Handler = self._waiting.append

    def __call__(self, message: dict[str, Any]) -> None:
        self._handler(message)

    def open(self, handler: Handler) -> None:
        self._handler = handler
        for message in self._waiting:
            handler(message)
        self._waiting.clear()
