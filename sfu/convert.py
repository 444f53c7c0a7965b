"""Values of the media side as messages of signaling, and the other way round. Knows both; keeps nothing."""

from collections.abc import Mapping

from sfu.rooms.member import (
    Bandwidth,
    NotYours,
    Published,
    SlotView,
    UnknownMid,
    UnknownPublication,
    View,
)
from signaling import messages, quality
from signaling.errors import SignalingError
from signaling.fields import EstimateSource, Kind, PauseReason, SlotLimit, SlotState, Source


def publication_message(publication: Published) -> messages.Publication:
    kind: Kind = "audio" if publication.kind == "audio" else "video"
    return messages.Publication(
        id=publication.id,
        kind=kind,
        source=_source(publication.source),
        muted=publication.muted,
        codec=publication.codec,
    )


def _source(source: str) -> Source:
    match source:
        case "microphone" | "camera" | "screen" | "screen-audio":
            return source
        case _:
            return "other"


def slot_message(view: SlotView) -> messages.Slot:
    return messages.Slot(
        mid=view.mid,
        publication=view.publication,
        state=_state(view),
        message=view.message,
        reason=_reason(view),
    )


def receive_result(view: SlotView) -> messages.ReceiveResult:
    return messages.ReceiveResult(
        mid=view.mid,
        publication=view.publication,
        state=_state(view),
        message=view.message,
        reason=_reason(view),
    )


def _state(view: SlotView) -> SlotState:
    match view.state:
        case "active" | "unsupported-codec" | "paused":
            return view.state
        case _:
            return "empty"


def _reason(view: SlotView) -> PauseReason | None:
    match view.reason:
        case "bandwidth" | "last-n":
            return view.reason
        case _:
            return None


def encodings_message(publication: str, active: Mapping[str, bool]) -> quality.Encodings:
    states = tuple(quality.EncodingState(rid=rid, active=taken) for rid, taken in active.items())
    return quality.Encodings(publication=publication, encodings=states)


def views(message: quality.View) -> dict[str, View]:
    """What a client tells of its slots, by mid."""
    return {
        wish.mid: View(wish.width, wish.height, wish.visible, wish.pinned, wish.quality)
        for wish in message.slots
    }


def bandwidth_message(bandwidth: Bandwidth) -> quality.Bandwidth:
    return quality.Bandwidth(
        estimate_bps=bandwidth.estimate_bps,
        target_bps=bandwidth.target_bps,
        sent_bps=bandwidth.sent_bps,
        source=_estimate_source(bandwidth.source),
        slots=tuple(
            quality.SlotFlow(
                mid=flow.mid,
                publication=flow.publication,
                rid=flow.rid,
                spatial=flow.spatial,
                temporal=flow.temporal,
                height=flow.height,
                bps=flow.bps,
                limit=_limit(flow.limit),
            )
            for flow in bandwidth.slots
        ),
    )


def _estimate_source(source: str) -> EstimateSource:
    match source:
        case "remb" | "transport-cc":
            return source
        case _:
            return "none"


def _limit(limit: str) -> SlotLimit:
    match limit:
        case "bandwidth" | "size" | "chosen" | "source" | "hidden" | "last-n" | "nothing":
            return limit
        case _:
            return "none"


def as_signaling(error: Exception) -> SignalingError:
    """What the client is told of a member's refusal; raises `error` itself if it is none."""
    text = str(error)
    sentence = text[:1].upper() + text[1:] + "."
    match error:
        case UnknownPublication():
            return SignalingError("unknown-publication", sentence)
        case UnknownMid():
            return SignalingError("unknown-mid", sentence)
        case NotYours():
            return SignalingError("not-yours", sentence)
        case _:
            raise error
