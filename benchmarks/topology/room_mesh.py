"""A participant in a mesh room: a connection to each other participant, set up by signals through the server.

Knows: the messages announce, signal, joined, left and the rules of the mesh (signaling/PROTOCOL.md).
Does not know: frames, how they are measured. It opens no data channel: nobody chats here.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.servers.aiosfu import Signaling
from benchmarks.topology import sdp
from benchmarks.topology.inbox import Inbox
from benchmarks.topology.link import Link, Uplink
from benchmarks.topology.media import Media
from benchmarks.topology.records import Order
from benchmarks.topology.tasks import Tasks

PING_INTERVAL = 0.8  # the protocol wants a word each second


@dataclass(slots=True)
class Peer:
    """Another participant."""

    id: str
    name: str
    link: Link | None = None
    answer: asyncio.Future[sdp.Description] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    connected: asyncio.Event = field(default_factory=asyncio.Event)


class MeshRoom:
    """`join` returns when everybody who was there is connected; later participants are called as they come."""

    def __init__(self, order: Order, signaling: Signaling, uplink: Uplink, media: Media) -> None:
        self._order = order
        self._signaling = signaling
        self._uplink = uplink
        self._media = media
        self._peers: dict[str, Peer] = {}
        self._tasks = Tasks()
        self._announced = asyncio.Event()
        self._publication = ""

    @property
    def links(self) -> list[Link]:
        return [peer.link for peer in self._peers.values() if peer.link is not None]

    @property
    def problems(self) -> list[str]:
        return self._tasks.problems

    async def join(self) -> None:
        """Enter the room and connect to all who are there. Raises ServerError, TimeoutError."""
        self._signaling.unasked = inbox = Inbox()
        order = self._order
        welcome = await self._signaling.request("join", room=order.room, name=order.name, topology="mesh")
        self._tasks.run(self._ping())
        older = [Peer(each["id"], each["name"]) for each in welcome["participants"]]
        self._peers |= {peer.id: peer for peer in older}
        inbox.open(self._unasked)
        wanted = [{"key": "cam", "kind": "video", "source": "camera"}]
        announced = await self._signaling.request("announce", publications=wanted)
        self._publication = announced["publications"][0]["publication"]
        self._announced.set()
        async with asyncio.timeout(30):
            for peer in older:
                await peer.connected.wait()

    def _unasked(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "joined":
            peer = Peer(message["participant"]["id"], message["participant"]["name"])
            self._peers[peer.id] = peer
            self._tasks.run(self._call(peer))
        elif kind == "signal":
            self._tasks.run(self._signal(self._peers[message["from"]], message["data"]))
        elif kind == "left" and (gone := self._peers.pop(message["participant"], None)) and gone.link:
            self._tasks.run(gone.link.close())
        elif kind == "bye":
            self._tasks.problems.append(f"the server said bye: {message.get('reason')}")

    async def _signal(self, peer: Peer, data: dict[str, Any]) -> None:
        description = data.get("description")
        if description is None:
            return  # candidates of their own: the descriptions of these clients hold all
        if description["type"] == "answer":
            peer.answer.set_result(sdp.parse(description["sdp"]))
        else:
            await self._announced.wait()
            await self._take_call(peer, sdp.parse(description["sdp"]))

    async def _call(self, peer: Peer) -> None:
        """Call a newcomer (RFC 5763 5: the offerer leaves the DTLS role to the answerer)."""
        await self._announced.wait()
        link = await self._make_link(peer, controlling=True)
        await self._send_description(peer, link, "offer", "actpass")
        answer = await asyncio.wait_for(peer.answer, 20)
        await link.connect(answer.identity, dtls_server=answer.identity.setup == "active")
        peer.connected.set()

    async def _take_call(self, peer: Peer, offer: sdp.Description) -> None:
        link = await self._make_link(peer, controlling=False)
        await self._send_description(peer, link, "answer", "active")
        await link.connect(offer.identity, dtls_server=False)
        peer.connected.set()

    async def _make_link(self, peer: Peer, controlling: bool) -> Link:
        incoming = self._media.receive_from(peer.name)
        link = Link(
            self._uplink,
            controlling=controlling,
            on_packet=lambda packet: incoming.receive(link, packet),
            on_key_wanted=partial(self._want_key, peer.name),
        )
        await link.prepare()
        peer.link = link
        self._media.send_on(link, peer.name)
        return link

    async def _send_description(self, peer: Peer, link: Link, kind: str, setup: str) -> None:
        ssrc = self._media.outgoing[peer.name].packetizer.ssrc
        text = sdp.write(link.identity(setup), self._order.name, [sdp.Section("0", "sendrecv", ssrc)])
        data = {"description": {"type": kind, "sdp": text}, "tracks": {"0": self._publication}}
        await self._signaling.request("signal", to=peer.id, data=data)

    def _want_key(self, name: str) -> None:
        self._media.outgoing[name].want_key()

    async def _ping(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(PING_INTERVAL)
                await self._signaling.socket.send_json({"type": "ping"})

    async def close(self) -> None:
        await self._tasks.close()
        for link in self.links:
            await link.close()
