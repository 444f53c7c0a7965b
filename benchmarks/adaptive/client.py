"""The processes of clients in network namespaces: all publishers in one, each subscriber in one of its own.

Knows: signaling, connections, the event loop that moves the simulated clients.
Does not know: what these send and why, figures, the other processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import aiohttp

from benchmarks.adaptive import descriptions
from benchmarks.adaptive.account import account
from benchmarks.adaptive.publisher import Publisher
from benchmarks.adaptive.record import Opinion, Record
from benchmarks.adaptive.subscriber import Subscriber
from benchmarks.load.seam import SrtpError, certificate
from benchmarks.servers.adapter import ServerError
from benchmarks.servers.aiosfu import Signaling
from benchmarks.topology import sdp
from benchmarks.topology.inbox import Inbox
from benchmarks.topology.link import Link, Uplink
from benchmarks.topology.packets import SRTP_TAG, UDP_IP
from benchmarks.topology.participant import enter_namespace

ROOM = "adaptive"
REPORT_MS = 200
LATE = 0.030  # seconds that a client waits for its processor; beyond, that counts
ETHERNET = 14  # bytes of header that the kernel's shaping counts, too
FAILURES = (ServerError, ConnectionError, TimeoutError, ValueError, OSError, aiohttp.ClientError)


@dataclass(frozen=True, slots=True)
class Order:
    """What one process shall do: the publishers, or, with a `record` to fill, one subscriber."""

    name: str | None
    url: str
    hub: str  # the server's namespace
    namespace: str
    address: str
    seed: int
    publishers: int
    record: Record | None


def main(order: Order, pipe: Connection) -> None:
    """The whole life of the process; it ends when the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the benchmark, which then closes the pipe
    enter_namespace(order.hub)  # the WebSockets are made here: they don't share the links with the media
    gc.freeze()
    asyncio.run(_run(order, pipe))


