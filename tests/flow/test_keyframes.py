"""Key-frame requests: merged, throttled, repeated, never lost."""

from itertools import pairwise

import pytest

from sfu.flow.keyframes import KeyframeRequests


def test_the_first_request_is_sent_at_once_and_the_next_ones_are_merged() -> None:
    requests = KeyframeRequests()
    assert requests.request(1.0)
    assert not requests.request(1.1)
    assert not requests.request(1.2)
    assert (requests.requested, requests.sent) == (3, 1)


def test_an_unanswered_request_is_repeated_after_the_interval() -> None:
    requests = KeyframeRequests(min_interval=0.3)
    requests.request(1.0)
    assert requests.deadline() == pytest.approx(1.3)
    assert not requests.due(1.2)
    assert requests.due(1.3)
    assert not requests.due(1.3)
    assert requests.deadline() == pytest.approx(1.6)
    assert requests.sent == 2


def test_a_key_frame_answers_all_requests_before_it() -> None:
    requests = KeyframeRequests()
    requests.request(1.0)
    requests.request(1.1)
    requests.arrived(1.15)
    assert not requests.wanted
    assert requests.deadline() is None
    assert not requests.due(5.0)


def test_a_request_after_the_key_frame_is_held_back_but_not_lost() -> None:
    requests = KeyframeRequests(min_interval=0.3)
    requests.request(1.0)
    requests.arrived(1.1)
    assert not requests.request(1.2)
    assert requests.wanted
    assert requests.due(requests.deadline() or 0.0)
    assert requests.sent == 2


def test_a_key_frame_older_than_the_request_does_not_answer_it() -> None:
    requests = KeyframeRequests()
    requests.request(1.2)
    requests.arrived(1.1)
    assert requests.wanted


def test_nobody_wants_it_any_more() -> None:
    requests = KeyframeRequests()
    requests.request(1.0)
    requests.cancel()
    assert requests.deadline() is None
    assert not requests.due(2.0)


def test_the_pace_holds_whatever_is_asked() -> None:
    requests = KeyframeRequests(min_interval=0.3)
    sent = [n * 0.01 for n in range(1000) if requests.request(n * 0.01)]
    assert all(b - a > 0.299 for a, b in pairwise(sent))
    assert len(sent) == requests.sent == 34
