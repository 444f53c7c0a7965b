"""Whose packet it is: from an SSRC, or from what a packet says of itself, to an encoding of a publication.

Knows the demultiplexing ladder of RFC 9143 9.2 and RFC 8852, and remembers what it learned: a browser names MID and
RID only until a receiver report tells it that its SSRC is known. Knows one connection's publications; no feedback.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sfu.forwarding.encoding import Encoding
from sfu.forwarding.outlet import Drop, Drops
from sfu.forwarding.publication import Publication
from sfu.wire import extensions
from sfu.wire.answer import Accepted
from sfu.wire.rtp import RtpView

# SSRCs learned from packets, per connection: what is not announced, and room for restarts.
MAX_SSRCS = 256
# Announced SSRC groups that count, per publication: an encoding of each simulcast layer, and a few to spare.
MAX_GROUPS = 8


class Source(NamedTuple):
    """What an SSRC carries."""

    publication: Publication
    encoding: Encoding
    is_rtx: bool


class Sources:
    """The SSRCs of one client. What can't be told is counted in `drops`."""

    def __init__(self, drops: Drops) -> None:
        self._drops = drops
        self._publications: dict[str, Publication] = {}
        self._announced: set[int] = set()
        # In the order in which they were learned; all of them are in by_ssrc too.
        self._learned: dict[int, None] = {}
        self._mid_id = 0
        self._rid_id = 0
        self._repaired_rid_id = 0
        self.by_ssrc: dict[int, Source] = {}
        # Payload type of retransmissions -> of what they repair.
        self.original_types: dict[int, int] = {}

    def configure(self, published: Sequence[tuple[Publication, Accepted]]) -> None:
        """What the client sends from now on; what was learned of encodings that stay is kept."""
        self._publications = {publication.mid: publication for publication, _ in published}
        self.original_types = {}
        self._mid_id = self._rid_id = self._repaired_rid_id = 0
        for _, accepted in published:
            for codec in accepted.codecs:
                if codec.rtx_payload_type is not None:
                    self.original_types[codec.rtx_payload_type] = codec.payload_type
            # RFC 8843 9.2: in a BUNDLE group an extension has one id everywhere.
            ids = accepted.extensions
            self._mid_id = ids.get(extensions.MID, self._mid_id)
            self._rid_id = ids.get(extensions.RID, self._rid_id)
            self._repaired_rid_id = ids.get(extensions.REPAIRED_RID, self._repaired_rid_id)
        alive = {encoding for publication, _ in published for encoding in publication.encodings}
        self.by_ssrc = {ssrc: source for ssrc, source in self.by_ssrc.items() if source.encoding in alive}
        self._announced = set()
        for publication, accepted in published:
            for group in accepted.section.ssrcs[:MAX_GROUPS]:
                # A browser doesn't say which of its SSRCs is which encoding.
                if (encoding := publication.find(group.rid)) is not None:
                    self._announce(group.ssrc, Source(publication, encoding, is_rtx=False))
                    if group.rtx_ssrc is not None:
                        self._announce(group.rtx_ssrc, Source(publication, encoding, is_rtx=True))
        learned = self.by_ssrc.keys() - self._announced
        self._learned = {ssrc: None for ssrc in self._learned if ssrc in learned}
        self._learned.update(dict.fromkeys(learned))
        while len(self._learned) > MAX_SSRCS:
            self._forget_one()

    def learn(self, view: RtpView) -> Source | None:
        """The ladder below a known SSRC: MID, else payload type; where there are several encodings, RID."""
        publication = self._publication(view)
        if publication is None:
            self._drops[Drop.UNKNOWN_SSRC] += 1
            return None
        is_rtx = view.payload_type in self.original_types
        encoding: Encoding | None = publication.encodings[0]
        if publication.encodings[0].rid:
            rid = _text(view, self._repaired_rid_id if is_rtx else self._rid_id)
            if rid is not None:
                encoding = publication.find(rid)
                if encoding is None:
                    self._drops[Drop.UNKNOWN_RID] += 1
                    return None
            elif len(publication.encodings) > 1:
                self._drops[Drop.UNKNOWN_SSRC] += 1
                return None
        assert encoding is not None
        source = Source(publication, encoding, is_rtx)
        if len(self._learned) >= MAX_SSRCS:
            self._forget_one()
        self._learned[view.ssrc] = None
        self._note(view.ssrc, source)
        return source

    def _publication(self, view: RtpView) -> Publication | None:
        mid = _text(view, self._mid_id)
        if mid is not None:
            return self._publications.get(mid)
        wanted = self.original_types.get(view.payload_type, view.payload_type)
        sharing = [one for one in self._publications.values() if one.has_payload_type(wanted)]
        return sharing[0] if len(sharing) == 1 else None

    def _announce(self, ssrc: int, source: Source) -> None:
        self._announced.add(ssrc)
        self._note(ssrc, source)

    def _note(self, ssrc: int, source: Source) -> None:
        self.by_ssrc[ssrc] = source
        if source.is_rtx:
            source.encoding.rtx_ssrc = ssrc
        elif source.encoding.ssrc is None:
            source.encoding.ssrc = ssrc

    def _forget_one(self) -> None:
        """The oldest that no encoding uses now; a flood of strangers doesn't wash out those in use."""
        ssrc = next((known for known in self._learned if not self._in_use(known)), next(iter(self._learned)))
        del self._learned[ssrc], self.by_ssrc[ssrc]

    def _in_use(self, ssrc: int) -> bool:
        encoding = self.by_ssrc[ssrc].encoding
        return ssrc in (encoding.ssrc, encoding.rtx_ssrc)


def _text(view: RtpView, id: int) -> str | None:
    """The element of this id as text; None if there is none."""
    if not id or (span := extensions.find(view, id)) is None:
        return None
    return view.packet[span[0] : span[1]].decode("ascii", "replace")
