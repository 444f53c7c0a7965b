"""One direct connection to one other participant: offers and answers, candidates, channels.

Perfect negotiation (W3C webrtc-pc section 10.7) without a rollback, which aiortc does not have: the polite side does
not apply its own offer before it is answered, so there is nothing to roll back when another offer comes in between.
Knows: descriptions, candidates, channels. Does not know: which m-line carries what (mesh_tracks.py), rooms, or whom to
call again.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiortc import RTCDataChannel, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.sdp import MediaDescription, candidate_from_sdp

from sfu.client.channel import Channel
from sfu.client.errors import ClientError
from sfu.client.link import CONNECT_SECONDS, Post, new_connection, until_decided
from sfu.client.local import LocalPublication
from sfu.client.mesh_glare import lines_of, not_taken, own_mid, with_lines, without_lines
from sfu.client.mesh_tracks import InTracks, OutTracks
from sfu.client.pipe import Pipe
from sfu.client.statistics import ConnectionStats, measure
from signaling.messages import Data

logger = logging.getLogger(__name__)

FAULTS = (
    ValueError,
    KeyError,
    AttributeError,
    InvalidStateError,
    InternalError,
    InvalidAccessError,
    OperationError,
)
"""What aiortc raises for descriptions and candidates that it can't take."""


