"""The packet ring: what it holds, what it lets go of, and that it never grows past its bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.flow.history import History


def _packet(seq: int, size: int = 4) -> bytes:
    return (seq & 0xFFFFFFFF).to_bytes(4, "big").rjust(size, b"\0")


def test_gives_back_what_was_added() -> None:
    history = History()
    assert history.add(70000, b"a", 1.0)
    assert history.add(70001, b"b", 1.0)
    assert history.get(70000, 1.5) == b"a"
    assert history.get(70001, 1.5) == b"b"
    assert history.get(70002, 1.5) is None
    assert history.get(70000 + 1024, 1.5) is None
    assert history.bytes_held == 2


def test_refuses_duplicates_and_keeps_the_first() -> None:
    history = History()
    assert history.add(70000, b"a", 1.0)
    assert not history.add(70000, b"b", 1.0)
    assert history.get(70000, 1.0) == b"a"


def test_takes_reordered_packets_even_before_the_first() -> None:
    history = History(max_packets=8)
    assert history.add(70000, b"a", 1.0)
    assert history.add(69995, b"b", 1.0)
    assert history.add(70003, b"c", 1.0)
    assert history.add(70001, b"d", 1.0)
    assert history.get(70001, 1.0) == b"d"
    assert history.get(69995, 1.0) is None  # 70003 moved the window of eight past it
    assert not history.add(69995, b"b", 1.0)


def test_holds_at_most_max_packets() -> None:
    history = History(max_packets=100)  # rounded up to 128
    for seq in range(65536, 65536 + 1000):
        history.add(seq, _packet(seq), 1.0)
    assert history.bytes_held == 128 * 4
    assert history.get(65536 + 1000 - 129, 1.0) is None
    assert history.get(65536 + 1000 - 128, 1.0) == _packet(65536 + 1000 - 128)


def test_holds_at_most_max_bytes() -> None:
    history = History(max_bytes=10_000)
    for seq in range(65536, 65536 + 50):
        history.add(seq, _packet(seq, 1000), 1.0)
    assert history.bytes_held == 10_000
    assert history.get(65536 + 39, 1.0) is None
    assert history.get(65536 + 40, 1.0) is not None


def test_packets_age_also_without_new_ones() -> None:
    history = History(max_age=2.0)
    history.add(65536, b"a", 1.0)
    history.add(65537, b"b", 2.0)
    assert history.get(65536, 3.0) == b"a"
    assert history.get(65536, 3.01) is None
    history.drop_older(3.5)
    assert history.bytes_held == 1
    assert not history.add(65536, b"a", 3.5)
    history.drop_older(4.5)
    assert history.bytes_held == 0


def test_adding_lets_go_of_the_aged() -> None:
    history = History(max_age=1.0)
    for n in range(400):
        history.add(65536 + n, b"x", n * 0.01)
    assert history.bytes_held <= 113  # max_age, and the eighth of it between looks


def test_a_gap_can_be_filled_as_long_as_its_neighbours_are_held() -> None:
    history = History(max_age=2.0)
    history.add(65536, b"a", 1.0)
    history.add(65538, b"c", 2.9)
    history.drop_older(3.5)
    assert history.add(65537, b"b", 3.5)
    assert history.get(65537, 3.5) == b"b"


def test_a_stream_that_begins_anew_replaces_the_old_one() -> None:
    history = History()
    history.add(90000, b"a", 1.0)
    assert history.add(80000, b"b", 1.1)
    assert history.add(80001, b"c", 1.1)
    assert history.get(90000, 1.1) is None
    assert history.bytes_held == 2
    assert history.add(120000, b"d", 1.2)
    assert history.get(80001, 1.2) is None
    assert history.bytes_held == 1


@settings(derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-40, 20), st.integers(1, 60), st.floats(0, 0.4)), min_size=30, max_size=120
    ),
    st.sampled_from([8, 32]),
    st.sampled_from([200, 100_000]),
)
def test_agrees_with_a_plain_dict(steps: list[tuple[int, int, float]], size: int, max_bytes: int) -> None:
    history = History(max_packets=size, max_age=2.0, max_bytes=max_bytes)
    model: dict[int, tuple[bytes, float]] = {}
    highest, now = 65536, 10.0
    for step, length, passed in steps:
        seq = highest + step
        now += passed
        packet = _packet(seq, length)
        if history.add(seq, packet, now):
            assert seq not in model or history.get(seq, now) == packet
            model[seq] = (packet, now)
        highest = max(highest, seq)
        held = {s: history.get(s, now) for s in range(highest - size - 50, highest + 1)}
        known = {s: packet for s, packet in held.items() if packet is not None}
        assert len(known) <= size
        assert sum(map(len, known.values())) <= history.bytes_held <= max_bytes
        for known_seq, known_packet in known.items():
            assert model[known_seq][0] == known_packet
            assert now - model[known_seq][1] <= 2.0
            assert not history.add(known_seq, b"other", now)
        if max_bytes > 10_000:  # then only age and the ring may take a packet away
            for model_seq, (model_packet, at) in model.items():
                if now - at <= 2.0 and model_seq > highest - size:
                    assert known.get(model_seq) == model_packet
