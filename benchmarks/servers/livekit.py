"""Drives LiveKit's server over its signaling: one WebSocket and one connection for each participant.

Knows: its configuration, tokens, the JSON form of the messages that are needed; that the participant makes all
offers, and the server says how many media sections it wants to send by.
Does not know: the load, nor how it is measured.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.load.link import Link
from benchmarks.load.media import Stream
from benchmarks.load.sdp import Section, read_answer, write_offer
from benchmarks.load.seam import certificate
from benchmarks.servers.adapter import LOGS, Member, Process, ServerError, free_port, udp_port
from benchmarks.servers.building import go_build, missing_go, until_healthy

ANSWER_TIMEOUT = 20.0
SOURCE = Path(__file__).parent / "livekit"
PACKAGE = "github.com/livekit/livekit-server/cmd/server"
KEY, SECRET = "benchmark", "a secret that is only used on the loopback address"
PROTOCOL = 16  # of the signaling; from 6 on the server is an ICE-lite agent
# Nothing leaves the machine: no STUN, no webhooks, no relay. Pausing for want of bandwidth is off, as there is
# nothing here to estimate it by.
CONFIGURATION = f"""
port: {{port}}
bind_addresses: [127.0.0.1]
rtc:
  udp_port: {{rtc_port}}
  tcp_port: 0
  use_external_ip: false
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
  use_ice_lite: true
  use_mdns: false
  stun_servers: []
  interfaces: {{{{includes: [lo]}}}}
  congestion_control: {{{{enabled: false, allow_pause: false}}}}
