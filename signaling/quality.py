"""The messages about how good a picture a client gets: what it shows, what it can carry, what others take, who speaks.

Knows: their shape, as it is specified in PROTOCOL.md. Does not know: what is made of them, or when they are sent.
"""

from typing import Annotated

from msgspec import Meta

from signaling.fields import (
    MAX_REPORT_MS,
    EstimateSource,
    Id,
    Mid,
    Pixels,
    Quality,
    Request,
    Rid,
    SlotLimit,
    Value,
)


class SlotWish(Value, frozen=True):
    """How one slot is shown: its size in physical pixels (0: unknown), and what the person chose."""

    mid: Mid
    width: Pixels = 0
    height: Pixels = 0
    visible: bool = True
    pinned: bool = False
    quality: Quality = "auto"


class View(Request, frozen=True, tag="view"):
    """Tell how slots are shown; each entry is the slot's whole state, slots that are not listed keep theirs."""

    slots: Annotated[tuple[SlotWish, ...], Meta(max_length=256)]


class Reports(Request, frozen=True, tag="reports"):
    """Ask for `bandwidth` messages, one each `every_ms`; 0: no more. decode.py refuses what is below MIN_REPORT_MS."""

    every_ms: Annotated[int, Meta(ge=0, le=MAX_REPORT_MS)]


class EncodingState(Value, frozen=True):
    """Whether anybody takes an encoding of a video; `rid` is "" for a video without simulcast."""

    rid: Rid
    active: bool


class Encodings(Value, frozen=True, tag_field="type", tag="encodings"):
    """To the publisher of a video: which of its encodings anybody takes; others need not be sent."""

    publication: Id
    encodings: tuple[EncodingState, ...]


class Speakers(Value, frozen=True, tag_field="type", tag="speakers"):
    """Who speaks now, the dominant one first."""

    participants: tuple[Id, ...]


class SlotFlow(Value, frozen=True):
    """What a video slot gets now, in bits per second and lines of picture; a paused one gets 0 of both."""

    mid: Mid
    publication: Id | None
    rid: Rid
    spatial: int
    temporal: int
    height: int
    bps: int
    limit: SlotLimit


class Bandwidth(Value, frozen=True, tag_field="type", tag="bandwidth"):
    """The way from the server to this client: estimated, given to slots, sent."""

    estimate_bps: int
    target_bps: int
    sent_bps: int
    source: EstimateSource
    slots: tuple[SlotFlow, ...]
