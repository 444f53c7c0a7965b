"""A pipe: the media link between two nodes that carry the same room (mediasoup's word; RFC 7667 3.7 cascading).

A neighbour is a publisher of what its participants publish, and a subscriber of what ours do. There is no SDP between
nodes: each tells the other its streams as values, with payload types and extension ids that are the same on every
pipe. Each encoding of simulcast crosses it for itself and whole, if somebody takes it on the other side; which layers
of it a subscriber gets is decided where that one is. Knows both directions of one room over one connection; knows no
socket and no signaling.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from sfu.forwarding.asking import Asking
from sfu.forwarding.link import MediaLink
from sfu.forwarding.outlet import Outlet
from sfu.forwarding.profile import COPIED, CodecKey, SendProfile, codec_key
from sfu.forwarding.publication import Publication
from sfu.forwarding.slot import Slot, Target
from sfu.rooms.room import Room
from sfu.wire import extensions
from sfu.wire.answer import Accepted
from sfu.wire.sdp import Codec, Section, SourceGroup

# The same on every pipe, so nothing has to be negotiated. 1 to 14 fit one-byte headers (RFC 8285 4.2).
EXTENSION_IDS: Mapping[str, int] = {uri: id for id, uri in enumerate((extensions.ABS_SEND_TIME, *COPIED), 1)}
# Dynamic payload types (RFC 3551 6), two for each codec variant: itself and its retransmission.
FIRST_PAYLOAD_TYPE = 96
MAX_VARIANTS = 16
# Characters of a codec's a=fmtp; who publishes more than browsers' 100 is told of without them.
MAX_PARAMETERS = 1000
# What nodes understand, whatever the publisher does: a PLI becomes what that one knows, a NACK is served from history.
VIDEO_FEEDBACK = ("nack", "nack pli")


@dataclass(frozen=True, slots=True)
class PipeEncoding:
    """One encoding of a publication, and the SSRCs it has on the pipe."""

    rid: str
    ssrc: int
    rtx_ssrc: int
    height: int = 0
    """Of its picture, in pixels; 0 until it is known."""


@dataclass(frozen=True, slots=True)
class PipeStream:
    """One publication as a node tells it to its neighbour."""

    publication: str
    participant: str
    kind: str
    source: str
    muted: bool
    codecs: tuple[Codec, ...]
    """With the pipe's payload types; the first is the one in use."""
    encodings: tuple[PipeEncoding, ...]
    """Ascending in quality; one with the rid "" where there is no simulcast."""

    @property
    def rids(self) -> tuple[str, ...]:
        """The encodings of simulcast, if it is any."""
        return tuple(encoding.rid for encoding in self.encodings if encoding.rid)


@dataclass(slots=True)
class _Offered:
    """One of ours: a slot towards the neighbour for each rid, and the payload types it was told."""

    slots: dict[str, Slot]
    payload_types: dict[CodecKey, int]


