"""When the members of an auto room speak directly, and when through the server: a rule over counts and time.

Knows: the threshold, the quiet time, how many there are (`now` in seconds of a monotonic clock is passed in).
Does not know: who they are, timers, messages.
"""

from dataclasses import dataclass

from signaling.fields import MediaPath

THRESHOLD = 3
"""Two send each other one copy each, as they would to a server; a third doubles what everybody sends."""
QUIET = 10.0
"""Seconds; longer than a reload of the page takes, so that a reload moves nobody."""


@dataclass(frozen=True, slots=True)
class AutoSettings:
    """From `threshold` participants on the server is used; below it, after `quiet` seconds, no longer."""

    threshold: int = THRESHOLD
    quiet: float = QUIET


class AutoRule:
    """The path of one auto room; a new room begins with `mesh`."""

    __slots__ = ("_quiet_since", "_settings", "path")

    def __init__(self, settings: AutoSettings) -> None:
        self._settings = settings
        self._quiet_since: float | None = None
        self.path: MediaPath = "mesh"

    def count(self, members: int, now: float) -> bool:
        """Tell how many there are now, at every change; return whether the path changes."""
        if members >= self._settings.threshold:
            changed = self.path == "mesh"
            self.path = "sfu"
            self._quiet_since = None
            return changed
        if self.path == "sfu" and self._quiet_since is None:
            self._quiet_since = now
        return self.tick(now)

    def deadline(self) -> float | None:
        """Return when to call `tick`, None for never (until the next call of `count`)."""
        return None if self._quiet_since is None else self._quiet_since + self._settings.quiet

    def tick(self, now: float) -> bool:
        """Let time pass; return whether the path changes."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return False
        self.path = "mesh"
        self._quiet_since = None
        return True
