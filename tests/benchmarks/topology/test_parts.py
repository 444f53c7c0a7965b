"""Descriptions, the token bucket, the inbox, memory: the small parts of the clients."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.topology import sdp
from benchmarks.topology.inbox import Inbox
from benchmarks.topology.memory import private_bytes
from benchmarks.topology.namespaces import link_counters
from benchmarks.topology.shaper import BURST, Shaper
from sfu.wire.sdp import parse as parse_offer

CANDIDATE = "1 1 udp 2130706431 127.0.0.1 5000 typ host"
IDENTITY = sdp.Identity("frag", "p" * 24, [CANDIDATE], [("sha-256", ":".join(["A1"] * 32))], "actpass")


def test_a_description_is_read_as_it_was_written() -> None:
    sections = [sdp.Section("0", "sendonly", 77), sdp.Section("r0", "recvonly")]
    text = sdp.write(IDENTITY, "p1", sections)
    assert sdp.parse(text) == sdp.Description(IDENTITY, {"0": 77})
    assert [section.mid for section in parse_offer(text).sections] == ["0", "r0"]


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="description"):
        sdp.parse(text)


async def test_the_bucket_passes_its_burst_then_queues_then_drops() -> None:
    passed: list[int] = []
    shaper = Shaper(rate_bps=8000)  # 1000 bytes a second: nothing is refilled while this runs
    for number in range(100):
        shaper.pass_on(972, lambda number=number: passed.append(number))  # type: ignore[misc]
    assert passed == list(range(BURST // 1000))
    assert shaper.dropped == 100 - len(passed) - (BURST + 100) // 1000
    shaper.close()


def test_the_inbox_keeps_the_order() -> None:
    heard: list[object] = []
    inbox = Inbox()
    inbox({"n": 1})
    inbox({"n": 2})
    inbox.open(lambda message: heard.append(message["n"]))
    inbox({"n": 3})
    assert heard == [1, 2, 3]


def test_private_memory() -> None:
    assert private_bytes([os.getpid()]) > 1 << 20
    assert private_bytes([1 << 30]) == 0


def test_link_counters_leave_ethernet_headers_out(tmp_path: Path) -> None:
    file = tmp_path / "dev"
    file.write_text("head\nhead\n  eth0: 1 2 0 0 0 0 0 0 1140 10 0 0 0 0 0 0\n    lo: 1 2 3 4 5 6 7 8 9 10\n")
    assert link_counters(file) == (10, 1000)
    file.write_text("")
    assert link_counters(file) == (0, 0)
