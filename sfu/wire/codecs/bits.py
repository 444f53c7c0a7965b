"""Bits in the order of video headers, highest first, with the two codes of variable length that they use."""


class BitsMissing(ValueError):
    """The data ends before the number does."""


class BitReader:
    """Reads from the first bit of `data`, behind the first `skip`. Every method raises BitsMissing at the end."""

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes, skip: int = 0) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8 - skip

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        left = self._left = self._left - count
        if left < 0:
            raise BitsMissing("the data is cut off")
        return self._value >> left & (1 << count) - 1

    def below(self, limit: int) -> int:
        """ns(limit): a number below `limit` (at least 1) in as few bits as that takes (AV1 section 4.10.7)."""
        width = limit.bit_length()
        short = (1 << width) - limit
        value = self.take(width - 1)
        if value < short:
            return value
        return (value << 1) - short + self.take(1)

    def exp_golomb(self) -> int:
        """ue(v) (H.264 section 9.1), and uvlc (AV1 section 4.10.3): below 2**32."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise BitsMissing("the number is too long")
        return (1 << zeros) - 1 + self.take(zeros)