keys: {{{{{KEY}: "{SECRET}"}}}}
logging: {{{{level: error}}}}
turn: {{{{enabled: false}}}}
limit: {{{{num_tracks: -1, bytes_per_sec: -1}}}}
"""


def token(room: str, name: str, now: float) -> str:
    """A JSON Web Token (RFC 7519, HS256) by which `name` may join `room` for a day; `now` is Unix time."""
    grant = {"roomJoin": True, "room": room, "canPublish": True, "canSubscribe": True}
    claims = {"iss": KEY, "sub": name, "nbf": int(now) - 60, "exp": int(now) + 86_400, "video": grant}
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = ".".join(parts)
    return f"{signed}.{_base64(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def join_request() -> str:
    """The `join_request` parameter: that nothing is subscribed by itself, and one connection serves both ways.

    In protobuf: WrappedJoinRequest.join_request (2) = JoinRequest {client_info (1) {protocol (3)},
    connection_settings (2) {}}; what is left out is false.
    """
    client = bytes([3 << 3, PROTOCOL])
    request = bytes([1 << 3 | 2, len(client)]) + client + bytes([2 << 3 | 2, 0])
    return base64.urlsafe_b64encode(bytes([2 << 3 | 2, len(request)]) + request).decode()


def candidate_of(message: dict[str, Any]) -> str | None:
    """The candidate in a trickle message, as an SDP line; None when it is empty (the end of candidates)."""
    candidate = json.loads(message.get("candidateInit") or "{}").get("candidate")
    return f"a={candidate}" if candidate else None


@dataclass(slots=True)
class Seat:
    """What this adapter keeps of a participant: its WebSocket, its connection, what the server said."""

    socket: aiohttp.ClientWebSocketResponse
    link: Link
    address: tuple[str, int]
    sections: list[Section] = field(default_factory=list)
    tracks: dict[str, str] = field(default_factory=dict)  # kind -> the server's id of what it publishes
    candidates: list[str] = field(default_factory=list)
    wanted: dict[str, int] = field(default_factory=dict)  # kind -> sections that the server asked for
    answers: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str = ""
    connected: bool = False
    offers: int = 0
    reader: asyncio.Task[None] | None = None

    async def send(self, kind: str, body: object) -> None:
        await self.socket.send_str(json.dumps({kind: body}))

    async def read(self) -> None:
        """Sort what the server says. Its first words come before it knows that this end speaks JSON: unread."""
        async for frame in self.socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            message = json.loads(frame.data)
            if (answer := message.get("answer")) is not None:
                self.answers.put_nowait(answer["sdp"])
            elif (trickle := message.get("trickle")) is not None:
                if (line := candidate_of(trickle)) is not None:
                    self.candidates.append(line)
            elif (published := message.get("trackPublished")) is not None:
                kind = published["cid"].rpartition("-")[2]
                self.tracks[kind] = published["track"]["sid"]
            elif (needed := message.get("mediaSectionsRequirement")) is not None:
                for kind, name in (("audio", "numAudios"), ("video", "numVideos")):
                    self.wanted[kind] = self.wanted.get(kind, 0) + needed.get(name, 0)
            elif (leave := message.get("leave")) is not None:
                self.ended = f"the server sent it away: {leave}"
            self.changed.set()
        self.ended = self.ended or "the server closed the WebSocket"
        self.changed.set()


class LiveKit:
    """LiveKit's server as a process of its own; `go build` makes it when it is first wanted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = Process(LOGS / f"{name}.log")
        self._certificate = certificate()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._url = ""
        self._seats: dict[str, Seat] = {}

    @property
    def _program(self) -> Path:
        return LOGS / "livekit-server"

    def missing(self) -> str | None:
        return missing_go(self._program)

    @property
    def pids(self) -> Sequence[int]:
        return self._process.pids

    async def start(self, core: int) -> None:
        await go_build(SOURCE, self._program, PACKAGE)
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._folder = tempfile.TemporaryDirectory()
        configuration = Path(self._folder.name) / "livekit.yaml"
        configuration.write_text(CONFIGURATION.format(port=port, rtc_port=udp_port()))
        command = [str(self._program), "--config", str(configuration)]
        await self._process.start(command, core, {"GOMAXPROCS": "1"})
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        await until_healthy(self.name, self._process, self._session, self._url)

    async def stop(self) -> None:
        for seat in self._seats.values():
            await seat.link.close()
            if seat.reader is not None:
                seat.reader.cancel()
            with contextlib.suppress(ConnectionError, RuntimeError):
                await seat.socket.close()
        if self._session is not None:
            await self._session.close()
        await self._process.stop()
        if self._folder is not None:
            self._folder.cleanup()

    # -- participants ----------------------------------------------------------------------------------------

    async def join(
        self, room: str, name: str, streams: Sequence[Stream], watch: Sequence[Member], later: int
    ) -> Member:
        del later  # whom it watches later costs a renegotiation then
        assert self._session is not None
        link = Link(self._certificate)
        parameters = {"access_token": token(room, name, time.time()), "join_request": join_request()}
        socket = await self._session.ws_connect(f"{self._url}/rtc/v1", params=parameters)
        seat = self._seats[name] = Seat(socket, link, link.bind("127.0.0.1"))
        seat.reader = asyncio.create_task(seat.read())
        await seat.send("ping", "1")  # text: from now on the server writes JSON
        member = Member(name, sends=[(link, stream) for stream in streams])
        seat.sections = [Section(stream.mid, stream.kind, stream) for stream in streams]
        for stream in streams:
            await seat.send("addTrack", _track(name, stream))
        await self._until(seat, lambda: len(seat.tracks) == len(streams), "say that the tracks are published")
        if watch:
            await self._subscribe(seat, member, watch)
        else:
            await self._offer(seat, name)
        return member

    async def watch(self, member: Member, other: Member) -> None:
        await self._subscribe(self._seats[member.name], member, [other])

    async def _subscribe(self, seat: Seat, member: Member, others: Sequence[Member]) -> None:
        """Ask for everything that the others publish; offer as many sections as the server then wants."""
        streams = [stream for other in others for _, stream in other.sends]
        sids = [sid for other in others for sid in self._seats[other.name].tracks.values()]
        seat.wanted.clear()
        await seat.send("subscription", {"trackSids": sids, "subscribe": True})
        await seat.send("trackSetting", {"trackSids": sids, "quality": "HIGH", "width": 640, "height": 360})
        await self._until(seat, lambda: sum(seat.wanted.values()) >= len(streams), "ask for media sections")
        mids = range(len(seat.sections), len(seat.sections) + len(streams))
        seat.sections += [Section(str(mid), stream.kind) for mid, stream in zip(mids, streams, strict=True)]
        await self._offer(seat, member.name)
        member.receives += [(seat.link, stream) for stream in streams]

    async def _offer(self, seat: Seat, name: str) -> None:
        seat.offers += 1
        sdp = write_offer(seat.link, name, seat.sections, seat.address)
        await seat.send("offer", {"type": "offer", "sdp": sdp, "id": seat.offers})
        await self._until(seat, lambda: not seat.answers.empty(), "answer the offer")
        answer = seat.answers.get_nowait()
        if seat.connected:
            return
        seat.connected = True
        if "a=candidate:" not in answer:
            await self._until(seat, lambda: bool(seat.candidates), "tell its address")
            answer += "".join(f"{line}\r\n" for line in seat.candidates)
        await seat.link.connect(read_answer(answer))

    async def _until(self, seat: Seat, ready: Any, what: str) -> None:
        """Wait until the server has said enough. Raises ServerError."""
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                while not ready():
                    if seat.ended:
                        raise ServerError(f"{self.name}: {seat.ended}")
                    seat.changed.clear()
                    await seat.changed.wait()
        except TimeoutError:
            message = f"{self.name} did not {what} within {ANSWER_TIMEOUT:.0f} s"
            raise ServerError(f"{message}; {seat.wanted} {seat.tracks}") from None


def _track(name: str, stream: Stream) -> dict[str, object]:
    """The request to publish a stream; `cid` is the track id in the offer's msid."""
    if stream.kind == "audio":
        return {
            "cid": f"{name}-audio",
            "name": "audio",
            "type": "AUDIO",
            "source": "MICROPHONE",
            "disableRed": True,
        }
    layer = {"quality": "HIGH", "width": 640, "height": 360}
    return {
        "cid": f"{name}-video",
        "name": "video",
        "type": "VIDEO",
        "source": "CAMERA",
        "width": 640,
        "height": 360,
        "layers": [layer],
    }
