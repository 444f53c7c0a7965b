"""ICE-lite: which checks are refused and how, whose address is selected, restarts, consent."""

from typing import Any

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.transport.ice import (
    CONSENT_SECONDS,
    MAX_ADDRESSES,
    Check,
    IceLite,
    StunProblem,
    StunRejected,
    is_stun,
    parse_check,
    plain_host,
    success_response,
    unknown_user,
)

HERE = ("192.0.2.1", 5000)
KNOWN_ATTRIBUTES = sorted(stun.ATTRIBUTES_BY_TYPE)
THERE = ("198.51.100.7", 6000)


def request(
    ice: IceLite,
    *,
    nominate: bool = False,
    ufrag: str | None = None,
    password: str | None = None,
    controlled: bool = False,
) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag or ice.ufrag}:them"
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = 7
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity((password or ice.password).encode())
    return bytes(message)


def check(
    ice: IceLite, address: tuple[str, int] = HERE, now: float = 10.0, *, nominate: bool = False
) -> stun.Message:
    return stun.parse_message(ice.answer(parse_check(request(ice, nominate=nominate)), address, now))


def refused(data: bytes, ice: IceLite | None = None) -> tuple[StunProblem, int | None]:
    """The problem, and the code of the error response if there is one."""
    try:
        (ice or IceLite(0.0)).answer(parse_check(data), HERE, 10.0)
    except StunRejected as rejected:
        response = rejected.response
        return rejected.problem, None if response is None else stun.parse_message(response).error_code
    raise AssertionError("it was accepted")


# -- answers -------------------------------------------------------------------------------------------------


def test_a_check_is_answered_with_the_address_it_came_from() -> None:
    ice = IceLite(0.0)
    data = request(ice)
    answer = stun.parse_message(ice.answer(parse_check(data), HERE, 10.0))
    assert answer.message_class is stun.Class.RESPONSE
    assert answer.transaction_id == stun.parse_message(data).transaction_id
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == HERE
    assert answer.check_message_integrity(ice.password.encode())
    assert "FINGERPRINT" in answer.attributes


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_the_address_as_the_client_knows_it(host: str, plain: str) -> None:
    assert plain_host(host) == plain
    ice = IceLite(0.0)
    answer = ice.answer(parse_check(request(ice)), (host, 5000, 0, 0), 10.0)
    assert stun.parse_message(answer).attributes["XOR-MAPPED-ADDRESS"] == (plain, 5000)


@given(
    st.binary(min_size=12, max_size=12),
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda ip: "." not in str(ip))).map(str),
    st.integers(0, 65535),
    st.binary(min_size=1, max_size=80),
)
def test_the_answer_is_that_of_aioice_to_the_bit(
    transaction: bytes, host: str, port: int, key: bytes
) -> None:
    expected = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, transaction)
    expected.attributes["XOR-MAPPED-ADDRESS"] = (host, port)
    expected.add_message_integrity(key)
    assert success_response(transaction, (host, port), key) == bytes(expected)


# -- repetitions ---------------------------------------------------------------------------------------------


def connected() -> IceLite:
    ice = IceLite(0.0)
    check(ice, nominate=True)
    return ice


@given(st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]), st.booleans())
def test_what_repeats_the_nominated_check_gets_the_same_answer(host: str, nominate: bool) -> None:
    ice = IceLite(0.0)
    address = (host, 5000)
    ice.answer(parse_check(request(ice, nominate=True)), address, 10.0)
    ice.answer(parse_check(request(ice, nominate=nominate)), address, 11.0)
    again = request(ice, nominate=nominate)
    expected = success_response(again[8:20], address, ice.password.encode())
    assert ice.answer_again(again, address, 12.0) == expected
    assert ice.last_check == 12.0


def test_before_a_nomination_each_check_is_read() -> None:
    ice = IceLite(0.0)
    check(ice)
    assert ice.answer_again(request(ice), HERE, 11.0) is None


def test_every_flipped_bit_makes_another_check() -> None:
    ice = connected()
    for bit in range(8 * len(request(ice))):
        data = bytearray(request(ice, nominate=True))
        data[bit >> 3] ^= 1 << (bit & 7)
        assert ice.answer_again(bytes(data), HERE, 11.0) is None
    assert ice.last_check == 10.0


