"""Modular arithmetic of RTP: 16-bit sequence numbers and 32-bit timestamps to ever-growing integers and back.

Knows: wrapping, and unwrapping to the value nearest the highest one seen so far.
Does not know: loss, duplicates, clocks, or whether a jump is plausible.
"""


def wrap16(seq: int) -> int:
    """The 16 bits of an unwrapped sequence number that go on the wire."""
    return seq & 0xFFFF


class Unwrapper16:
    """Unwraps the sequence numbers of one stream (RFC 3550 section 5.1: they wrap at 65536).

    The first value `v` becomes `v + 65536`, so that packets reordered before it stay positive.
    """

    __slots__ = ("_highest",)

    def __init__(self) -> None:
        self._highest = -1

    def unwrap(self, seq16: int) -> int:
        """The integer nearest the highest one returned so far that is `seq16` modulo 65536.

        A value exactly half a cycle away counts as old.
        """
        highest = self._highest
        if highest < 0:
            self._highest = first = (seq16 & 0xFFFF) + 0x10000
            return first
        delta = ((seq16 - highest + 0x8000) & 0xFFFF) - 0x8000
        if delta > 0:
            self._highest = highest + delta
        return highest + delta


class Unwrapper32:
    """Unwraps RTP timestamps of one stream (RFC 3550 section 5.1: they wrap at 2**32).

    The first value `v` becomes `v + 2**32`, so that timestamps before it stay positive.
    """

    __slots__ = ("_highest",)

    def __init__(self) -> None:
        self._highest = -1

    def unwrap(self, timestamp: int) -> int:
        """The integer nearest the highest one returned so far that is `timestamp` modulo 2**32.

        A value exactly half a cycle away counts as old.
        """
        highest = self._highest
        if highest < 0:
            self._highest = first = (timestamp & 0xFFFFFFFF) + 0x100000000
            return first
        delta = ((timestamp - highest + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if delta > 0:
            self._highest = highest + delta
        return highest + delta
