"""An encoding: one RTP stream of a publication (one simulcast layer), and its fan-out to slots.

Knows the publisher's numbers, history, arrivals and clock, and which slots take it. A packet passes from `receive`
to the slots' outlets without a wait. Knows no connection and no room.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sfu.flow.allocation import Option
from sfu.flow.arrivals import Arrivals
from sfu.flow.clock import SenderClock
from sfu.flow.history import History
from sfu.flow.keyframes import KeyframeRequests
from sfu.flow.layer_rates import LayerRates
from sfu.flow.layers import Layer, LayerReader, reader
from sfu.flow.rate import RateMeter
from sfu.forwarding.outlet import Drop, Drops, drop_stats
from sfu.forwarding.profile import SendProfile, Translation
from sfu.forwarding.quality import Quality
from sfu.wire import extensions, rtp
from sfu.wire.codecs import frame_size, keyframe_test
from sfu.wire.sdp import Codec
from sfu.wire.seq import Unwrapper16

if TYPE_CHECKING:
    from sfu.forwarding.engine import Fan
    from sfu.forwarding.slot import Slot

_LOOK_INTERVAL, _ALIVE = 0.25, 1.0  # seconds


class Encoding:
    """One stream in, any number of slots out.

    `ask_key_frame` sends a PLI (or FIR) for this encoding to its publisher.
    """

    __slots__ = (
        "_ask_key_frame", "_extensions", "_fan", "_highest", "_is_key_frame", "_key_timestamp", "_look_at", "_marked",
        "_marked_of", "_restarts", "_running", "_translations", "_unwrapper", "_waiting", "arrivals", "clock", "codec",
        "drops", "frames", "history", "key_frame_requests", "key_frames", "last_at", "last_layer", "layers", "on_look",
        "quality", "rate", "rid", "rtx_ssrc", "ssrc", "stopped",
    )  # fmt: skip

    def __init__(
        self, rid: str, codec: Codec, ids_in: Mapping[str, int], ask_key_frame: Callable[["Encoding"], None]
    ) -> None:
        self.rid = rid
        self.ssrc: int | None = None
        self.rtx_ssrc: int | None = None
        self.codec = codec
        self._extensions = ids_in
        self._ask_key_frame = ask_key_frame
        self._is_key_frame = keyframe_test(codec.name)
        self.layers: LayerReader | None = reader(codec.name, ids_in)
        self._key_timestamp = -1  # of the last key frame
        # Running slots by profile: a packet is translated once per profile. Never changed in place, as a packet may
        # be on its way through them.
        self._running: dict[SendProfile, tuple[Slot, ...]] = {}
        self._fan: tuple[tuple[Translation, tuple[Slot, ...], Fan | None], ...] = ()
        # Those that begin at the next key frame.
        self._waiting: tuple[Slot, ...] = ()
        self._translations: dict[SendProfile, Translation] = {}
        self._marked_of = self._marked = b""
        self._number_anew()
        self.key_frame_requests = KeyframeRequests()
        self.rate = RateMeter()
        self.quality = Quality(rid)
        self.key_frames = 0
        self.last_at = float("-inf")  # when the last packet came
        self.frames = 0  # by their last packets
        # Whether its siblings go on without it: see `siblings`.
        self.stopped = False
        self.last_layer: Layer | None = None  # of the newest picture that was forwarded
        # Called some times a second while packets come: whoever compares encodings does it then.
        self.on_look: Callable[[float], None] | None = None
        self._look_at = float("-inf")
        self.drops: Drops = Drops()

    def _number_anew(self) -> None:
        """Another stream begins: nothing is known of its numbers."""
        self._unwrapper = Unwrapper16()
        self._highest = 0
        self.history = History()
        self._count_anew()

    def _count_anew(self) -> None:
        """Nothing is known of its times."""
        codec = self.codec
        self.arrivals = Arrivals(codec.clock_rate, nack="nack" in codec.feedback)
        self.clock = SenderClock(codec.clock_rate)
        self._restarts = 0

    # -- subscribers -----------------------------------------------------------------------------------------

    def wait(self, slot: "Slot") -> None:
        """The slot begins here at the next key frame; until then nothing is sent to it."""
        self._waiting = (*self._waiting, slot)

    def remove(self, slot: "Slot") -> None:
        """The slot takes nothing of this encoding any more, and waits for nothing."""
        if slot in self._waiting:
            self._waiting = tuple(one for one in self._waiting if one is not slot)
        for profile, slots in self._running.items():
            if slot in slots:
                rest = tuple(one for one in slots if one is not slot)
                if rest:
                    self._running[profile] = rest
                else:
                    del self._running[profile]
                self._arrange()
                break
        if not self._running and not self._waiting:
            self.key_frame_requests.cancel()

    def interrupt(self, slot: "Slot") -> None:
        """Nothing more is sent to the slot up to a key frame."""
        self.remove(slot)
        slot.hold(self)

    def _begin(self, slot: "Slot") -> None:
        """The slot waits no longer."""
        self._waiting = tuple(one for one in self._waiting if one is not slot)
        self._running[slot.profile] = (*self._running.get(slot.profile, ()), slot)
        self._arrange()

    def _arrange(self) -> None:
        self._fan = tuple(
            (self.translation(profile), slots, slots[0].egress.outlet.engine.fan(slots))
            for profile, slots in self._running.items()
        )

    def translation(self, profile: SendProfile) -> Translation:
        """How this encoding's packets become those of `profile`; made once, and kept while a slot needs it."""
        found = self._translations.get(profile)
        if found is None:
            used = self._running.keys() | {slot.profile for slot in self._waiting}
            self._translations = {one: kept for one, kept in self._translations.items() if one in used}
            found = self._translations[profile] = Translation(self._extensions, self.codec, profile)
        return found

    def marked(self, template: bytes) -> bytes:
        """The template with the marker set; made once for all slots that need it."""
        if self._marked_of is not template:
            self._marked_of = template
            self._marked = b"%c%c%b" % (template[0], template[1] | 0x80, template[2:])
        return self._marked

    def request_key_frame(self, now: float) -> None:
        """A subscriber needs a key frame: merged with other requests and throttled (RFC 4585 6.3.1)."""
        if self._is_key_frame is not None and self.key_frame_requests.request(now):
            self._ask_key_frame(self)

    def repeat_key_frame_request(self, now: float) -> None:
        """Ask again if the answer is overdue; a silent stream (camera off) is asked when it speaks again."""
        if not self.rate.packets(now):
            self.key_frame_requests.cancel()
        elif self.key_frame_requests.due(now):
            self._ask_key_frame(self)

    def reconfigure(self, codec: Codec, ids_in: Mapping[str, int]) -> None:
        """The publisher switched codec or renegotiated: what was derived from either is made anew.

        Slots that run here have to join again: their owner tells them.
        """
        before, self.codec = self.codec, codec
        if codec.clock_rate != before.clock_rate:
            self._count_anew()
        self._extensions = ids_in
        self._is_key_frame = keyframe_test(codec.name)
        self.layers = reader(codec.name, ids_in)
        self.quality.rates = LayerRates()
        self._translations = {}
        self._hold_all()

    def _hold_all(self) -> None:
        slots = [slot for group in self._running.values() for slot in group]
        self._running, self._fan = {}, ()
        for slot in slots:
            slot.hold(self)
        self.last_layer = None

    # -- what it is like ---------------------------------------------------------------------------------------

    def alive(self, now: float) -> bool:
        """Whether packets come, as far as one can tell of an encoding alone."""
        return now - self.last_at < _ALIVE and not self.stopped

    @property
    def highest(self) -> int:
        """The highest number that came."""
        return self._highest

    @property
    def height(self) -> int:
        """Of its largest picture, in pixels."""
        return self.quality.height

    def options(self, rank: int = 0) -> list[Option]:
        """What may be taken of it, ascending in rate; `rank` is its place in its publication."""
        return self.quality.options(rank)

    # -- packets ---------------------------------------------------------------------------------------------

    def change_source(self, ssrc: int, now: float) -> bool:
        """The publisher sends from another SSRC; False while the old one is still alive."""
        if self.arrivals.packets and self.rate.packets(now):
            return False
        if self.arrivals.packets:
            self._number_anew()
            self._begin_anew(now)
        self.ssrc = ssrc
        return True

    def _begin_anew(self, now: float) -> None:
        """The numbers of the stream began anew: every slot starts again, with continuous numbers of its own."""
        self.layers = reader(self.codec.name, self._extensions)
        self._hold_all()
        self.request_key_frame(now)

    def receive(self, view: rtp.RtpView, now: float, *, repaired: bool = False) -> None:
        """One packet of this encoding (unwrapped from RTX if `repaired`): keep it, and send it to every slot."""
        seq = self._unwrapper.unwrap(view.seq16)
        arrivals = self.arrivals
        fresh = arrivals.recovered(seq, now) if repaired else arrivals.receive(seq, view.timestamp, now)
        if not fresh:
            self.drops[Drop.DUPLICATE] += 1
            return
        if arrivals.restarts != self._restarts:
            self._restarts = arrivals.restarts
            self._highest = 0
            self._begin_anew(now)
        if arrivals.lost_beyond_repair:
            arrivals.lost_beyond_repair = False
            self.request_key_frame(now)
        self.last_at = now
        self.frames += view.marker
        self.rate.add(len(view.packet), now)
        size = view.payload_end - view.payload_start
        self.history.add(seq, view.packet, now)
        if seq > self._highest:
            self._highest = seq
            if size == 0:
                self.drops[Drop.PADDING] += 1
                self._skip(seq)
                return
        # From here on a packet without payload is a late one: its number is out, and would be missed for ever.
        key_frame = size > 0 and self._begins_key_frame(view, now)
        layer = self.layers.read(view, key_frame) if self.layers is not None and size else None
        if key_frame and self._is_key_frame is not None:
            self._measure(view)
        if view.timestamp == self._key_timestamp:
            self.quality.key_bytes += size
        if layer is not None:
            self.quality.rates.add(layer.spatial & 7, layer.temporal & 7, len(view.packet), now)
        elif self._is_key_frame is not None:
            self.quality.rates.add(0, 0, len(view.packet), now)
        self._fan_out(view, seq, size, layer, now)
        if layer is not None and (self.last_layer is None or layer.picture >= self.last_layer.picture):
            self.last_layer = layer
        if self._waiting:
            self._start_waiting(view, seq, size, layer, now, key_frame=key_frame)
        if now >= self._look_at:
            self._look_at = now + _LOOK_INTERVAL
            if self.on_look is not None:
                self.on_look(now)

    def _fan_out(self, view: rtp.RtpView, seq: int, size: int, layer: Layer | None, now: float) -> None:
        send_time = extensions.abs_send_time(now)
        timestamp = view.timestamp
        for translation, slots, fan in self._fan:
            template = translation.template(view, send_time)
            stamp_at = translation.stamp_at
            if fan is not None:
                fan.send(template, seq, timestamp, size, stamp_at, now, layer, translation.patch_at)
            elif layer is None:
                for slot in slots:
                    slot.send(template, seq, timestamp, size, stamp_at, now)
            else:
                patch_at = translation.patch_at
                for slot in slots:
                    if seq <= slot.whole_until:
                        slot.send(template, seq, timestamp, size, stamp_at, now)
                    else:
                        slot.send_layer(template, seq, timestamp, size, stamp_at, now, layer, patch_at)

    def _start_waiting(
        self, view: rtp.RtpView, seq: int, size: int, layer: Layer | None, now: float, *, key_frame: bool
    ) -> None:
        """Slots that wait begin with this packet if it begins a key frame, or if there is no such thing."""
        send_time = extensions.abs_send_time(now)
        for slot in self._waiting:
            if not key_frame:
                slot.drops[Drop.AWAITING_KEY_FRAME] += 1
                if not self.key_frame_requests.wanted and slot.may_start():
                    self.request_key_frame(now)
                continue
            if not slot.may_start():
                slot.drops[slot.obstacle] += 1
                continue
            self._begin(slot)
            slot.start(self, seq, view.timestamp, layer, now)
            translation = self.translation(slot.profile)
            template = translation.template(view, send_time)
            self._send_to(slot, translation, template, seq, view.timestamp, size, layer, now)
            if seq < self._highest:
                self._catch_up(slot, seq, now)

    def _send_to(
        self, slot: "Slot", translation: Translation, template: bytes, seq: int, timestamp: int, size: int,
        layer: Layer | None, now: float,
    ) -> None:  # fmt: skip
        if layer is None or seq <= slot.whole_until:
            slot.send(template, seq, timestamp, size, translation.stamp_at, now)
        else:
            stamp_at, patch_at = translation.stamp_at, translation.patch_at
            slot.send_layer(template, seq, timestamp, size, stamp_at, now, layer, patch_at)

    def _catch_up(self, slot: "Slot", seq: int, now: float) -> None:
        """The slot has started at a packet that came late: what follows it and is here already is sent too."""
        translation = self.translation(slot.profile)
        for later in range(seq + 1, self._highest + 1):
            if slot.encoding is not self:
                return  # too much waits for its link already
            packet = self.history.get(later, now)
            if packet is None:
                continue  # it takes its number when it comes
            view = rtp.parse(packet)
            size = view.payload_end - view.payload_start
            if size == 0:
                slot.renumber.drop(later)
                continue
            send_time = extensions.abs_send_time(self.history.added_at(later))
            template = translation.template(view, send_time)
            layer = self.layers.read(view) if self.layers is not None else None
            self._send_to(slot, translation, template, later, view.timestamp, size, layer, now)

    def _begins_key_frame(self, view: rtp.RtpView, now: float) -> bool:
        """Whether a slot may start here: at a key frame, or anywhere if the codec has none."""
        test = self._is_key_frame
        if test is None:
            return True
        payload = view.packet[view.payload_start : view.payload_end]
        if not test(payload):
            return False
        self.key_frames += 1
        self.key_frame_requests.arrived(now)
        return True

    def _measure(self, view: rtp.RtpView) -> None:
        """Take the size of the picture from a packet that begins a key frame, whose layers have been read."""
        self._key_timestamp, self.quality.key_bytes = view.timestamp, 0
        found = self.layers.sizes if self.layers is not None else ()
        if not found:
            payload = view.packet[view.payload_start : view.payload_end]
            if (size := frame_size(self.codec.name, payload)) is not None:
                found = (size,)
        if found:
            self.quality.sizes(found)

    def _skip(self, seq: int) -> None:
        """The newest packet has no payload and is not forwarded: every slot's sequence goes on without it."""
        for _, slots, _ in self._fan:
            for slot in slots:
                slot.renumber.drop(seq)

    # -- reports ---------------------------------------------------------------------------------------------

    def sender_report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """The publisher's clock (RFC 3550 6.4.1); passed on at once when it was not known before."""
        first = self.clock.at(now) is None
        self.clock.report(ntp, rtp_timestamp, now)
        self.arrivals.sender_report(ntp, now)
        if first:
            for _, slots, _ in self._fan:
                for slot in slots:
                    slot.report_soon(now)

    def stats(self, now: float) -> dict[str, object]:
        arrivals = self.arrivals
        return {
            "rid": self.rid,
            "ssrc": self.ssrc,
            "codec": self.codec.name,
            "bitrate_bps": self.rate.bps(now),
            "packets": arrivals.packets,
            "packets_lost": arrivals.packets_lost,
            "repaired": arrivals.repaired,
            "nacked": arrivals.nacked,
            "given_up": arrivals.given_up,
            "duplicates": arrivals.duplicates,
            "jitter_ms": round(arrivals.jitter * 1000, 2),
            "key_frames": self.key_frames,
            "key_frames_requested": self.key_frame_requests.requested,
            "key_frame_requests_sent": self.key_frame_requests.sent,
            "history_bytes": self.history.bytes_held,
            "drops": drop_stats(self.drops),
        }
