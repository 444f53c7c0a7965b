"""A publication: one track that a participant sends into the room, with its encodings and the slots that show it.

Knows codecs and subscribers; knows no connection, and not the participant but for its id.
"""

from collections.abc import Callable, Mapping

from sfu.forwarding.asking import Asking
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.profile import codec_key
from sfu.forwarding.quality import ASSUMED_HEIGHT
from sfu.forwarding.siblings import Siblings
from sfu.forwarding.slot import Slot, SlotState
from sfu.wire.answer import Accepted
from sfu.wire.sdp import Codec

NewEncoding = Callable[[str, Codec, Mapping[str, int], Callable[[Encoding], None]], Encoding]
"""What makes an encoding: see `Engine.encoding`."""

# After a switch of codec, packets of another one are late ones of before for this long.
SWITCH_PAUSE = 0.5


class Publication:
    """One published track. `id`, `kind` and `participant` never change."""

    __slots__ = (
        "_ask_key_frame", "_codecs", "_new_encoding", "_siblings", "_switched_at", "asking", "codec", "encodings",
        "extensions", "id", "kind", "mid", "muted", "participant", "slots", "source",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        participant: str,
        mid: str,
        source: str,
        muted: bool,
        accepted: Accepted,
        ask_key_frame: Callable[[Encoding], None],
        new_encoding: NewEncoding = Encoding,
    ) -> None:
        self.id = id
        self.participant = participant
        self.mid = mid
        self.kind = accepted.section.kind
        self.source = source
        self.muted = muted
        self._codecs = {codec.payload_type: codec for codec in accepted.codecs}
        self.extensions: Mapping[str, int] = accepted.extensions
        self.codec = accepted.codecs[0]
        self._ask_key_frame = ask_key_frame
        self._new_encoding = new_encoding
        # Ascending in quality; one with the rid "" where there is no simulcast.
        self.encodings: tuple[Encoding, ...] = ()
        self._arrange(accepted.rids)
        # What the publisher is asked to send; None where it sends what it likes.
        self.asking: Asking | None = None
        self.slots: list[Slot] = []
        self._switched_at = float("-inf")

    def _arrange(self, rids: tuple[str, ...]) -> None:
        """Have an encoding for each rid; those that were there before stay as they are."""
        known = {encoding.rid: encoding for encoding in self.encodings}
        self.encodings = tuple(
            known.get(rid) or self._new_encoding(rid, self.codec, self.extensions, self._ask_key_frame)
            for rid in rids or ("",)
        )
        self._siblings = Siblings(self.encodings)
        top = len(self.encodings) - 1
        for steps, encoding in enumerate(reversed(self.encodings)):
            encoding.quality.assumed_height = ASSUMED_HEIGHT >> steps
            encoding.on_look = self._look if top else None

    def _look(self, now: float) -> None:
        changed = self._siblings.look(now)
        order = self._siblings.ascending()
        if order != self.encodings:
            self.encodings = order
            self._siblings = Siblings(order)
        elif not changed:
            return
        self._tell_slots(now)

    def _tell_slots(self, now: float) -> None:
        """There is something else to choose from."""
        for slot in list(self.slots):
            slot.egress.reallocate(now)

    def find(self, rid: str) -> Encoding | None:
        """The encoding of this rid; "" names the only one of a publication without simulcast."""
        for encoding in self.encodings:
            if encoding.rid == rid:
                return encoding
        return None

    @property
    def encoding(self) -> Encoding:
        """The best encoding that has sent anything, else the first: for who doesn't choose."""
        return next((one for one in reversed(self.encodings) if one.arrivals.packets), self.encodings[0])

    def renegotiated(self, accepted: Accepted, now: float) -> None:
        """The publisher's payload types, extension ids or encodings changed in a new offer.

        Encodings that stay go on as they are; slots that showed one that is gone join again.
        """
        changed = set(accepted.rids or ("",)) != {encoding.rid for encoding in self.encodings}
        if changed:
            self._arrange(accepted.rids)
        self._renegotiate_formats(accepted, now)
        for slot in list(self.slots):
            target = slot.target
            if slot.publication is self and target is not None and target.encoding not in self.encodings:
                slot.codec_changed(now)
        if changed:
            self.taken_changed(now)  # also if nobody takes any: the new ones are sent until told otherwise
            self._tell_slots(now)

    def _renegotiate_formats(self, accepted: Accepted, now: float) -> None:
        codecs = {codec.payload_type: codec for codec in accepted.codecs}
        if codecs == self._codecs and accepted.extensions == self.extensions:
            return
        self._codecs = codecs
        self.extensions = accepted.extensions
        key = codec_key(self.codec)
        self.codec = next((c for c in accepted.codecs if codec_key(c) == key), accepted.codecs[0])
        self._reconfigure(now)

    def accepts(self, payload_type: int, now: float, *, repaired: bool) -> bool:
        """Whether a packet of this payload type belongs here; follows the publisher to another codec.

        A repaired packet, and one that was overtaken by the switch, doesn't lead back to the codec before.
        """
        if payload_type == self.codec.payload_type:
            return True
        codec: Codec | None = self._codecs.get(payload_type)
        if codec is None or repaired or now < self._switched_at + SWITCH_PAUSE:
            return False
        self._switched_at = now
        self.codec = codec
        self._reconfigure(now)
        return True

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """What the publisher may send, in the order of its offer."""
        return tuple(self._codecs.values())

    def add(self, slot: Slot) -> None:
        """A slot shows this publication."""
        self.slots.append(slot)

    def remove(self, slot: Slot) -> None:
        """A slot shows it no more."""
        self.slots.remove(slot)
        if self.asking is not None:
            self.asking.touch()

    @property
    def taken(self) -> frozenset[str]:
        """The encodings that slots take, or would take, by rid."""
        everything = {encoding.rid for encoding in self.encodings}
        taken = frozenset[str]()
        for slot in self.slots:
            taken |= slot.taken
            if taken >= everything:  # most often the first slot tells, and each of them asks
                break
        if not taken and any(slot.state is SlotState.UNSUPPORTED_CODEC for slot in self.slots):
            return frozenset((self.encodings[0].rid,))  # packets tell of the switch to a codec they have
        return taken

    def taken_changed(self, now: float) -> None:
        """A slot takes another encoding than before."""
        if self.asking is not None:
            self.asking.update(now)

    def available(self, encoding: Encoding, now: float) -> bool:
        """Whether a slot that takes this encoding can expect packets of it."""
        return not encoding.stopped if self.asking is None else self.asking.available(encoding, now)

    def has_payload_type(self, payload_type: int) -> bool:
        return payload_type in self._codecs

    def _reconfigure(self, now: float) -> None:
        for encoding in self.encodings:
            encoding.reconfigure(self.codec, self.extensions)
        for slot in list(self.slots):
            if slot.publication is self:  # still: one slot's change is told to an observer, who may act on it
                slot.codec_changed(now)

    def close(self) -> None:
        """The track ended: every slot that shows it becomes empty."""
        for slot in list(self.slots):
            slot.ended()

    def stats(self, now: float) -> dict[str, object]:
        return {
            "id": self.id,
            "kind": self.kind,
            "source": self.source,
            "muted": self.muted,
            "codec": self.codec.name,
            "subscribers": len(self.slots),
            "encodings": [encoding.stats(now) for encoding in self.encodings],
        }
