"""PROTOCOL.md and the code say the same: every example is a fixture, tables and limits agree."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import signaling
from signaling import auto, chat, errors, files, room, session
from signaling.decode import TYPES, decode
from signaling.fields import MAX_MESSAGE_BYTES, MAX_REPORT_MS, MAX_SDP_CHARS, MIN_REPORT_MS, ErrorCode
from signaling.messages import Offer, Publish, ServerMessage, decode_server, encode

SPEC = (Path(signaling.__file__).parent / "PROTOCOL.md").read_text()
BLOCKS = re.findall(r"^```json ?([a-z-]*)\n(.*?)^```$", SPEC, re.MULTILINE | re.DOTALL)
CLIENT_PART = SPEC.index("## Client to server")
SERVER_PART = SPEC.index("## Server to client")
CHAT_PART = SPEC.index("\n## Mesh")


def examples(start: int, end: int) -> list[str]:
    return re.findall(r"^```json\n(.*?)^```$", SPEC[start:end], re.MULTILINE | re.DOTALL)


def chat_examples(label: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == label]


def pruned(text: str) -> Any:
    """The example without what is left out of messages because it is the default."""
    fields = json.loads(text)
    for entry in fields.get("publish", []):
        if entry.get("muted") is False:
            del entry["muted"]
    return fields


@pytest.mark.parametrize("text", examples(CLIENT_PART, SERVER_PART))
def test_client_examples(text: str) -> None:
    message = decode(text)
    assert json.loads(encode(message)) == pruned(text)
    assert decode(encode(message)) == message


@pytest.mark.parametrize("text", examples(SERVER_PART, CHAT_PART))
def test_server_examples(text: str) -> None:
    message = decode_server(text)
    assert json.loads(encode(message)) == json.loads(text)


@pytest.mark.parametrize("text", chat_examples("chat-in"))
def test_chat_examples_in(text: str) -> None:
    message = msgspec.json.decode(text, type=chat.ChatIn)
    assert msgspec.json.decode(msgspec.json.encode(message)) == json.loads(text)


@pytest.mark.parametrize("text", chat_examples("chat-out"))
def test_chat_examples_out(text: str) -> None:
    message = msgspec.json.decode(text, type=chat.ChatOut | chat.ChatError)
    assert msgspec.json.decode(msgspec.json.encode(message)) == json.loads(text)


@pytest.mark.parametrize("text", chat_examples("files"))
def test_file_examples(text: str) -> None:
    assert json.loads(files.write(files.read_any(text))) == json.loads(text)


def test_every_message_type_has_an_example() -> None:
    client = {json.loads(text)["type"] for text in examples(CLIENT_PART, SERVER_PART)}
    server = {json.loads(text)["type"] for text in examples(SERVER_PART, CHAT_PART)}
    assert client == set(TYPES)
    assert server == {part.__struct_config__.tag for part in get_args(ServerMessage)}
    assert len(BLOCKS) == SPEC.count("```json")


def test_error_table() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", SPEC[SERVER_PART:CHAT_PART], re.MULTILINE))
    assert rows == dict(errors.CODES)
    assert tuple(rows) == get_args(ErrorCode)


def test_limits_in_the_text() -> None:
    assert f"{MAX_MESSAGE_BYTES:,} bytes" in SPEC
    assert f"1 to {MAX_SDP_CHARS:,} characters" in SPEC
    assert f"1 to {chat.MAX_TEXT_CHARS:,} characters" in SPEC
    assert f"0, or {MIN_REPORT_MS} to {MAX_REPORT_MS:,} |" in SPEC
    assert f"within {session.JOIN_TIMEOUT:.0f} s" in SPEC
    rate, burst = session.MESSAGES_PER_SECOND, session.MESSAGES_AT_ONCE
    assert f"{rate:.0f} messages a second, {burst:.0f} at once" in SPEC
    assert f"{session.MAX_PENDING} requests waiting" in SPEC
    assert f"{files.WINDOW_BYTES:,} bytes (the window)" in SPEC
    assert f"at most {files.CHUNK_BYTES:,} | data" in SPEC
    assert f"silent for {room.MAX_SILENCE} s is gone" in SPEC
    assert f"fewer for {auto.QUIET:.0f} s" in SPEC
    assert f'"threshold": {auto.THRESHOLD}' in SPEC
    chat_rate, chat_burst = chat.MESSAGES_PER_SECOND, chat.MESSAGES_AT_ONCE
    assert f"At most {chat_rate:.0f}\nmessages a second, {chat_burst:.0f} at once" in SPEC


def test_defaults_are_left_out() -> None:
    offer = Offer(sdp="v=0", publish=(Publish(mid="0", source="camera", muted=False),), receive=())
    assert json.loads(encode(offer)) == {
        "type": "offer",
        "sdp": "v=0",
        "publish": [{"mid": "0", "source": "camera"}],
        "receive": [],
    }
