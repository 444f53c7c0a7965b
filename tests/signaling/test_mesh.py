"""Announcements: whole wanted states in, ids and the smallest difference out."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.mesh import DirectTracks
from signaling.messages import AnnounceResult, Publication, Track

CAMERA = Track(key="cam", kind="video", source="camera")
MICROPHONE = Track(key="mic", kind="audio", source="microphone")
MUTED = Track(key="mic", kind="audio", source="microphone", muted=True)
SCREEN = Track(key="cam", kind="video", source="screen")


class Others:
    """What the others hear, and what they make of it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.publications: dict[str, Publication] = {}
        numbers = itertools.count(1)
        self.tracks = DirectTracks(self, lambda: f"t_{next(numbers)}")

    def published(self, publication: Publication) -> None:
        assert publication.id not in self.publications
        assert (publication.codec, publication.path) == ("", "mesh")
        self.heard.append(f"+{publication.id} {publication.source}{' muted' * publication.muted}")
        self.publications[publication.id] = publication

    def unpublished(self, publication_id: str) -> None:
        self.heard.append(f"-{publication_id}")
        del self.publications[publication_id]

    def muted(self, publication_id: str, muted: bool) -> None:
        known = self.publications[publication_id]
        assert known.muted != muted
        self.publications[publication_id] = Publication(
            known.id, known.kind, known.source, muted, known.codec, known.path
        )
        self.heard.append(f"{publication_id} {'muted' if muted else 'heard'}")


@pytest.mark.parametrize(
    ("first", "second", "heard"),
    [
        ((), (), []),
        ((CAMERA,), (CAMERA,), []),
        ((CAMERA, MICROPHONE), (MICROPHONE, CAMERA), []),
        ((CAMERA,), (), ["-t_1"]),
        ((CAMERA,), (CAMERA, MICROPHONE), ["+t_2 microphone"]),
        ((MICROPHONE,), (MUTED,), ["t_1 muted"]),
        ((MUTED,), (MICROPHONE,), ["t_1 heard"]),
        ((CAMERA,), (SCREEN,), ["-t_1", "+t_2 screen"]),
        ((CAMERA, MUTED), (MUTED,), ["-t_1"]),
        ((CAMERA,), (MUTED,), ["-t_1", "+t_2 microphone muted"]),
    ],
)
def test_differences(first: tuple[Track, ...], second: tuple[Track, ...], heard: list[str]) -> None:
    others = Others()
    others.tracks.announce(first)
    others.heard.clear()
    result = others.tracks.announce(second)
    assert others.heard == heard
    assert [each.key for each in result] == [track.key for track in second]
    assert {each.publication for each in result} == set(others.publications)


def test_ids_stay_while_a_key_is_announced() -> None:
    others = Others()
    assert others.tracks.announce((CAMERA, MICROPHONE)) == (
        AnnounceResult(key="cam", publication="t_1"),
        AnnounceResult(key="mic", publication="t_2"),
    )
    assert others.tracks.announce((MUTED,)) == (AnnounceResult(key="mic", publication="t_2"),)
    assert others.tracks.announce((CAMERA,)) == (AnnounceResult(key="cam", publication="t_3"),)


def test_mute() -> None:
    others = Others()
    others.tracks.announce((CAMERA, MICROPHONE))
    others.heard.clear()
    assert others.tracks.mute("t_2", True)
    assert others.tracks.mute("t_2", True)
    assert not others.tracks.mute("t_3", True)
    others.tracks.announce((CAMERA, MUTED))
    assert others.heard == ["t_2 muted"]


tracks = st.builds(
    Track,
    key=st.sampled_from(["a", "b", "c"]),
    kind=st.sampled_from(["audio", "video"]),
    source=st.sampled_from(["camera", "screen"]),
    muted=st.booleans(),
)
announcements = st.lists(tracks, max_size=3, unique_by=lambda track: track.key).map(tuple)


@settings(max_examples=200, deadline=None)
@given(st.lists(announcements, max_size=8))
def test_the_others_know_what_was_announced_last(script: list[tuple[Track, ...]]) -> None:
    others = Others()
    for wanted in script:
        result = others.tracks.announce(wanted)
        known = [others.publications[each.publication] for each in result]
        assert [(p.kind, p.source, p.muted) for p in known] == [(t.kind, t.source, t.muted) for t in wanted]
        assert len(others.publications) == len(wanted)
        others.heard.clear()
        assert others.tracks.announce(wanted) == result
        assert others.heard == []
