"""What is left of a negotiation where media is decoded."""

from dataclasses import replace

from sfu.media.codecs import FEEDBACK, UNDERSTOOD, limit
from sfu.wire.answer import accept
from tests.forwarding.doubles import VP8, VP9, section
from tests.forwarding.rig import SIMULCAST_IDS, simulcast


def test_a_decoder_takes_one_encoding() -> None:
    taken = simulcast()
    assert taken.rids
    left = limit(taken)
    assert left is not None
    assert left.rids == ()
    assert set(left.extensions) <= set(UNDERSTOOD)
    assert [codec.name for codec in left.codecs] == ["VP8"]
    assert set(left.codecs[0].feedback) <= set(FEEDBACK)


def test_an_encoder_knows_no_transport_wide_feedback() -> None:
    taken = accept(section([VP8], direction="recvonly", ids=SIMULCAST_IDS))
    assert taken is not None
    assert "transport-cc" in taken.codecs[0].feedback
    left = limit(taken)
    assert left is not None
    assert "transport-cc" not in left.codecs[0].feedback
    assert set(left.extensions) <= set(UNDERSTOOD)


def test_what_can_not_be_decoded_is_not_taken() -> None:
    assert limit(replace(simulcast(), codecs=(VP9,))) is None
