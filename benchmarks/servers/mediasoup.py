"""Drives a plain forwarding server on mediasoup (Node.js), whose source is beside this file, over its stdin.

Knows: where the package is looked for and how it is got; the ORTC parameters that mediasoup wants in place of SDP.
Does not know: the load, nor how it is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load.link import Link, Remote
from benchmarks.load.media import MID_ID, Stream
from benchmarks.load.sdp import EXTENSIONS
from benchmarks.load.seam import certificate
from benchmarks.servers.adapter import LOGS, Member, Process, ServerError, udp_port

START_TIMEOUT = 20.0
ANSWER_TIMEOUT = 20.0
SOURCE = Path(__file__).parent / "mediasoup" / "server.js"
HOME = LOGS / "mediasoup"  # where its package is installed
WORKERS = ("worker/out/Release/mediasoup-worker", "worker/out/Release/build/mediasoup-worker")
CODECS: Mapping[str, Mapping[str, object]] = {
    "video": {
        "mimeType": "video/VP8",
        "payloadType": 96,
        "clockRate": 90_000,
        "rtcpFeedback": [
            {"type": "nack", "parameter": ""},
            {"type": "nack", "parameter": "pli"},
            {"type": "ccm", "parameter": "fir"},
        ],
    },
    "audio": {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48_000, "channels": 2},
}


def producer(name: str, stream: Stream) -> dict[str, object]:
    """What mediasoup must know of a published stream: RTCRtpParameters as in ORTC."""
    extensions = [{"uri": uri, "id": number} for number, uri in EXTENSIONS if number == MID_ID]
    return {
        "kind": stream.kind,
        "rtpParameters": {
            "mid": stream.mid,
            "codecs": [dict(CODECS[stream.kind])],
            "headerExtensions": extensions,
            "encodings": [{"ssrc": stream.ssrc}],
            "rtcp": {"cname": name, "reducedSize": True},
        },
    }


def remote_of(answer: Mapping[str, Any]) -> Remote:
    """The server's end of a transport. It is the DTLS client, so this end chooses the SRTP profile."""
    candidate = next(each for each in answer["iceCandidates"] if each["protocol"] == "udp")
    return Remote(
        address=(candidate.get("address") or candidate["ip"], candidate["port"]),
        ufrag=answer["iceParameters"]["usernameFragment"],
        pwd=answer["iceParameters"]["password"],
        fingerprints=[
            (each["algorithm"], each["value"]) for each in answer["dtlsParameters"]["fingerprints"]
        ],
        setup="active",
    )


class Mediasoup:
    """Node.js and mediasoup's worker as processes of their own; one worker, one UDP port."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = Process(LOGS / f"{name}.log", piped=True)
        self._certificate = certificate()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._rooms: dict[str, str] = {}
        self._links: dict[str, Link] = {}

    def missing(self) -> str | None:
        if shutil.which("node") is None:
            return "Node.js is not installed: apt-get install nodejs (20 or newer)"
        package = HOME / "node_modules" / "mediasoup"
        worker = os.environ.get("MEDIASOUP_WORKER_BIN")
        if package.exists() and (worker or any((package / place).exists() for place in WORKERS)):
            return None
        return (
            f"its package or its worker is not in {HOME.parent.name}/{HOME.name}: npm install --prefix "
            f"benchmarks/out/mediasoup mediasoup (fetches the worker from GitHub or builds it there), or set "
            f"MEDIASOUP_WORKER_BIN to a worker of the same version"
        )

    @property
    def pids(self) -> Sequence[int]:
        return self._process.pids

    async def start(self, core: int) -> None:
        modules = {"NODE_PATH": str((HOME / "node_modules").resolve())}
        self._waiting[0] = ready = asyncio.get_running_loop().create_future()
        await self._process.start(["node", str(SOURCE), f"127.0.0.1:{udp_port()}"], core, modules)
        self._reader = asyncio.create_task(self._read())
        done, _ = await asyncio.wait([ready], timeout=START_TIMEOUT)
        if not done or ready.exception() is not None:
            raise ServerError(f"{self.name} does not come up:\n{self._process.tail()}")

    async def _read(self) -> None:
        output = self._process.output
        assert output is not None
        while line := await output.readline():
            message = json.loads(line)
            answer = self._waiting.pop(message["id"], None)
            if answer is None or answer.done():
                continue
            if "error" in message:
                answer.set_exception(ServerError(f"{self.name}: {message['error']}"))
            else:
                answer.set_result(message["result"])
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ServerError(f"{self.name} ended"))

    async def _ask(self, method: str, **fields: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        self._process.say(json.dumps({"id": number, "method": method, **fields}))
        try:
            return await asyncio.wait_for(answer, ANSWER_TIMEOUT)
        except TimeoutError:
            raise ServerError(f"no answer to {method} within {ANSWER_TIMEOUT:.0f} s") from None

    async def join(
        self, room: str, name: str, streams: Sequence[Stream], watch: Sequence[Member], later: int
    ) -> Member:
        del later  # nothing is prepared for those who come later
        link = self._links[name] = Link(self._certificate)
        self._rooms[name] = room
        algorithm, value = link.dtls.fingerprint
        answer = await self._ask(
            "join",
            room=room,
            name=name,
            dtlsParameters={"role": "server", "fingerprints": [{"algorithm": algorithm, "value": value}]},
            producers=[producer(name, stream) for stream in streams],
            watch=[other.name for other in watch],
        )
        link.bind("127.0.0.1")
        await link.connect(remote_of(answer))
        member = Member(name, sends=[(link, stream) for stream in streams])
        member.receives = [(link, stream) for other in watch for _, stream in other.sends]
        return member

    async def watch(self, member: Member, other: Member) -> None:
        await self._ask("watch", room=self._rooms[member.name], name=member.name, watch=[other.name])
        link = self._links[member.name]
        member.receives += [(link, stream) for _, stream in other.sends]

    async def stop(self) -> None:
        for link in self._links.values():
            await link.close()
        await self._process.stop()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
