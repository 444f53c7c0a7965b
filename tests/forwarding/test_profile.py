"""Payload types, extension ids and codec variants, from one client's to another's."""

from dataclasses import replace

import pytest

from sfu.forwarding.profile import SendProfile, Translation, codec_key
from sfu.wire import extensions, rtp
from sfu.wire.rtp import RtpView
from sfu.wire.sdp import Codec
from tests.forwarding.doubles import (
    FEEDBACK,
    H264,
    IDS,
    KEY,
    OPUS,
    RED,
    VP8,
    VP9,
    accepted,
    extensions_of,
    packet,
    payload_of,
    section,
)

AV1 = Codec(45, "AV1", 90_000, 1, "profile=0", FEEDBACK, 46)
CHROMIUM_AUDIO = accepted(section([OPUS, RED], kind="audio", direction="sendonly"))
FIREFOX_IDS = {
    extensions.AUDIO_LEVEL: 1,
    extensions.MID: 3,
    extensions.ABS_SEND_TIME: 4,
    extensions.PLAYOUT_DELAY: 6,
    extensions.VIDEO_ORIENTATION: 8,
}
FIREFOX_VP8 = replace(VP8, payload_type=120, rtx_payload_type=124)
SEND_TIME = b"\x01\x02\x03"


def profile(*codecs: Codec, ids: dict[str, int] = FIREFOX_IDS, mixed: bool = False) -> SendProfile:
    kind = "audio" if codecs[0].clock_rate == 48_000 else "video"
    return SendProfile.of(accepted(section(codecs, kind=kind, direction="recvonly", ids=ids, mixed=mixed)))


def video(block: bytes = b"", payload: bytes = KEY, *, marker: bool = False, padding: int = 0) -> RtpView:
    return rtp.parse(packet(7, 900, payload, block=block, marker=marker, padding=padding))


def translated(view: RtpView, to: SendProfile) -> RtpView:
    return rtp.parse(Translation(IDS, VP8, to).template(view, SEND_TIME))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (VP8, replace(VP8, name="vp8", payload_type=120, parameters="max-fs=12288;max-fr=60"), True),
        (VP8, VP9, False),
        (VP9, replace(VP9, parameters=""), True),
        (VP9, replace(VP9, parameters="profile-id=2"), False),
        (OPUS, replace(OPUS, parameters="maxplaybackrate=48000;stereo=1"), True),
        (OPUS, replace(OPUS, channels=1), False),
        (H264, replace(H264, parameters="profile-level-id=42e034;packetization-mode=1"), True),
        (H264, replace(H264, parameters="PROFILE-LEVEL-ID=42E01F; packetization-mode=1"), True),
        (H264, replace(H264, parameters="profile-level-id=42e01f"), False),
        (H264, replace(H264, parameters="profile-level-id=64001f;packetization-mode=1"), False),
        (replace(H264, parameters=""), replace(H264, parameters="profile-level-id=nonsense"), True),
        (Codec(45, "AV1", 90_000, 1, "", (), None), Codec(99, "av1", 90_000, 1, "profile=0", (), None), True),
        (Codec(45, "AV1", 90_000, 1, "", (), None), Codec(99, "AV1", 90_000, 1, "profile=1", (), None), False),
        (RED, replace(RED, payload_type=110), True),
    ],
)  # fmt: skip
def test_which_codecs_are_the_same(one: Codec, other: Codec, same: bool) -> None:
    assert (codec_key(one) == codec_key(other)) is same


def test_red_is_another_codec_when_other_payload_types_are_inside() -> None:
    # They stand in every packet, where nobody translates them.
    other = (replace(OPUS, payload_type=109), replace(RED, parameters="109/109"))
    assert profile(*other).payload_type(RED) is None
    assert profile(OPUS, RED).payload_type(RED) == (63, None)


def test_payload_type_is_the_subscribers_own() -> None:
    assert profile(VP9, FIREFOX_VP8).payload_type(VP8) == (120, 124)
    assert profile(VP9).payload_type(VP8) is None
    assert translated(video(), profile(FIREFOX_VP8)).payload_type == 120


