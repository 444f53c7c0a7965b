"""Media in motion: the C loop in a thread, and meanwhile what the connections need of Python.

Knows: when the loop is called, when a phase is over, that STUN wants answers.
Does not know: servers, figures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load.fill import Consents
from benchmarks.load.link import Link
from benchmarks.load.native import Loop

LEAD = 0.05  # seconds from the call of the loop to the first burst
PUMP_INTERVAL = 0.05  # seconds between looks at what the loop handed up
DRAIN_STEP = 0.05  # seconds of listening between two looks at whether all is there
SILENCE = 0.6  # seconds without a packet after which the rest counts as lost
DRAIN_MOST = 5.0


@dataclass(slots=True)
class Flow:
    """Sends and receives for these connections. `loop.sockets` are the sockets of `links`, in their order."""

    loop: Loop
    links: Sequence[Link]
    consents: Consents = field(init=False)

    def __post_init__(self) -> None:
        self.consents = Consents(self.links, time.monotonic())

    @property
    def received(self) -> int:
        """Media packets, all sockets."""
        return int(self.loop.packets.sum())

    def take_over(self) -> None:
        """The sockets are the loop's from here on."""
        for link in self.links:
            link.consent()
            link.release()

    def give_back(self) -> None:
        """The sockets are asyncio's again."""
        for link in self.links:
            link.regain()
            link.consent()

    async def play(self, first: int, last: int) -> None:
        """Send bursts `first` to `last` - 1, beginning now, receive meanwhile; return after the last one."""
        due = self.loop.schedule.bursts["due_ns"]
        self.loop.start(time.monotonic_ns() + round(LEAD * 1e9) - int(due[first]))
        await self._run(first, last, int(due[last - 1]))

    async def drain(self, expected: int) -> float:
        """Receive until `expected` packets are there or no more come: a slow server is not a lossy one.

        Returns the seconds until the last packet, to within DRAIN_STEP.
        """
        began = heard = time.monotonic()
        while self.received < expected and time.monotonic() - heard < SILENCE:
            before = self.received
            self.loop.start(time.monotonic_ns())
            await self._run(0, 0, round(DRAIN_STEP * 1e9))
            if self.received > before:
                heard = time.monotonic()
            if heard - began > DRAIN_MOST:
                break
        return heard - began

    async def _run(self, first: int, last: int, end_ns: int) -> None:
        """Run the loop in a thread; answer STUN, count RTCP meanwhile. Cancelled, it ends the thread first."""
        running = asyncio.ensure_future(asyncio.to_thread(self.loop.run, first, last, end_ns))
        try:
            while True:
                done, _ = await asyncio.wait([running], timeout=PUMP_INTERVAL)
                for kept in self.loop.take_others():
                    self.links[kept.socket].receive(kept.data)
                if done:
                    return running.result()
                self.consents.renew(time.monotonic())
        finally:
            self.loop.stop()
            await asyncio.wait([running])
            self.loop.struct.stop = 0

    def stop(self) -> None:
        """End `play` early."""
        self.loop.stop()
