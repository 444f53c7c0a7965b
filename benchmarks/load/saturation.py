"""How many packets a second one core of a server forwards: the rate is raised until they are not all there in time.

Knows: which rate is tried next, when a rate is sustained, what stopped the rise.
Does not know: servers, sockets, media.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

START = 0.4  # of the rate that the cost per packet at low load promises
RISE = 1.25
HALVINGS = 2  # between the last rate that was sustained and the first that was not
MOST = 36  # steps: cost per packet falls with the load, at most so far
LEAST = 1 / 16  # of the first rate: below it, something else is wrong
LOSS = 0.001
BEHIND = 0.25  # seconds after the last packet was sent: a longer queue than that only grows
CLIENT_BUSY = 0.97  # of a core
DISTURBED = 0.08  # of the server's core, taken by other processes
EXCUSES = 5  # failures of a rate that are laid to others, before one is believed


@dataclass(frozen=True, slots=True)
class Step:
    """One rate, as it went."""

    offered: float  # packets a second that should reach the subscribers
    received: float  # that did, a second
    loss: float
    behind: float  # seconds from the last packet sent to the last one received
    server_cores: float
    client_cores: float
    client_dropped: int = 0
    others: float = 0.0  # what other processes took of the server's core

    @property
    def sustained(self) -> bool:
        return self.loss <= LOSS and self.behind <= BEHIND

    @property
    def limit(self) -> str:
        """What kept the rate from being sustained: "client", "core", "loss" or "others"; "" when it was."""
        if self.sustained:
            return ""
        if self.others > DISTURBED:
            return "others"
        if self.client_dropped or self.client_cores > CLIENT_BUSY:
            return "client"
        return "core" if self.server_cores > 0.95 else "loss"


@dataclass(slots=True)
class Search:
    """Chooses rates, learns how each went. Rates are in packets a second to all subscribers together."""

    start: float
    steps: list[Step] = field(default_factory=list)
    _halvings: int = 0
    _low: float = 0.0  # the highest that was sustained
    _high: float = 0.0  # the lowest that was not
    _excused: int = 0
    _again: float = 0.0  # the rate that says nothing yet, since others took the core
    _failed: float = 0.0  # the rate that went wrong just now, for the first time

    def next(self) -> float | None:
        """The next rate to try, None when the answer is known well enough."""
        if not self.steps:
            return self.start
        if len(self.steps) >= MOST or 0 < self._high < self.start * LEAST:
            return None
        if self._again:
            rate, self._again = self._again, 0.0
            return rate
        if self._failed:
            return self._failed  # once more: a machine has bad moments that are not the server's
        if not self._high:
            return self._low * RISE
        if not self._low:
            return self._high / 2
        if self._halvings >= HALVINGS:
            return None
        self._halvings += 1
        return (self._low + self._high) / 2

    def went(self, step: Step) -> None:
        """Take the outcome of the rate that `next` said."""
        self.steps.append(step)
        if step.sustained:
            self._low, self._failed, self._excused = max(self._low, step.offered), 0.0, 0
        elif step.limit == "others" and self._excused < EXCUSES:
            self._excused += 1
            self._again = step.offered
        elif not self._failed:
            self._failed = step.offered
        else:
            self._failed = 0.0
            self._high = min(self._high or step.offered, step.offered)

    @property
    def best(self) -> Step | None:
        """The highest rate that was sustained; None when none was."""
        kept = [step for step in self.steps if step.sustained]
        return max(kept, key=lambda step: step.received) if kept else None

    @property
    def limit(self) -> str:
        """What stopped the rise: "core", "loss", "client", "others", or "" when nothing did."""
        failed = [step for step in self.steps if not step.sustained and step.offered >= self._high > 0]
        return min(failed, key=lambda step: step.offered).limit if failed else ""


async def search(start: float, attempt: Callable[[float], Coroutine[None, None, Step]]) -> Search:
    """Try rates from `start` on with `attempt`."""
    found = Search(start)
    while (rate := found.next()) is not None:
        found.went(await attempt(rate))
    return found
