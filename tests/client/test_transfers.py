"""Files between two ends whose channels are joined in memory, as over a direct connection and over the server."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from sfu.client.channel import Channel
from sfu.client.downloads import Downloads
from sfu.client.errors import ClientError
from sfu.client.events import FileOffered
from sfu.client.uploads import SharedFile, Uploads
from signaling import files
from signaling.files import WINDOW_BYTES, Cancel, Chunk, Done, FileError, FileOffer, Pull, Pulled, read_chunk


class Wire:
    """Stands for the channel to the other end; what it carries can be held back or changed."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.deliver: Any = None

    def post(self, data: str | bytes) -> bool:
        message = files.read_any(data) if isinstance(data, str) else read_chunk(data)
        self.sent.append(message)
        if self.deliver is not None:
            asyncio.get_running_loop().call_soon(self.deliver, message)
        return True

    async def send(self, data: str | bytes) -> None:
        self.post(data)
        await asyncio.sleep(0)


class Pair:
    """Ada, who has files, and Bob, who wants them."""

    def __init__(self) -> None:
        self.delivered: list[str] = []
        self.offered: list[FileOffered] = []
        self.to_bob, self.to_ada = Wire(), Wire()
        self.uploads = Uploads(
            lambda who: self._channel(self.to_bob), lambda file, who: self.delivered.append(who)
        )
        self.downloads = Downloads(lambda who: self._channel(self.to_ada), self.offered.append)
        self.to_bob.deliver, self.to_ada.deliver = self._bob_hears, self._ada_hears

    @staticmethod
    def _channel(wire: Any) -> tuple[Channel, bool]:
        return wire, False

    def _bob_hears(self, message: Any) -> None:
        if isinstance(message, Chunk):
            self.downloads.chunk("p_ada", message)
        else:
            self.downloads.hear("p_ada", message)

    def _ada_hears(self, message: Any) -> None:
        self.uploads.obey("p_bob", message)

    async def offer(self, source: Path | bytes, to: str | None = None) -> tuple[SharedFile, FileOffered]:
        shared = await self.uploads.add(source, "a.bin", "", to)
        self.downloads.hear("p_ada", shared.offer)
        return shared, self.offered[-1]


@pytest.fixture
async def pair() -> Pair:
    return Pair()


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 3_000_000])
async def test_whole(pair: Pair, size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    source = tmp_path / "source"
    source.write_bytes(content)
    shared, offer = await pair.offer(source)
    assert (offer.size, offer.private) == (size, False)
    assert await pair.downloads.receive(offer, None, None) == content
    await shared.delivered("p_bob")
    assert "p_bob" in pair.delivered


async def test_never_more_than_the_window(pair: Pair) -> None:
    pair.to_ada.deliver = None
    shared, _ = await pair.offer(bytes(3 * WINDOW_BYTES))
    pair.uploads.obey("p_bob", Pull(file=shared.id))
    await asyncio.sleep(0.2)
    assert sum(len(chunk.data) for chunk in pair.to_bob.sent) == WINDOW_BYTES
    pair.uploads.obey("p_bob", Pulled(file=shared.id, received=100_000))
    await asyncio.sleep(0.1)
    sent = sum(len(chunk.data) for chunk in pair.to_bob.sent)
    assert WINDOW_BYTES < sent <= WINDOW_BYTES + 100_000
    pair.uploads.close()


async def test_what_was_lost_on_the_way_is_pulled_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.client.downloads.STALL_SECONDS", 0.1)
    chunks = 0

    def lossy(message: Any) -> None:
        nonlocal chunks
        chunks += isinstance(message, Chunk)
        if chunks != 10:
            pair._bob_hears(message)

    pair.to_bob.deliver = lossy
    content = bytes(300_000)
    _, offer = await pair.offer(content)
    assert await pair.downloads.receive(offer, None, None) == content
    assert [m.received for m in pair.to_ada.sent if isinstance(m, Pull)] == [0, 9 * 16_384]


async def test_a_sender_without_a_channel_yet_is_asked_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfu.client.downloads.RETRY_SECONDS", 0.01)
    hear, refusals = pair.to_ada.deliver, 2

    def moving(message: Any) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            pair.downloads.refused(FileError("unknown-participant", ".", message.file, "p_ada"))
        else:
            hear(message)

    pair.to_ada.deliver = moving
    _, offer = await pair.offer(b"content")
    assert await pair.downloads.receive(offer, None, None) == b"content"
    pair.to_ada.deliver = lambda message: pair.downloads.refused(
        FileError("too-many-requests", ".", message.file, "p_ada")
    )
    with pytest.raises(ClientError, match="too-many-requests"):
        await pair.downloads.receive(offer, None, None)


async def test_nobody_sends(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.client.downloads.STALL_SECONDS", 0.01)
    pair.to_ada.deliver = None
    _, offer = await pair.offer(b"x")
    with pytest.raises(ClientError, match="timeout"):
        await pair.downloads.receive(offer, None, None)
    assert isinstance(pair.to_ada.sent[-1], Cancel)


@pytest.mark.parametrize(
    "message",
    [
        Done(file="f_0123456789abcdef", sha256="0" * 64),
        Chunk("f_0123456789abcdef", "", 0, b"four"),
    ],
    ids=["another digest", "too much"],
)
async def test_corrupt(pair: Pair, message: Done | Chunk, tmp_path: Path) -> None:
    offer = FileOffer(file="f_0123456789abcdef", name="a.bin", size=0)
    pair.downloads.hear("p_ada", offer)
    receiving = asyncio.create_task(pair.downloads.receive(pair.offered[0], tmp_path, None))
    await asyncio.sleep(0)
    pair._bob_hears(message)
    with pytest.raises(ClientError, match="corrupt"):
        await receiving
    assert os.listdir(tmp_path) == []


async def test_who_may_have_it(pair: Pair) -> None:
    shared, offer = await pair.offer(b"x", to="p_eve")
    assert offer.private
    pair.uploads.obey("p_bob", Pull(file=shared.id))
    pair.uploads.obey("p_bob", Pull(file="f_0123456789abcdef"))
    assert [type(message) for message in pair.to_bob.sent] == [Cancel, Cancel]


async def test_all_ends_of_a_transfer(pair: Pair) -> None:
    for end in ("receiver cancels", "receiver leaves", "server refuses", "withdrawn", "room closes"):
        pair.to_ada.deliver = None
        shared, offer = await pair.offer(bytes(2 * WINDOW_BYTES))
        pair.uploads.obey("p_bob", Pull(file=shared.id))
        receiving = asyncio.create_task(pair.downloads.receive(offer, None, None))
        await asyncio.sleep(0.05)
        match end:
            case "receiver cancels":
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
                pair.uploads.obey("p_bob", pair.to_ada.sent[-1])
            case "receiver leaves":
                pair.uploads.left("p_bob")
            case "server refuses":
                pair.uploads.refused(FileError("too-large", ".", shared.id, "p_bob"))
            case "withdrawn":
                pair.uploads.withdraw(shared)
            case "room closes":
                pair.uploads.close()
        with pytest.raises(ClientError):
            await shared.delivered("p_bob")
        pair.downloads.left("p_ada")
        (outcome,) = await asyncio.gather(receiving, return_exceptions=True)
        assert isinstance(outcome, ClientError | asyncio.CancelledError), end


async def test_an_offer_is_told_once(pair: Pair) -> None:
    shared, _ = await pair.offer(b"x")
    pair.downloads.hear("p_ada", shared.offer)
    assert len(pair.offered) == 1
