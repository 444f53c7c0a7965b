"""What comes in: encodings whose numbers live in records of C, and the ingress that leaves plain packets to them.

Every rule stays where it is; see `streams` for what goes out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from sfu.flow.arrivals import Arrivals
from sfu.flow.clock import SenderClock
from sfu.flow.feedback import TransportWideArrivals
from sfu.flow.history import History
from sfu.flow.layer_rates import LayerRates
from sfu.flow.layers import Layer, LayerReader
from sfu.flow.layers.vp8 import Vp8Reader
from sfu.flow.rate import RateMeter
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.ingress import AudioLevels, Ingress
from sfu.forwarding.native import core
from sfu.forwarding.native.sharing import shared
from sfu.forwarding.outlet import Outlet
from sfu.forwarding.profile import Translation
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot
from sfu.wire import rtp
from sfu.wire.answer import Accepted
from sfu.wire.sdp import Codec
from sfu.wire.seq import Unwrapper16
from sfu.wire.transport_feedback import Feedback

if TYPE_CHECKING:
    from sfu.forwarding.engine import Fan

_Ways = tuple[tuple[Translation, tuple[Slot, ...], "Fan | None"], ...]


class _Unwrapper(Unwrapper16):
    _highest = shared("_track", "unwrapped")

    __slots__ = ("_track",)

    def __init__(self, track: core.Track) -> None:
        self._track = track
        super().__init__()

    def unwrap(self, seq16: int) -> int:
        return self._track.unwrap(seq16)


class _Arrivals(Arrivals):
    packets = shared("_track", "packets")
    _highest = shared("_track", "highest")
    _received = shared("_track", "received")
    _timestamp = shared("_track", "timestamp")
    _arrived = shared("_track", "arrived")
    _jitter = shared("_track", "jitter")
    _clock_rate = shared("_track", "clock_rate")

    __slots__ = ("_track",)

    def __init__(self, track: core.Track, clock_rate: int, *, nack: bool) -> None:
        self._track = track
        track.guarded = False
        super().__init__(clock_rate, nack=nack)

    def receive(self, seq: int, timestamp: int, now: float) -> bool:
        if self._track.arrive(seq, timestamp, now):
            return True
        fresh = super().receive(seq, timestamp, now)
        self._track.guarded = bool(self._fresh)
        return fresh

    def recovered(self, seq: int, now: float) -> bool:
        fresh = super().recovered(seq, now)
        self._track.guarded = bool(self._fresh)
        return fresh


class _LayerRates(LayerRates):
    _bytes = shared("_track", "layer_bytes")
    _next = shared("_track", "layers_at")

    __slots__ = ("_track",)

    def __init__(self, track: core.Track) -> None:
        self._track = track
        super().__init__()

    def add(self, spatial: int, temporal: int, size: int, now: float) -> None:
        if now >= self._next:
            self.roll(now)
        self._track.count_layer(spatial << 3 | temporal, size)


class NativeEncoding(Encoding):
    """See `Encoding`; plain packets don't come here."""

    last_at = shared("track", "last_at")
    frames = shared("track", "frames")
    _highest = shared("track", "newest")
    _key_timestamp = shared("track", "key_timestamp")
    _look_at = shared("track", "look_at")
    last_layer = shared("track", "last_layer")

    __slots__ = ("_kept_fan", "_kept_layers", "_kept_on_look", "_kept_waiting", "track")

    def __init__(
        self, rid: str, codec: Codec, ids_in: Mapping[str, int], ask_key_frame: Callable[[Encoding], None]
    ) -> None:
        self.track = core.Track(self)
        super().__init__(rid, codec, ids_in, ask_key_frame)
        self.rate = cast(RateMeter, self.track.rate)  # its twin
        self.quality.rates = _LayerRates(self.track)

    def _number_anew(self) -> None:
        self._unwrapper = _Unwrapper(self.track)
        self._highest = 0
        self.track.history = history = core.History()
        self.history = cast(History, history)  # its twin
        self._count_anew()

    def _count_anew(self) -> None:
        codec = self.codec
        self.arrivals = _Arrivals(self.track, codec.clock_rate, nack="nack" in codec.feedback)
        self.clock = SenderClock(codec.clock_rate)
        self._restarts = 0

    def reconfigure(self, codec: Codec, ids_in: Mapping[str, int]) -> None:
        super().reconfigure(codec, ids_in)
        self.quality.rates = _LayerRates(self.track)

    # What the track is told when it changes.

    @property
    def layers(self) -> LayerReader | None:
        return self._kept_layers

    @layers.setter
    def layers(self, value: LayerReader | None) -> None:
        if isinstance(value, Vp8Reader):
            value = core.Vp8LayerReader(value.without)
        self._kept_layers = value
        self.track.read(self.codec.name.lower() if self._is_key_frame is not None else None, value)

    @property
    def _fan(self) -> _Ways:
        return self._kept_fan

    @_fan.setter
    def _fan(self, value: _Ways) -> None:
        self._kept_fan = value
        self.track.lead(value)

    @property
    def _waiting(self) -> tuple[Slot, ...]:
        return self._kept_waiting

    @_waiting.setter
    def _waiting(self, value: tuple[Slot, ...]) -> None:
        self._kept_waiting = value
        self.track.waiting = bool(value)

    @property
    def on_look(self) -> Callable[[float], None] | None:
        return self._kept_on_look

    @on_look.setter
    def on_look(self, value: Callable[[float], None] | None) -> None:
        self._kept_on_look = value
        self.track.watched = value is not None

    def request_key_frame(self, now: float) -> None:
        """See `Encoding.request_key_frame`. The next packet has the ingress look when it is to be repeated."""
        super().request_key_frame(now)
        self.track.stop()

    # -- packets ---------------------------------------------------------------------------------------------

    def receive(self, view: rtp.RtpView, now: float, *, repaired: bool = False) -> None:
        """See `Encoding.receive`; packets like this one come here only if they aren't plain."""
        super().receive(view, now, repaired=repaired)
        if not repaired:
            self.track.expect(view.ssrc, view.payload_type)

    def go_on(self, packet: bytes, seq: int, layer: Layer | None, now: float) -> None:
        """Slots were interrupted while this plain packet was sent to them: they wait from here on."""
        view = rtp.parse(packet)
        size = view.payload_end - view.payload_start
        self._start_waiting(view, seq, size, layer, now, key_frame=self._is_key_frame is None)


