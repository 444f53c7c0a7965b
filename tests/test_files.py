"""The relay of files, with channels that only remember what was sent."""

import json
from typing import Any, cast

import pytest
from aiortc import RTCDataChannel
from pyee.asyncio import AsyncIOEventEmitter

from sfu.files import MAX_BUFFERED_BYTES, MAX_PULLS, OFFERS_AT_ONCE, FileRoom
from signaling.files import (
    CHUNK_BYTES,
    WINDOW_BYTES,
    Cancel,
    Chunk,
    Done,
    FileOffer,
    Pull,
    Pulled,
    new_file_id,
    read_chunk,
    write,
    write_chunk,
)

FILE = "f_0123456789abcdef"
SHA = "0" * 64


class Channel(AsyncIOEventEmitter):
    """One end of a data channel."""

    readyState = "open"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str | bytes] = []
        self.bufferedAmount = 0

    def send(self, data: str | bytes) -> None:
        self.sent.append(data)

    def take(self) -> list[Any]:
        """What was sent since the last call, read."""
        sent, self.sent = self.sent, []
        return [json.loads(data) if isinstance(data, str) else read_chunk(data) for data in sent]


class People(dict[str, Channel]):
    """A room with these participants, in which no time passes."""

    def __init__(self, *names: str) -> None:
        super().__init__({name: Channel() for name in names})
        self.room = FileRoom(clock=lambda: 0.0)
        for name, channel in self.items():
            self.room.attach(name, cast(RTCDataChannel, channel))

    def say(self, name: str, message: Any) -> None:
        self[name].emit("message", message if isinstance(message, str | bytes) else write(message))

    def send(self, sender: str, receiver: str, offset: int, size: int = CHUNK_BYTES) -> None:
        self[sender].emit("message", write_chunk(Chunk(FILE, receiver, offset, bytes(size))))


@pytest.fixture
async def people() -> People:
    return People("p_1", "p_2", "p_3")


def offer(to: str | None = None) -> FileOffer:
    return FileOffer(file=FILE, name="a.txt", size=3, sender="p_9", to=to)


async def test_an_offer_to_all_and_to_one(people: People) -> None:
    people.say("p_1", offer())
    plain = {"type": "file", "file": FILE, "from": "p_1", "name": "a.txt", "size": 3}
    assert [channel.take() for channel in people.values()] == [[], [plain], [plain]]
    people.say("p_1", offer(to="p_3"))
    assert [channel.take() for channel in people.values()] == [[], [], [plain | {"to": "p_3"}]]
    for nobody in ("p_1", "p_8"):
        people.say("p_1", offer(to=nobody))
        (error,) = people["p_1"].take()
        assert (error["code"], error["file"], error["to"]) == ("unknown-participant", FILE, nobody)


async def test_a_transfer(people: People) -> None:
    people.say("p_2", Pull(file=FILE, to="p_1"))
    assert people["p_1"].take() == [{"type": "pull", "file": FILE, "from": "p_2"}]
    people.send("p_1", "p_2", 0, 3)
    people.say("p_1", Done(file=FILE, to="p_2", sha256=SHA))
    assert people["p_2"].take() == [
        Chunk(FILE, "p_1", 0, bytes(3)),
        {"type": "done", "file": FILE, "from": "p_1", "sha256": SHA},
    ]
    assert people.room.stats()["transfers"] == 1
    people.say("p_2", Pulled(file=FILE, to="p_1", received=3))
    assert people["p_1"].take() == [{"type": "pulled", "file": FILE, "from": "p_2", "received": 3}]
    assert people["p_3"].take() == []
    assert people.room.stats()["transfers"] == 0


async def test_nothing_comes_that_was_not_pulled(people: People) -> None:
    people.send("p_1", "p_2", 0)
    people.say("p_1", Done(file=FILE, to="p_2", sha256=SHA))
    assert people["p_2"].take() == []
    assert [error["code"] for error in people["p_1"].take()] == ["not-allowed"]


