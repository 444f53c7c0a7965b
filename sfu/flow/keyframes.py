"""Key-frame requests of many subscribers, merged into few to the publisher.

Knows when one was asked for, sent and answered. Does not know how to ask (PLI or FIR) or to see a key frame.
"""


class KeyframeRequests:
    """The requests for one encoding. A request is never lost: it stays wanted until a key frame comes.

    At most one is sent in `min_interval` seconds, and one that stays unanswered is repeated at that pace.
    `request` and `due` tell the owner to send one now; True means it counts as sent.
    """

    __slots__ = ("_min_interval", "_sent_at", "_wanted_at", "requested", "sent")

    def __init__(self, min_interval: float = 0.3) -> None:
        self.requested = 0  # asked for by subscribers
        self.sent = 0  # passed on to the publisher
        self._min_interval = min_interval
        self._sent_at = float("-inf")
        self._wanted_at: float | None = None  # of the latest request

    @property
    def wanted(self) -> bool:
        """Whether a request still waits for its key frame."""
        return self._wanted_at is not None

    def request(self, now: float) -> bool:
        """A subscriber needs a key frame; True when a request is to be sent at once."""
        self.requested += 1
        self._wanted_at = now
        return self.due(now)

    def arrived(self, now: float) -> None:
        """A key frame began to arrive: every request made before it is answered.

        One made later asks for the next key frame, since its subscriber may have missed the start of this.
        """
        if self._wanted_at is not None and self._wanted_at <= now:
            self._wanted_at = None

    def cancel(self) -> None:
        """Nobody is left who wants one."""
        self._wanted_at = None

    def due(self, now: float) -> bool:
        """Whether a wanted request is to be sent, or sent again, now."""
        if self._wanted_at is None or now < self._sent_at + self._min_interval:
            return False
        self._sent_at = now
        self.sent += 1
        return True

    def deadline(self) -> float | None:
        """When `due` is worth asking next; None when nothing is wanted."""
        return self._sent_at + self._min_interval if self._wanted_at is not None else None
