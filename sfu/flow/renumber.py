"""One continuous RTP stream out of many: sequence numbers and timestamps over drops and switches.

Knows how numbers of the source map to numbers of one subscriber, and back. Does not know packets, codecs or
subscribers, nor when a switch is wise.
"""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

# Numbers whose origin is known: as many as a history holds packets.
REMEMBERED: Final = 1024
# The least step of the timestamp at a switch, as a part of a second: half an audio frame of 20 ms. Receivers
# take equal timestamps for one frame, and hardly differing ones for a broken clock.
_LEAST_STEP: Final = 100
# Seconds that sender reports may be off the time that passed here, and still be believed.
_NEAR: Final = 2
_NOT_STARTED: Final = 1 << 62  # no unwrapped number is above it


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an out number came from: out timestamp = source timestamp + `timestamp_offset`, modulo 2**32."""

    source: object
    seq: int
    timestamp_offset: int


@dataclass(slots=True)
class _Segment:
    """A run of source numbers without a drop: out = seq - first + first_out, up to the next segment.

    Each but the last has a number at least.
    """

    source: object
    epoch: int  # counts the calls of start()
    first: int
    first_out: int
    timestamp_offset: int


def _place(segment: _Segment) -> tuple[int, int]:
    return segment.epoch, segment.first


def _first_out(segment: _Segment) -> int:
    return segment.first_out


class Renumber:
    """The map of one slot. `start` a source, then `forward` or `drop` each of its packets as it comes.

    Out numbers of packets forwarded in order follow each other without a gap over drops and switches; a
    number the source itself lost stays a gap until its packet comes late. The map is injective: an out number
    stands for one packet, for as long as its 16 bits can be told from those of later ones.
    """

    __slots__ = (
        "_anchor_at",
        "_anchor_timestamp",
        "_epoch",
        "_high",
        "_last_out",
        "_offset",
        "_segments",
        "_timestamp",
        "timestamp_offset",
    )

    def __init__(self, first_seq16: int, first_timestamp: int) -> None:
        # Of the current source: out timestamp = source timestamp + offset, modulo 2**32.
        self.timestamp_offset = 0
        # The source timestamp of the packet with the highest out number; at a switch it is restated in the
        # numbers of the new source, so that adding timestamp_offset always gives the last one sent.
        self._timestamp = first_timestamp
        self._anchor_at: float | None = None  # at this time the out timestamp was the one below
        self._anchor_timestamp = first_timestamp
        self._segments: list[_Segment] = []  # ascending in (epoch, first) and in first_out
        self._epoch = 0
        self._high = _NOT_STARTED  # highest number of the source, forwarded or dropped
        self._offset = 0  # out = seq + offset above _high
        self._last_out = first_seq16 + 0xFFFF  # highest out number before the last segment; unwrapped

    @property
    def source(self) -> object | None:
        """The current source; None before the first `start`."""
        return self._segments[-1].source if self._segments else None

    def start(
        self,
        source: object,
        seq: int,
        timestamp: int,
        clock_rate: int,
        now: float,
        continued: int | None = None,
    ) -> None:
        """Go over to `source` (which may be the same one again) from its packet `seq` on.

        That packet, given to `forward` next, takes the number after the last one out. Its timestamp is `continued`
        where the clocks of both sources are known to tell it, unless that is far from the time that passed; else it
        continues the last one out by the time that passed. It is later than the last by 10 ms at least. Earlier
        packets of the source, and late ones of the source before, have no number any more.
        """
        newest = self._newest_out()
        segments = self._segments
        while segments and segments[-1].first_out > newest:
            segments.pop()
        self._last_out = newest

        last = (self._timestamp + self.timestamp_offset) & 0xFFFFFFFF
        out = last
        if self._anchor_at is not None:
            line = self._anchor_timestamp + round((now - self._anchor_at) * clock_rate)
            if continued is not None:
                # The whole delay from camera to here may lie between, but no more than that.
                apart = (continued - line + clock_rate * _NEAR) & 0xFFFFFFFF
                if apart <= 2 * clock_rate * _NEAR:
                    line = continued
            step = (line - last) & 0xFFFFFFFF
            least = max(clock_rate // _LEAST_STEP, 1)
            # From 2**31 on the line lies behind the last one (RFC 1982): the source ran fast or jumped.
            out = last + (step if least < step < 0x80000000 else least)
        self.timestamp_offset = offset = (out - timestamp) & 0xFFFFFFFF
        self._timestamp = (last - offset) & 0xFFFFFFFF
        self._anchor_at = now
        self._anchor_timestamp = out & 0xFFFFFFFF

        self._epoch += 1
        self._high = seq - 1
        self._offset = newest + 1 - seq
        self._append(_Segment(source, self._epoch, seq, newest + 1, offset))

    def forward(self, seq: int, timestamp: int) -> tuple[int, int] | None:
        """(out seq16, out timestamp) of a packet; None if it is from before the switch or was dropped.

        `timestamp` is the raw 32-bit one. Asking twice gives the same answer.
        """
        if seq > self._high:
            self._high = seq
            self._timestamp = timestamp
            return (seq + self._offset) & 0xFFFF, (timestamp + self.timestamp_offset) & 0xFFFFFFFF
        return self._forward_late(seq, timestamp)

    def drop(self, seq: int) -> None:
        """Packet `seq` of the current source is not forwarded.

        If it is newer than all before it, its gap is closed: later packets move down by one. Otherwise its
        number is a gap already, between numbers that are out: nothing changes, `forward` would still map it.
        """
        if seq <= self._high:
            return
        segment = self._segments[-1]
        if seq == segment.first:  # nothing has this segment's numbers: it begins one later
            segment.first = seq + 1
        else:
            self._last_out = self._newest_out()
            first_out = seq + self._offset
            self._append(_Segment(segment.source, self._epoch, seq + 1, first_out, self.timestamp_offset))
        self._high = seq
        self._offset -= 1

    def observe(self, now: float) -> None:
        """The newest packet was forwarded at `now`: the next switch counts the time from here.

        Without it the time is counted from the last `start`, so a source whose clock runs 100 ppm fast would
        be off by 0.36 s after an hour. Once every few seconds is enough, just after a `forward`.
        """
        self._anchor_at = now
        self._anchor_timestamp = (self._timestamp + self.timestamp_offset) & 0xFFFFFFFF

    @property
    def highest(self) -> int:
        """The highest number of the current source that was forwarded or dropped."""
        return self._high

    @property
    def last_timestamp(self) -> int:
        """The timestamp of the packet with the highest number out; 32 bits."""
        return (self._timestamp + self.timestamp_offset) & 0xFFFFFFFF

    def origin(self, seq16: int) -> Origin | None:
        """What an out number stands for, also of one before a switch: what a retransmission needs.

        None for a number never given or forgotten. At least the last REMEMBERED numbers are known, those
        kept for packets that have not come among them.
        """
        newest = self._newest_out()
        behind = (newest - seq16) & 0xFFFF
        if behind >= 0x8000:  # ahead of the newest
            return None
        out = newest - behind
        index = bisect_right(self._segments, out, key=_first_out) - 1
        if index < 0:
            return None
        segment = self._segments[index]
        return Origin(segment.source, segment.first + out - segment.first_out, segment.timestamp_offset)

    def _newest_out(self) -> int:
        """The highest out number given so far, unwrapped."""
        if self._segments and self._high >= self._segments[-1].first:
            return self._high + self._offset
        return self._last_out

    def _append(self, segment: _Segment) -> None:
        segments = self._segments
        segments.append(segment)
        # The first segment is needed while the second begins within what is remembered. Each has a number,
        # so this bounds the list, however little of what is dropped was forwarded before.
        oldest = segment.first_out - REMEMBERED
        while len(segments) > 1 and segments[1].first_out <= oldest:
            del segments[0]

    def _forward_late(self, seq: int, timestamp: int) -> tuple[int, int] | None:
        """`seq` is not above the highest: it has its number already, or never will."""
        segments = self._segments
        index = bisect_right(segments, (self._epoch, seq), key=_place) - 1
        if index < 0 or segments[index].epoch != self._epoch:
            return None  # before the switch, or forgotten
        segment = segments[index]
        out = seq - segment.first + segment.first_out
        if index + 1 < len(segments) and out >= segments[index + 1].first_out:
            return None  # dropped
        newest = self._newest_out()
        if newest - out >= 0x8000:
            return None  # its 16 bits would be taken for a number to come
        if out > newest:  # overtaken by nothing but a drop: it is the newest out
            self._last_out = out
            self._timestamp = timestamp
        return out & 0xFFFF, (timestamp + self.timestamp_offset) & 0xFFFFFFFF
