"""A participant in a room of the server: one connection, one sent stream, a slot for each other participant.

Knows: the messages offer, point, published (signaling/PROTOCOL.md).
Does not know: frames, how they are measured.
"""

from __future__ import annotations

from typing import Any

from benchmarks.servers.aiosfu import Signaling
from benchmarks.topology import sdp
from benchmarks.topology.inbox import Inbox
from benchmarks.topology.link import Link, Uplink
from benchmarks.topology.media import Media, allow
from benchmarks.topology.records import Order
from benchmarks.topology.tasks import Tasks


class SfuRoom:
    """`join` returns when the connection stands; later participants are taken in as they come."""

    def __init__(self, order: Order, signaling: Signaling, uplink: Uplink, media: Media) -> None:
        self._order = order
        self._signaling = signaling
        self._media = media
        self._names: dict[str, str] = {}  # participant id -> name
        self._free = [f"r{number}" for number in range(order.participants - 1)]
        self._shown: dict[str, str] = {}  # mid -> name of who is shown there
        self._mids: dict[int, str] = {}  # SSRC -> mid
        self._tasks = Tasks()
        self._link = Link(uplink, controlling=True, on_packet=self._packet, on_key_wanted=self._want_key)

    @property
    def links(self) -> list[Link]:
        return [self._link]

    @property
    def problems(self) -> list[str]:
        return self._tasks.problems

    async def join(self) -> None:
        """Enter the room and connect. Raises ServerError, ConnectionError, TimeoutError, ValueError."""
        order = self._order
        self._signaling.unasked = inbox = Inbox()
        await self._link.prepare()
        welcome = await self._signaling.request("join", room=order.room, name=order.name, topology="sfu")
        receive: list[dict[str, str | None]] = []
        for participant in welcome["participants"]:
            self._names[participant["id"]] = participant["name"]
            receive += [
                {"mid": self._take_slot(participant["id"]), "publication": publication["id"]}
                for publication in participant["publications"]
            ]
        receive += [{"mid": mid, "publication": None} for mid in self._free]
        outgoing = self._media.send_on(self._link)
        sections = [sdp.Section("0", "sendonly", outgoing.packetizer.ssrc)]
        sections += [sdp.Section(f"r{place}", "recvonly") for place in range(order.participants - 1)]
        answer = await self._signaling.request(
            "offer",
            sdp=sdp.write(self._link.identity("actpass"), order.name, sections),
            publish=[{"mid": "0", "source": "camera"}],
            receive=receive,
        )
        description = sdp.parse(answer["sdp"])
        inbox.open(self._unasked)
        self._mids = {ssrc: mid for mid, ssrc in description.ssrcs.items()}
        if order.decode:
            self._media.restrain = self._restrain
        await self._link.connect(description.identity, dtls_server=description.identity.setup == "active")

    def _take_slot(self, participant: str) -> str:
        mid = self._free.pop(0)
        self._shown[mid] = self._names[participant]
        self._media.receive_from(self._names[participant])
        return mid

    def _unasked(self, message: dict[str, Any]) -> None:
        if message["type"] == "joined":
            self._names[message["participant"]["id"]] = message["participant"]["name"]
        elif message["type"] == "published" and message["participant"] in self._names:
            mid = self._take_slot(message["participant"])
            publication = message["publication"]["id"]
            self._tasks.run(self._signaling.request("point", mid=mid, publication=publication))
        elif message["type"] == "bye":
            self._tasks.problems.append(f"the server said bye: {message.get('reason')}")

    def _packet(self, packet: bytes) -> None:
        mid = self._mids.get(int.from_bytes(packet[8:12], "big"))
        if mid in self._shown:
            self._media.receive_from(self._shown[mid]).receive(self._link, packet)

    def _want_key(self) -> None:
        for outgoing in self._media.outgoing.values():
            outgoing.want_key()

    def _restrain(self) -> None:
        allow(self._link, list(self._mids), self._order.bitrate_bps)

    async def close(self) -> None:
        await self._tasks.close()
        await self._link.close()
