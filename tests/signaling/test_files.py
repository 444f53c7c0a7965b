"""Messages and chunks of the files data channel."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling import files
from signaling.files import CHUNK_BYTES, BadFileMessage, Chunk, read, read_chunk, write_chunk

FILE = "f_0123456789abcdef"


def offer(**changes: object) -> str:
    return json.dumps({"type": "file", "file": FILE, "name": "plan.pdf", "size": 5, **changes})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad-json"),
        ("[" * 5_000, "bad-json"),
        ("\ud800", "bad-json"),
        ("[]", "bad-message"),
        ("{}", "bad-message"),
        ('{"type": "error", "code": "too-large", "message": "."}', "unknown-type"),
        ('{"type": "push"}', "unknown-type"),
        (offer(file="f_0"), "bad-message"),
        (offer(file="f_0123456789ABCDEF"), "bad-message"),
        (offer(name=""), "bad-message"),
        (offer(name=".."), "bad-message"),
        (offer(name="a/b"), "bad-message"),
        (offer(name="a\\b"), "bad-message"),
        (offer(name="a\nb"), "bad-message"),
        (offer(name="x" * 256), "bad-message"),
        (offer(size=-1), "bad-message"),
        (offer(size=2**53), "bad-message"),
        (offer(size=1.5), "bad-message"),
        (offer(mime="é"), "bad-message"),
        (offer(sha256="abc"), "bad-message"),
        (offer(extra="x" * 20_000), "too-large"),
    ],
)
def test_refused(text: str, code: str) -> None:
    with pytest.raises(BadFileMessage) as raised:
        read(text)
    assert raised.value.code == code
    assert raised.value.message.endswith(".")


@pytest.mark.parametrize("name", ["plan.pdf", ".hidden", "...", "Straße 7.txt", "📎", "x" * 255])
def test_names(name: str) -> None:
    message = read(offer(name=name, to=None))
    assert isinstance(message, files.FileOffer)
    assert (message.name, message.to) == (name, None)


@pytest.mark.parametrize("participant", ["", "p_1", "p" * 64])
@pytest.mark.parametrize("data", [b"", b"x", bytes(CHUNK_BYTES)])
def test_chunks_there_and_back(participant: str, data: bytes) -> None:
    chunk = Chunk(FILE, participant, 2**40 + 1, data)
    assert read_chunk(write_chunk(chunk)) == chunk


def test_layout() -> None:
    written = write_chunk(Chunk(FILE, "p_1", 258, b"data"))
    assert written.hex(" ") == "01 01 23 45 67 89 ab cd ef 03 70 5f 31 00 00 00 00 00 00 01 02 64 61 74 61"


def test_malformed_chunks() -> None:
    whole = write_chunk(Chunk(FILE, "p_1", 0, b""))
    too_long = write_chunk(Chunk(FILE, "p_1", 0, bytes(CHUNK_BYTES + 1)))
    foreign = whole.replace(b"p_1", b"p_\xff")
    for data in [*(whole[:size] for size in range(len(whole))), b"\x02" + whole[1:], too_long, foreign]:
        with pytest.raises(BadFileMessage):
            read_chunk(data)


@settings(max_examples=200, deadline=None)
@given(st.binary() | st.binary().map(lambda tail: b"\x01" + tail), st.text())
def test_anything(data: bytes, text: str) -> None:
    with contextlib.suppress(BadFileMessage):
        read_chunk(data)
    with contextlib.suppress(BadFileMessage):
        read(text)


def test_fresh_ids_are_read() -> None:
    assert read(offer(file=files.new_file_id())).file != files.new_file_id()