class MeshPeer:
    """Works off what is wanted and what the other says, one thing after the other, in a task of its own."""

    def __init__(
        self,
        other: str,
        *,
        call: str,
        calling: bool,
        polite: bool,
        signal: Callable[[Data], Awaitable[None]],
        post: Post,
        changed: Callable[[], None],
    ) -> None:
        self.lost = False
        self._other = other
        self._call = call
        self._calling = calling
        self._polite = polite
        self._signal = signal
        self._post = post
        self._changed = changed
        self._pc = new_connection()
        self._pc.on("connectionstatechange", self._state_changed)
        self._pc.on("datachannel", self._add_channel)
        self._out = OutTracks(self._pc)
        self._in = InTracks(self._pc)
        self._channels: dict[str, Channel] = {}
        self._offered: RTCSessionDescription | None = None
        """Our offer that is not answered yet."""
        self._due = False
        self._again = False
        """Our offer was void: another is made even if nothing has changed since."""
        self._own: list[MediaDescription] = []
        """Lines of void offers that the other has not agreed to yet."""
        self._early: list[Data] = []
        self._work: asyncio.Queue[Data | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())
        self._timer = asyncio.get_running_loop().call_later(CONNECT_SECONDS, self._too_late)

    # -- what is wanted --------------------------------------------------------------------------------------

    def send(self, tracks: Sequence[LocalPublication]) -> None:
        """All that is to be sent from now on; each has its id."""
        self._out.wanted = tuple(tracks)
        self._work.put_nowait(None)

    def route(self, wanted: Mapping[str, Pipe], rank: int) -> None:
        """Deliver what is received to these pipes, by publication."""
        self._in.route(wanted, rank)

    def signal(self, data: Data) -> None:
        """What the other says."""
        if data.get("call", self._call) == self._call or not self._call:
            self._work.put_nowait(data)

    def replaced_by(self, data: Data) -> bool:
        """Whether this is an offer of another connection than this one."""
        description = data.get("description")
        if not isinstance(description, dict) or description.get("type") != "offer":
            return False
        if self._pc.remoteDescription is None:
            return self.lost  # our own call has not been answered yet: it counts
        known, offered = self._pc.remoteDescription.sdp, description.get("sdp")
        return self.lost or _fingerprints(known) != _fingerprints(str(offered))

    # -- what is there ---------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return self._pc.connectionState == "connected" and not self.lost

    def channel(self, label: str) -> Channel | None:
        return self._channels.get(label)

    async def stats(self) -> ConnectionStats:
        return await measure(self._other, self._pc, self._out.encodes)

    async def close(self) -> None:
        self.lost = True
        self._timer.cancel()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for channel in self._channels.values():
            channel.end()
        self._out.close()
        await self._pc.close()
        await self._in.close()

    # -- one thing after the other ---------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                data = await self._work.get()
                if data is None:
                    await self._offer()
                elif "description" in data:
                    await self._described(data)
                elif "candidate" in data:
                    await self._candidate(data)
        except FAULTS as error:
            logger.warning("x the connection to %s can't be agreed upon: %s", self._other, error)
            self._lose()
        except ClientError:
            self._lose()  # the room is over

    async def _offer(self) -> None:
        first = self._pc.remoteDescription is None
        if self._offered is not None or (first and not self._calling):
            self._due = self._offered is not None
            return
        if not first:
            await until_decided(self._pc)
        changed = self._out.attach()
        if first:
            # After the transceivers: aiortc would stop the transport they share if it came with the channels.
            for label in ("chat", "files"):
                self._add_channel(self._pc.createDataChannel(label))
        elif not changed and not self._again:
            return
        self._again = False
        self._offered = await self._pc.createOffer()
        if first or not self._polite:
            await self._pc.setLocalDescription(self._offered)
            self._offered = self._pc.localDescription
        await self._describe(self._offered)

    async def _described(self, data: Data) -> None:
        description, tracks = data["description"], data.get("tracks")
        remote = RTCSessionDescription(sdp=description["sdp"], type=description["type"])
        received = {str(k): str(v) for k, v in tracks.items()} if isinstance(tracks, dict) else {}
        if remote.type == "offer":
            if self._offered is not None and not self._polite:
                return  # two offers crossed: ours counts
            void, self._offered = self._offered, None
            self._due = self._due or void is not None
            self._again = self._again or void is not None
            self._call = self._call or str(data.get("call", ""))
            await self._accept(remote, void)
        elif remote.type == "answer" and self._offered is not None:
            if self._pc.signalingState == "stable":
                await self._pc.setLocalDescription(self._offered)
            await self._pc.setRemoteDescription(remote)
            self._offered = None
            self._own.clear()
        else:
            return
        self._in.describe(received)
        for early in self._early[:]:
            self._early.remove(early)
            await self._candidate(early)
        if self._due:
            self._due = False
            self._work.put_nowait(None)

    async def _accept(self, offer: RTCSessionDescription, void: RTCSessionDescription | None) -> None:
        """Answer an offer; `void` is the one of our own that it crossed."""
        pc = self._pc
        if pc.remoteDescription is not None:
            await until_decided(pc)
        transceivers = pc.getTransceivers()
        fresh = [transceiver for transceiver in transceivers if transceiver.mid is None]
        known = {transceiver.mid for transceiver in transceivers if transceiver.mid is not None}
        if fresh and void is not None:
            self._own += not_taken(lines_of(void, known), lines_of(offer, known))
            for line in self._own:
                line.rtp.muxId = line.rtp.muxId if line.rtp.muxId in known else own_mid()
        await pc.setRemoteDescription(with_lines(offer, self._own) if self._own else offer)
        self._again = self._again or bool(self._own)
        self._due = not self._out.adopt(offer, fresh) or self._due
        await pc.setLocalDescription()
        await self._describe(without_lines(pc.localDescription, [line.rtp.muxId for line in self._own]))

    async def _candidate(self, data: Data) -> None:
        if self._pc.remoteDescription is None:
            self._early.append(data)
            return
        fields = data["candidate"]
        try:
            if not fields or not fields.get("candidate"):
                await self._pc.addIceCandidate(None)
                return
            candidate = candidate_from_sdp(fields["candidate"].removeprefix("candidate:"))
            candidate.sdpMid, candidate.sdpMLineIndex = fields.get("sdpMid"), fields.get("sdpMLineIndex")
            await self._pc.addIceCandidate(candidate)
        except (*FAULTS, AssertionError, IndexError) as error:
            logger.info("x a candidate of %s was left out: %s", self._other, error)

    async def _describe(self, description: RTCSessionDescription) -> None:
        fields = {"type": description.type, "sdp": description.sdp}
        tracks = self._out.ids_by_mid(description)
        await self._signal({"call": self._call, "description": fields, "tracks": tracks})

    # -- channels and state ----------------------------------------------------------------------------------

    def _add_channel(self, raw: RTCDataChannel) -> None:
        receivers = {"chat": self._post.chat, "files": self._post.file}
        received = receivers.get(raw.label)
        if received is None:
            raw.close()
            return
        self._channels[raw.label] = Channel(raw, lambda data: received(self._other, data))
        self._changed()

    def _state_changed(self) -> None:
        if self._pc.connectionState in ("failed", "closed"):
            self._lose()
        elif self._pc.connectionState == "connected":
            self._timer.cancel()
            self._changed()

    def _too_late(self) -> None:
        logger.warning("x no way to %s was found in %.0f s", self._other, CONNECT_SECONDS)
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._changed()


def _fingerprints(sdp: str) -> set[str]:
    """Those of the certificate, which each connection has its own of (RFC 8122)."""
    return set(re.findall(r"^a=fingerprint:(\S+ \S+)", sdp, re.MULTILINE))