@pytest.mark.parametrize(
    "options", [{"ufrag": "other"}, {"password": "guess"}, {"controlled": True}, {"nominate": False}]
)
def test_what_is_not_a_repetition_is_read(options: dict[str, Any]) -> None:
    ice = connected()
    assert ice.answer_again(request(ice, **({"nominate": True} | options)), HERE, 11.0) is None


def test_what_repeats_it_from_elsewhere_is_read() -> None:
    ice = connected()
    assert ice.answer_again(request(ice, nominate=True), THERE, 11.0) is None
    check(ice, THERE)
    assert ice.answer_again(request(ice, nominate=True), HERE, 11.0) is not None
    check(ice, THERE, nominate=True)
    assert ice.answer_again(request(ice, nominate=True), HERE, 11.0) is None


def test_after_a_restart_every_check_is_read_again() -> None:
    ice = connected()
    before = request(ice, nominate=True)
    ice.restart()
    assert ice.answer_again(before, HERE, 11.0) is None


@given(st.binary(max_size=200), st.integers(0, 120))
def test_no_bytes_are_too_odd(data: bytes, cut: int) -> None:
    ice = connected()
    assert ice.answer_again(data, HERE, 11.0) is None
    whole = request(ice, nominate=True)
    assert ice.answer_again(whole[:cut], HERE, 11.0) is None or cut >= len(whole)


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", bytes(20), request(IceLite(0.0))[:-1], request(IceLite(0.0)) + b"\0"])
def test_malformed(data: bytes) -> None:
    assert refused(data) == (StunProblem.MALFORMED, None)


def test_a_fingerprint_that_does_not_fit() -> None:
    data = bytearray(request(IceLite(0.0)))
    data[-1] ^= 1
    assert refused(bytes(data)) == (StunProblem.MALFORMED, None)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (stun.Method.BINDING, stun.Class.RESPONSE),
        (stun.Method.BINDING, stun.Class.ERROR),
        (stun.Method.BINDING, stun.Class.INDICATION),
        (stun.Method.ALLOCATE, stun.Class.REQUEST),
    ],
)
def test_what_is_no_binding_request_is_not_answered(method: stun.Method, kind: stun.Class) -> None:
    assert refused(bytes(stun.Message(method, kind))) == (StunProblem.NOT_A_REQUEST, None)


def test_missing_credentials() -> None:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    assert refused(bytes(message)) == (StunProblem.NO_CREDENTIALS, 400)
    message.attributes["USERNAME"] = "abcd:efgh"
    assert refused(bytes(message)) == (StunProblem.NO_CREDENTIALS, 400)


def test_an_unknown_user() -> None:
    ice = IceLite(0.0)
    assert refused(request(ice, ufrag="nobody"), ice) == (StunProblem.UNKNOWN_USER, 401)
    assert unknown_user(Check(b"", stun.Message(stun.Method.BINDING, stun.Class.REQUEST), "x")).response


def test_another_password() -> None:
    ice = IceLite(0.0)
    assert refused(request(ice, password="guess"), ice) == (StunProblem.BAD_INTEGRITY, 401)
    assert (ice.addresses, ice.selected) == ({}, None)


def test_an_integrity_of_another_length() -> None:
    ice = IceLite(0.0)
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ice.ufrag}:them"
    message.attributes["MESSAGE-INTEGRITY"] = b"short!!!"
    assert refused(bytes(message), ice) == (StunProblem.BAD_INTEGRITY, 401)


def test_what_follows_the_integrity_is_not_believed() -> None:
    ice = IceLite(0.0)
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ice.ufrag}:them"
    message.add_message_integrity(ice.password.encode())
    del message.attributes["FINGERPRINT"]
    message.attributes["USE-CANDIDATE"] = None
    ice.answer(parse_check(bytes(message)), HERE, 10.0)
    assert not ice.nominated


def test_a_client_that_wants_to_be_controlled_is_told_to_switch() -> None:
    ice = IceLite(0.0)
    with pytest.raises(StunRejected) as caught:
        ice.answer(parse_check(request(ice, controlled=True)), HERE, 10.0)
    assert caught.value.problem is StunProblem.ROLE_CONFLICT
    response = stun.parse_message(caught.value.response or b"")
    assert response.error_code == 487
    assert response.check_message_integrity(ice.password.encode())
    assert ice.selected is None


@given(st.binary(max_size=120))
@settings(max_examples=200)
def test_any_bytes(data: bytes) -> None:
    assert is_stun(data) in (True, False)
    with pytest.raises(StunRejected):
        parse_check(data)


