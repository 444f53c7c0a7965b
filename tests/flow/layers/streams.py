"""Layered streams as encoders make them, their packets, and what happens to packets on the way."""

import random
from collections.abc import Sequence
from typing import TypeVar

from sfu.wire import extensions, rtp

T = TypeVar("T")
DESCRIPTOR_ID = 12


def packet(payload: bytes, timestamp: int, *, marker: bool = False, descriptor: bytes = b"") -> rtp.RtpView:
    """An RTP packet as the reader gets it; `descriptor` is AV1's."""
    block = extensions.build([(DESCRIPTOR_ID, descriptor)], True) if descriptor else b""
    head = bytes([0x90 if block else 0x80, 96 | (0x80 if marker else 0)])
    data = head + bytes(2) + (timestamp & 0xFFFFFFFF).to_bytes(4, "big") + bytes(4) + block + payload
    return rtp.parse(data)


def disturbed(
    rng: random.Random, items: Sequence[T], loss: float, late: float, again: float, reach: int = 12
) -> list[T]:
    """The items with some lost, some up to `reach` places later, some twice."""
    placed: list[tuple[float, int, T]] = []
    for index, item in enumerate(items):
        if rng.random() < loss:
            continue
        place = index + (rng.uniform(0, reach) if rng.random() < late else 0.0)
        placed.append((place, index, item))
        if rng.random() < again:
            placed.append((index + rng.uniform(0, reach), index, item))
    placed.sort(key=lambda entry: entry[:2])
    return [item for _, _, item in placed]
