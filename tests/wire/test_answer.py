"""Answers to captured offers, read line by line; and by stock aiortc, which fails over what it cannot use."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.wire.answer import Accepted, Candidate, Local, Outbound, SectionAnswer, accept, write
from sfu.wire.sdp import Codec, Offer, SdpError, Section, parse

OFFERS = {
    path.stem: path.read_bytes().decode() for path in sorted((Path(__file__).parent / "offers").glob("*.sdp"))
}
LOCAL = Local(
    ice_ufrag="server",
    ice_pwd="p" * 24,
    fingerprints=(("sha-256", ":".join(["AB"] * 32)),),
    candidates=(Candidate("192.0.2.7", 7882, 2130706431), Candidate("2001:db8::7", 7882, 2130706175)),
    session_id=42,
    session_version=3,
)
SLOT = Outbound(1000, 1001, "server", "stream", "track")
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"


def answers(offer: Offer) -> list[SectionAnswer]:
    """Everything that can be taken is taken, and each section that can receive gets a stream."""
    return [
        SectionAnswer(
            accept(s), receive=True, send=replace(SLOT, ssrc=1000 + 2 * s.index, rtx_ssrc=1001 + 2 * s.index)
        )
        for s in offer.sections
    ]


def answer(text: str) -> str:
    offer = parse(text)
    return write(offer, answers(offer), LOCAL)


def parts(text: str) -> list[list[str]]:
    """The session part and the m-sections, as lines."""
    found: list[list[str]] = [[]]
    assert text.endswith("\r\n")
    for line in text.split("\r\n")[:-1]:
        if line.startswith("m="):
            found.append([])
        found[-1].append(line)
    return found


def accepted(name: str, index: int) -> Accepted:
    usable = accept(parse(OFFERS[name]).sections[index])
    assert usable is not None
    return usable


def video(**changes: object) -> Section:
    """The video section Chromium sends, changed."""
    return replace(parse(OFFERS["chromium_call"]).sections[1], **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OFFERS)
def test_every_captured_offer_is_answered_in_its_order(name: str) -> None:
    offer = parse(OFFERS[name])
    session, *sections = parts(write(offer, answers(offer), LOCAL))
    assert session[:4] == ["v=0", "o=- 42 3 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    assert "a=ice-lite" in session
    assert len(sections) == len(offer.sections)
    groups = [line for line in session if line.startswith("a=group:")]
    assert groups == ([f"a=group:BUNDLE {' '.join(offer.bundle)}"] if offer.bundle else [])
    for asked, lines in zip(offer.sections, sections, strict=True):
        kind, port, protocol, *_ = lines[0].removeprefix("m=").split()
        assert (kind, protocol) == (asked.kind, asked.protocol)
        assert f"a=mid:{asked.mid}" in lines
        assert port == ("0" if asked.rejected else "7882")
        assert ("a=setup:passive" in lines) is not asked.rejected
        simulcast = [line for line in lines if line.startswith(("a=rid", "a=simulcast"))]
        rids = asked.simulcast_send
        assert simulcast == [
            *(f"a=rid:{rid} recv" for rid in rids), *([f"a=simulcast:recv {';'.join(rids)}"] if rids else [])
        ]  # fmt: skip


def test_chromium_call_in_full() -> None:
    session, audio, video, slot, *_, data = parts(answer(OFFERS["chromium_call"]))
    assert session[4:] == [
        "a=group:BUNDLE 0 1 2 3 4 5 6 7 8",
        "a=ice-lite",
        "a=extmap-allow-mixed",
        "a=msid-semantic:WMS *",
    ]
    transport = [
        "a=ice-ufrag:server",
        f"a=ice-pwd:{'p' * 24}",
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
        "a=setup:passive",
        "a=candidate:1 1 udp 2130706431 192.0.2.7 7882 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::7 7882 typ host",
        "a=end-of-candidates",
    ]
    assert audio == [
        "m=audio 7882 UDP/TLS/RTP/SAVPF 111 63",
        "c=IN IP4 192.0.2.7",
        "a=mid:0",
        *transport,
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        f"a=extmap:3 {TRANSPORT_WIDE}",
        f"a=extmap:4 {MID}",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
    ]
    assert video[0].endswith(" 96 97 102 103 104 107 108 109 114 115 116 117 39 40 45 46 98 99 100 101")
    at = video.index("a=rtpmap:102 H264/90000")
    assert video[at : at + 9] == [
        "a=rtpmap:102 H264/90000",
        "a=rtcp-fb:102 nack",
        "a=rtcp-fb:102 nack pli",
        "a=rtcp-fb:102 ccm fir",
        "a=rtcp-fb:102 goog-remb",
        "a=rtcp-fb:102 transport-cc",
        "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
        "a=rtpmap:103 rtx/90000",
        "a=fmtp:103 apt=102",
    ]
    assert not any(line.startswith(("a=ssrc", "a=msid:")) for line in video)
    assert "a=sendonly" in slot
    assert slot[-3:] == ["a=msid:stream track", "a=ssrc:1004 cname:server", "a=ssrc:1004 msid:stream track"]
    assert data == [
        "m=application 7882 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 192.0.2.7",
        "a=mid:8",
        *transport,
        "a=sctp-port:5000",
        "a=max-message-size:262144",
    ]


def test_a_video_slot_names_its_retransmissions() -> None:
    slot = parts(answer(OFFERS["chromium_call"]))[4]
    assert slot[-6:] == [
        "a=msid:stream track",
        "a=ssrc-group:FID 1006 1007",
        "a=ssrc:1006 cname:server",
        "a=ssrc:1006 msid:stream track",
        "a=ssrc:1007 cname:server",
        "a=ssrc:1007 msid:stream track",
    ]


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_transport_wide_feedback_is_given_and_asked_for(index: int) -> None:
    usable = accepted("chromium_call", index)
    assert TRANSPORT_WIDE in usable.extensions
    assert "transport-cc" in usable.codecs[0].feedback
    assert ("goog-remb" in usable.codecs[0].feedback) is (usable.section.kind == "video")


def test_a_client_without_transport_wide_numbers_is_asked_for_remb() -> None:
    for section in parse(OFFERS["aiortc_call"]).sections:
        if section.kind == "video":
            usable = accept(section)
            assert usable is not None
            assert TRANSPORT_WIDE not in usable.extensions
            assert "goog-remb" in usable.codecs[0].feedback
            assert "transport-cc" not in usable.codecs[0].feedback


def test_an_inactive_section_keeps_all_extensions() -> None:
    usable = accept(video(direction="inactive", extension_directions={PLAYOUT_DELAY: "recvonly"}))
    assert usable is not None
    assert {TRANSPORT_WIDE, PLAYOUT_DELAY, MID} <= set(usable.extensions)
    assert "transport-cc" in usable.codecs[0].feedback


def test_extensions_with_a_direction_are_answered_with_its_reverse() -> None:
    session, _, video, _, slot, *_ = parts(answer(OFFERS["firefox_call"]))
    assert "a=extmap-allow-mixed" not in session
    assert "a=extmap-allow-mixed" in video
    assert f"a=extmap:6/sendonly {PLAYOUT_DELAY}" in slot
    assert not any(PLAYOUT_DELAY in line for line in video)
    simulcast = parts(answer(OFFERS["firefox_simulcast"]))[2]
    assert "a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" in simulcast


SIMULCAST = [name for name in OFFERS if "simulcast" in name]
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
DEPENDENCY = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"


def simulcast(**changes: object) -> Section:
    """The simulcast section Chromium sends, changed."""
    return replace(parse(OFFERS["chromium_simulcast"]).sections[1], **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SIMULCAST)
def test_simulcast_is_taken_with_all_that_tells_encodings_apart(name: str) -> None:
    usable = accepted(name, 1)
    assert usable.rids == (("f", "h", "q") if name.endswith("_down") else ("q", "h", "f"))
    assert {MID, RID, REPAIRED_RID, TRANSPORT_WIDE} <= set(usable.extensions)
    # Beside the descriptor Chromium leaves picture ids out of VP8.
    assert (DEPENDENCY in usable.extensions) is name.endswith("_av1")
    session, _, video = parts(answer(OFFERS[name]))[:3]
    # Chromium says it for the whole session, Firefox for each section; one of them has to be answered.
    assert ("a=extmap-allow-mixed" in session) is name.startswith("chromium")
    assert ("a=extmap-allow-mixed" in video) is name.startswith("firefox")
    assert f"a=simulcast:recv {';'.join(usable.rids)}" in video


@pytest.mark.parametrize("name", ["h264", "vp9", "av1"])
def test_the_codec_that_chromium_prefers_stays_first(name: str) -> None:
    assert accepted(f"chromium_simulcast_{name}", 1).codecs[0].name.lower() == name


def test_spatial_layers_in_one_encoding_are_no_simulcast() -> None:
    usable = accepted("chromium_svc_vp9", 1)
    assert usable.rids == ()
    assert DEPENDENCY not in usable.extensions
    assert usable.codecs[0].name == "VP9"


@pytest.mark.parametrize(
    ("changes", "rids"),
    [
        ({"simulcast_send": ("f", "h", "q")}, ("f", "h", "q")),
        ({"simulcast_send": ("q",)}, ("q",)),
        ({"simulcast_send": ()}, ()),
        ({"simulcast_send": ("q", "x", "q", "f")}, ("q", "f")),
        ({"simulcast_send": tuple("abcdef"), "rids": tuple("abcdef")}, ("a", "b", "c", "d")),
        ({"simulcast_send": ("r" * 16, "s" * 17), "rids": ("r" * 16, "s" * 17)}, ("r" * 16,)),
        ({"extensions": {MID: 9}}, ()),
        ({"extensions": {RID: 10, REPAIRED_RID: 11}}, ()),
        ({"extensions": {MID: 9, RID: 10}}, ("q", "h", "f")),
        ({"extension_directions": {RID: "recvonly"}}, ()),
        ({"extension_directions": {RID: "sendonly"}}, ("q", "h", "f")),
        ({"direction": "recvonly"}, ()),
        ({"direction": "inactive"}, ("q", "h", "f")),
    ],
)
def test_which_encodings_are_taken(changes: dict[str, object], rids: tuple[str, ...]) -> None:
    usable = accept(simulcast(**changes))
    assert usable is not None
    assert usable.rids == rids


def test_a_paused_encoding_is_taken_too() -> None:
    text = OFFERS["chromium_simulcast"].replace("a=simulcast:send q;h;f", "a=simulcast:send q;~h;~f")
    assert "a=simulcast:recv q;h;f" in parts(answer(text))[2]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["q", "~h", "f,g", "", "~", "x", "r" * 300, ","]), max_size=12))
def test_any_simulcast_line_gives_rids_of_the_offer(streams: list[str]) -> None:
    line = f"a=simulcast:send {';'.join(streams)}"
    text = OFFERS["chromium_simulcast"].replace("a=simulcast:send q;h;f", line)
    video = parts(answer(text))[2]
    rids = [line.split(":")[1].removesuffix(" recv") for line in video if line.startswith("a=rid")]
    assert set(rids) <= {"q", "h", "f"}
    assert len(set(rids)) == len(rids)
    assert [line for line in video if line.startswith("a=simulcast")] == (
        [f"a=simulcast:recv {';'.join(rids)}"] if rids else []
    )


def test_red_goes_behind_opus_and_needs_it() -> None:
    opus, red = accepted("chromium_call", 0).codecs
    section = parse(OFFERS["chromium_call"]).sections[0]
    usable = accept(replace(section, codecs=(red, opus)))
    assert usable is not None
    assert usable.codecs == (opus, red)
    assert accept(replace(section, codecs=(red,))) is None
    other = accept(replace(section, codecs=(replace(red, parameters="111/9"), opus)))
    assert other is not None
    assert other.codecs == (opus,)


@pytest.mark.parametrize(
    "section",
    [
        video(rejected=True),
        video(bundled=False),
        video(rtcp_mux=False),
        video(protocol="RTP/AVP"),
        video(kind="text"),
        video(codecs=()),
        video(codecs=(Codec(96, "ulpfec", 90000, 1, "", (), None),)),
        video(codecs=(Codec(96, "VP8", 48000, 1, "", (), None),)),
        video(kind="application", protocol="UDP/DTLS/SCTP", formats=("webrtc-datachannel",)),
        video(kind="application", protocol="DTLS/SCTP", formats=("5000",), sctp_port=5000),
    ],
)
def test_sections_of_no_use(section: Section) -> None:
    assert accept(section) is None


@pytest.mark.parametrize(
    ("client", "receive", "send", "expected"),
    [
        ("sendrecv", True, True, "sendrecv"),
        ("sendrecv", False, True, "sendonly"),
        ("sendrecv", True, False, "recvonly"),
        ("sendrecv", False, False, "inactive"),
        ("sendonly", True, True, "recvonly"),
        ("sendonly", False, True, "inactive"),
        ("recvonly", True, True, "sendonly"),
        ("recvonly", True, False, "inactive"),
        ("inactive", True, True, "inactive"),
    ],
)
def test_direction(client: str, receive: bool, send: bool, expected: str) -> None:
    usable = accept(video(direction=client))
    assert SectionAnswer(usable, receive, SLOT if send else None).direction == expected
    offer = parse(OFFERS["chromium_call"])
    assert usable is not None
    offer = replace(offer, sections=(usable.section,), bundle=("1",))
    lines = parts(write(offer, [SectionAnswer(usable, receive, SLOT if send else None)], LOCAL))[1]
    assert f"a={expected}" in lines
    assert ("a=msid:stream track" in lines) is expected.startswith("send")


def test_rejected_sections_leave_the_bundle() -> None:
    offer = parse(OFFERS["chromium_call"])
    given = answers(offer)
    given[0] = given[3] = SectionAnswer(None)
    session, first, *rest = parts(write(offer, given, LOCAL))
    assert "a=group:BUNDLE 1 2 4 5 6 7 8" in session
    formats = " ".join(offer.sections[0].formats)
    assert first == [f"m=audio 0 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0", "a=mid:0", "a=inactive"]
    assert rest[2][0].startswith("m=video 0 ")


def test_nothing_left() -> None:
    session, *sections = parts(answer(OFFERS["firefox_all_stopped"]))
    assert not any(line.startswith("a=group") for line in session)
    assert [lines[0].split()[1] for lines in sections] == ["0", "0"]


def test_addresses() -> None:
    offer = parse(OFFERS["chromium_data"])
    for candidates, line, address in (
        ((), "m=application 9 ", "c=IN IP4 0.0.0.0"),
        (LOCAL.candidates[1:], "m=application 7882 ", "c=IN IP6 2001:db8::7"),
    ):
        lines = parts(write(offer, answers(offer), replace(LOCAL, candidates=candidates)))[1]
        assert lines[0].startswith(line)
        assert lines[1] == address


SHORT = [OFFERS[name] for name in ("chromium_simulcast", "firefox_data", "aiortc_call", "firefox_stopped")]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SHORT), st.data())
def test_damaged_offers_that_can_be_read_can_be_answered(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(st.text(max_size=4)) + text[start + data.draw(st.integers(0, 20)) :]
    with contextlib.suppress(SdpError):
        offer = parse(text)
        assert len(parts(write(offer, answers(offer), LOCAL))) == 1 + len(offer.sections)


async def negotiate(client: RTCPeerConnection, local: Local = LOCAL) -> Offer:
    """One round with a stock client: it offers, and takes the answer."""
    await client.setLocalDescription(await client.createOffer())
    offer = parse(client.localDescription.sdp)
    text = write(offer, answers(offer), local)
    await client.setRemoteDescription(RTCSessionDescription(text, "answer"))
    return offer


@pytest.mark.parametrize(
    ("policy", "directions"),
    [
        (RTCBundlePolicy.MAX_BUNDLE, ("sendonly", "recvonly", "sendrecv")),
        (RTCBundlePolicy.MAX_COMPAT, ("sendonly", "recvonly", "sendrecv")),
        # With several of a kind aiortc 1.16 leaves the later ones on a transport it has closed.
        (RTCBundlePolicy.BALANCED, ("sendrecv",)),
    ],
)
async def test_stock_aiortc_takes_answers_and_candidates(
    policy: RTCBundlePolicy, directions: tuple[str, ...]
) -> None:
    client = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=policy))
    try:
        for direction in directions:
            client.addTransceiver("audio", direction=direction)
            client.addTransceiver("video", direction=direction)
        client.createDataChannel("chat")
        await negotiate(client)
        transceivers = client.getTransceivers()
        assert [t.currentDirection for t in transceivers] == [t.direction for t in transceivers]
        assert client.sctp is not None
        transports = {client.sctp.transport, *(t.receiver.transport for t in transceivers)}
        assert [
            [candidate.port for candidate in transport.transport.getRemoteCandidates()]
            for transport in transports
        ] == [[7882, 7882]]
    finally:
        await client.close()
        await asyncio.sleep(0)


def add_video(client: RTCPeerConnection) -> None:
    client.addTransceiver("video", direction="recvonly")


def turn_inactive(client: RTCPeerConnection) -> None:
    client.getTransceivers()[0].direction = "inactive"


@pytest.mark.parametrize("change", [add_video, turn_inactive])
async def test_stock_aiortc_takes_answers_to_later_offers(
    change: Callable[[RTCPeerConnection], None],
) -> None:
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        client.createDataChannel("chat")
        await negotiate(client)
        client.addTransceiver("audio", direction="sendonly")
        await negotiate(client)
        change(client)
        offer = await negotiate(client, replace(LOCAL, session_version=4))
        assert len(offer.sections) >= 2
        assert all(t.currentDirection == t.direction for t in client.getTransceivers())
        for transceiver in client.getTransceivers():
            await transceiver.stop()
        await negotiate(client)
    finally:
        await client.close()
        await asyncio.sleep(0)
