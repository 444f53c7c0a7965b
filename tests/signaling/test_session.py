"""One client's state machine, in virtual time."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.errors import SignalingError, to_message
from signaling.fields import ErrorCode
from signaling.messages import Announce, Join, Leave, Mute, Offer, Ping, Point, Pong, Signal, encode, to_data
from signaling.outbox import LEFT, TIMEOUT, TOO_LARGE
from signaling.quality import Reports, SlotWish, View
from signaling.session import (
    JOIN_TIMEOUT,
    MAX_PENDING,
    MESSAGES_AT_ONCE,
    MOVES,
    STALL,
    Effect,
    End,
    Pause,
    Perform,
    Send,
    Session,
    State,
    Work,
)

JOIN = Join(id=1, room="blue", name="Ada")
OFFER = Offer(id=2, sdp="v=0", publish=(), receive=())
POINT = Point(id=3, mid="2", publication=None)
VIEW = View(id=8, slots=(SlotWish(mid="2", visible=False),))
REPORTS = Reports(id=9, every_ms=1000)
MUTE = Mute(id=4, publication="t_1", muted=True)


ANNOUNCE = Announce(id=5, publications=())
SIGNAL = Signal(to="p_2", data=to_data({"x": 1}))


def joined(now: float = 0.0, max_silence: float | None = None) -> Session:
    session = Session(now)
    assert session.receive(encode(JOIN), now) == [Perform(JOIN)]
    session.finished(JOIN, True, now, max_silence)
    return session


def code_of(effects: list[Effect]) -> ErrorCode:
    (effect,) = effects
    assert isinstance(effect, Send)
    assert effect.message.__struct_config__.tag == "error"
    code: ErrorCode = effect.message.code  # type: ignore[union-attr]
    return code


def test_a_call() -> None:
    session = joined()
    for request in (OFFER, POINT, VIEW, REPORTS, MUTE, ANNOUNCE, SIGNAL):
        assert session.receive(encode(request), 0.0) == [Perform(request)]
        session.finished(request, True, 0.0)
    assert session.receive(encode(Ping(id=5)), 0.0) == [Send(Pong(re=5))]
    assert session.receive(encode(Leave()), 0.0) == [End(LEFT)]
    assert session.receive(encode(Ping(id=6)), 0.0) == []


@pytest.mark.parametrize("request_", [OFFER, POINT, VIEW, REPORTS, MUTE, ANNOUNCE, SIGNAL])
def test_not_joined(request_: Work) -> None:
    session = Session(0.0)
    assert code_of(session.receive(encode(request_), 0.0)) == "not-joined"
    session.receive(encode(JOIN), 0.0)
    assert code_of(session.receive(encode(request_), 0.0)) == "not-joined"


def test_joining_twice() -> None:
    session = Session(0.0)
    session.receive(encode(JOIN), 0.0)
    assert code_of(session.receive(encode(JOIN), 0.0)) == "already-joined"
    session.finished(JOIN, True, 0.0)
    assert code_of(session.receive(encode(JOIN), 0.0)) == "already-joined"


def test_join_may_be_tried_again_after_it_failed() -> None:
    session = Session(0.0)
    session.receive(encode(JOIN), 0.0)
    session.finished(JOIN, False, 5.0)
    assert session.deadline() == 5.0 + JOIN_TIMEOUT
    assert session.receive(encode(JOIN), 6.0) == [Perform(JOIN)]


def test_the_table_is_complete() -> None:
    messages = {Join, Offer, Point, View, Reports, Mute, Announce, Signal, Leave, Ping}
    assert {state: set(moves) for state, moves in MOVES.items()} == {
        state: messages for state in State if state is not State.ENDED
    }


def test_join_timeout() -> None:
    session = Session(10.0)
    assert session.deadline() == 10.0 + JOIN_TIMEOUT
    assert session.tick(9.9 + JOIN_TIMEOUT) == []
    assert session.tick(10.0 + JOIN_TIMEOUT) == [End(TIMEOUT)]
    assert session.tick(11.0 + JOIN_TIMEOUT) == []
    assert session.deadline() is None


def test_pings_do_not_put_off_the_join_timeout() -> None:
    session = Session(0.0)
    assert session.receive(encode(Ping()), JOIN_TIMEOUT - 1) == [Send(Pong())]
    assert session.receive(encode(Ping()), JOIN_TIMEOUT) == [End(TIMEOUT)]


def test_a_join_in_work_is_not_timed_out() -> None:
    session = Session(0.0)
    session.receive(encode(JOIN), 0.0)
    assert session.tick(JOIN_TIMEOUT) == []
    assert session.deadline() == 2 * JOIN_TIMEOUT


def test_no_timeout_in_a_room() -> None:
    session = joined()
    assert session.deadline() is None
    assert session.tick(1e6) == []


def test_silence_ends_where_the_room_says_so() -> None:
    session = joined(10.0, max_silence=2.5)
    assert session.deadline() == 12.5
    assert session.tick(12.4) == []
    assert session.tick(12.5) == [End(TIMEOUT)]
    assert session.receive(encode(Ping()), 12.6) == []
    assert session.deadline() is None


@pytest.mark.parametrize("frame", [encode(Ping()), encode(SIGNAL), "{", b"\0"])
def test_anything_breaks_the_silence(frame: str | bytes) -> None:
    session = joined(max_silence=2.5)
    assert session.receive(frame, 2.4) != []
    assert session.deadline() == pytest.approx(4.9)
    assert session.tick(2.5) == []
    assert session.tick(4.9) == [End(TIMEOUT)]


def test_a_frame_that_comes_late_still_counts() -> None:
    session = joined(max_silence=2.5)
    assert session.receive(encode(Ping()), 3.5) == [Send(Pong())]
    assert session.deadline() == 6.0


def test_who_was_held_up_itself_gives_time() -> None:
    session = joined(max_silence=2.5)
    assert session.tick(9.0) == []
    assert session.deadline() == pytest.approx(9.0 + STALL)
    assert session.tick(9.0 + STALL) == [End(TIMEOUT)]
    session = joined(max_silence=2.5)
    session.tick(9.0)
    assert session.receive(encode(Ping()), 9.1) == [Send(Pong())]
    assert session.deadline() == pytest.approx(11.6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 2.49), max_size=30))
def test_who_speaks_stays_and_who_falls_silent_is_gone_in_time(pauses: list[float]) -> None:
    session = joined(max_silence=2.5)
    now = 0.0
    for pause in pauses:
        now += pause
        assert session.tick(now) == []
        session.receive(encode(Ping()), now)
        assert session.state is State.JOINED
    assert session.deadline() == pytest.approx(now + 2.5)
    assert session.tick(now + 2.5 + STALL / 2) == [End(TIMEOUT)]


def test_rate_limit() -> None:
    session = joined()
    for _ in range(int(MESSAGES_AT_ONCE) - 1):  # The join took one.
        assert session.receive(encode(Ping()), 0.0) == [Send(Pong())]
    refused, pause = session.receive(encode(Ping(id=9)), 0.0)
    assert code_of([refused]) == "too-many-requests"
    assert refused.message.re == 9  # type: ignore[union-attr]
    assert pause == Pause(0.02)
    assert session.receive(encode(Ping()), 0.021) == [Send(Pong())]


def test_garbage_is_rate_limited_too() -> None:
    session = Session(0.0)
    effects = [session.receive("{", 0.0) for _ in range(int(MESSAGES_AT_ONCE) + 1)]
    assert [len(one) for one in effects[-2:]] == [1, 2]
    assert isinstance(effects[-1][1], Pause)


def test_pending_limit() -> None:
    session = joined()
    for _ in range(MAX_PENDING):
        assert session.receive(encode(POINT), 0.0) == [Perform(POINT)]
    assert code_of(session.receive(encode(POINT), 0.0)) == "too-many-requests"
    assert session.receive(encode(Ping()), 0.0) == [Send(Pong())]
    session.finished(POINT, True, 0.0)
    assert session.receive(encode(POINT), 0.0) == [Perform(POINT)]


def test_binary_frame() -> None:
    session = joined()
    assert code_of(session.receive(encode(Ping()).encode(), 0.0)) == "bad-message"
    assert session.state is State.JOINED


def test_too_large_ends() -> None:
    session = joined()
    error, end = session.receive("x" * 1_100_000, 0.0)
    assert code_of([error]) == "too-large"
    assert end == End(TOO_LARGE)
    assert session.receive(encode(Ping()), 0.0) == []


frames = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=30),
    st.sampled_from([encode(each) for each in (JOIN, OFFER, POINT, MUTE, ANNOUNCE, SIGNAL, Ping())]),
    st.sampled_from(['{"type":"offer"}', '{"type":"x"}', "[]", "{}", "[" * 9999, "\udfff"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(frames, st.floats(0, 12), st.booleans()), max_size=40))
def test_any_frames(script: list[tuple[str | bytes, float, bool]]) -> None:
    session = Session(0.0)
    now = 0.0
    for frame, elapsed, succeeds in script:
        now += elapsed
        effects = session.receive(frame, now)
        assert effects or session.state is State.ENDED
        assert len(effects) <= 2
        for effect in effects:
            if isinstance(effect, Perform):
                session.finished(effect.request, succeeds, now, 2.5 if succeeds else None)
        deadline = session.deadline()
        assert deadline is None or deadline > now


def test_internal_errors_are_logged_and_hidden(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        message = to_message(RuntimeError("the password is 42"), re=3)
    assert message.code == "internal"
    assert message.re == 3
    assert "42" not in message.message
    assert "the password is 42" in caplog.text


def test_signaling_errors_are_shown() -> None:
    message = to_message(SignalingError("not-yours", "It is not yours."), re=3)
    assert (message.code, message.message, message.re) == ("not-yours", "It is not yours.", 3)
    assert to_message(SignalingError("not-yours", "No.", re=4), re=3).re == 4
