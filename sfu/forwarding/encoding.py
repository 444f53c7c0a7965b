"""An encoding: one RTP stream of a publication (one simulcast layer), and its fan-out to slots.

Knows the publisher's numbers, history, arrivals and clock, and which slots take it. A packet passes from `receive`
to the slots' outlets without a wait. Knows no connection and no room.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sfu.flow.arrivals import Arrivals
from sfu.flow.clock import SenderClock
from sfu.flow.history import History
from sfu.flow.keyframes import KeyframeRequests
from sfu.flow.rate import RateMeter
from sfu.forwarding.outlet import Drop, Drops, drop_stats
from sfu.forwarding.profile import SendProfile, Translation
from sfu.wire import extensions, rtp
from sfu.wire.codecs import keyframe_test
from sfu.wire.sdp import Codec
from sfu.wire.seq import Unwrapper16

if TYPE_CHECKING:
    from sfu.forwarding.slot import Slot


class Encoding:
    """One stream in, any number of slots out.

    `ask_key_frame` sends a PLI (or FIR) for this encoding to its publisher.
    """

    __slots__ = (
        "_ask_key_frame",
        "_extensions",
        "_groups",
        "_highest",
        "_is_key_frame",
        "_restarts",
        "_translations",
        "_unwrapper",
        "arrivals",
        "clock",
        "codec",
        "drops",
        "history",
        "key_frame_requests",
        "key_frames",
        "rate",
        "rid",
        "rtx_ssrc",
        "ssrc",
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
        self._unwrapper = Unwrapper16()
        self._highest = 0
        # Slots by profile: a packet is translated once per group.
        self._groups: dict[SendProfile, list[Slot]] = {}
        self._translations: dict[SendProfile, Translation] = {}
        self.history = History()
        self.arrivals = Arrivals(codec.clock_rate, nack="nack" in codec.feedback)
        self.clock = SenderClock(codec.clock_rate)
        self.key_frame_requests = KeyframeRequests()
        self.rate = RateMeter()
        self.key_frames = 0
        self._restarts = 0
        self.drops: Drops = Drops()

    # -- subscribers -----------------------------------------------------------------------------------------

    def add(self, slot: "Slot") -> None:
        self._groups.setdefault(slot.profile, []).append(slot)

    def remove(self, slot: "Slot") -> None:
        for profile, slots in self._groups.items():
            if slot in slots:
                slots.remove(slot)
                if not slots:
                    del self._groups[profile]
                    self._translations.pop(profile, None)
                break
        if not self._groups:
            self.key_frame_requests.cancel()

    def translation(self, profile: SendProfile) -> Translation:
        """How this encoding's packets become those of `profile`; made once and kept."""
        found = self._translations.get(profile)
        if found is None:
            found = self._translations[profile] = Translation(self._extensions, self.codec, profile)
        return found

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
        """The publisher switched codec or renegotiated: what was derived from either is made anew."""
        if codec.clock_rate != self.codec.clock_rate:
            self.arrivals = Arrivals(codec.clock_rate, nack="nack" in codec.feedback)
            self.clock = SenderClock(codec.clock_rate)
            self._restarts = 0
        self.codec = codec
        self._extensions = ids_in
        self._is_key_frame = keyframe_test(codec.name)
        self._translations.clear()

    # -- packets ---------------------------------------------------------------------------------------------

    def change_source(self, ssrc: int, now: float) -> bool:
        """The publisher sends from another SSRC; False while the old one is still alive."""
        if self.arrivals.packets and self.rate.packets(now):
            return False
        if self.arrivals.packets:
            self._unwrapper = Unwrapper16()
            self._highest = 0
            self.arrivals = Arrivals(self.codec.clock_rate, nack="nack" in self.codec.feedback)
            self.clock = SenderClock(self.codec.clock_rate)
            self.history = History()
            self._restarts = 0
            self._begin_anew(now)
        self.ssrc = ssrc
        return True

    def _begin_anew(self, now: float) -> None:
        """The numbers of the stream began anew: every slot starts again, with continuous numbers of its own."""
        for slots in self._groups.values():
            for slot in slots:
                slot.hold()
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
        send_time = extensions.abs_send_time(now)
        timestamp = view.timestamp
        for profile, slots in self._groups.items():
            template = self.translation(profile).template(view, send_time)
            for slot in slots:
                starting = slot.waiting
                if starting:
                    if not slot.outlet.ready:
                        slot.drops[Drop.NOT_CONNECTED] += 1
                        continue
                    if not key_frame:
                        slot.drops[Drop.AWAITING_KEY_FRAME] += 1
                        if not self.key_frame_requests.wanted:
                            self.request_key_frame(now)
                        continue
                    slot.start(self, seq, timestamp, now)
                slot.send(template, seq, timestamp, size, now)
                if starting and seq < self._highest:
                    self._catch_up(slot, seq, now)
        if arrivals.lost_beyond_repair:
            arrivals.lost_beyond_repair = False
            self.request_key_frame(now)

    def _catch_up(self, slot: "Slot", seq: int, now: float) -> None:
        """The slot has started at a packet that came late: what follows it and is here already is sent too."""
        translation = self.translation(slot.profile)
        for later in range(seq + 1, self._highest + 1):
            packet = self.history.get(later, now)
            if packet is None:
                continue  # it takes its number when it comes
            view = rtp.parse(packet)
            size = view.payload_end - view.payload_start
            if size == 0:
                slot.renumber.drop(later)
                continue
            send_time = extensions.abs_send_time(self.history.added_at(later))
            slot.send(translation.template(view, send_time), later, view.timestamp, size, now)

    def _begins_key_frame(self, view: rtp.RtpView, now: float) -> bool:
        """Whether a slot may start here: at a key frame, or anywhere if the codec has none."""
        test = self._is_key_frame
        if test is None:
            return True
        if not test(view.packet[view.payload_start : view.payload_end]):
            return False
        self.key_frames += 1
        self.key_frame_requests.arrived(now)
        return True

    def _skip(self, seq: int) -> None:
        """The newest packet has no payload and is not forwarded: every slot's sequence goes on without it."""
        for slots in self._groups.values():
            for slot in slots:
                if not slot.waiting:
                    slot.renumber.drop(seq)

    # -- reports ---------------------------------------------------------------------------------------------

    def sender_report(self, ntp: int, rtp_timestamp: int, now: float) -> None:
        """The publisher's clock (RFC 3550 6.4.1); passed on at once when it was not known before."""
        first = self.clock.at(now) is None
        self.clock.report(ntp, rtp_timestamp, now)
        self.arrivals.sender_report(ntp, now)
        if first:
            for slots in self._groups.values():
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
