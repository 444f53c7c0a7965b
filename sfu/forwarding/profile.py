"""What one client's negotiation makes of a packet: its payload types and extension ids (RFC 8843 9.1, RFC 8285).

A `SendProfile` is a value: slots that negotiated the same share it, so a packet is translated once per distinct
profile, and only SSRC, sequence number and timestamp differ per subscriber. Knows no subscriber and no socket.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sfu.wire import extensions
from sfu.wire.answer import Accepted
from sfu.wire.rtp import RtpView
from sfu.wire.sdp import Codec

_HEADER = struct.Struct("!BBHII")
_ONE_BYTE = b"\xbe\xde"

# What is copied from publisher to subscriber. MID and RID name the publisher's own m-sections and never are.
COPIED = (
    extensions.AUDIO_LEVEL,
    extensions.VIDEO_ORIENTATION,
    extensions.PLAYOUT_DELAY,
    extensions.DEPENDENCY_DESCRIPTOR,
)
# What this side writes itself.
_OWN = (extensions.TRANSPORT_WIDE, extensions.ABS_SEND_TIME)

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
        ids = accepted.extensions
        kept = [uri for uri in (*COPIED, *_OWN) if uri in ids]
        # Numbers that nobody reports on are of no use.
        if extensions.TRANSPORT_WIDE in kept and not any(
            "transport-cc" in c.feedback for c in accepted.codecs
        ):
            kept.remove(extensions.TRANSPORT_WIDE)
        return _shared(
            tuple((codec_key(c), c.payload_type, c.rtx_payload_type) for c in accepted.codecs),
            tuple((uri, ids[uri]) for uri in kept),
            accepted.section.extmap_allow_mixed,
        )

    @property
    def transport_wide(self) -> bool:
        """Whether this section's packets can carry transport-wide numbers."""
        return any(uri == extensions.TRANSPORT_WIDE for uri, _ in self.extension_ids)

    def reads_layers(self, codec: Codec) -> bool:
        """Whether the client can make a picture of several spatial layers in one stream.

        Those of AV1 need the dependency descriptor, which has a long element with each key frame: without it Chromium
        decodes nothing of them.
        """
        if codec.name.lower() != "av1":
            return True
        return self.allow_two_byte and any(
            uri == extensions.DEPENDENCY_DESCRIPTOR for uri, _ in self.extension_ids
        )

    def payload_type(self, codec: Codec) -> tuple[int, int | None] | None:
        """The client's (payload type, RTX payload type) for a publisher's codec; None if it can't receive it."""
        key = codec_key(codec)
        for candidate, payload_type, rtx in self.payload_types:
            if candidate == key:
                return payload_type, rtx
        return None


# Clients of a kind share one.
_shared = lru_cache(maxsize=256)(SendProfile)


