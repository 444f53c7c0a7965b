"""The processes of all participants, from the benchmark's side: started, told what to do, listened to, ended.

Knows: processes and pipes. Does not know: what participants do.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from benchmarks.servers.adapter import ServerError
from benchmarks.topology import participant
from benchmarks.topology.records import Order

END_TIMEOUT = 4.0


@dataclass(slots=True)
class Hand:
    """One participant's process. What it tells arrives in `told`."""

    order: Order
    process: ForkServerProcess
    pipe: Connection
    told: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)
    shown: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, *command: object) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send(command)

    async def answer(self, word: str, within: float) -> Any:
        """Wait for an answer. Raises ServerError when it failed, ended or took too long."""
        try:
            heard, value = await asyncio.wait_for(self.told.get(), within)
        except TimeoutError:
            raise ServerError(f"{self.order.name}: no answer within {within:.0f} s") from None
        if heard != word:
            raise ServerError(f"{self.order.name}: {value or heard}")
        return value

    def readable(self) -> None:
        try:
            word, value = self.pipe.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self.pipe.fileno())
            self.told.put_nowait(("ended", "its process ended"))
            return
        if word == "shown":
            self.shown.set()
        else:
            self.told.put_nowait((word, value))


def make_context() -> ForkServerContext:
    """A context whose processes are forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([participant.__name__])
    return context


class Crew:
    """`async with Crew(context, orders) as crew:` processes for these participants; none outlives the block."""

    def __init__(self, context: ForkServerContext, orders: Sequence[Order]) -> None:
        self._context = context
        self._orders = orders
        self.hands: list[Hand] = []

    async def __aenter__(self) -> Crew:
        try:
            for order in self._orders:
                ours, theirs = self._context.Pipe()
                process = self._context.Process(
                    target=participant.main, args=(order, theirs), name=order.name, daemon=True
                )
                process.start()
                theirs.close()
                hand = Hand(order, process, ours)
                asyncio.get_running_loop().add_reader(ours.fileno(), hand.readable)
                self.hands.append(hand)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        loop = asyncio.get_running_loop()
        for hand in self.hands:
            loop.remove_reader(hand.pipe.fileno())
            hand.pipe.close()  # which each takes as the end
        deadline = loop.time() + END_TIMEOUT
        for hand in self.hands:
            await asyncio.to_thread(hand.process.join, max(0.0, deadline - loop.time()))
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
            hand.process.close()
        self.hands.clear()
