"""The messages of the chat data channel."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.chat import MAX_TEXT_CHARS, MESSAGES_AT_ONCE, ChatLine, ToOthers, ToSender, nobody


def send(data: str | bytes) -> ToOthers | ToSender | None:
    return ChatLine("p_7", 0.0).receive(data, 0.0, 1732170000000)


def chat(text: str) -> str:
    return json.dumps({"type": "chat", "text": text})


@pytest.mark.parametrize(
    "text", ["hi", "a\nb\tc", "👩‍💻", "<script>", '"', "x" * MAX_TEXT_CHARS, "🎉" * MAX_TEXT_CHARS]
)
def test_relayed(text: str) -> None:
    outcome = send(chat(text))
    assert isinstance(outcome, ToOthers)
    assert json.loads(outcome.text) == {"type": "chat", "from": "p_7", "text": text, "at": 1732170000000}


def test_to_one() -> None:
    outcome = send('{"type": "chat", "text": "hi", "to": "p_1"}')
    assert isinstance(outcome, ToOthers)
    assert outcome.to == "p_1"
    assert json.loads(outcome.text)["to"] == "p_1"
    assert json.loads(nobody("p_1").text)["code"] == "unknown-participant"


def test_nobody_speaks_in_anothers_name() -> None:
    outcome = send('{"type": "chat", "from": "p_1", "at": 1, "text": "hi"}')
    assert isinstance(outcome, ToOthers)
    assert json.loads(outcome.text)["from"] == "p_7"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", "bad-json"),
        ("{", "bad-json"),
        ("[" * 20_000, "bad-json"),
        ("\ud800", "bad-json"),
        (b"{}", "bad-message"),
        ("[]", "bad-message"),
        ("{}", "bad-message"),
        ('{"type": 1}', "bad-message"),
        ('{"type": "chat"}', "bad-message"),
        ('{"type": "chat", "text": 5}', "bad-message"),
        (chat(""), "bad-message"),
        (chat(" \n"), "bad-message"),
        ('{"type": "chat", "text": "hi", "to": 5}', "bad-message"),
        (chat("a\x00b"), "bad-message"),
        (chat("a\x1b[31mb"), "bad-message"),
        ('{"type": "typing"}', "unknown-type"),
        (chat("x" * (MAX_TEXT_CHARS + 1)), "too-large"),
        ("x" * 100_000, "too-large"),
    ],
)
def test_refused(data: str | bytes, code: str) -> None:
    outcome = send(data)
    assert isinstance(outcome, ToSender)
    error = json.loads(outcome.text)
    assert error["type"] == "error"
    assert error["code"] == code
    assert error["message"].endswith(".")


def test_rate() -> None:
    line = ChatLine("p_7", 0.0)
    outcomes = [line.receive(chat("hi"), 0.0, 0) for _ in range(int(MESSAGES_AT_ONCE) + 3)]
    assert all(isinstance(outcome, ToOthers) for outcome in outcomes[:-3])
    refused = outcomes[-3]
    assert isinstance(refused, ToSender)
    assert json.loads(refused.text)["code"] == "too-many-requests"
    assert outcomes[-2:] == [None, None]
    assert isinstance(line.receive(chat("hi"), 0.21, 0), ToOthers)
    assert isinstance(line.receive(chat("hi"), 0.21, 0), ToSender)


@settings(max_examples=200, deadline=None)
@given(
    st.text()
    | st.binary()
    | st.text().map(chat)
    | st.dictionaries(st.sampled_from(["type", "text"]), st.none() | st.integers() | st.text()).map(
        json.dumps
    )
)
def test_anything(data: str | bytes) -> None:
    outcome = send(data)
    assert outcome is not None
    assert json.loads(outcome.text)["type"] == ("chat" if isinstance(outcome, ToOthers) else "error")
