"""What signaling counts, for /stats.

Knows: the names of the counters. Does not know: who counts, and where the figures are shown.
"""

from dataclasses import asdict, dataclass, field

from signaling.fields import ErrorCode


@dataclass(slots=True)
class Counters:
    """Whole numbers since the start; `connections_open` alone goes down again."""

    connections: int = 0
    connections_open: int = 0
    messages_in: int = 0
    messages_out: int = 0
    joins: int = 0
    departures: int = 0
    signals: int = 0
    path_changes: int = 0
    too_slow: int = 0
    errors: dict[ErrorCode, int] = field(default_factory=dict)

    def error(self, code: ErrorCode) -> None:
        """Count an error that was sent to a client."""
        self.errors[code] = self.errors.get(code, 0) + 1

    def as_dict(self) -> dict[str, object]:
        """Return the counters as plain values, ready for JSON."""
        return asdict(self)