@given(
    st.sampled_from([b"\0\1", b"\1\1", b"\0\x11", b"\3\xff"]),
    st.lists(st.tuples(st.sampled_from([*KNOWN_ATTRIBUTES, 0x7777]), st.binary(max_size=24))),
    st.booleans(),
)
@settings(max_examples=200)
def test_any_attributes(kind: bytes, attributes: list[tuple[int, bytes]], honest: bool) -> None:
    body = b"".join(
        type_.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) & 3)
        for type_, value in attributes
    )
    size = len(body) if honest else len(body) // 2
    data = kind + size.to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + body
    assert is_stun(data)
    ice = IceLite(0.0)
    with pytest.raises(StunRejected):
        ice.answer(parse_check(data), HERE, 10.0)


# -- addresses -----------------------------------------------------------------------------------------------


def test_before_a_nomination_the_newest_address_is_used() -> None:
    ice = IceLite(0.0)
    check(ice, HERE)
    check(ice, THERE)
    assert (ice.selected, ice.nominated, ice.migrations) == (THERE, False, 0)


def test_a_nomination_stays() -> None:
    ice = IceLite(0.0)
    check(ice, HERE, nominate=True)
    check(ice, THERE)
    assert (ice.selected, ice.nominated) == (HERE, True)


def test_a_client_that_changes_network_is_followed() -> None:
    ice = IceLite(0.0)
    check(ice, HERE, nominate=True)
    check(ice, THERE, nominate=True)
    check(ice, THERE, nominate=True)
    assert (ice.selected, ice.migrations) == (THERE, 1)


def test_surplus_addresses_are_the_oldest_and_never_the_selected_one() -> None:
    ice = IceLite(0.0)
    check(ice, HERE, nominate=True)
    for port in range(MAX_ADDRESSES + 2):
        check(ice, ("198.51.100.7", port))
    assert ice.surplus() == [("198.51.100.7", 0), ("198.51.100.7", 1), ("198.51.100.7", 2)]
    assert HERE in ice.addresses
    assert len(ice.addresses) == MAX_ADDRESSES
    assert ice.surplus() == []


def test_an_address_heard_again_is_young_again() -> None:
    ice = IceLite(0.0)
    check(ice, THERE, nominate=True)
    for port in range(MAX_ADDRESSES - 1):
        check(ice, ("198.51.100.7", port))
    check(ice, ("198.51.100.7", 0))
    check(ice, HERE)
    assert ice.surplus() == [("198.51.100.7", 1)]


# -- restarts and consent ------------------------------------------------------------------------------------


def test_credentials_are_long_enough_and_of_ice_chars() -> None:
    ice = IceLite(0.0)
    assert len(ice.ufrag) >= 4
    assert len(ice.password) >= 22
    assert (ice.ufrag + ice.password).replace("+", "0").replace("/", "0").isalnum()


def test_after_a_restart_both_credentials_are_good() -> None:
    ice = IceLite(0.0)
    check(ice, HERE, nominate=True)
    before = request(ice)
    ice.restart()
    ice.answer(parse_check(before), HERE, 11.0)
    check(ice, THERE, nominate=True)
    assert ice.selected == THERE
    assert len(ice.ufrags) == 2


def test_after_two_restarts_the_first_credentials_are_nobodys() -> None:
    ice = IceLite(0.0)
    before = request(ice)
    ice.restart()
    ice.restart()
    assert refused(before, ice) == (StunProblem.UNKNOWN_USER, 401)
    assert len(ice.ufrags) == 2


def test_consent_is_lost_by_silence() -> None:
    ice = IceLite(10.0)
    assert not ice.consent_lost(10.0 + CONSENT_SECONDS)
    assert ice.consent_lost(10.1 + CONSENT_SECONDS)
    check(ice, now=20.0)
    assert not ice.consent_lost(20.0 + CONSENT_SECONDS)


def test_a_check_that_is_refused_is_no_consent() -> None:
    ice = IceLite(10.0)
    refused(request(ice, password="guess"), ice)
    refused(request(ice, controlled=True), ice)
    assert ice.last_check == 10.0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (request(IceLite(0.0)), True),
        (b"", False),
        (b"\4" + request(IceLite(0.0))[1:], False),
        (bytes(20), False),
    ],
)
def test_is_stun(data: bytes, expected: bool) -> None:
    assert is_stun(data) is expected
