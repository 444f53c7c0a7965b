"""What one client's negotiation makes of a packet: its payload types and extension ids (RFC 8843 9.1, RFC 8285).

A `SendProfile` is a value: slots that negotiated the same share it, so a packet is translated once per distinct
profile, and only SSRC, sequence number and timestamp differ per subscriber. Knows no subscriber and no socket.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from sfu.wire import extensions
from sfu.wire.answer import Accepted
from sfu.wire.rtp import RtpView
from sfu.wire.sdp import Codec

_HEADER = struct.Struct("!BBHII")
_ONE_BYTE_WORD = b"\xbe\xde\x00\x01"

# What is copied from publisher to subscriber. MID and RID name the publisher's own m-sections and never are.
COPIED = (
    extensions.AUDIO_LEVEL,
    extensions.VIDEO_ORIENTATION,
    extensions.PLAYOUT_DELAY,
    extensions.DEPENDENCY_DESCRIPTOR,
)

CodecKey = tuple[str, int, int, str]


def codec_key(codec: Codec) -> CodecKey:
    """What must be equal for one side's packets to be the other's: name, clock rate, channels, and the profile."""
    name = codec.name.lower()
    return (name, codec.clock_rate, codec.channels, _variant(name, codec.parameters))


def _variant(name: str, parameters: str) -> str:
    values = dict(part.strip().lower().partition("=")[::2] for part in parameters.split(";"))
    if name == "h264":
        # RFC 6184 8.2.2: profile and packetization mode must match, the level need not.
        level_id = values.get("profile-level-id", "42000a")
        profile = level_id[:4] if len(level_id) == 6 else "4200"
        # 42e0 and 4240.. are constrained baseline, which every baseline decoder of a browser takes (RFC 6184 table 5).
        if profile.startswith("42"):
            profile = "42"
        return f"{profile}/{values.get('packetization-mode', '0')}"
    if name == "vp9":
        return values.get("profile-id", "0")  # RFC 9628 6.1
    if name == "av1":
        return values.get("profile", "0")  # AV1 RTP 7.2.1
    if name == "red":
        return parameters  # RFC 2198 5: the payload types inside, which are written into every packet
    return ""


@dataclass(frozen=True, slots=True)
class SendProfile:
    """The negotiated receiving side of one m-section, as a hashable value."""

    payload_types: tuple[tuple[CodecKey, int, int | None], ...]
    extension_ids: tuple[tuple[str, int], ...]
    allow_two_byte: bool

    @staticmethod
    def of(accepted: Accepted) -> "SendProfile":
        """The profile of a section that the client receives on."""
        kept = (*COPIED, extensions.ABS_SEND_TIME)
        return SendProfile(
            tuple((codec_key(c), c.payload_type, c.rtx_payload_type) for c in accepted.codecs),
            tuple((uri, accepted.extensions[uri]) for uri in kept if uri in accepted.extensions),
            accepted.section.extmap_allow_mixed,
        )

    def payload_type(self, codec: Codec) -> tuple[int, int | None] | None:
        """The client's (payload type, RTX payload type) for a publisher's codec; None if it can't receive it."""
        key = codec_key(codec)
        for candidate, payload_type, rtx in self.payload_types:
            if candidate == key:
                return payload_type, rtx
        return None


class Translation:
    """From one publisher's packets of one codec to one profile."""

    __slots__ = ("_abs_id", "_abs_prefix", "_copies", "_two_byte", "payload_type", "rtx_payload_type")

    def __init__(self, ids_in: Mapping[str, int], codec: Codec, profile: SendProfile) -> None:
        found = profile.payload_type(codec)
        assert found is not None, "the slot was checked against this codec"
        self.payload_type, self.rtx_payload_type = found
        ids_out = dict(profile.extension_ids)
        self._copies = {ids_in[uri]: ids_out[uri] for uri in COPIED if uri in ids_in and uri in ids_out}
        self._abs_id = ids_out.get(extensions.ABS_SEND_TIME, 0)
        self._two_byte = profile.allow_two_byte
        # The usual packet has the send time only: its block is this prefix and three bytes.
        self._abs_prefix = _ONE_BYTE_WORD + bytes([self._abs_id << 4 | 2]) if 0 < self._abs_id <= 14 else b""

    def template(self, view: RtpView, send_time: bytes) -> bytes:
        """The packet as this profile wants it, with zero in place of sequence number, timestamp and SSRC."""
        return self._write(view, self.payload_type, b"", send_time)

    def rtx_template(self, view: RtpView, payload_type: int, original_seq16: int, send_time: bytes) -> bytes:
        """The packet as a retransmission (RFC 4588 4): the original sequence number before the payload."""
        return self._write(view, payload_type, original_seq16.to_bytes(2, "big"), send_time)

    def _write(self, view: RtpView, payload_type: int, before: bytes, send_time: bytes) -> bytes:
        packet = view.packet
        copied: list[tuple[int, bytes]] = []
        if view.extension_profile and self._copies:
            wanted = self._copies
            for id_in, start, end in extensions.elements(view):
                if id_in in wanted:
                    copied.append((wanted[id_in], packet[start:end]))
        if not copied and self._abs_prefix:
            block = self._abs_prefix + send_time
        else:
            if self._abs_id:
                copied.append((self._abs_id, send_time))
            block = extensions.build(copied, self._two_byte)
        header = _HEADER.pack(0x90 if block else 0x80, payload_type | (0x80 if view.marker else 0), 0, 0, 0)
        return header + block + before + packet[view.payload_start : view.payload_end]