async def _run(order: Order, pipe: Connection) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), ended.set)
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        try:
            if order.record is None:
                await _publish(order, session, stack)
                pipe.send(("ready", None))
            else:
                work = asyncio.create_task(_subscribe(order, order.record, session, stack, pipe))
                stack.callback(work.cancel)
                closed = asyncio.create_task(ended.wait())
                stack.callback(closed.cancel)
                await asyncio.wait([work, closed], return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    pipe.send(("record", work.result()))
            await ended.wait()
        except FAILURES as error:
            with contextlib.suppress(OSError):
                pipe.send(("failed", f"{type(error).__name__}: {error}".removesuffix(": ")))
        finally:
            loop.remove_reader(pipe.fileno())


class _Wire(Link):
    """A connection that hands RTCP on as it is. `on_rtp` and `on_rtcp` get decrypted packets."""

    def __init__(
        self, uplink: Uplink, on_rtp: Callable[[bytes], None], on_rtcp: Callable[[bytes], None]
    ) -> None:
        super().__init__(uplink, controlling=True, on_packet=on_rtp, on_key_wanted=lambda: None)
        self._on_rtcp = on_rtcp

    def _rtcp(self, compound: bytes) -> None:
        self._on_rtcp(compound)

    def rtp_out(self, packet: bytes, now: float) -> None:
        if self.connected:
            with contextlib.suppress(SrtpError):
                self.send_rtp(packet)

    def rtcp_out(self, compound: bytes, now: float) -> None:
        if self.connected:
            with contextlib.suppress(SrtpError):
                self.send_rtcp(compound)


async def _connect(
    order: Order, session: aiohttp.ClientSession, stack: contextlib.AsyncExitStack, count: int
) -> tuple[list[Signaling], list[_Wire], list[_Ears]]:
    """Sockets of `count` clients: the WebSockets in the server's namespace, the rest in the own one."""
    sockets = []
    for _ in range(count):
        signaling = Signaling(await session.ws_connect(f"{order.url}/ws", max_msg_size=1 << 21))
        stack.push_async_callback(signaling.close)
        sockets.append(signaling)
    enter_namespace(order.namespace)
    wires, ears = [], []
    for _ in range(count):
        heard = _Ears()
        wire = _Wire(Uplink(certificate(), order.address), heard.rtp, heard.rtcp)
        stack.push_async_callback(wire.close)
        await wire.prepare()
        wires.append(wire)
        ears.append(heard)
    return sockets, wires, ears


class _Ears:
    """Hands packets to a client that is made later."""

    def __init__(self) -> None:
        self.client: Publisher | Subscriber | None = None
        self.record: Record | None = None
        self.began = 0.0

    def rtp(self, packet: bytes) -> None:
        if self.client is not None:
            now = time.monotonic()
            if self.record is not None:
                account(self.record, now - self.began, len(packet) + SRTP_TAG + UDP_IP + ETHERNET, packet)
            self.client.receive_rtp(packet, now)

    def rtcp(self, compound: bytes) -> None:
        if self.client is not None:
            now = time.monotonic()
            if self.record is not None:
                account(self.record, now - self.began, len(compound) + 4 + SRTP_TAG + UDP_IP + ETHERNET, b"")
            self.client.receive_rtcp(compound, now)


async def _publish(order: Order, session: aiohttp.ClientSession, stack: contextlib.AsyncExitStack) -> None:
    sockets, wires, ears = await _connect(order, session, stack, order.publishers)
    for place, (signaling, wire, heard) in enumerate(zip(sockets, wires, ears, strict=True)):
        publisher = Publisher(place, order.publishers, order.seed, wire.rtp_out, wire.rtcp_out)
        signaling.unasked = inbox = Inbox()
        await signaling.request("join", room=ROOM, name=f"p{place}", topology="sfu")
        answer = await signaling.request(
            "offer",
            sdp=descriptions.publishing(wire.identity("actpass"), f"p{place}"),
            publish=[{"mid": "a", "source": "microphone"}, {"mid": "v", "source": "camera"}],
            receive=[],
        )
        await _handshake(wire, answer["sdp"])
        heard.client = publisher
        publisher.start(time.monotonic())
        inbox.open(lambda message, publisher=publisher: _told_publisher(publisher, message))  # type: ignore[misc]
        stack.callback(_pulsing(publisher))


async def _handshake(wire: _Wire, answer: str) -> None:
    identity = sdp.parse(answer).identity
    await wire.connect(identity, dtls_server=identity.setup == "active")


def _told_publisher(publisher: Publisher, message: dict[str, Any]) -> None:
    if message["type"] == "encodings":
        publisher.encodings({entry["rid"]: entry["active"] for entry in message["encodings"]})


async def _subscribe(
    order: Order,
    record: Record,
    session: aiohttp.ClientSession,
    stack: contextlib.AsyncExitStack,
    pipe: Connection,
) -> Record:
    (signaling,), (wire,), (heard,) = await _connect(order, session, stack, 1)
    signaling.unasked = inbox = Inbox()
    welcome = await signaling.request("join", room=ROOM, name=f"s{order.name}", topology="sfu")
    slots = [
        (f"{publication['kind'][0]}{place}", publication["kind"], publication["id"])
        for place, participant in enumerate(welcome["participants"])
        for publication in participant["publications"]
    ]
    answer = await signaling.request(
        "offer",
        sdp=descriptions.receiving(wire.identity("actpass"), [(mid, kind) for mid, kind, _ in slots]),
        publish=[],
        receive=[{"mid": mid, "publication": publication} for mid, _, publication in slots],
    )
    pipe.send(("ready", None))
    await _handshake(wire, answer["sdp"])
    began = time.monotonic()
    subscriber = Subscriber(descriptions.received(answer["sdp"]), record, wire.rtcp_out, began)
    heard.client, heard.record, heard.began = subscriber, record, began
    subscriber.start(began)
    inbox.open(lambda message: _told_subscriber(subscriber, record, message, began))
    stack.callback(_pulsing(subscriber, record))
    pipe.send(("began", began))
    await signaling.request("reports", every_ms=REPORT_MS)
    await asyncio.sleep(began + record.seconds - time.monotonic())
    heard.client = None
    subscriber.finish(time.monotonic())
    return record


def _told_subscriber(subscriber: Subscriber, record: Record, message: dict[str, Any], began: float) -> None:
    now = time.monotonic()
    if message["type"] == "slot":
        subscriber.slot_changed(message["mid"], message["state"], now)
    elif message["type"] == "bandwidth":
        limits = tuple(slot["limit"] for slot in message["slots"])
        figures = (message["estimate_bps"], message["target_bps"], message["sent_bps"])
        record.opinions.append(Opinion(now - began, *figures, message["source"], limits))


def _pulsing(client: Publisher | Subscriber, record: Record | None = None) -> Callable[[], None]:
    """Move a client from deadline to deadline; call what is returned to stop."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def pulse() -> None:
        nonlocal timer
        now, due = time.monotonic(), client.deadline()
        if record is not None and due is not None and now - due > LATE:
            record.late_s += now - due
        client.pulse(now)
        deadline = client.deadline()
        assert deadline is not None
        timer = loop.call_later(max(0.0, deadline - time.monotonic()), pulse)

    pulse()
    return lambda: timer.cancel() if timer is not None else None
