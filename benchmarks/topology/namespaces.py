"""Shaped uplinks: a network namespace for each participant where that is permitted, with tbf on its link.

Knows: who may have namespaces, what a link has let through.
Does not know: how they are made (tests/e2e/netns.py does), participants, media.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.e2e import netns

ETHERNET = 14  # bytes of header that the device counts and the other figures do not


def refusal() -> str:
    """Why namespaces can't be had here, or ""."""
    can = netns.capabilities()
    return can.namespaces or can.rate or can.loss  # `loss`: the harness loads its rules even for none


@contextlib.contextmanager
def shaped(count: int, uplink_bps: int) -> Iterator[tuple[str, list[netns.Link]]]:
    """(name of the server's namespace, one link for each participant); all are gone afterwards."""
    with netns.Network() as network:
        links = [network.link() for _ in range(count)]
        for link in links:
            link.impair(away=netns.Impairment(rate_kbps=uplink_bps // 1000))
        yield network.hub, links


def link_counters(file: Path = Path("/proc/self/net/dev")) -> tuple[int, int]:
    """(packets, bytes) that left by eth0 of this namespace, behind its queue; without Ethernet headers."""
    for line in file.read_text().splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == "eth0":
            fields = [int(number) for number in numbers.split()]
            return fields[9], fields[8] - ETHERNET * fields[9]
    return 0, 0
