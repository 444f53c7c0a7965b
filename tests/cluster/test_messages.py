"""What nodes say to each other: every message there and back, and whatever else is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.cluster import messages as wire
from sfu.rooms.pipe import MAX_PARAMETERS, PipeEncoding, PipeStream
from sfu.wire.sdp import Codec

FINGERPRINTS = (("sha-256", ":".join(["AB"] * 32)),)
VP8 = wire.PipeCodec(96, "VP8", 90_000, 1, "", ("nack", "nack pli"), 97)
ENCODINGS = (wire.StreamEncoding("q", 1000, 1001, 180), wire.StreamEncoding("f", 1002, 1003))
STREAM = wire.Stream("t_1", "video", "camera", False, (VP8,), ENCODINGS)
MEMBER = wire.PipeMember("p_1", "Ada", "member", ("n_1",), (STREAM,))
MESSAGES: list[wire.AnyMessage] = [
    wire.Hello("blue", "sfu", "n_2", FINGERPRINTS),
    wire.Accept("n_1", "abcd", "0" * 22, FINGERPRINTS, (wire.Candidate("192.0.2.1", 7882),)),
    wire.Members((MEMBER,)),
    wire.Members(()),
    wire.Want((wire.Wanted("t_1", ("q", "f")), wire.Wanted("t_2", ("",)))),
]
KINDS = [type(message).__name__ for message in MESSAGES]


def broken(message: wire.AnyMessage, path: str, value: object) -> str:
    """The message's JSON with another value at `path`, such as members.0.role."""
    fields: Any = json.loads(wire.encode(message))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = fields
    for part in way:
        place = place[part]
    place[last] = value
    return json.dumps(fields)


@pytest.mark.parametrize("message", MESSAGES, ids=KINDS)
def test_there_and_back(message: wire.AnyMessage) -> None:
    assert wire.decode(wire.encode(message)) == message


def test_the_shape_is_kept_for_nodes_of_other_versions() -> None:
    assert json.loads(wire.encode(MESSAGES[0])) == {
        "type": "hello",
        "room": "blue",
        "topology": "sfu",
        "node": "n_2",
        "fingerprints": [["sha-256", FINGERPRINTS[0][1]]],
    }
    assert json.loads(wire.encode(MESSAGES[4])) == {
        "type": "want",
        "publications": [{"publication": "t_1", "rids": ["q", "f"]}, {"publication": "t_2", "rids": [""]}],
    }
    (member,) = json.loads(wire.encode(MESSAGES[2]))["members"]
    assert member["streams"][0]["encodings"] == [
        {"rid": "q", "ssrc": 1000, "rtx_ssrc": 1001, "height": 180},
        {"rid": "f", "ssrc": 1002, "rtx_ssrc": 1003, "height": 0},
    ]


@pytest.mark.parametrize(
    ("message", "path", "value"),
    [
        (0, "type", "goodbye"),
        (0, "room", ""),
        (0, "room", "x" * 65),
        (0, "topology", "mesh"),
        (0, "node", ""),
        (0, "fingerprints", []),
        (0, "fingerprints", [["sha-256", "AB"]] * 9),
        (1, "candidates", []),
        (1, "candidates.0.port", 0),
        (1, "candidates.0.port", 65536),
        (1, "ufrag", ""),
        (1, "password", "short"),
        (2, "members.0.role", "admin"),
        (2, "members.0.name", ""),
        (2, "members.0.nodes", []),
        (2, "members.0.nodes", ["n"] * (wire.MAX_NODES_PASSED + 1)),
        (2, "members.0.streams", [{}]),
        (2, "members.0.streams.0.kind", "text"),
        (2, "members.0.streams.0.source", "hologram"),
        (2, "members.0.streams.0.codecs", []),
        (2, "members.0.streams.0.encodings", []),
        (2, "members.0.streams.0.encodings.0.rid", "r" * 17),
        (2, "members.0.streams.0.encodings.0.ssrc", 0),
        (2, "members.0.streams.0.encodings.0.ssrc", 1 << 32),
        (2, "members.0.streams.0.encodings.1.rtx_ssrc", 0),
        (2, "members.0.streams.0.encodings.1.height", -1),
        (2, "members.0.streams.0.encodings.1.height", 65_536),
        (2, "members.0.streams.0.codecs.0.payload_type", 95),
        (2, "members.0.streams.0.codecs.0.rtx_payload_type", 128),
        (2, "members.0.streams.0.codecs.0.clock_rate", 0),
        (2, "members.0.streams.0.codecs.0.parameters", "x" * (MAX_PARAMETERS + 1)),
        (3, "members", None),
        (4, "publications", [1]),
        (4, "publications", ["t_1"]),
        (4, "publications", "t_1"),
        (4, "publications.0.rids", []),
        (4, "publications.0.rids", ["a", "b", "c", "d", "e"]),
    ],
)
def test_what_is_not_allowed_is_refused(message: int, path: str, value: object) -> None:
    with pytest.raises(msgspec.MsgspecError):
        wire.decode(broken(MESSAGES[message], path, value))