class Translation:
    """From one publisher's packets of one codec to one profile.

    What is written anew when a packet leaves stands first in the extension block: the transport-wide number, then the
    send time. `stamp_at`, `send_time_at` and `descriptor_at` are byte offsets into the template made last, of the
    number, of the send time and of AV1's dependency descriptor; `patch_at` is where patches of its layers count from:
    the descriptor of AV1, the payload of others. 0 where there is none.
    """

    __slots__ = (
        "_copies", "_descriptor_id", "_in_descriptor", "_own", "_own_prefix", "_plain_send_time_at", "_plain_stamp_at",
        "_send_time_id", "_stamp_id", "_two_byte", "descriptor_at", "patch_at", "payload_type", "rtx_payload_type",
        "send_time_at", "stamp_at",
    )  # fmt: skip

    def __init__(self, ids_in: Mapping[str, int], codec: Codec, profile: SendProfile) -> None:
        found = profile.payload_type(codec)
        assert found is not None, "the slot was checked against this codec"
        self.payload_type, self.rtx_payload_type = found
        ids_out = dict(profile.extension_ids)
        copied = [uri for uri in COPIED if uri in ids_in and uri in ids_out]
        self._in_descriptor = codec.name.lower() == "av1"
        if extensions.DEPENDENCY_DESCRIPTOR in copied and not (
            self._in_descriptor and profile.allow_two_byte
        ):
            # Frame numbers of layers that are left out would be missed by who reads it; without it they are not. With
            # one-byte headers alone, that of a key frame doesn't fit, and no other can be read without it.
            copied.remove(extensions.DEPENDENCY_DESCRIPTOR)
        self._copies = {ids_in[uri]: ids_out[uri] for uri in copied}
        self._descriptor_id = (
            ids_out[extensions.DEPENDENCY_DESCRIPTOR] if extensions.DEPENDENCY_DESCRIPTOR in copied else 0
        )
        self._stamp_id = self._usable_stamp_id(ids_out, codec)
        self._send_time_id = ids_out.get(extensions.ABS_SEND_TIME, 0)
        self._two_byte = profile.allow_two_byte
        self.stamp_at = self.send_time_at = self.descriptor_at = self.patch_at = 0
        self._own = [(id, bytes(2)) for id in (self._stamp_id,) if id]
        # The usual packet has nothing but these two: its block is a prefix, the send time and padding.
        self._own_prefix = b""
        self._plain_stamp_at = self._plain_send_time_at = 0
        if 0 < self._send_time_id <= 14 and self._stamp_id <= 14:
            sample = extensions.build(
                [*self._own, (self._send_time_id, b"\xff\xff\xff")], allow_two_byte=False
            )
            before = sample.index(b"\xff\xff\xff")
            self._own_prefix = sample[:before]
            self._plain_send_time_at = _HEADER.size + before
            self._plain_stamp_at = _HEADER.size + 5 if self._stamp_id else 0

    def rules(self) -> tuple[int, int, int, int, bool, Mapping[int, int]]:
        """What there is to do, for an engine that does it itself.

        Payload type; ids of the number, of the send time and of the descriptor (0 = not written); whether patches
        count from the descriptor; ids of the elements that are copied, to what they become.
        """
        ids = self._stamp_id, self._send_time_id, self._descriptor_id
        return self.payload_type, *ids, self._in_descriptor, self._copies

    def _usable_stamp_id(self, ids_out: Mapping[str, int], codec: Codec) -> int:
        """The id of the transport-wide number; 0 where it is not negotiated or must not be written.

        A packet that may be sent again under its own number, not as RTX, must not differ in a bit from the first
        copy (RFC 7714 8.4), so it has no number of its own.
        """
        if "nack" in codec.feedback and self.rtx_payload_type is None:
            return 0
        return ids_out.get(extensions.TRANSPORT_WIDE, 0)

    def template(self, view: RtpView, send_time: bytes) -> bytes:
        """The packet as this profile wants it, with zero in place of sequence number, timestamp and SSRC."""
        return self._write(view, self.payload_type, b"", send_time)

    def rtx_template(self, view: RtpView, payload_type: int, original_seq16: int, send_time: bytes) -> bytes:
        """The packet as a retransmission (RFC 4588 4): the original sequence number before the payload."""
        return self._write(view, payload_type, original_seq16.to_bytes(2, "big"), send_time)

    def padding(self, payload_type: int, size: int, send_time: bytes) -> bytes:
        """A packet of padding alone, `size` bytes of it (1 to 255), which probes the way to the client."""
        block = self._block([], send_time)
        header = _HEADER.pack(0xB0 if block else 0xA0, payload_type, 0, 0, 0)
        return header + block + bytes(size - 1) + bytes((size,))

    def _write(self, view: RtpView, payload_type: int, before: bytes, send_time: bytes) -> bytes:
        packet = view.packet
        copied: list[tuple[int, bytes]] = []
        if view.extension_profile and self._copies:
            wanted = self._copies
            for id_in, start, end in extensions.elements(view):
                if id_in in wanted:
                    copied.append((wanted[id_in], packet[start:end]))
        block = self._block(copied, send_time)
        header = _HEADER.pack(0x90 if block else 0x80, payload_type | (0x80 if view.marker else 0), 0, 0, 0)
        self.patch_at = self.descriptor_at if self._in_descriptor else 12 + len(block) + len(before)
        return header + block + before + packet[view.payload_start : view.payload_end]

    def _block(self, copied: list[tuple[int, bytes]], send_time: bytes) -> bytes:
        """The extension block, and where in the packet its changing parts are."""
        if not copied and self._own_prefix:
            self.stamp_at, self.send_time_at = self._plain_stamp_at, self._plain_send_time_at
            self.descriptor_at = 0
            block = self._own_prefix + send_time
            return block if len(block) & 3 == 0 else block + bytes(-len(block) & 3)
        elements = [*self._own, (self._send_time_id, send_time)] if self._send_time_id else list(self._own)
        elements += copied
        block = extensions.build(elements, self._two_byte)
        self._locate(block)
        return block

    def _locate(self, block: bytes) -> None:
        """Find the elements again: those that don't fit the headers that were negotiated have been left out."""
        self.stamp_at = self.send_time_at = self.descriptor_at = 0
        one_byte = block[:2] == _ONE_BYTE
        position = 4
        while position < len(block):
            head = block[position]
            if head == 0:  # padding
                position += 1
                continue
            id, size = (head >> 4, (head & 15) + 1) if one_byte else (head, block[position + 1])
            data = position + (1 if one_byte else 2)
            if id == self._stamp_id:
                self.stamp_at = _HEADER.size + data
            elif id == self._send_time_id:
                self.send_time_at = _HEADER.size + data
            elif id == self._descriptor_id:
                self.descriptor_at = _HEADER.size + data
            position = data + size