class Pipe:
    """One room's media between this node and a neighbour; a `Sink` of its connection.

    `on_news` is called when what `wanted` or `streams` would say may have changed.
    """

    def __init__(self, room: Room, outlet: Outlet, on_news: Callable[[], None]) -> None:
        self._room = room
        self._on_news = on_news
        self._link = MediaLink(outlet, room.audio_level)
        self._link.egress.on_change = self._encodings_changed
        self._out: dict[str, _Offered] = {}
        self._asked: dict[str, Collection[str]] = {}
        self._in: dict[str, tuple[Publication, PipeStream]] = {}

    # -- ours, going out -------------------------------------------------------------------------------------

    def streams(self, publications: Iterable[Publication], now: float) -> list[PipeStream]:
        """What this node offers: exactly `publications`. Slots of others are closed, new ones wait for demand."""
        offered = {publication.id: publication for publication in publications}
        for id in [id for id in self._out if id not in offered]:
            self._close(self._out.pop(id).slots.values())
        return [self._stream(publication, now) for publication in offered.values()]

    def _stream(self, publication: Publication, now: float) -> PipeStream:
        offered = self._out.setdefault(publication.id, _Offered({}, {}))
        # A codec keeps its payload type, as packets and what is said of them travel on different ways.
        codecs = _pipe_codecs(publication, offered.payload_types)
        profile = SendProfile.of(_accepted(publication.kind, codecs))
        before, offered.slots = offered.slots, {}
        for encoding in publication.encodings:
            slot = before.pop(encoding.rid, None)
            if slot is None:
                slot = self._slot(publication, encoding.rid, profile)
            else:
                slot.renegotiated(profile, now)
            offered.slots[encoding.rid] = slot
        self._close(before.values())
        self._aim(publication, offered, now)
        in_use = codec_key(publication.codec)
        return PipeStream(
            publication.id,
            publication.participant,
            publication.kind,
            publication.source,
            publication.muted,
            tuple(sorted(codecs, key=lambda codec: codec_key(codec) != in_use)),
            tuple(
                PipeEncoding(one.rid, slot.ssrc, slot.rtx_ssrc, one.height if one.quality.measured else 0)
                for one, slot in zip(publication.encodings, offered.slots.values(), strict=True)
            ),
        )

    def _slot(self, publication: Publication, rid: str, profile: SendProfile) -> Slot:
        name = f"{publication.id}:{rid}" if rid else publication.id
        stream = publication.participant
        egress = self._link.egress
        slot = egress.outlet.engine.slot(
            name, publication.kind, profile, egress, stream, _ignore, steered=True
        )
        self._link.add(slot)
        return slot

    def _close(self, slots: Iterable[Slot]) -> None:
        for slot in slots:
            self._link.remove(slot)

    def send(self, wanted: Mapping[str, Collection[str]], now: float) -> None:
        """The neighbour wants these rids of the offered publications, by id, and no others."""
        self._asked = dict(wanted)
        for id, offered in self._out.items():
            self._aim(self._room.publications.get(id), offered, now)
            if not offered.slots.keys() >= set(self._asked.get(id, ())):
                self._on_news()  # the neighbour speaks of what has changed meanwhile

    def _aim(self, publication: Publication | None, offered: _Offered, now: float) -> None:
        """Each slot shows its own encoding, whole, or nothing."""
        for rid, slot in offered.slots.items():
            asked = publication is not None and rid in self._asked.get(publication.id, ())
            slot.point(publication if asked else None, now)
            encoding = publication.find(rid) if asked and publication is not None else None
            target = slot.target
            if encoding is not None and (target is None or target.encoding is not encoding):
                slot.aim(Target(encoding), now)

    def _encodings_changed(self, now: float) -> None:
        """A publication that is sent has other encodings, or others of them are known."""
        del now
        self._on_news()

    # -- the neighbour's, coming in --------------------------------------------------------------------------

    def take(self, streams: Iterable[PipeStream], now: float) -> None:
        """The neighbour offers these and no others: they are publications of this node's room from now on."""
        offered = {stream.publication: stream for stream in streams}
        subscribers: dict[str, list[Slot]] = {}
        for id, (publication, stream) in list(self._in.items()):
            if id not in offered or _came_anew(stream, offered[id]):
                subscribers[id] = list(publication.slots)
                self._end(publication)
        for id, stream in offered.items():
            known = self._in.get(id)
            if known is None:
                if id in self._room.publications:
                    continue  # it is here already: nodes in a ring; the first way it came stays
                publication = self._publication(stream, now)
            else:
                publication = known[0]
                publication.renegotiated(_incoming(stream), now)
            if stream.muted and not publication.muted:
                self._room.silence(publication)
            publication.muted = stream.muted
            self._in[id] = (publication, stream)
            _tell_heights(publication, stream)
        entries = [(publication, _incoming(stream)) for publication, stream in self._in.values()]
        self._link.ingress.configure(entries, reduced_size=True)
        for id in subscribers.keys() & self._in.keys():
            for slot in subscribers[id]:
                if slot.kind == self._in[id][0].kind:
                    slot.point(self._in[id][0], now)
        self._on_news()

    def _publication(self, stream: PipeStream, now: float) -> Publication:
        publication = Publication(
            stream.publication,
            stream.participant,
            stream.publication,
            stream.source,
            stream.muted,
            _incoming(stream),
            self._link.ingress.ask_key_frame,
            self._link.outlet.engine.encoding,
        )
        publication.asking = Asking(publication, _told_by_news, self._on_news, now, sending=False)
        self._room.publications[publication.id] = publication
        return publication

    def _end(self, publication: Publication) -> None:
        del self._in[publication.id]
        self._room.publications.pop(publication.id, None)
        publication.asking = None
        publication.close()
        self._room.silence(publication)

    def wanted(self, now: float) -> dict[str, tuple[str, ...]]:
        """The neighbour's publications, and the rids of each, that somebody here (or behind another pipe) takes."""
        found: dict[str, tuple[str, ...]] = {}
        for id, (publication, _) in self._in.items():
            assert publication.asking is not None
            publication.asking.pulse(now)
            if asked := publication.asking.asked:
                found[id] = asked
        return found

    def holds(self, publication: Publication) -> bool:
        """Whether a publication came through this pipe, so that it is not sent back."""
        known = self._in.get(publication.id)
        return known is not None and known[0] is publication

    # -- packets and time: see `Sink` ------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        self._link.connected(now)

    def receive_rtp(self, packet: bytes, now: float) -> None:
        self._link.receive_rtp(packet, now)

    def receive_rtcp(self, packet: bytes, now: float) -> None:
        self._link.receive_rtcp(packet, now)

    def deadline(self) -> float | None:
        return self._link.deadline()

    def pulse(self, now: float) -> None:
        self._link.pulse(now)

    def close(self) -> None:
        """The neighbour is gone: its publications end, ours are no longer sent. Idempotent."""
        for publication, _ in list(self._in.values()):
            self._end(publication)
        self._out.clear()
        self._link.close()

    def stats(self, now: float) -> dict[str, object]:
        return {
            "incoming": [publication.stats(now) for publication, _ in self._in.values()],
            "outgoing": [slot.stats() for offered in self._out.values() for slot in offered.slots.values()],
        }


