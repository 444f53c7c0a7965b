"""Records over a network that loses, repeats, delays, damages and joins datagrams, and of a peer that is OpenSSL."""

import random
import struct
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from sfu.transport.records import Records
from tests.transport.handshakes import shaken

WINDOW = 64


def _damaged(rng: random.Random, datagram: bytes) -> bytes:
    place = rng.randrange(len(datagram))
    return rng.choice(
        (
            datagram[:place] + bytes([datagram[place] ^ 1 << rng.randrange(8)]) + datagram[place + 1 :],
            datagram[:place],
            datagram[:3] + rng.randbytes(8) + datagram[11:],  # another epoch and number
            datagram[:5] + b"\xff" * 6 + datagram[11:],  # far ahead
            rng.randbytes(rng.randrange(100)),
        )
    )


def _through(rng: random.Random, datagrams: Sequence[bytes]) -> list[tuple[bytes, bool]]:
    """What arrives of them, and whether each is as it was sent."""
    delay = rng.choice((0.0, 3.0, 30.0, 300.0))
    arriving: list[tuple[float, bytes, bool]] = []
    for sent, datagram in enumerate(datagrams):
        copies = [datagram] * rng.choice((0, 1, 1, 1, 2))
        if rng.random() < 0.3:
            copies.append(_damaged(rng, datagram))
        arriving += [(sent + rng.random() * delay, copy, copy == datagram) for copy in copies if copy]
    return [(datagram, whole) for _, datagram, whole in sorted(arriving)]


def _joined(rng: random.Random, arriving: Sequence[tuple[bytes, bool]]) -> list[bytes]:
    """Some in one datagram with what is behind them, but for damaged ones: nobody knows where those end."""
    joined: list[bytes] = []
    open_ended = False
    for datagram, whole in arriving:
        if open_ended and rng.random() < 0.3:
            joined[-1] += datagram
        else:
            joined.append(datagram)
        open_ended = whole
    return joined


def _hear(end: SSL.Connection | Records, datagrams: Sequence[bytes]) -> list[bytes]:
    heard = []
    for datagram in datagrams:
        end.bio_write(datagram)
        with suppress(SSL.WantReadError):
            while True:
                heard.append(end.recv(2000))
    return heard


def _say(rng: random.Random, end: SSL.Connection | Records) -> tuple[list[bytes], list[bytes]]:
    """Messages, no two the same, and a datagram for each."""
    messages = [struct.pack("!H", n) + rng.randbytes(rng.choice((0, 8, 1200))) for n in range(150)]
    datagrams = []
    for message in messages:
        end.send(message)
        datagrams.append(end.bio_read(2000))
    return messages, datagrams


def _fresh(arriving: Sequence[bytes]) -> list[bytes]:
    """RFC 6347 4.1.2.6 in many words: no number twice, none that is 64 or more behind the highest."""
    seen: set[int] = set()
    fresh = []
    for datagram in arriving:
        number = int.from_bytes(datagram[5:11], "big")
        if number not in seen and number > max(seen, default=0) - WINDOW:
            fresh.append(datagram)
            seen.add(number)
    return fresh


@pytest.mark.parametrize("server", [True, False])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=50)
def test_whatever_the_network_does(server: bool, seed: int) -> None:
    rng = random.Random(seed)
    made = shaken()
    own, peer = (made.server, made.client) if server else (made.client, made.server)
    written, theirs = (made.of_server, made.of_client) if server else (made.of_client, made.of_server)
    records = Records.after(own, written, server=server)
    assert records is not None

    said, datagrams = _say(rng, peer)
    place = dict(zip(datagrams, said, strict=True))
    arriving = _through(rng, datagrams)
    heard = _hear(records, _joined(rng, arriving))
    assert heard == [place[datagram] for datagram in _fresh([one for one, whole in arriving if whole])]

    _hear(records, [theirs, theirs])  # the peer's last flight, repeated
    with suppress(SSL.WantReadError):
        assert records.bio_read(2000) == written

    said, datagrams = _say(rng, records)
    heard = _hear(peer, _joined(rng, _through(rng, [written, *datagrams, written])))
    assert len(heard) == len(set(heard))
    assert set(heard) <= set(said)
    assert len(heard) > 15
