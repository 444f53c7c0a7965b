"""Offers captured from Chromium 156, Firefox ESR 153 and aiortc 1.16, and offers nobody should send."""

import contextlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire.sdp import MAX_KNOWN, Codec, Offer, SdpError, Section, SourceGroup, parse
from sfu.wire.sdp_lines import MAX_LENGTH, MAX_SECTIONS

OFFERS = {
    path.stem: path.read_bytes().decode() for path in sorted((Path(__file__).parent / "offers").glob("*.sdp"))
}

TRANSPORT = [
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    "a=fingerprint:SHA-256 " + ":".join(["ab"] * 32),
    "a=setup:actpass",
]
AUDIO = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=mid:0",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    *TRANSPORT,
]


def offer(*lines: str) -> Offer:
    return parse("\r\n".join(["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", *lines, ""]))


def section(*lines: str) -> Section:
    return offer(*AUDIO, *lines).sections[0]


def codecs(*lines: str) -> tuple[Codec, ...]:
    return offer(*lines).sections[0].codecs


def directions(parsed: Offer) -> list[tuple[str, str, str]]:
    return [(s.mid, s.kind, "rejected" if s.rejected else s.direction) for s in parsed.sections]


@pytest.mark.parametrize("name", OFFERS)
def test_every_captured_offer(name: str) -> None:
    parsed = parse(OFFERS[name])
    used = [s for s in parsed.sections if not s.rejected]
    assert parsed.bundle == tuple(s.mid for s in used)
    assert all(s.bundled for s in used)
    assert [s.index for s in parsed.sections] == list(range(len(parsed.sections)))
    if used:
        assert parsed.setup == "actpass"
        assert len(parsed.ice_ufrag) >= 4
        assert len(parsed.ice_pwd) >= 22
        assert any(algorithm == "sha-256" for algorithm, _ in parsed.fingerprints)
    for s in used:
        if s.kind == "application":
            assert s.sctp_port == 5000
            continue
        assert s.rtcp_mux
        assert s.extensions["urn:ietf:params:rtp-hdrext:sdes:mid"] in range(1, 15)
        names = {codec.name for codec in s.codecs}
        assert {"audio": "opus", "video": "VP8"}[s.kind] in names
        assert "rtx" not in names


def test_chromium_call() -> None:
    parsed = parse(OFFERS["chromium_call"])
    received = [(str(n), "audio" if n % 2 == 0 else "video", "recvonly") for n in range(2, 8)]
    assert directions(parsed) == [
        ("0", "audio", "sendonly"),
        ("1", "video", "sendonly"),
        *received,
        ("8", "application", "sendrecv"),
    ]
    assert parsed.extmap_allow_mixed
    audio, video, *_, data = parsed.sections
    assert audio.codecs[:2] == (
        Codec(111, "opus", 48000, 2, "minptime=10;useinbandfec=1", ("transport-cc",), None),
        Codec(63, "red", 48000, 2, "111/111", (), None),
    )
    feedback = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert video.codecs[0] == Codec(96, "VP8", 90000, 1, "", feedback, 97)
    h264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"
    assert video.codecs[1] == Codec(102, "H264", 90000, 1, h264, feedback, 103)
    assert [c.payload_type for c in video.codecs if c.name == "AV1"] == [45]
    assert video.extensions["http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"] == 2
    assert [(group.ssrc, group.rtx_ssrc) for group in video.ssrcs] == [(2510348990, 4040612907)]
    assert audio.msid is not None
    assert video.msid is not None
    assert audio.msid[0] == video.msid[0]
    assert audio.msid[1] != video.msid[1]
    assert {group.cname for group in (*audio.ssrcs, *video.ssrcs)} == {"BdEDnyokjtrfUdeD"}
    assert video.rtcp_rsize
    assert (data.sctp_port, data.max_message_size) == (5000, 262144)