def test_equal_negotiations_give_equal_profiles() -> None:
    assert profile(VP8, VP9) == profile(VP8, VP9)
    assert hash(profile(VP8, VP9)) == hash(profile(VP8, VP9))
    assert profile(VP8) != profile(FIREFOX_VP8)


@pytest.mark.parametrize("two_byte_in", [False, True])
def test_extension_ids_are_translated(two_byte_in: bool) -> None:
    orientation, delay = b"\x03", b"\x00\x10\x20"
    block = extensions.build([(13, orientation), (5, delay)], allow_two_byte=False)
    if two_byte_in:
        block = bytes.fromhex("1000 0003 0d0103 0503001020 00000000")
    sent = extensions_of(translated(video(block), profile(FIREFOX_VP8)))
    assert sent == {8: orientation, 6: delay, 4: SEND_TIME}


def test_names_of_the_publishers_sections_are_never_copied() -> None:
    uris = {extensions.MID: 4, extensions.RID: 10, extensions.REPAIRED_RID: 11, extensions.TRANSPORT_WIDE: 3}
    block = extensions.build([(4, b"vid"), (10, b"q"), (11, b"q"), (3, b"\0\1")], allow_two_byte=False)
    out = SendProfile.of(accepted(section([VP8], ids=uris | {extensions.ABS_SEND_TIME: 2})))
    sent = Translation(uris, VP8, out).template(video(block), SEND_TIME)
    assert extensions_of(rtp.parse(sent)) == {3: b"\0\0", 2: SEND_TIME}


def test_send_time_is_left_out_where_it_was_not_negotiated() -> None:
    sent = translated(video(), profile(VP8, ids={}))
    assert sent.extension_profile == 0
    assert payload_of(sent) == KEY


@pytest.mark.parametrize(("mixed", "expected"), [(True, {20: b"\x03", 30: SEND_TIME}), (False, {})])
def test_high_ids_need_two_byte_headers(mixed: bool, expected: dict[int, bytes]) -> None:
    ids = {extensions.VIDEO_ORIENTATION: 20, extensions.ABS_SEND_TIME: 30}
    block = extensions.build([(13, b"\x03")], allow_two_byte=False)
    assert extensions_of(translated(video(block), profile(VP8, ids=ids, mixed=mixed))) == expected


def test_high_id_of_the_send_time_alone() -> None:
    sent = translated(video(), profile(VP8, ids={extensions.ABS_SEND_TIME: 200}, mixed=True))
    assert extensions_of(sent) == {200: SEND_TIME}


def test_long_elements_need_two_byte_headers() -> None:
    ids = {extensions.DEPENDENCY_DESCRIPTOR: 12}
    out = SendProfile.of(accepted(section([AV1], ids=ids, mixed=True)))
    block = extensions.build([(12, bytes(40))], allow_two_byte=True)
    sent = rtp.parse(Translation(ids, AV1, out).template(video(block), SEND_TIME))
    assert sent.extension_profile == extensions.TWO_BYTE_PROFILE
    assert extensions_of(sent) == {12: bytes(40)}


@pytest.mark.parametrize("size", [3, 40])
def test_without_two_byte_headers_no_descriptor_is_sent(size: int) -> None:
    """Those of key frames don't fit one-byte headers, and the others mean nothing without."""
    ids = {extensions.DEPENDENCY_DESCRIPTOR: 12}
    block = extensions.build([(12, bytes(size))], allow_two_byte=True)
    sent = rtp.parse(Translation(ids, AV1, profile(AV1, ids=ids)).template(video(block), SEND_TIME))
    assert extensions_of(sent) == {}


def test_marker_and_payload_pass_and_padding_does_not() -> None:
    sent = translated(video(payload=KEY + b"rest", marker=True, padding=9), profile(VP8))
    assert sent.marker
    assert payload_of(sent) == KEY + b"rest"
    assert sent.packet.endswith(b"rest")


def test_contributing_sources_are_not_copied() -> None:
    plain = packet(7, 900, KEY)
    mixed = bytes((plain[0] | 2,)) + plain[1:12] + bytes(8) + plain[12:]
    assert payload_of(translated(rtp.parse(mixed), profile(VP8))) == KEY


