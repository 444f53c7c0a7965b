"""What strangers send becomes a message or a documented error, never anything else."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.decode import TYPES, decode
from signaling.errors import SignalingError
from signaling.fields import MAX_MESSAGE_BYTES, MAX_SDP_CHARS, ErrorCode
from signaling.messages import Join, Offer, Ping, Signal, Signaled, decode_server, encode, from_data, to_data

OFFER = {"type": "offer", "sdp": "v=0", "publish": [], "receive": []}
CAMERA = {"mid": "0", "source": "camera"}
TRACK = {"key": "cam", "kind": "video", "source": "camera"}
SLOT = {"mid": "0", "publication": None}


def refusal(text: str) -> SignalingError:
    with pytest.raises(SignalingError) as caught:
        decode(text)
    assert caught.value.message.endswith((".", "!"))
    return caught.value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad-json"),
        ("{", "bad-json"),
        ("{}trailing", "bad-json"),
        ('{"type": "ping",}', "bad-json"),
        ('{"a": NaN}', "bad-json"),
        ('"\\ud800"', "bad-json"),
        ("\ud800", "bad-json"),
        ("[" * 100_000, "bad-json"),
        ("[]", "bad-message"),
        ("null", "bad-message"),
        ("{}", "bad-message"),
        ('{"type": 5}', "bad-message"),
        ('{"type": null}', "bad-message"),
        ('{"type": "dance"}', "unknown-type"),
        ('{"type": "welcome"}', "unknown-type"),
        ('{"type": "join"}', "bad-room"),
        ('{"type": "join", "room": 5, "name": "Ada"}', "bad-room"),
        ('{"type": "join", "room": "blue"}', "bad-name"),
        ('{"type": "join", "room": "blue", "name": "Ada", "replaces": 1}', "bad-message"),
        ('{"type": "join", "room": "blue", "name": "Ada", "id": 1.5}', "bad-message"),
        ('{"type": "mute", "publication": "t_1", "muted": "yes"}', "bad-message"),
        ('{"type": "mute", "muted": true}', "bad-message"),
        ('{"type": "point", "mid": "0"}', "bad-message"),
        ('{"type": "point", "mid": "", "publication": null}', "bad-message"),
        ('{"type": "ping", "id": -1}', "bad-message"),
        ('{"type": "ping", "id": 9007199254740992}', "bad-message"),
        ('{"type": "ping", "id": true}', "bad-message"),
        ('{"type": "join", "room": "blue", "name": "Ada", "topology": "star"}', "bad-message"),
        ('{"type": "join", "room": "blue", "name": "Ada", "role": "king"}', "bad-message"),
        ('{"type": "announce"}', "bad-message"),
        (json.dumps({"type": "announce", "publications": [TRACK | {"key": ""}]}), "bad-message"),
        (json.dumps({"type": "announce", "publications": [TRACK | {"kind": "smell"}]}), "bad-message"),
        (json.dumps({"type": "announce", "publications": [TRACK, TRACK]}), "bad-message"),
        (
            json.dumps({"type": "announce", "publications": [TRACK | {"key": str(i)} for i in range(17)]}),
            "bad-message",
        ),
        ('{"type": "signal", "to": "p_1"}', "bad-message"),
        ('{"type": "signal", "data": {}}', "bad-message"),
        ('{"type": "signal", "to": 5, "data": {}}', "bad-message"),
        ('{"type": "signal", "to": "p_1", "data": []}', "bad-message"),
        ('{"type": "signal", "to": "p_1", "data": "{}"}', "bad-message"),
        ('{"type": "signal", "to": "p_1", "data": null}', "bad-message"),
        ('{"type": "signal", "to": "p_1", "data": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}", "bad-json"),
        (json.dumps(OFFER | {"sdp": ""}), "bad-message"),
        (json.dumps(OFFER | {"sdp": "x" * (MAX_SDP_CHARS + 1)}), "bad-message"),
        (json.dumps(OFFER | {"publish": [{"mid": "0", "source": "kitchen"}]}), "bad-message"),
        (json.dumps(OFFER | {"publish": [CAMERA | {"mid": str(i)} for i in range(17)]}), "bad-message"),
        (json.dumps(OFFER | {"receive": [SLOT | {"mid": str(i)} for i in range(257)]}), "bad-message"),
        (json.dumps(OFFER | {"publish": [CAMERA], "receive": [SLOT]}), "bad-message"),
        (json.dumps(OFFER | {"receive": [{"mid": "0"}]}), "bad-message"),
        ('{"type": "ping", "more": "' + "x" * MAX_MESSAGE_BYTES + '"}', "too-large"),
        ('{"type": "ping", "more": "' + "é" * (MAX_MESSAGE_BYTES // 2) + '"}', "too-large"),
    ],
)
def test_refused(text: str, code: ErrorCode) -> None:
    assert refusal(text).code == code


def test_signals_are_passed_on_letter_by_letter() -> None:
    data = '{"a" : 1.50, "a": [ ], "from": "p_7", "\\u00e9": "\\ud83d\\ude00é"}'
    message = decode('{"from": "p_6", "data":  ' + data + ' , "to": "p_1", "type": "signal"}')
    assert isinstance(message, Signal)
    assert (message.to, bytes(message.data).decode()) == ("p_1", data)
    passed_on = encode(Signaled(sender="p_2", data=message.data))
    assert passed_on == '{"type":"signal","from":"p_2","data":' + data + "}"
    assert decode_server(passed_on) == Signaled(sender="p_2", data=message.data)


def test_the_data_of_signals_from_python() -> None:
    fields = {"description": {"type": "offer", "sdp": "v=0"}, "tracks": {"0": "t_1"}}
    message = decode(encode(Signal(to="p_1", data=to_data(fields))))
    assert isinstance(message, Signal)
    assert from_data(message.data) == fields
    with pytest.raises(msgspec.ValidationError):
        from_data(msgspec.Raw(b"[]"))


def test_refusals_name_the_request() -> None:
    assert refusal('{"type": "dance", "id": 7}').re == 7
    assert refusal('{"type": "join", "id": 7, "room": ""}').re == 7
    assert refusal(json.dumps(OFFER | {"id": 7, "sdp": 1})).re == 7
    assert refusal('{"type": "signal", "id": 7, "to": "p_1", "data": 1}').re == 7
    assert refusal('{"type": "signal", "id": 7}').re == 7
    assert refusal('{"type": "dance", "id": "7"}').re is None
    assert refusal("{").re is None


def test_unknown_fields_are_ignored() -> None:
    assert decode('{"type": "ping", "id": 1, "later": {"x": []}}') == Ping(id=1)


def test_longest_offer_fits() -> None:
    offer = Offer(sdp="x" * MAX_SDP_CHARS, publish=(), receive=())
    assert decode(encode(offer)) == offer


@pytest.mark.parametrize("room", ["b", "blue", "Room 1", "a.b-c_d", "...", "0", "x" * 64])
def test_good_rooms(room: str) -> None:
    assert decode(encode(Join(room=room, name="Ada"))) == Join(room=room, name="Ada")


@pytest.mark.parametrize("room", ["", " ", " a", "a ", ".", "..", "a/b", "a\n", "é", "a%20b", "x" * 65])
def test_bad_rooms(room: str) -> None:
    assert refusal(encode(Join(room=room, name="Ada"))).code == "bad-room"


@pytest.mark.parametrize("name", ["A", "Ada Lovelace", "日本", "👩‍💻", "<b>", "x" * 64])
def test_good_names(name: str) -> None:
    assert decode(encode(Join(room="blue", name=name))) == Join(room="blue", name=name)


@pytest.mark.parametrize("name", ["", " ", "\t", "a\nb", "a\x00", "\u202eabc", "a\u2028b", "\x7f", "x" * 65])
def test_bad_names(name: str) -> None:
    assert refusal(encode(Join(room="blue", name=name))).code == "bad-name"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from(
    [
        *("id", "room", "name", "replaces", "sdp", "publish", "receive", "mid", "publication", "muted"),
        *("topology", "role", "fresh", "publications", "to", "data"),
    ]
)
almost_messages = st.builds(
    lambda tag, fields: json.dumps(fields | {"type": tag}),
    st.sampled_from(sorted(TYPES)),
    st.dictionaries(field_names, json_values, max_size=6),
)


@settings(max_examples=200, deadline=None)
@given(st.text() | json_values.map(json.dumps) | almost_messages)
def test_any_text(text: str) -> None:
    try:
        message = decode(text)
    except SignalingError:
        return
    assert decode(encode(message)) == message