def test_firefox_call() -> None:
    """Port 0 with a=bundle-only is not a rejection; some extensions have a direction; ids differ."""
    parsed = parse(OFFERS["firefox_call"])
    assert [s.port for s in parsed.sections[2:8]] == [0] * 6
    assert not any(s.rejected for s in parsed.sections)
    assert not parsed.extmap_allow_mixed
    audio, video, *_, data = parsed.sections
    assert audio.extmap_allow_mixed
    assert audio.codecs[0].parameters == "maxplaybackrate=48000;stereo=1;useinbandfec=1"
    assert [(c.name, c.payload_type, c.rtx_payload_type) for c in video.codecs[:3]] == [
        ("VP8", 120, 124),
        ("VP9", 121, 125),
        ("AV1", 99, 100),
    ]
    assert video.extension_directions == {
        "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay": "recvonly"
    }
    assert data.max_message_size == 1073741823


def test_aiortc_call() -> None:
    parsed = parse(OFFERS["aiortc_call"])
    assert [mid for mid, _, _ in directions(parsed)] == list("01234")
    assert [algorithm for algorithm, _ in parsed.fingerprints] == ["sha-256", "sha-384", "sha-512"]
    assert [(c.name, c.rtx_payload_type) for c in parsed.sections[1].codecs] == [
        ("VP8", 98),
        ("H264", 100),
        ("H264", 102),
    ]


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
def test_reoffers(browser: str) -> None:
    stopped = parse(OFFERS[f"{browser}_stopped"])
    assert directions(stopped)[:2] == [("0", "audio", "sendonly"), ("1", "video", "rejected")]
    assert stopped.bundle == ("0", "2", "3", "4", "5", "6", "7")
    first = parse(OFFERS[f"{browser}_stopped_first"])
    assert [mid for mid, _, direction in directions(first) if direction == "rejected"] == ["0", "1", "3"]
    assert first.bundle == ("2", "4", "5", "6", "7")
    assert first.ice_ufrag == stopped.ice_ufrag
    nothing = parse(OFFERS[f"{browser}_all_stopped"])
    assert (nothing.bundle, nothing.ice_ufrag, nothing.fingerprints) == ((), "", ())
    assert parse(OFFERS[f"{browser}_reused"]).bundle == ("2",)


def test_chromium_reuses_the_place_of_a_stopped_audio_section_for_video() -> None:
    assert directions(parse(OFFERS["chromium_reused"])) == [
        ("2", "video", "recvonly"),
        ("1", "video", "rejected"),
    ]


@pytest.mark.parametrize(("browser", "groups"), [("chromium", 0), ("firefox", 3)])
def test_simulcast(browser: str, groups: int) -> None:
    video = parse(OFFERS[f"{browser}_simulcast"]).sections[1]
    assert video.rids == ("q", "h", "f")
    assert video.simulcast_send == ("q", "h", "f")
    assert len([group for group in video.ssrcs if group.rtx_ssrc]) == groups == len(video.ssrcs)
    assert "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" in video.extensions


def test_simulcast_with_alternatives_and_pauses() -> None:
    lines = ["a=rid:a send pt=111", "a=rid:b recv", "a=rid:c send", "a=simulcast:recv b send a,c;~c"]
    parsed = section(*lines)
    assert parsed.rids == ("a", "c")
    assert parsed.simulcast_send == ("a", "c")


def test_session_level_attributes_stand_in_for_missing_ones() -> None:
    media = [line for line in AUDIO if line not in TRANSPORT]
    parsed = offer("a=recvonly", "a=extmap-allow-mixed", *TRANSPORT, *media)
    assert parsed.ice_ufrag == "abcd"
    assert parsed.fingerprints == (("sha-256", ":".join(["AB"] * 32)),)
    assert parsed.sections[0].direction == "recvonly"
    assert parsed.sections[0].extmap_allow_mixed


def test_the_first_bundled_section_describes_the_transport() -> None:
    other = [line.replace("abcd", "wxyz").replace("mid:0", "mid:1") for line in AUDIO]
    assert offer("a=group:BUNDLE 1 0", *AUDIO, *other).ice_ufrag == "wxyz"