class _TransportWideArrivals(TransportWideArrivals):
    """Is told of plain packets when it is asked, or when another one comes."""

    __slots__ = ("_intake",)

    def __init__(self, intake: core.Intake) -> None:
        self._intake = intake
        super().__init__()

    def _catch_up(self) -> None:
        for seq16, at in self._intake.arrivals():
            super().receive(seq16, at)

    @property
    def pending(self) -> bool:
        self._catch_up()
        return super().pending

    def receive(self, seq16: int, now: float) -> None:
        self._catch_up()
        super().receive(seq16, now)

    def build(self, now: float) -> list[Feedback]:
        self._catch_up()
        return super().build(now)


class NativeIngress(Ingress):
    """See `Ingress`; plain packets are taken by `intake`."""

    _feedback_ssrc = shared("intake", "feedback_ssrc")

    def __init__(self, outlet: Outlet, on_audio_level: AudioLevels | None) -> None:
        self.intake = core.Intake()
        super().__init__(outlet, on_audio_level)
        self._feedback = _TransportWideArrivals(self.intake)
        assert outlet.link is not None
        outlet.link.intake = self.intake

    @property
    def _feedback_at(self) -> float | None:
        return self._kept_feedback_at

    @_feedback_at.setter
    def _feedback_at(self, value: float | None) -> None:
        self._kept_feedback_at = value
        self.intake.feedback_due = value is not None

    @property
    def _report_at(self) -> float | None:
        return self._kept_report_at

    @_report_at.setter
    def _report_at(self, value: float | None) -> None:
        self._kept_report_at = value
        self.intake.report_due = value is not None

    def configure(self, published: Sequence[tuple[Publication, Accepted]], *, reduced_size: bool) -> None:
        """See `Ingress.configure`."""
        super().configure(published, reduced_size=reduced_size)
        watched = self._audio_level_id if self._on_audio_level is not None else 0
        self._publications = {
            encoding: publication for publication, _ in published for encoding in publication.encodings
        }
        self.intake.configure(
            self._estimate is None, self._transport_wide_id, watched, self._heard, self._receive_other,
            self._await_feedback,
        )  # fmt: skip

    def _await_feedback(self, now: float) -> None:
        """A plain packet is the first since the last feedback."""
        self._plan_feedback(now)
        self._outlet.schedule()

    def _heard(self, encoding: Encoding, value: int, now: float) -> None:
        """A plain packet says how loud it is (RFC 6464 3)."""
        assert self._on_audio_level is not None
        self._on_audio_level(self._publications[encoding], value & 0x7F, value > 0x7F, now)

    def _receive_other(self, encoding: Encoding, packet: bytes, now: float) -> None:
        encoding.receive(rtp.parse(packet), now)
        self._touched.add(encoding)

    def receive_rtp(self, packet: bytes, now: float) -> None:
        """See `Ingress.receive_rtp`."""
        if self.intake.take(packet, now):
            return
        ssrc = int.from_bytes(packet[8:12], "big")
        known = self._sources.by_ssrc
        if ssrc not in known:  # it may be learned, and another one forgotten for it
            self.intake.forget()
        super().receive_rtp(packet, now)
        source = known.get(ssrc)
        if source is None or source.is_rtx:
            return
        encoding = source.encoding
        if encoding.ssrc == ssrc and isinstance(encoding, NativeEncoding):
            encoding.track.audio = source.publication.kind == "audio"
            self.intake.know(ssrc, encoding.track)
