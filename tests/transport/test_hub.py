"""Whose datagram it is, what becomes of the others, and when connections end."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aioice import stun

from sfu.forwarding.engine import PYTHON
from sfu.transport.connection import Connection
from sfu.transport.hub import CONSENT_CHECK_SECONDS, Hub
from sfu.transport.ice import CONSENT_SECONDS, MAX_ADDRESSES, Check, StunProblem, parse_check
from sfu.transport.outbox import Address
from sfu.transport.turns import Turns
from sfu.transport.udp import PortCounters
from tests.transport.test_ice import request

HERE = ("192.0.2.1", 5000)
THERE = ("198.51.100.7", 6000)


class FakePort:
    """A port without a socket."""

    port = 7882
    gso = False
    engine = PYTHON

    def __init__(self) -> None:
        self.counters = PortCounters()
        self.sent: list[tuple[bytes, Address]] = []
        self.closed = 0
        self.on_datagram: Any = None
        self.on_batch: Any = None

    def link(self) -> None:
        return None

    def route(self, address: Address, link: object) -> None:
        assert link is None

    def queue(self, data: bytes, address: Address) -> None:
        self.sent.append((data, address))

    def close(self) -> None:
        self.closed += 1


class Rig:
    def __init__(self) -> None:
        self.port = FakePort()
        self.hub = Hub(cast(Any, self.port))
        self.ended: list[str] = []

    def open(self) -> Connection:
        return self.hub.open(lambda connection, reason: self.ended.append(reason))

    def receive(self, data: bytes, address: Address = HERE) -> None:
        self.port.on_datagram(data, address, time.monotonic())

    def contact(self, connection: Connection, address: Address = HERE, *, nominate: bool = False) -> None:
        self.receive(request(connection.ice, nominate=nominate), address)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.hub.shutdown()


async def test_garbage_of_every_first_byte_is_counted(rig: Rig) -> None:
    for first in range(256):
        for data in (bytes([first]), bytes([first]) + bytes(40), bytes([first]) + b"\xff" * 1400):
            rig.receive(data)
    # RFC 7983: DTLS is 20 to 63, SRTP and SRTCP 128 to 191.
    assert rig.hub.counters.unknown_address == 3 * (44 + 64)
    assert rig.hub.counters.unknown_kind == 3 * (256 - 44 - 64)
    assert rig.port.sent == []


async def test_an_empty_datagram(rig: Rig) -> None:
    rig.receive(b"")
    assert rig.hub.counters.unknown_kind == 1


async def test_garbage_from_a_client_is_counted_by_its_connection(rig: Rig) -> None:
    connection = rig.open()
    rig.contact(connection)
    for first in range(256):
        rig.receive(bytes([first]) + bytes(40))
    assert connection.counters.before_handshake == 64
    assert rig.hub.counters.unknown_address == 0
    assert rig.hub.counters.unknown_kind == 256 - 64 - 44


async def test_handshakes_wait_for_their_turn_and_not_without_bound(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = rig.open()
    rig.contact(connection)
    fed: list[bytes] = []
    monkeypatch.setattr(connection.dtls, "feed", fed.append)
    monkeypatch.setattr(rig.hub, "turns", Turns(most=2))
    hello = [bytes([22, number]) for number in range(3)]
    for data in hello:
        rig.receive(data)
    assert fed == []
    for _ in range(3):
        await asyncio.sleep(0)
    assert fed == hello[:2]
    assert rig.hub.counters.handshake_overflow == 1
    monkeypatch.setattr(type(connection), "ready", True)
    rig.receive(b"\x17data")
    assert fed[2:] == [b"\x17data"]


async def test_first_contact_is_by_name(rig: Rig) -> None:
    one, other = rig.open(), rig.open()
    rig.contact(one, HERE)
    rig.contact(other, THERE)
    assert (one.ice.selected, other.ice.selected) == (HERE, THERE)
    assert [address for _, address in rig.port.sent] == [HERE, THERE]
    rig.receive(b"\x80" + bytes(20), THERE)
    assert (one.counters.before_handshake, other.counters.before_handshake) == (0, 1)


async def test_an_unknown_user_is_told_and_gets_no_address(rig: Rig) -> None:
    connection = rig.open()
    rig.receive(request(connection.ice, ufrag="nobody"))
    ((response, address),) = rig.port.sent
    assert (stun.parse_message(response).error_code, address) == (401, HERE)
    assert rig.hub.stun_problems == {StunProblem.UNKNOWN_USER: 1}
    rig.receive(b"\x80" + bytes(20))
    assert rig.hub.counters.unknown_address == 1


async def test_a_guessed_password_takes_nobodys_address(rig: Rig) -> None:
    one, other = rig.open(), rig.open()
    rig.contact(one)
    rig.receive(request(other.ice, password="guess"))
    rig.receive(b"\x80" + bytes(20))
    assert one.counters.before_handshake == 1


async def test_malformed_stun_is_counted_and_not_answered(rig: Rig) -> None:
    rig.receive(bytes(4) + b"\x21\x12\xa4\x42" + bytes(12) + b"\xff")
    assert rig.hub.stun_problems == {StunProblem.MALFORMED: 1}
    assert rig.port.sent == []


async def test_an_address_passes_to_who_proves_it_last(rig: Rig) -> None:
    one, other = rig.open(), rig.open()
    rig.contact(one)
    rig.contact(other)
    await rig.hub.close(one)
    rig.receive(b"\x80" + bytes(20))
    assert other.counters.before_handshake == 1


async def test_a_client_that_changes_network(rig: Rig) -> None:
    connection = rig.open()
    rig.contact(connection, HERE, nominate=True)
    rig.contact(connection, THERE, nominate=True)
    connection.send_datagram(b"dtls")
    assert rig.port.sent[-1] == (b"dtls", THERE)
    rig.receive(b"\x80" + bytes(20), HERE)
    assert connection.counters.before_handshake == 1


async def test_the_addresses_of_one_client_are_bounded(rig: Rig) -> None:
    connection = rig.open()
    rig.contact(connection, HERE, nominate=True)
    for port in range(3 * MAX_ADDRESSES):
        rig.contact(connection, ("192.0.2.9", port))
    assert len(rig.hub._by_address) == MAX_ADDRESSES
    assert HERE in rig.hub._by_address


async def test_an_ice_restart_keeps_the_credentials_in_use(rig: Rig) -> None:
    connection = rig.open()
    before = request(connection.ice)
    rig.hub.restart_ice(connection)
    rig.receive(before)
    rig.contact(connection, THERE)
    assert not rig.hub.stun_problems
    for _ in range(5):
        rig.hub.restart_ice(connection)
    assert len(rig.hub._by_ufrag) == 2
    rig.receive(before)
    assert rig.hub.stun_problems == {StunProblem.UNKNOWN_USER: 1}


async def test_closing_forgets_everything_once(rig: Rig) -> None:
    connection = rig.open()
    rig.contact(connection)
    rig.contact(connection, THERE)
    await asyncio.gather(rig.hub.close(connection), rig.hub.close(connection))
    await rig.hub.close(connection)
    assert len(rig.hub) == 0
    left = (rig.hub._by_address, rig.hub._by_ufrag, rig.hub._touched, rig.hub._watched)
    assert not any(left)
    assert rig.ended == []


async def test_silence_is_told_once(rig: Rig) -> None:
    silent, alive = rig.open(), rig.open()
    silent.ice.last_check -= CONSENT_SECONDS + 1
    for _ in range(3):
        rig.hub._watch_consent()
    assert rig.ended == ["timeout"]
    assert rig.hub.counters.expired == 1
    await rig.hub.close(silent)
    await rig.hub.close(alive)


async def test_silence_is_looked_for_when_somebodys_may_be_too_long(rig: Rig) -> None:
    first, second = rig.open(), rig.open()
    now = asyncio.get_running_loop().time()

    def next_look() -> float:
        rig.hub._watch_consent()
        assert rig.hub._consent_timer is not None
        return rig.hub._consent_timer.when() - now

    assert next_look() == pytest.approx(CONSENT_SECONDS, abs=0.5)
    first.ice.last_check -= 20.0
    second.ice.last_check -= 10.0
    assert next_look() == pytest.approx(CONSENT_SECONDS - 20.0, abs=0.5)
    first.ice.last_check -= 9.9
    assert next_look() == pytest.approx(CONSENT_CHECK_SECONDS, abs=0.5)
    await rig.hub.close(first)
    assert next_look() == pytest.approx(CONSENT_SECONDS - 10.0, abs=0.5)


async def test_a_check_that_repeats_the_nominated_one_is_answered_without_being_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = rig.open()
    rig.contact(connection, nominate=True)
    connection.ice.last_check -= 20.0
    before = connection.ice.last_check
    read: list[bytes] = []

    def noted(data: bytes) -> Check:
        read.append(data)
        return parse_check(data)

    monkeypatch.setattr("sfu.transport.hub.parse_check", noted)
    rig.port.sent.clear()
    rig.contact(connection, nominate=True)
    assert [address for _, address in rig.port.sent] == [HERE]
    assert read == []
    assert connection.ice.last_check > before
    rig.contact(connection, THERE, nominate=True)
    assert len(read) == 1


class FakeLink:
    """Has what it is asked and told."""

    def __init__(self) -> None:
        self.on_rtp: Any = None
        self.on_stun: Any = None

    def aim(self, address: Address | None) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def links(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[FakeLink]:
    """Those of the connections that are opened."""
    made: list[FakeLink] = []

    def link() -> FakeLink:
        made.append(FakeLink())
        return made[-1]

    monkeypatch.setattr(rig.port, "link", link)
    monkeypatch.setattr(rig.port, "route", lambda address, link: None)
    return made


async def test_the_link_has_what_repeats_the_nominated_check_answered(
    rig: Rig, links: list[FakeLink]
) -> None:
    connection = rig.open()

    def answers(data: bytes) -> bool:
        return links[0].on_stun(data, HERE, time.monotonic()) is not None

    good = request(connection.ice, nominate=True)
    rig.contact(connection)
    assert not answers(good)
    rig.receive(good)
    assert answers(good)
    rig.contact(connection, THERE)
    rig.receive(request(connection.ice, password="guess"))
    assert answers(good)
    rig.hub.restart_ice(connection)
    assert not answers(good)
    rig.receive(good)
    assert answers(good)


async def test_who_is_answered_by_its_link_is_not_silent(rig: Rig, links: list[FakeLink]) -> None:
    connection = rig.open()
    rig.contact(connection, nominate=True)
    connection.ice.last_check -= CONSENT_SECONDS + 1
    links[0].on_stun(request(connection.ice, nominate=True), HERE, time.monotonic())
    rig.hub._watch_consent()
    assert rig.ended == []
    connection.ice.last_check -= CONSENT_SECONDS + 1
    rig.hub._watch_consent()
    assert rig.ended == ["timeout"]


async def test_an_observer_that_fails_does_not_end_the_watch(rig: Rig) -> None:
    def fails(connection: Connection, reason: str) -> None:
        raise RuntimeError("defect")

    connection = rig.hub.open(fails)
    connection.ice.last_check -= CONSENT_SECONDS + 1
    fired = rig.hub._consent_timer
    with pytest.raises(RuntimeError):
        rig.hub._watch_consent()
    assert rig.hub._consent_timer not in (None, fired)
    assert fired is not None
    fired.cancel()


async def test_nobody_left_nothing_watched(rig: Rig) -> None:
    await rig.hub.close(rig.open())
    rig.hub._watch_consent()
    assert rig.hub._consent_timer is None
    rig.open()
    assert rig.hub._consent_timer is not None


async def test_shutting_down_twice() -> None:
    rig = Rig()
    rig.open()
    await rig.hub.shutdown()
    await rig.hub.shutdown()
    assert len(rig.hub) == 0
    assert rig.hub._consent_timer is None


async def test_statistics(rig: Rig) -> None:
    rig.open()
    rig.receive(b"\xff")
    stats = rig.hub.stats()
    assert stats["connections"] == 1
    assert cast(dict[str, int], stats["dropped"])["unknown-kind"] == 1
    assert set(cast(dict[str, int], stats["stun_rejected"])) == {problem.value for problem in StunProblem}