def test_endless_lists_are_refused() -> None:
    member = json.loads(wire.encode(MESSAGES[2]))["members"][0]
    streams = broken(MESSAGES[2], "members.0.streams", member["streams"] * 17)
    members = broken(MESSAGES[2], "members", [{**member, "streams": []}] * 10_001)
    encodings = broken(MESSAGES[2], "members.0.streams.0.encodings", member["streams"][0]["encodings"] * 3)
    for text in (streams, members, encodings):
        with pytest.raises(msgspec.ValidationError):
            wire.decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"hello"',
        "{}",
        "\ud800",
        '{"type":"want","publications":[],"x":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=["empty", "open", "array", "null", "string", "typeless", "surrogate", "deep"],
)
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        wire.decode(text)


@given(st.one_of(st.text(), st.binary()))
@settings(max_examples=200)
def test_any_text_is_a_message_or_refused(text: str | bytes) -> None:
    try:
        message = wire.decode(text)
    except msgspec.MsgspecError:
        return
    assert isinstance(message, wire.AnyMessage)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = [
    (0, "room"),
    (0, "fingerprints"),
    (1, "candidates.0"),
    (2, "members"),
    (2, "members.0"),
    (2, "members.0.streams.0"),
    (2, "members.0.streams.0.codecs.0.feedback"),
    (2, "members.0.streams.0.encodings.0"),
    (4, "publications"),
    (4, "publications.0"),
]


@given(st.sampled_from(PATHS), JSON)
@settings(max_examples=200)
def test_any_value_in_any_place_is_taken_or_refused(place: tuple[int, str], value: object) -> None:
    try:
        message = wire.decode(broken(MESSAGES[place[0]], place[1], value))
    except msgspec.MsgspecError:
        return
    assert wire.decode(wire.encode(message)) == message


@given(
    st.builds(
        PipeStream,
        publication=st.text("abc_1", min_size=1, max_size=64),
        participant=st.just("p_1"),
        kind=st.sampled_from(["audio", "video"]),
        source=st.sampled_from(["microphone", "camera", "screen", "screen-audio", "other"]),
        muted=st.booleans(),
        codecs=st.lists(
            st.builds(
                Codec,
                payload_type=st.integers(96, 127),
                name=st.sampled_from(["VP8", "opus"]),
                clock_rate=st.sampled_from([48_000, 90_000]),
                channels=st.integers(1, 2),
                parameters=st.text(max_size=20),
                feedback=st.just(("nack", "nack pli")),
                rtx_payload_type=st.none() | st.integers(96, 127),
            ),
            min_size=1,
            max_size=16,
        ).map(tuple),
        encodings=st.lists(
            st.builds(
                PipeEncoding,
                rid=st.text("qhf", max_size=16),
                ssrc=st.integers(1, 0xFFFFFFFF),
                rtx_ssrc=st.integers(1, 0xFFFFFFFF),
                height=st.integers(0, 0xFFFF),
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda encoding: encoding.rid,
        ).map(tuple),
    )
)
@settings(max_examples=100)
def test_streams_there_and_back(stream: PipeStream) -> None:
    member = wire.PipeMember("p_1", "Ada", "member", ("n_1",), (wire.to_stream(stream),))
    message = wire.decode(wire.encode(wire.Members((member,))))
    assert isinstance(message, wire.Members)
    assert wire.from_stream("p_1", message.members[0].streams[0]) == stream


def test_two_encodings_of_one_name_are_refused() -> None:
    twice = wire.Stream("t_1", "video", "camera", False, (VP8,), (ENCODINGS[0], ENCODINGS[0]))
    with pytest.raises(ValueError, match="same rid"):
        wire.from_stream("p_1", twice)