def test_without_bundle_only_the_first_section_is_carried() -> None:
    other = [line.replace("mid:0", "mid:1") for line in AUDIO]
    assert [s.bundled for s in offer(*AUDIO, *other).sections] == [True, False]
    assert [s.bundled for s in offer("a=group:BUNDLE 1", *AUDIO, *other).sections] == [False, True]


def test_feedback_for_all_payload_types() -> None:
    assert section("a=rtcp-fb:* nack", "a=rtcp-fb:111 transport-cc").codecs[0].feedback == (
        "transport-cc",
        "nack",
    )


def test_codecs_of_equal_sections_are_read_once_and_shared() -> None:
    lines = ("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", "a=rtpmap:96 VP8/90000", *TRANSPORT)
    assert codecs(*lines) is codecs(*lines)
    other = codecs(*lines, "a=rtcp-fb:96 nack")
    assert other[0].feedback == ("nack",)
    long = (*lines, "a=fmtp:96 " + "x" * MAX_KNOWN)
    assert codecs(*long) == codecs(*long)
    assert codecs(*long) is not codecs(*long)


def test_an_error_is_told_each_time() -> None:
    for mid in ("0", "1", "0"):
        with pytest.raises(SdpError, match=f"section {mid}"):
            codecs("m=video 9 UDP/TLS/RTP/SAVPF 96", f"a=mid:{mid}", "a=rtpmap:96 VP8/fast", *TRANSPORT)


def test_sources() -> None:
    lines = ["a=ssrc:1 cname:me", "a=ssrc:2 cname:me", "a=ssrc:3 cname:me", "a=ssrc:1 msid:stream track"]
    parsed = section(*lines, "a=ssrc-group:FID 1 2", "a=ssrc-group:FEC-FR 1 3", "a=ssrc-group:SIM 1 2 3")
    assert parsed.ssrcs == (SourceGroup(1, 2, "me"),)
    assert parsed.msid == ("stream", "track")
    assert section("a=msid:alone").msid == ("alone", "")
    assert section("a=ssrc:1 cname:").ssrcs == (SourceGroup(1, None, ""),)


def test_extension_ids_that_ask_to_be_replaced_are_left_out() -> None:
    parsed = section("a=extmap:4096 urn:a", "a=extmap:200/sendonly urn:b attributes", "a=extmap:3 urn:b")
    assert parsed.extensions == {"urn:b": 200}
    assert parsed.extension_directions == {"urn:b": "sendonly"}


def test_line_ends_without_carriage_return_are_read() -> None:
    assert parse(OFFERS["firefox_call"].replace("\r\n", "\n")) == parse(OFFERS["firefox_call"])


