"""Whose packet it is: by SSRC, MID and RID, payload type; what is learned, kept and forgotten."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.forwarding.outlet import Drop
from sfu.forwarding.sources import MAX_SSRCS
from sfu.wire import extensions
from sfu.wire.sdp import SourceGroup
from tests.forwarding.doubles import KEY, packet
from tests.forwarding.rig import KNOWN, Rig, naming, rtx, simulcast, video, with_mid

# -- one encoding ---------------------------------------------------------------------------------------------


def test_by_announced_ssrc() -> None:
    rig = Rig(video(), video(mid="1", ssrcs=(SourceGroup(2000, None, "c"),)))
    rig.receive(packet(0, ssrc=2000))
    assert rig.received() == [0, 1]


def test_by_mid_and_then_by_the_ssrc_it_named() -> None:
    rig = Rig(video(ssrcs=()), video(mid="vid", ssrcs=()))
    rig.receive(packet(0, ssrc=77, block=with_mid(b"vid")), packet(1, ssrc=77))
    assert rig.received() == [0, 2]


def test_a_mid_that_nobody_has() -> None:
    rig = Rig(video(ssrcs=()))
    rig.receive(packet(0, ssrc=77, block=with_mid(b"9")), packet(0, ssrc=78, block=with_mid(b"\xff\x00")))
    assert rig.received() == [0]
    assert rig.ingress.drops[Drop.UNKNOWN_SSRC] == 2


def test_by_payload_type_where_it_is_one_sections_alone() -> None:
    rig = Rig(video(ssrcs=()), video(mid="1", ssrcs=(), pt=120))
    rig.receive(packet(0, ssrc=77, payload_type=120), packet(0, ssrc=78, payload_type=98))
    assert rig.received() == [0, 1]
    assert rig.ingress.drops[Drop.UNKNOWN_SSRC] == 1


def test_a_known_ssrc_with_a_payload_type_that_was_not_negotiated() -> None:
    rig = Rig()
    rig.receive(packet(0, payload_type=50))
    assert rig.ingress.drops[Drop.UNKNOWN_PAYLOAD_TYPE] == 1


def test_malformed() -> None:
    rig = Rig()
    rig.receive(b"", b"\x80", bytes(12), b"\xff" * 40)
    assert rig.ingress.drops[Drop.MALFORMED] == 4


def test_the_ssrcs_learned_are_bounded() -> None:
    rig = Rig(video(ssrcs=()))
    rig.receive(*[packet(0, ssrc=ssrc) for ssrc in range(1, 3 * MAX_SSRCS)])
    assert len(rig.ingress._sources.by_ssrc) == MAX_SSRCS


def test_announced_ssrcs_are_kept_however_many_there_are() -> None:
    groups = [SourceGroup(1000 + 2 * n, 1001 + 2 * n, "cname") for n in range(MAX_SSRCS)]
    rig = Rig(*[video(mid=str(n), ssrcs=(group,)) for n, group in enumerate(groups)])
    for _ in range(3):  # each change of the neighbour's streams says all of them again
        rig.ingress.configure(rig.published, reduced_size=True)
    rig.receive(*[packet(0, ssrc=group.ssrc) for group in groups])
    assert rig.received() == [1] * MAX_SSRCS
    strangers = range(100_000, 100_000 + 2 * MAX_SSRCS)
    rig.receive(*[packet(1, ssrc=ssrc, block=with_mid(b"0")) for ssrc in strangers])
    rig.receive(*[packet(1, ssrc=group.ssrc) for group in groups])
    assert rig.received() == [2] * MAX_SSRCS
    assert len(rig.ingress._sources.by_ssrc) == 3 * MAX_SSRCS


def test_ssrcs_announced_anew_in_each_offer_are_bounded() -> None:
    rig = Rig(video())
    for first in range(10_000, 20_000, 100):
        rig.renegotiate(video(ssrcs=tuple(SourceGroup(first + n, first + 50 + n, "c") for n in range(8))))
    assert len(rig.ingress._sources.by_ssrc) <= MAX_SSRCS + 16
    rig.receive(packet(1, payload=KEY, ssrc=first))
    assert rig.received() == [1]


def test_another_ssrc_than_announced() -> None:
    rig = Rig()
    rig.receive(packet(0, ssrc=5000, block=with_mid(b"0")))
    assert rig.publication.encoding.ssrc == 5000


def test_a_second_ssrc_beside_a_living_one_is_refused() -> None:
    rig = Rig()
    rig.receive(packet(0), packet(0, ssrc=5000, block=with_mid(b"0")))
    assert rig.received() == [1]
    assert rig.ingress.drops[Drop.UNKNOWN_SSRC] == 1


def test_an_ssrc_of_a_publication_that_ended_is_unknown() -> None:
    rig = Rig()
    rig.ingress.configure([], reduced_size=True)
    rig.receive(packet(0))
    assert rig.ingress.drops[Drop.UNKNOWN_SSRC] == 1
    assert rig.ingress.deadline() is None


# -- several encodings ---------------------------------------------------------------------------------------


def test_by_rid_and_then_by_the_ssrc_it_named() -> None:
    rig = Rig(simulcast())
    for ssrc, rid in ((100, "q"), (200, "h"), (300, "f")):
        rig.receive(packet(0, ssrc=ssrc, block=naming(rid)))
    rig.receive(*[packet(seq, ssrc=200) for seq in range(1, 5)], packet(1, ssrc=300, block=with_mid(b"0")))
    assert rig.by_rid() == {"q": 1, "h": 5, "f": 2}
    assert [encoding.ssrc for encoding in rig.publication.encodings] == [100, 200, 300]
    assert rig.ingress.drops == {}


def test_the_order_of_the_offer_is_that_of_the_encodings() -> None:
    rig = Rig(simulcast(rids=("f", "q")))
    assert [encoding.rid for encoding in rig.publication.encodings] == ["f", "q"]
    found = rig.publication.find("q")
    assert found is rig.publication.encodings[1]
    assert rig.publication.find("") is None


def test_a_rid_without_mid_where_one_section_has_the_payload_type() -> None:
    rig = Rig(simulcast())
    rig.receive(packet(0, ssrc=100, block=naming("h", mid="")))
    assert rig.by_rid() == {"q": 0, "h": 1, "f": 0}


def test_a_rid_without_mid_is_nobodys_where_two_sections_share_the_payload_type() -> None:
    rig = Rig(simulcast(), simulcast(mid="1"))
    rig.receive(packet(0, ssrc=100, block=naming("h", mid="")))
    assert rig.by_rid() == {"q": 0, "h": 0, "f": 0}
    assert rig.ingress.drops == {Drop.UNKNOWN_SSRC: 1}


def test_the_same_rid_in_two_sections() -> None:
    rig = Rig(simulcast(), simulcast(mid="1"))
    rig.receive(packet(0, ssrc=100, block=naming("q")), packet(0, ssrc=200, block=naming("q", mid="1")))
    other = rig.published[1][0].find("q")
    assert other is not None
    assert rig.by_rid() == {"q": 1, "h": 0, "f": 0}
    assert (other.ssrc, other.arrivals.packets) == (200, 1)


def test_a_rid_of_another_publication_is_dropped() -> None:
    rig = Rig(simulcast(rids=("q", "h")), simulcast(mid="1", rids=("x", "y")))
    rig.receive(packet(0, ssrc=100, block=naming("x")), packet(1, ssrc=100, block=naming("x")))
    assert rig.by_rid() == {"q": 0, "h": 0}
    assert rig.ingress.drops == {Drop.UNKNOWN_RID: 2}
    assert rig.ingress._sources.by_ssrc == {}


def test_several_encodings_and_no_rid() -> None:
    rig = Rig(simulcast())
    rig.receive(packet(0, ssrc=100, block=with_mid(b"0")), packet(1, ssrc=100))
    assert rig.ingress.drops == {Drop.UNKNOWN_SSRC: 2}


def test_a_single_named_encoding_need_not_be_named_again() -> None:
    rig = Rig(simulcast(rids=("q",)))
    rig.receive(packet(0, ssrc=100, block=with_mid(b"0")), packet(0, ssrc=200, block=naming("h")))
    assert rig.by_rid() == {"q": 1}
    assert rig.ingress.drops == {Drop.UNKNOWN_RID: 1}


def test_a_rid_means_nothing_without_simulcast() -> None:
    rig = Rig(video(ssrcs=()), simulcast(mid="1"))
    rig.receive(packet(0, ssrc=100, block=naming("q")))
    assert rig.received() == [1, 0]


def test_a_repaired_rid_is_learned_from_padding() -> None:
    rig = Rig(simulcast())
    probe = packet(0, 0, b"", ssrc=301, payload_type=97, padding=200, block=naming("f", repaired=True))
    rig.receive(probe)
    top = rig.publication.find("f")
    assert top is not None
    assert (top.rtx_ssrc, top.ssrc, top.arrivals.packets) == (301, None, 0)
    rig.receive(packet(0, ssrc=300, block=naming("f")), packet(2, ssrc=300), rtx(1, ssrc=301))
    assert top.arrivals.repaired == 1
    assert rig.ingress.drops == {Drop.PADDING: 1}


def test_a_repaired_rid_says_nothing_of_media_nor_a_rid_of_repairs() -> None:
    rig = Rig(simulcast())
    rig.receive(
        packet(0, ssrc=100, block=naming("q", repaired=True)), rtx(0, KEY, ssrc=101, block=naming("q"))
    )
    assert rig.ingress.drops == {Drop.UNKNOWN_SSRC: 2}


def test_what_was_learned_survives_a_renegotiation() -> None:
    rig = Rig(simulcast(), video(mid="1", ssrcs=(SourceGroup(2000, None, "c"),)))
    rig.receive(packet(0, ssrc=100, block=naming("q")), packet(0, ssrc=300, block=naming("f")))
    rig.renegotiate(simulcast(), video(mid="1", ssrcs=(SourceGroup(3000, None, "c"),)))
    rig.receive(packet(1, ssrc=100), packet(1, ssrc=300))
    assert rig.by_rid() == {"q": 2, "h": 0, "f": 2}


def test_encodings_that_stay_go_on_and_the_others_are_forgotten() -> None:
    rig = Rig(simulcast())
    before = rig.publication.encodings
    for ssrc, rid in ((100, "q"), (200, "h"), (300, "f")):
        rig.receive(packet(0, ssrc=ssrc, block=naming(rid)))
    rig.renegotiate(simulcast(rids=("h", "f", "x")))
    assert rig.publication.encodings[:2] == before[1:]
    rig.receive(*[packet(1, ssrc=ssrc) for ssrc in (100, 200, 300)])
    assert rig.by_rid() == {"h": 2, "f": 2, "x": 0}
    assert rig.ingress.drops == {Drop.UNKNOWN_SSRC: 1}


def test_an_encoding_from_another_ssrc() -> None:
    rig = Rig(simulcast())
    rig.receive(packet(0, ssrc=200, block=naming("h")), packet(0, ssrc=100, block=naming("q")), now=10.0)
    rig.receive(packet(7, ssrc=201, block=naming("h")), now=10.1)  # beside a living one: not yet
    assert rig.ingress.drops == {Drop.UNKNOWN_SSRC: 1}
    rig.receive(packet(8, ssrc=201), packet(1, ssrc=100), now=12.0)
    middle = rig.publication.find("h")
    assert middle is not None
    assert (middle.ssrc, middle.arrivals.packets) == (201, 1)
    assert rig.by_rid() == {"q": 2, "h": 1, "f": 0}


def test_one_ssrc_for_two_encodings_stays_the_first_ones() -> None:
    rig = Rig(simulcast())
    rig.receive(packet(0, ssrc=100, block=naming("q")), packet(1, ssrc=100, block=naming("f")))
    assert rig.by_rid() == {"q": 2, "h": 0, "f": 0}


def test_a_flood_of_ssrcs_does_not_wash_out_those_in_use() -> None:
    rig = Rig(simulcast())
    rig.receive(packet(0, ssrc=100, block=naming("q")), packet(0, ssrc=300, block=naming("f")))
    rig.receive(packet(0, 0, b"", ssrc=101, payload_type=97, padding=9, block=naming("q", repaired=True)))
    for ssrc in range(10_000, 10_000 + 4 * MAX_SSRCS):
        rig.receive(packet(0, ssrc=ssrc, block=naming("q")))
    rig.receive(packet(1, ssrc=100), packet(1, ssrc=300), rtx(0, ssrc=101))
    assert rig.by_rid() == {"q": 2, "h": 0, "f": 2}
    assert len(rig.ingress._sources.by_ssrc) == MAX_SSRCS
    assert rig.ingress.drops[Drop.UNKNOWN_SSRC] == 4 * MAX_SSRCS


def test_nodes_announce_which_ssrc_is_which_encoding() -> None:
    groups = (SourceGroup(100, 101, "c", "q"), SourceGroup(300, 301, "c", "f"), SourceGroup(5, 6, "c", "z"))
    rig = Rig(simulcast(ssrcs=groups))
    rig.receive(packet(0, ssrc=100), packet(0, ssrc=300), packet(2, ssrc=300), rtx(1, ssrc=301))
    assert rig.by_rid() == {"q": 1, "h": 0, "f": 2}
    assert rig.publication.encodings[2].arrivals.repaired == 1


def test_browsers_announce_ssrcs_without_saying_which_encoding_they_are() -> None:
    rig = Rig(simulcast(ssrcs=KNOWN))
    rig.receive(packet(0, ssrc=1000))
    assert rig.ingress.drops == {Drop.UNKNOWN_SSRC: 1}
    rig.receive(packet(0, ssrc=1000, block=naming("h")))
    assert rig.by_rid() == {"q": 0, "h": 1, "f": 0}


NAMES = st.sampled_from([b"", b"0", b"1", b"q", b"h", b"f", b"\xff", b"x" * 16])
ELEMENTS = st.lists(st.tuples(st.sampled_from([4, 10, 11]), NAMES), max_size=4)


@given(st.lists(st.tuples(st.integers(1, 6), ELEMENTS, st.sampled_from([96, 97, 98, 99, 50])), max_size=40))
@settings(max_examples=100)
def test_an_ssrc_is_one_encodings_whatever_is_said(
    packets: list[tuple[int, list[tuple[int, bytes]], int]],
) -> None:
    rig = Rig(simulcast(), simulcast(mid="1", rids=("q", "h")))
    known = rig.ingress._sources.by_ssrc
    owners: dict[int, object] = {}
    for seq, (ssrc, elements, payload_type) in enumerate(packets):
        block = extensions.build(elements, allow_two_byte=True)
        rig.receive(packet(seq, 0, b"\0\1" + KEY, ssrc=ssrc, payload_type=payload_type, block=block))
        if ssrc in known:
            assert owners.setdefault(ssrc, known[ssrc]) is known[ssrc]
            assert known[ssrc].encoding in known[ssrc].publication.encodings
        else:
            assert rig.ingress.drops
    learned = {source.encoding for source in known.values()}
    for publication, _ in rig.published:
        for encoding in publication.encodings:
            assert encoding in learned or not encoding.arrivals.packets
