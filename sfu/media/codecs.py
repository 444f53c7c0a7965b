"""From negotiated sections to the parameters of aiortc's receivers and senders.

Knows which codecs and header extensions aiortc decodes, encodes and understands; a MediaRelay room is limited to them.
"""

from dataclasses import replace

from aiortc import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
)
from aiortc.rtcrtpparameters import (
    ParametersDict,
    RTCRtcpFeedback,
    RTCRtcpParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
)

from sfu.wire import extensions
from sfu.wire.answer import Accepted
from sfu.wire.sdp import Codec

DECODABLE = ("opus", "vp8", "h264")
UNDERSTOOD = (extensions.MID, extensions.AUDIO_LEVEL, extensions.ABS_SEND_TIME)
# aiortc reads every transport-layer feedback as NACK (facts of its RTP module), so that format stays out.
FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")


def limit(accepted: Accepted) -> Accepted | None:
    """What is left of a section when it must be decoded; None if nothing is."""
    codecs = tuple(
        replace(codec, feedback=tuple(entry for entry in codec.feedback if entry in FEEDBACK))
        for codec in accepted.codecs
        if codec.name.lower() in DECODABLE
    )
    if accepted.section.kind == "application":
        return accepted
    ids = {uri: id for uri, id in accepted.extensions.items() if uri in UNDERSTOOD}
    return replace(accepted, codecs=codecs, extensions=ids, rids=()) if codecs else None


def receive_parameters(accepted: Accepted) -> RTCRtpReceiveParameters:
    """For `RTCRtpReceiver.receive`: every payload type, and the SSRCs that the offer announced."""
    encodings = []
    for group in accepted.section.ssrcs:
        rtx = RTCRtpRtxParameters(ssrc=group.rtx_ssrc) if group.rtx_ssrc is not None else None
        payload_type = accepted.codecs[0].payload_type
        encodings.append(RTCRtpDecodingParameters(ssrc=group.ssrc, payloadType=payload_type, rtx=rtx))
        if group.rtx_ssrc is not None:
            # Registered on its own too, so that aiortc's router knows whose retransmissions these are.
            encodings.append(RTCRtpDecodingParameters(ssrc=group.rtx_ssrc, payloadType=payload_type))
    return RTCRtpReceiveParameters(
        codecs=_all(accepted),
        headerExtensions=_extensions(accepted),
        muxId=accepted.section.mid,
        encodings=encodings,
    )


def send_parameters(accepted: Accepted, cname: str) -> RTCRtpSendParameters:
    """For `RTCRtpSender.send`: the client's first codec that aiortc encodes, with its RTX."""
    return RTCRtpSendParameters(
        codecs=_all(accepted),
        headerExtensions=_extensions(accepted),
        muxId=accepted.section.mid,
        rtcp=RTCRtcpParameters(cname=cname, mux=True),
    )


def _all(accepted: Accepted) -> list[RTCRtpCodecParameters]:
    found: list[RTCRtpCodecParameters] = []
    for codec in accepted.codecs:
        found.append(_parameters(accepted.section.kind, codec))
        if codec.rtx_payload_type is not None:
            found.append(
                RTCRtpCodecParameters(
                    mimeType=f"{accepted.section.kind}/rtx",
                    clockRate=codec.clock_rate,
                    payloadType=codec.rtx_payload_type,
                    parameters={"apt": codec.payload_type},
                )
            )
    return found


def _parameters(kind: str, codec: Codec) -> RTCRtpCodecParameters:
    values: ParametersDict = {}
    for part in codec.parameters.split(";"):
        name, _, value = part.strip().partition("=")
        if name:
            values[name] = value
    return RTCRtpCodecParameters(
        mimeType=f"{kind}/{codec.name}",
        clockRate=codec.clock_rate,
        channels=codec.channels if kind == "audio" else None,
        payloadType=codec.payload_type,
        rtcpFeedback=[_feedback(entry) for entry in codec.feedback],
        parameters=values,
    )


def _feedback(entry: str) -> RTCRtcpFeedback:
    kind, _, parameter = entry.partition(" ")
    return RTCRtcpFeedback(type=kind, parameter=parameter or None)


def _extensions(accepted: Accepted) -> list[RTCRtpHeaderExtensionParameters]:
    return [RTCRtpHeaderExtensionParameters(id=id, uri=uri) for uri, id in accepted.extensions.items()]