def test_hashed_and_compared_by_value() -> None:
    assert parse(OFFERS["chromium_call"]) == parse(OFFERS["chromium_call"])


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["a=mid:1 2"], None),  # a second mid: the first counts
        (["a=rtpmap:128 x/1"], 'A payload type of section 0 is not a number from 0 to 127: "128".'),
        (["a=rtpmap:1_0 x/1"], "payload type"),
        (["a=rtpmap:\u0661 x/1"], "payload type"),
        (["a=rtpmap:111 opus"], "clock rate"),
        (["a=rtpmap:111 opus/48000/0"], "number of channels"),
        (["a=fmtp:x y"], "payload type"),
        (["a=rtcp-fb:-1 nack"], "payload type"),
        (["a=extmap:0 urn:a"], "extension id"),
        (["a=extmap:256 urn:a"], "beyond 255"),
        (["a=extmap:5000 urn:a"], "extension id"),
        (["a=extmap:1"], "has no URI"),
        (["a=extmap:"], "extension id"),
        (["a=extmap:1/up urn:a"], "direction"),
        (["a=extmap:1 urn:a", "a=extmap:1 urn:b"], "have the id 1"),
        (["a=ssrc:4294967296 cname:x"], "SSRC"),
        (["a=ssrc-group:FID 1 x"], "SSRC"),
        ([f"a=ssrc:{n} cname:x" for n in range(65)], "More than 64 SSRCs"),
        (["m=audio 9 UDP/TLS/RTP/SAVPF 111"], "has no mid"),
        (["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0"], "same mid"),
        (["m=audio 9 UDP/TLS/RTP/SAVPF"], "m-line of section 1 is incomplete"),
        (["m=audio x UDP/TLS/RTP/SAVPF 0"], "port of section 1"),
        (['m=audio 9 "quoted" 0'], "m-line of section 1 is malformed"),
        (["m=audio 9 UDP/TLS/RTP/SAVPF x", "a=mid:1"], "payload type"),
        (["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:b c"], "mid of section 1 is malformed"),
        (["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:1", "a=sctp-port:99999"], "SCTP port"),
        (["no line"], "Line 13 is not of the form type=value"),
        (["s=\x00"], "control characters"),
        (["a=x\ry"], "control characters"),
        (["s=\ud800"], "not text"),
        (["m=audio 0 x y"] * MAX_SECTIONS, "more than 256 sections"),
        (["a=" + "x" * MAX_LENGTH], "longer than 900000 bytes"),
        (["a=" + "é" * (MAX_LENGTH // 2)], "longer than 900000 bytes"),
    ],
)
def test_what_is_wrong_is_said(lines: list[str], sentence: str | None) -> None:
    if sentence is None:
        assert section(*lines) is not None
        return
    with pytest.raises(SdpError) as raised:
        section(*lines)
    assert sentence in str(raised.value)
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("ice-ufrag:abcd", "ice-ufrag:a", "ICE user fragment"),
        ("ice-pwd:", "ice-pwd:\N{SNOWMAN}", "ICE user fragment or password"),
        ("setup:actpass", "setup:passive", "server is the passive side"),
        ("setup:actpass", "setup:please", "DTLS setup"),
        ("fingerprint:SHA-256 ab:", "fingerprint:SHA-256 zz:", "fingerprint is malformed"),
        ("fingerprint:", "finger:", "no certificate fingerprint"),
    ],
)
def test_what_is_wrong_with_the_transport_is_said(old: str, new: str, sentence: str) -> None:
    with pytest.raises(SdpError, match=sentence):
        offer(*(line.replace(old, new) for line in AUDIO))


def test_bundle_must_name_sections_that_exist() -> None:
    with pytest.raises(SdpError, match=r'BUNDLE names the mid "7"'):
        offer("a=group:BUNDLE 0 7", *AUDIO)


@pytest.mark.parametrize("text", ["", "v=1", "hello", "\n", "v=0", "v=0\r\n"])
def test_texts_that_hardly_are_descriptions(text: str) -> None:
    if text.startswith("v=0"):
        assert parse(text).sections == ()
    else:
        with pytest.raises(SdpError, match="begin with v=0"):
            parse(text)


def gives_offer_or_error(text: str) -> None:
    with contextlib.suppress(SdpError):
        assert isinstance(parse(text), Offer)


@settings(max_examples=100, deadline=None)
@given(st.text() | st.text().map("v=0\n".__add__))
def test_any_text(text: str) -> None:
    gives_offer_or_error(text)


SHORT = [OFFERS[name] for name in ("chromium_simulcast", "firefox_data", "aiortc_call", "firefox_max_bundle")]
FRAGMENTS = st.sampled_from(
    ["m=", "a=", "a=mid:0", "BUNDLE", ":", "/", " ", ";", "\r\n", "-1", "4096", "*", "send"]
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SHORT), st.data())
def test_captured_offers_with_damage(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 40))
        text = text[:start] + data.draw(FRAGMENTS | st.text(max_size=8)) + text[end:]
    gives_offer_or_error(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHORT), st.randoms(use_true_random=False))
def test_captured_offers_with_lines_moved_lost_and_repeated(text: str, random: Random) -> None:
    lines = text.split("\r\n")[1:]
    gives_offer_or_error("\r\n".join(["v=0", *random.choices(lines, k=len(lines))]))