def test_a_retransmission_carries_the_original_number_first() -> None:
    translation = Translation(IDS, VP8, profile(FIREFOX_VP8))
    sent = rtp.parse(translation.rtx_template(video(marker=True), 124, 0xABCD, SEND_TIME))
    assert (sent.payload_type, sent.marker) == (124, True)
    assert payload_of(sent) == b"\xab\xcd" + KEY


def test_malformed_elements_are_not_copied() -> None:
    block = bytes.fromhex("bede 0001 d7ffffff")  # id 13, eight bytes, of which three are there
    assert extensions_of(translated(video(block), profile(FIREFOX_VP8))) == {4: SEND_TIME}


# -- what is written anew when a packet leaves ---------------------------------------------------------------


DESCRIPTOR = extensions.DEPENDENCY_DESCRIPTOR
WIDE = {
    extensions.TRANSPORT_WIDE: 3,
    extensions.ABS_SEND_TIME: 2,
    extensions.VIDEO_ORIENTATION: 13,
    DESCRIPTOR: 12,
}


@pytest.mark.parametrize(
    "copied", [[], [(13, b"\2")], [(12, bytes(range(1, 8)))], [(12, bytes(40)), (13, b"\1")]]
)
@pytest.mark.parametrize(
    "ids", [WIDE, {**WIDE, extensions.TRANSPORT_WIDE: 20}, {extensions.TRANSPORT_WIDE: 5}]
)
@pytest.mark.parametrize("rtx", [False, True])
def test_offsets_are_those_of_the_template(
    copied: list[tuple[int, bytes]], ids: dict[str, int], rtx: bool
) -> None:
    translation = Translation(WIDE, AV1, profile(AV1, ids=ids, mixed=True))
    view = video(extensions.build(copied, allow_two_byte=True))
    made = translation.rtx_template(view, 46, 5, SEND_TIME) if rtx else translation.template(view, SEND_TIME)
    found = {id: start for id, start, _ in extensions.elements(rtp.parse(made))}
    assert translation.stamp_at == found[ids[extensions.TRANSPORT_WIDE]]
    assert translation.send_time_at == found.get(ids.get(extensions.ABS_SEND_TIME, -1), 0)
    assert translation.descriptor_at == found.get(ids.get(DESCRIPTOR, -1), 0)
    assert translation.patch_at == translation.descriptor_at


def test_patches_of_other_codecs_count_from_the_payload() -> None:
    translation = Translation(WIDE, VP8, profile(VP8, ids=WIDE))
    made = translation.template(video(extensions.build([(12, b"abc")], allow_two_byte=False)), SEND_TIME)
    assert made[translation.patch_at :] == KEY
    assert translation.descriptor_at == 0
    made = translation.rtx_template(video(), 97, 5, SEND_TIME)
    assert made[translation.patch_at :] == KEY


def test_what_may_be_sent_again_under_its_number_has_no_transport_wide_number() -> None:
    plain = replace(VP8, rtx_payload_type=None)
    translation = Translation(WIDE, plain, profile(plain, ids=WIDE))
    assert extensions_of(rtp.parse(translation.template(video(), SEND_TIME))) == {2: SEND_TIME}
    assert translation.stamp_at == 0


def test_no_numbers_for_who_does_not_report() -> None:
    silent = replace(VP8, feedback=("nack", "nack pli"))
    assert not profile(silent, ids=WIDE).transport_wide
    assert profile(VP8, ids=WIDE).transport_wide


@pytest.mark.parametrize("size", [1, 100, 255])
def test_padding_is_nothing_but_padding(size: int) -> None:
    translation = Translation(WIDE, VP8, profile(VP8, ids=WIDE))
    made = rtp.parse(translation.padding(97, size, SEND_TIME))
    assert (made.payload_type, made.payload_start) == (97, made.payload_end)
    assert len(made.packet) - made.payload_end == size
    assert extensions_of(made)[2] == SEND_TIME
    assert translation.stamp_at == 17
