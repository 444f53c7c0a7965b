"""Which frames a receiver takes for complete, and how it is proven wrong."""

from benchmarks.adaptive import vp8
from benchmarks.adaptive.pictures import Decoder
from benchmarks.adaptive.vp8 import Content


class Stream:
    """Frames of one packet each: (number, temporal layer, what it refers to)."""

    def __init__(self) -> None:
        self.decoder = Decoder()
        self.seq = 0

    def frame(
        self, number: int, temporal: int, reference: int, picture: int | None = None, tl0: int | None = None,
        sync: bool = False,
    ) -> list[int]:  # fmt: skip
        """Whether it, or what waited for it, is shown: the numbers."""
        self.seq += 1
        key = number == reference
        base = tl0 if tl0 is not None else (number - 1) // 4
        head = vp8.descriptor(True, number if picture is None else picture, base, temporal, sync)
        payload = head + vp8.head(key, 640, 360, Content(number, reference, 0, temporal, 0.0)) + bytes(100)
        self.decoder.packet(self.seq, number * 3000, True, payload, 0.0)
        shown: list[int] = []
        while (found := self.decoder.next()) is not None:
            self.decoder.show(found)
            assert found.content is not None
            shown.append(found.content.number)
        return shown


def next_id(decoder: Decoder) -> int:
    picture = decoder.next()
    assert picture is not None
    return picture.id & 0x7FFF


def test_nothing_is_shown_before_a_key_frame() -> None:
    stream = Stream()
    assert stream.frame(5, 0, 1) == []
    assert stream.frame(6, 0, 6, tl0=2) == [6]


def test_a_frame_waits_for_what_is_missing_since_the_oldest_layer() -> None:
    stream = Stream()
    assert stream.frame(1, 0, 1) == [1]
    assert stream.frame(3, 1, 1, sync=True) == [3]
    assert stream.frame(4, 2, 3) == []  # the second frame could be what it needs
    assert stream.frame(2, 2, 1, sync=True) == []  # too late to be shown: the third has been
    assert stream.decoder.skipped == 1


def test_the_base_layer_goes_on_without_the_layers_above() -> None:
    stream = Stream()
    assert stream.frame(1, 0, 1) == [1]
    assert stream.frame(5, 0, 1) == [5]
    assert stream.frame(13, 0, 9) == []  # the ninth is missing
    assert stream.frame(9, 0, 5) == [9, 13]


def test_a_picture_whose_reference_was_never_shown_is_called_broken() -> None:
    stream = Stream()
    stream.frame(1, 0, 1)
    # The fifth was left out, and the numbers closed over it as if it had been of no use.
    assert stream.frame(9, 0, 5, picture=5, tl0=1) == [9]
    assert stream.decoder.broken == 1


def test_frames_of_several_packets_are_whole_by_their_numbers() -> None:
    decoder = Decoder()
    content = Content(1, 1, 0, 0, 0.0)
    first = vp8.descriptor(True, 1, 0, 0, True) + vp8.head(True, 640, 360, content) + bytes(50)
    more = vp8.descriptor(False, 1, 0, 0, True) + bytes(50)
    assert decoder.packet(1, 0, False, first, 0.1) is None
    assert decoder.packet(3, 0, True, more, 0.2) is None
    assert decoder.next() is None
    assert decoder.packet(2, 0, False, more, 0.3) is not None
    picture = decoder.next()
    assert picture is not None
    assert (picture.key, picture.whole_at) == (True, 0.3)


def test_an_earlier_picture_that_becomes_whole_is_shown_first() -> None:
    stream = Stream()
    stream.frame(1, 0, 1)
    decoder = stream.decoder
    later = vp8.descriptor(True, 5, 1, 0, False) + vp8.head(False, 640, 360, Content(5, 1, 0, 0, 0.0))
    earlier = vp8.descriptor(True, 2, 0, 2, True) + vp8.head(False, 640, 360, Content(2, 1, 0, 2, 0.0))
    decoder.packet(9, 15000, True, later, 0.1)
    assert next_id(decoder) == 5
    decoder.packet(6, 6000, True, earlier, 0.2)
    assert next_id(decoder) == 2


def test_nonsense_is_ignored() -> None:
    decoder = Decoder()
    for seq, payload in enumerate((b"", b"\x90", b"\x90\xf0\x80\x01\x00\x00")):
        assert decoder.packet(seq, 0, True, payload, 0.0) is None
    assert decoder.next() is None
