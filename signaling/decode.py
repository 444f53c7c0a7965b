"""From what a stranger sent to a message of the protocol, or to the error it gets.

Knows: JSON, the message types, their limits. Does not know: sessions, rooms, sockets.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from signaling.errors import SignalingError
from signaling.fields import MAX_MESSAGE_BYTES, MIN_REPORT_MS, DisplayName, RequestId, RoomName
from signaling.messages import Announce, ClientMessage, Join, Leave, Mute, Offer, Ping, Point, Signal
from signaling.quality import Reports, View

TYPES: Mapping[str, type[ClientMessage]] = MappingProxyType(
    {
        "join": Join,
        "offer": Offer,
        "point": Point,
        "view": View,
        "reports": Reports,
        "mute": Mute,
        "announce": Announce,
        "signal": Signal,
        "leave": Leave,
        "ping": Ping,
    }
)


def decode(text: str) -> ClientMessage:
    """Read the text frame of a client; raises SignalingError, with `re` if the message had an id."""
    fields = _fields(text)
    re = fields.get("id")
    if not _fits(re, RequestId):
        re = None
    tag = fields.get("type")
    if not isinstance(tag, str):
        raise SignalingError("bad-message", "The message has no type.", re)
    if tag not in TYPES:
        raise SignalingError("unknown-type", f"There is no message type {tag[:40]!r}.", re)
    try:
        message = _signal(text) if tag == "signal" else msgspec.convert(fields, TYPES[tag])
    except msgspec.ValidationError as error:
        raise _refusal(tag, fields, error, re) from None
    match message:
        case Offer():
            _check_mids(message)
        case View():
            _check_slots(message)
        case Reports():
            _check_interval(message)
        case Announce():
            _check_keys(message)
        case _:
            pass
    return message


def _fields(text: str) -> dict[str, Any]:
    try:
        data = text.encode()
        if len(data) > MAX_MESSAGE_BYTES:
            raise SignalingError("too-large", f"A message has at most {MAX_MESSAGE_BYTES} bytes.")
        fields = msgspec.json.decode(data)
    except (UnicodeEncodeError, msgspec.DecodeError):
        raise SignalingError("bad-json", "The message is not valid JSON.") from None
    except RecursionError:
        raise SignalingError("bad-json", "The JSON of the message is nested too deeply.") from None
    if not isinstance(fields, dict):
        raise SignalingError("bad-message", "The message is not a JSON object.")
    return fields


def _fits(value: object, wanted: Any) -> bool:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        return False
    return True


def _refusal(
    tag: str, fields: Mapping[str, Any], error: msgspec.ValidationError, re: int | None
) -> SignalingError:
    if tag == "join" and not _fits(fields.get("room"), RoomName):
        return SignalingError(
            "bad-room",
            "A room name has 1 to 64 letters (A-Z), digits, spaces or any of _ . - and no space at its ends.",
            re,
        )
    if tag == "join" and not _fits(fields.get("name"), DisplayName):
        return SignalingError("bad-name", "A name has 1 to 64 printable characters.", re)
    return SignalingError("bad-message", f"The {tag} message is wrong: {error}.", re)


def _signal(text: str) -> Signal:
    """Read a signal from its text, as its data is passed on letter by letter, whatever is in it."""
    signal = msgspec.json.decode(text, type=Signal)
    if not bytes(signal.data).startswith(b"{"):
        raise SignalingError("bad-message", "The data of a signal is a JSON object.", signal.id)
    return msgspec.structs.replace(signal, data=signal.data.copy())


def _check_keys(announce: Announce) -> None:
    if len({track.key for track in announce.publications}) != len(announce.publications):
        raise SignalingError("bad-message", "A key stands twice in publications.", announce.id)


def _check_slots(view: View) -> None:
    if len({slot.mid for slot in view.slots}) != len(view.slots):
        raise SignalingError("bad-message", "A mid stands twice in slots.", view.id)


def _check_interval(reports: Reports) -> None:
    if 0 < reports.every_ms < MIN_REPORT_MS:
        raise SignalingError("bad-message", f"every_ms is 0, or at least {MIN_REPORT_MS}.", reports.id)


def _check_mids(offer: Offer) -> None:
    mids = [sent.mid for sent in offer.publish] + [slot.mid for slot in offer.receive]
    if len(set(mids)) != len(mids):
        raise SignalingError("bad-message", "A mid stands twice in publish and receive.", offer.id)