def _ignore(slot: Slot) -> None:
    """Every codec that a publisher may switch to is offered on the pipe, so a slot's state says nothing new."""


def _pipe_codecs(publication: Publication, payload_types: dict[CodecKey, int]) -> tuple[Codec, ...]:
    """The publication's codecs with the pipe's own payload types, of which new ones are added to the table."""
    video = publication.kind == "video"
    found: dict[CodecKey, Codec] = {}
    for codec in publication.codecs:
        key = codec_key(codec)
        if key not in payload_types and len(payload_types) < MAX_VARIANTS:
            payload_types[key] = FIRST_PAYLOAD_TYPE + 2 * len(payload_types)
        if key in payload_types:
            payload_type = payload_types[key]
            offered = replace(
                codec,
                payload_type=payload_type,
                parameters=codec.parameters if len(codec.parameters) <= MAX_PARAMETERS else "",
                feedback=VIDEO_FEEDBACK if video else (),
                rtx_payload_type=payload_type + 1 if video else None,
            )
            found.setdefault(key, offered)
    # In one order, so that a publisher who prefers another codec now changes nothing here.
    return tuple(sorted(found.values(), key=lambda codec: codec.payload_type))


def _told_by_news(active: Mapping[str, bool]) -> None:
    """What is wanted of a neighbour is told all at once: see `Pipe.wanted`."""


def _came_anew(before: PipeStream, told: PipeStream) -> bool:
    """Whether this is another publication of the same id, for the same subscribers: it has other SSRCs."""
    ssrcs = {encoding.rid: encoding.ssrc for encoding in before.encodings}
    return told.kind != before.kind or any(
        ssrcs.get(encoding.rid, encoding.ssrc) != encoding.ssrc for encoding in told.encodings
    )


def _tell_heights(publication: Publication, stream: PipeStream) -> None:
    """What the neighbour knows of encodings that have never been here: subscribers choose by it."""
    for told in stream.encodings:
        encoding = publication.find(told.rid)
        if encoding is not None and told.height and not encoding.arrivals.packets:
            encoding.quality.sizes(((told.height, told.height),))


def _incoming(stream: PipeStream) -> Accepted:
    groups = (SourceGroup(one.ssrc, one.rtx_ssrc, stream.participant, one.rid) for one in stream.encodings)
    return _accepted(stream.kind, stream.codecs, tuple(groups), stream.rids)


def _accepted(
    kind: str, codecs: tuple[Codec, ...], ssrcs: tuple[SourceGroup, ...] = (), rids: tuple[str, ...] = ()
) -> Accepted:
    """The outcome of a negotiation that never was: what the neighbour's m-section would have been."""
    section = Section(
        index=0,
        mid="",
        kind=kind,
        port=9,
        protocol="UDP/TLS/RTP/SAVPF",
        formats=(),
        rejected=False,
        bundled=True,
        direction="sendrecv",
        codecs=codecs,
        extensions=EXTENSION_IDS,
        ssrcs=ssrcs,
        rtcp_mux=True,
        rtcp_rsize=True,
        extmap_allow_mixed=True,
    )
    return Accepted(section, codecs, EXTENSION_IDS, rids)
