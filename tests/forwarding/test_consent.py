"""Checks that repeat a good one are answered where they are read, and nothing else is."""

import socket
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from aioice import stun
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.transport.ice import IceLite, Repetition, success_response
from tests import engines

KEY = b"password-of-24-characters"
WAYS = {
    "IPv4": (socket.AF_INET, "127.0.0.1", socket.AF_INET, "127.0.0.1"),
    "IPv6": (socket.AF_INET6, "::1", socket.AF_INET6, "::1"),
    "IPv4 in IPv6": (socket.AF_INET6, "::", socket.AF_INET, "127.0.0.1"),
}


@pytest.fixture
def engine_of_outlets() -> None:
    """There is only one engine with this part."""


class Client:
    """Sends from an address that a link aims at; its inbox is read as if at `now`."""

    def __init__(self, way: str = "IPv4") -> None:
        engine = engines.engine("native")
        family, host, family_here, host_here = WAYS[way]
        self.server = socket.socket(family, socket.SOCK_DGRAM)
        if host == "::":
            self.server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.server.bind((host, 0))
        self.socket, self.stranger = (socket.socket(family_here, socket.SOCK_DGRAM) for _ in range(2))
        for client in (self.socket, self.stranger):
            client.connect((host_here, self.server.getsockname()[1]))
        outbox, inbox = engine.outbox(-1, False, lambda: None), engine.inbox(self.server.fileno())
        link = engine.link(outbox)
        assert outbox is not None
        assert inbox is not None
        assert link is not None
        self.outbox, self.inbox, self.link = outbox, inbox, link
        self.read_above: list[tuple[bytes, Any]] = []
        self.address = self.learn()
        self.ice = IceLite(0.0)
        link.on_stun = self.ice.answer_again
        link.aim(self.address)
        inbox.route(self.address, link)

    def expect(self, good: bytes, key: bytes = KEY) -> None:
        """A check was answered."""
        self.ice._good = Repetition(good, self.address, key)

    def learn(self) -> Any:
        """The client's address as the server sees it."""
        self.socket.send(b"\xff")
        return self.receive()[0][1]

    def receive(self, now: float = 10.0) -> list[tuple[bytes, Any]]:
        """What was given to Python of what was sent."""
        self.read_above.clear()
        self.inbox.read(
            256, now, lambda data, address, now: self.read_above.append((data, address)), lambda: None
        )
        return self.read_above

    def answers(self, data: bytes, sender: socket.socket | None = None) -> list[bytes]:
        """What is sent to the client for this; each datagram is answered or given to Python."""
        (sender or self.socket).send(data)
        given = self.receive()
        answers = self.outbox.take().get(self.address, [])
        assert len(given) + len(answers) == 1
        return answers

    def close(self) -> None:
        for each in (self.server, self.socket, self.stranger):
            each.close()


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.close()


def check(key: bytes = KEY, name: str = "here:them", priority: int = 1, nominate: bool = False) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes = {"USERNAME": name, "PRIORITY": priority, "ICE-CONTROLLING": 7}
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(key)
    return bytes(message)


@pytest.mark.parametrize("way", WAYS)
def test_a_repetition_gets_the_answer_that_python_would_give(way: str) -> None:
    client = Client(way)
    client.expect(check())
    for _ in range(20):
        again = check()
        assert client.answers(again) == [success_response(again[8:20], client.address, KEY)]
    client.close()


@given(key=st.binary(max_size=64), name=st.text("abc:", min_size=1, max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_key_and_size(client: Client, key: bytes, name: str) -> None:
    client.expect(check(key, name), key)
    again = check(key, name)
    assert client.answers(again) == [success_response(again[8:20], client.address, key)]


def test_hearing_is_noted(client: Client) -> None:
    client.expect(check())
    assert client.ice.last_check == 0.0
    client.socket.send(check(b"another"))
    client.receive(11.0)
    assert client.ice.last_check == 0.0
    client.socket.send(check())
    client.receive(12.0)
    assert client.ice.last_check == 12.0


@pytest.mark.parametrize(
    "other",
    [
        check(b"another"),
        check(name="here:then"),
        check(priority=2),
        check(nominate=True),
        bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)),
        b"\0",
        b"\0\1",
        bytes(len(check())),
    ],
)
def test_what_differs_goes_up(client: Client, other: bytes) -> None:
    client.expect(check())
    assert client.answers(other) == []
    assert client.read_above == [(other, client.address)]


def test_every_flipped_bit_goes_up(client: Client) -> None:
    client.expect(check())
    for bit in range(8 * len(check())):
        data = bytearray(check())
        data[bit >> 3] ^= 1 << (bit & 7)
        assert client.answers(bytes(data)) == []


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_are_too_odd_to_be_expected_or_to_come(client: Client, seed: int) -> None:
    random = Random(seed)
    for _ in range(200):
        form = check(name="n" * random.randrange(1, 200))
        cut = form[: random.randrange(len(form) + 1)] if random.random() < 0.5 else form
        client.expect(cut, random.randbytes(random.randrange(100)))
        assert (
            client.answers(random.choice([form, cut or b"\0", random.randbytes(random.randrange(300))])) == []
        )


def test_of_another_address_it_goes_up(client: Client) -> None:
    client.expect(check())
    assert client.answers(check(), client.stranger) == []
    client.inbox.route(client.read_above[0][1], client.link)
    assert client.answers(check(), client.stranger) == []


def test_it_is_expected_until_the_link_aims_elsewhere(client: Client) -> None:
    client.expect(check())
    client.link.aim(client.address)
    assert client.answers(check())
    client.link.aim(elsewhere := ("192.0.2.1", 1))
    assert client.answers(check()) == []
    client.ice._good = Repetition(check(), elsewhere, KEY)
    client.link.aim(client.address)
    assert client.answers(check()) == []
    client.expect(check())
    client.link.close()
    assert client.answers(check()) == []


def test_nothing_is_expected_without_an_aim_or_once_it_is_forgotten(client: Client) -> None:
    client.expect(check())
    client.ice.restart()
    assert client.answers(check()) == []
    client.link.aim(None)
    client.expect(check())
    assert client.answers(check()) == []
    client.link.aim(client.address)
    client.link.on_stun = None
    assert client.answers(check()) == []
