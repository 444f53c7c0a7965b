"""What has arrived of one RTP stream, and what has not.

Knows numbers, timestamps and times: gaps and the schedule of NACKs for them, jitter, and what a receiver
report says (RFC 3550 A.1, A.3, A.8; RFC 4585 6.2.1). Does not know packets, and sends nothing.
"""

from typing import Final

from sfu.wire.rtcp import ReportBlock

# A jump of the numbers by more is a stream that began anew, not loss (RFC 3550 A.1, MAX_DROPOUT).
RESTART_JUMP: Final = 3000
# How far behind the newest number a gap may still be filled: as many packets as a history holds.
_WINDOW: Final = 1024
# How far before the first packet seen an earlier one counts as reordered (RFC 3550 A.1, MAX_MISORDER).
_EARLY: Final = 100
# Packets overtake each other by a few ms; one more newer packet ends the wait sooner.
_REORDER_GUARD: Final = 0.010
_MIN_REPEAT: Final = 0.030  # between NACKs for one packet, when the round trip is shorter than 20 ms
_ROUND_TRIPS: Final = 1.5  # one for the answer to come, a half for its jitter
_MAX_TRIES: Final = 10
_MAX_AGE: Final = 1.0  # later the picture has been frozen long enough for a key frame to be cheaper
_MAX_OUTSTANDING: Final = 250  # beyond it a key frame is cheaper than the repair
_MAX_TRANSIT_STEP: Final = 5.0  # s; a timestamp that jumps further is a new timeline, not jitter
_NEVER: Final = -(1 << 62)  # the highest number before the first packet


class _Wanted:
    """One missing number that is asked for: when next, until when, and how often it was."""

    __slots__ = ("due", "tries", "until")

    def __init__(self, now: float) -> None:
        self.due = now + _REORDER_GUARD
        self.until = now + _MAX_AGE
        self.tries = 0