async def test_the_window(people: People) -> None:
    people.say("p_2", Pull(file=FILE, to="p_1"))
    for offset in range(0, WINDOW_BYTES, CHUNK_BYTES):
        people.send("p_1", "p_2", offset)
    people.say("p_2", Pulled(file=FILE, to="p_1", received=CHUNK_BYTES))
    people.send("p_1", "p_2", WINDOW_BYTES)
    assert len(people["p_2"].take()) == WINDOW_BYTES // CHUNK_BYTES + 1
    people["p_1"].take()
    people.send("p_1", "p_2", WINDOW_BYTES + CHUNK_BYTES, 1)
    people.send("p_1", "p_2", WINDOW_BYTES + CHUNK_BYTES + 1, 1)
    (error,) = people["p_1"].take()
    assert (error["code"], error["file"], error["to"]) == ("too-large", FILE, "p_2")
    assert people["p_2"].take() == [{"type": "cancel", "file": FILE, "from": "p_1"}]


async def test_acknowledging_what_never_came_opens_no_window(people: People) -> None:
    people.say("p_2", Pull(file=FILE, to="p_1"))
    people.say("p_2", Pulled(file=FILE, to="p_1", received=2**50))
    for offset in range(0, WINDOW_BYTES + CHUNK_BYTES, CHUNK_BYTES):
        people.send("p_1", "p_2", offset)
    assert people["p_1"].take()[-1]["code"] == "too-large"


async def test_a_slow_reader_holds_up_nobody(people: People) -> None:
    people["p_2"].bufferedAmount = MAX_BUFFERED_BYTES + 1
    people.say("p_1", offer())
    assert (people["p_2"].take(), len(people["p_3"].take())) == ([], 1)
    people.say("p_3", Pull(file=FILE, to="p_1"))
    people.send("p_1", "p_3", 0)
    assert len(people["p_3"].take()) == 1


async def test_a_pull_anew_goes_on_from_there(people: People) -> None:
    people.say("p_2", Pull(file=FILE, to="p_1"))
    people.send("p_1", "p_2", 0)
    people.say("p_2", Pull(file=FILE, to="p_1", received=100))
    people.send("p_1", "p_2", CHUNK_BYTES)
    people.send("p_1", "p_2", 100, 7)
    assert [chunk.offset for chunk in people["p_2"].take()] == [0, 100]


async def test_cancelled_by_either_side(people: People) -> None:
    for who, to in (("p_1", "p_2"), ("p_2", "p_1"), ("p_1", None)):
        people.say("p_2", Pull(file=FILE, to="p_1"))
        people.say(who, Cancel(file=FILE, to=to))
        people["p_1"].take()
        people["p_2"].take()
        people.send("p_1", "p_2", 0)
        assert people["p_2"].take() == []
        assert people.room.stats()["transfers"] == 0


async def test_who_leaves_ends_its_transfers(people: People) -> None:
    people.say("p_2", Pull(file=FILE, to="p_1"))
    people.room.leave("p_2")
    assert people.room.stats()["transfers"] == 0
    people.send("p_1", "p_2", 0)
    people["p_1"].emit("close")
    people.say("p_3", Pull(file=FILE, to="p_1"))
    assert [error["code"] for error in people["p_3"].take()] == ["unknown-participant"]


async def test_so_many_pulls_and_offers(people: People) -> None:
    for _ in range(MAX_PULLS + 1):
        people.say("p_2", Pull(file=new_file_id(), to="p_1"))
    assert [error["code"] for error in people["p_2"].take()] == ["too-many-requests"]
    for _ in range(int(OFFERS_AT_ONCE) + 1):
        people.say("p_3", offer())
    assert [error["code"] for error in people["p_3"].take()] == ["too-many-requests"]


async def test_a_flood_is_refused_once(people: People) -> None:
    for _ in range(500):
        people.say("p_1", Pulled(file=FILE, to="p_2", received=0))
    assert [error["code"] for error in people["p_1"].take()] == ["too-many-requests"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad-message"),
        ("{", "bad-json"),
        (Pull(file=FILE), "bad-message"),
        ('{"type":"x"}', "unknown-type"),
    ],
)
async def test_what_cannot_be_read(people: People, data: object, code: str) -> None:
    people.say("p_1", data)
    (error,) = people["p_1"].take()
    assert error["code"] == code
