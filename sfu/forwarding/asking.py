"""What a publisher is asked to send: the encodings of one publication that somebody takes, or would take.

Knows who takes what, and whether an encoding that is silent sleeps because nobody asks for it or because its publisher
doesn't send it. Does not know how the publisher is told.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from sfu.flow.demand import EncodingDemand

if TYPE_CHECKING:
    from sfu.forwarding.encoding import Encoding
    from sfu.forwarding.publication import Publication

# Seconds that an encoding has to come after it was asked for; then its publisher is taken to be unable to send it (its
# own link is too slow, its camera too small). It stays asked for as long as somebody would take it.
PATIENCE: Final = 2.0


class Asking:
    """Of one publication. `tell` gets every rid with whether to send it, `schedule` when `deadline` may have moved.

    A publisher that is `sending` sends everything until it is told otherwise; else it waits to be told, and to it off
    is told as soon as on.
    """

    __slots__ = ("_changed", "_demand", "_publication", "_rids", "_schedule", "_sending", "_since", "_tell")

    def __init__(
        self,
        publication: "Publication",
        tell: Callable[[Mapping[str, bool]], None],
        schedule: Callable[[], None],
        now: float,
        *,
        sending: bool = True,
    ) -> None:
        self._publication = publication
        self._tell = tell
        self._schedule = schedule
        self._sending = sending
        self._changed = False
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._rids = {encoding.rid for encoding in self._publication.encodings}
        if self._sending:
            self._demand = EncodingDemand(self._rids)
            self._since = dict.fromkeys(self._rids, now)  # of those that are asked for
        else:
            self._demand = EncodingDemand(self._rids, hold=0.0, sending=False)
            self._since = {}

    @property
    def asked(self) -> tuple[str, ...]:
        """What it is asked for now, ascending in quality."""
        return tuple(e.rid for e in self._publication.encodings if e.rid in self._since)

    def touch(self) -> None:
        """Who takes what has changed; `pulse` looks at it as soon as it is called."""
        self._changed = True
        self._schedule()

    def update(self, now: float) -> None:
        """Who takes what has changed: what is needed is asked for at once."""
        self._changed = False
        if self._rids != {encoding.rid for encoding in self._publication.encodings}:
            self._begin(now)
        self._demand.want(self._publication.taken, now)
        self._take(now)
        self._schedule()

    def available(self, encoding: "Encoding", now: float) -> bool:
        """Whether a slot that takes `encoding` can expect packets of it."""
        since = self._since.get(encoding.rid)
        return not encoding.stopped or since is None or now < since + PATIENCE

    def deadline(self) -> float | None:
        """When `pulse` is due; None while nothing is."""
        return 0.0 if self._changed else self._demand.deadline()

    def pulse(self, now: float) -> None:
        """Tell the publisher what is due."""
        if self._changed:
            self.update(now)
        else:
            self._take(now)

    def _take(self, now: float) -> None:
        told = self._demand.take(now)
        if told is None:
            return
        for rid, active in told.items():
            if not active:
                self._since.pop(rid, None)
            elif rid not in self._since:
                self._since[rid] = now
                if (encoding := self._publication.find(rid)) is not None:
                    encoding.quality.rates.resume()
        self._tell(told)