class Arrivals:
    """Receiver state of one SSRC. Sequence numbers are unwrapped; times are in seconds.

    Give every packet of the stream to `receive`, every packet that came by RTX to `recovered`; ask `nacks`
    when `nack_deadline` has come; when `lost_beyond_repair` is set, ask for a key frame and clear it.
    A new value of `restarts` says that the numbers began anew.
    """

    __slots__ = (
        "_arrived",
        "_base",
        "_clock_rate",
        "_expected_before",
        "_fresh",
        "_highest",
        "_jitter",
        "_last_sr",
        "_last_sr_at",
        "_missing",
        "_nack",
        "_next_nack",
        "_received",
        "_received_before",
        "_suspect",
        "_timestamp",
        "_wanted",
        "duplicates",
        "given_up",
        "lost_beyond_repair",
        "nacked",
        "packets",
        "repaired",
        "restarts",
    )

    def __init__(self, clock_rate: int, *, nack: bool) -> None:
        self.packets = 0  # of the stream itself, each once
        self.duplicates = 0  # held already, or too old
        self.repaired = 0  # came by RTX, or came late after they had been asked for
        self.nacked = 0  # numbers asked for, every repetition counted
        self.given_up = 0  # numbers not asked for any more
        self.restarts = 0
        self.lost_beyond_repair = False
        self._clock_rate = clock_rate
        self._nack = nack
        self._highest = _NEVER
        self._base = 0  # the first number; all of them from here to the highest are expected
        self._received = 0
        self._received_before = 0  # at the last report, as is the next
        self._expected_before = 0
        self._suspect: int | None = None  # the number that would confirm a jump back
        self._timestamp = 0  # of the newest packet, and when it came
        self._arrived = 0.0
        self._jitter = 0.0  # clock units
        self._last_sr = 0  # middle 32 bits of the NTP time of the last sender report, and when it came
        self._last_sr_at = 0.0
        self._missing: dict[int, None] = {}  # every gap that may still be filled, in order
        self._wanted: dict[int, _Wanted] = {}  # those of them that are asked for
        self._fresh: list[_Wanted] = []  # opened by the newest packet: the reorder guard holds them
        self._next_nack: float | None = None  # never later than the earliest due

    def receive(self, seq: int, timestamp: int, now: float) -> bool:
        """A packet of the stream came. True if it is new, False for a duplicate or one too old.

        `timestamp` is the raw 32-bit one. A jump back by more than RESTART_JUMP is believed from its second
        packet on (RFC 3550 A.1); the first one gives False.
        """
        ahead = seq - self._highest
        if ahead != 1:
            if ahead <= 0:
                return self._receive_late(seq, timestamp, now)
            self._jump_to(seq, timestamp, now)
        elif self._fresh:
            self._end_guard(now)
        self._highest = seq
        self.packets += 1
        self._received += 1
        # RFC 3550 A.8, of packets in order only: a late one tells of its repair, not of the path.
        step = (timestamp - self._timestamp) & 0xFFFFFFFF
        if step & 0x80000000:
            step -= 0x100000000
        off = (now - self._arrived) * self._clock_rate - step
        if off < 0:
            off = -off
        if off < _MAX_TRANSIT_STEP * self._clock_rate:
            self._jitter += (off - self._jitter) / 16
        self._timestamp = timestamp
        self._arrived = now
        return True

    def recovered(self, seq: int, now: float) -> bool:
        """Packet `seq` came by RTX; True if it was missing.

        It ends the schedule, but is no packet of the original stream: neither jitter nor reported loss see
        it, since the two streams are reported on apart (RFC 4588 3). Numbers above the highest are taken
        too, as a sender may probe with packets it has just sent; before the first of the stream, none is.
        """
        ahead = seq - self._highest
        if ahead <= 0:
            if seq not in self._missing:
                return False
            del self._missing[seq]
            self._wanted.pop(seq, None)
        else:
            if ahead > RESTART_JUMP:
                return False
            self._open_gap(seq, now)
            self._highest = seq
        self.repaired += 1
        return True

    def nacks(self, now: float, rtt: float) -> list[int]:
        """The numbers to ask for now, ascending; each counts as asked for. `rtt` in seconds."""
        if self._next_nack is None or now < self._next_nack:
            return []
        repeat = now + max(rtt * _ROUND_TRIPS, _MIN_REPEAT)
        asked: list[int] = []
        ended: list[int] = []
        earliest = float("inf")
        for seq, wanted in self._wanted.items():
            if now >= wanted.until or (wanted.tries == _MAX_TRIES and now >= wanted.due):
                ended.append(seq)
                continue
            if now >= wanted.due:
                wanted.due = repeat
                wanted.tries += 1
                asked.append(seq)
            earliest = min(earliest, wanted.due, wanted.until)
        for seq in ended:
            del self._wanted[seq]
        self.nacked += len(asked)
        self.given_up += len(ended)
        self._next_nack = earliest if self._wanted else None
        return asked

    def nack_deadline(self) -> float | None:
        """When `nacks` is worth asking next; None when nothing is missing."""
        return self._next_nack if self._wanted else None

    def sender_report(self, ntp: int, now: float) -> None:
        """The sender's report came, with its 64-bit NTP time."""
        self._last_sr = (ntp >> 16) & 0xFFFFFFFF
        self._last_sr_at = now

    def report(self, ssrc: int, now: float) -> ReportBlock:
        """The report block on `ssrc` (RFC 3550 6.4.1). Its fraction lost is since the last call."""
        # A.3. What a retransmission repaired counts as lost: the sender is told of its path.
        expected = self._expected
        expected_interval = expected - self._expected_before
        received_interval = self._received - self._received_before
        self._expected_before = expected
        self._received_before = self._received
        lost_interval = expected_interval - received_interval
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min((lost_interval << 8) // expected_interval, 255)
        delay = 0
        if self._last_sr:
            delay = min(round((now - self._last_sr_at) * 65536), 0xFFFFFFFF)
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=fraction,
            packets_lost=max(-0x800000, min(self.packets_lost, 0x7FFFFF)),
            highest_seq=self._extended_highest,
            jitter=min(int(self._jitter), 0xFFFFFFFF),
            last_sr=self._last_sr,
            delay_since_last_sr=delay,
        )

    @property
    def packets_lost(self) -> int:
        """Expected less received since the stream began (RFC 3550 A.3), before repair.

        Duplicates count as received, so it may be negative.
        """
        return self._expected - self._received

    @property
    def jitter(self) -> float:
        """Interarrival jitter in seconds (RFC 3550 A.8)."""
        return self._jitter / self._clock_rate

    @property
    def _expected(self) -> int:
        return 0 if self._highest == _NEVER else self._highest - self._base + 1

    @property
    def _extended_highest(self) -> int:
        """RFC 3550 6.4.1: 16 bits of cycles since the first packet, 16 bits of the highest number."""
        return 0 if self._highest == _NEVER else (self._highest - (self._base & ~0xFFFF)) & 0xFFFFFFFF

    def _begin(self, seq: int, timestamp: int, now: float) -> None:
        """The stream begins, or begins anew, at `seq`: nothing before it is expected."""
        self._base = seq
        self._received = 0
        self._received_before = 0
        self._expected_before = 0
        self._suspect = None
        self._timestamp = timestamp
        self._arrived = now
        self._missing.clear()
        self._give_up(0)

    def _restart(self, seq: int, timestamp: int, now: float) -> None:
        self._begin(seq, timestamp, now)
        self.restarts += 1
        self.lost_beyond_repair = self._nack

    def _jump_to(self, seq: int, timestamp: int, now: float) -> None:
        """`seq` is more than one above the highest."""
        if self._highest == _NEVER:
            self._begin(seq, timestamp, now)
        elif seq - self._highest > RESTART_JUMP:
            self._restart(seq, timestamp, now)
        else:
            self._open_gap(seq, now)

    def _open_gap(self, seq: int, now: float) -> None:
        """`seq` is the new highest: what lies between is missing, what was missing before is so for sure."""
        if self._fresh:
            self._end_guard(now)
        first = self._highest + 1
        if first == seq:
            return
        oldest = seq - _WINDOW
        missing = self._missing
        missing.update(dict.fromkeys(range(max(first, oldest), seq)))
        while (front := next(iter(missing))) < oldest:
            del missing[front]
        if not self._nack:
            return
        if len(self._wanted) + seq - first > _MAX_OUTSTANDING:
            self._give_up(seq - first)
            self.lost_beyond_repair = True
            return
        for lost in range(first, seq):
            self._wanted[lost] = wanted = _Wanted(now)
            self._fresh.append(wanted)
        due = now + _REORDER_GUARD
        self._next_nack = due if self._next_nack is None else min(self._next_nack, due)

    def _end_guard(self, now: float) -> None:
        """A second newer packet is here: what the first one missed was not just overtaken."""
        for wanted in self._fresh:
            if not wanted.tries:
                wanted.due = now
        self._fresh.clear()
        self._next_nack = now

    def _give_up(self, more: int) -> None:
        self.given_up += len(self._wanted) + more
        self._wanted.clear()
        self._fresh.clear()
        self._next_nack = None

    def _receive_late(self, seq: int, timestamp: int, now: float) -> bool:
        """`seq` is not above the highest: it fills a gap, or comes twice, or the numbers began anew."""
        if seq in self._missing:
            del self._missing[seq]
            wanted = self._wanted.pop(seq, None)
            if wanted is not None and wanted.tries:
                self.repaired += 1
        elif self._base - _EARLY <= seq < self._base and self._highest - seq <= _WINDOW:
            # Before the first: those between are expected from now on, but never asked for.
            between = dict.fromkeys(range(seq + 1, self._base))
            self._missing = {**between, **self._missing}
            self._base = seq
        elif self._highest - seq > RESTART_JUMP:
            if seq != self._suspect:
                self._suspect = seq + 1
                return False
            self._restart(seq, timestamp, now)
            self._highest = seq
        else:
            self.duplicates += 1
            self._received += 1  # RFC 3550 6.4.1: "includes any which are late or are duplicates"
            return False
        self.packets += 1
        self._received += 1
        return True
