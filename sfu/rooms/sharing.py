"""How one participant's downlink is shared by its video slots: what each is worth, what each gets, what is told of it.

Knows the room's speakers, and how the client shows each slot. How much there is, `budget` says; the division itself is
made by `flow.allocation`. Knows no packet and no signaling.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sfu.flow.allocation import Allocator
from sfu.flow.layers import ALL
from sfu.flow.wants import ENOUGH, Choice, Limit, Option, Priority, Want
from sfu.forwarding.egress import Egress
from sfu.forwarding.encoding import Encoding
from sfu.forwarding.publication import Publication
from sfu.forwarding.quality import WHOLE, WIDE
from sfu.forwarding.slot import Slot, SlotState, Target
from sfu.rooms.budget import Budget
from sfu.rooms.member import Bandwidth, SlotFlow, View
from sfu.rooms.room import Room

# Seconds between two allocations: at least, as reports of the client come ten times a second; and at most, while
# video flows, as its rates change.
LEAST_INTERVAL: Final = 0.1
MOST_INTERVAL: Final = 1.0
# The same where nothing limits what is sent, so that rates are of no matter.
RARELY: Final = 5.0
# The same while nothing flows, and there is nothing to choose either: its start is told.
HARDLY: Final = 60.0
# Seconds for which a share is too small before its video is paused.
PATIENCE: Final = 1.0
# Seconds that a key frame may take the whole of the link: until then nothing else is sent.
LONGEST_KEY_FRAME: Final = 0.8
_CEILINGS: Final = {"low": 0, "medium": 1}
_REASONS: Final = {Limit.BANDWIDTH: "bandwidth", Limit.LAST_N: "last-n"}


@dataclass(slots=True)
class _Sent:
    """What a slot had sent when it was looked at last."""

    bytes: int
    at: float
    bps: int = 0


class Sharing:
    """Of one participant; `slots` are its own, by mid."""

    def __init__(self, participant: str, room: Room, egress: Egress, slots: Mapping[str, Slot]) -> None:
        self._participant = participant
        self._room = room
        self._egress = egress
        self._slots = slots
        self._budget = Budget(egress, slots)
        self._allocator = Allocator()
        self._beyond_bps = 0  # what a link has to carry for a picture that is not chosen for its key frame
        self._views: dict[str, View] = {}
        self._limits: dict[str, Limit] = {}
        self._short: dict[str, float] = {}  # since when there is too little for each slot
        self._allocated_bps = 0
        self._last = float("-inf")
        self._due: float | None = None
        self._sent: dict[str, _Sent] = {}
        egress.on_change = self.touch
        room.watch(self._speakers_changed)

    def close(self) -> None:
        """Nothing is shared any more. Idempotent."""
        self._room.unwatch(self._speakers_changed)

    def _speakers_changed(self) -> None:
        if any(_shows_video(slot) for slot in self._slots.values()):
            self.touch(self._last)

    # -- what the client says ------------------------------------------------------------------------------------

    def view(self, views: Mapping[str, View], now: float) -> None:
        """How slots are shown from now on."""
        self._views.update(views)
        self.touch(now)

    def pointed(self, slot: Slot, now: float) -> None:
        """The slot shows another video, or none: divide again at once, or as soon as it is time.

        What waits is shown at the least for a while, unless last-N leaves it out: that holds from now on.
        """
        self._limits.pop(slot.mid, None)
        if now >= self._last + LEAST_INTERVAL:
            self.allocate(now)
            return
        self.touch(now)
        if _shows_video(slot) and slot.target is None:
            kept = self._room.kept(self._participant)
            view = self._views.get(slot.mid, _DEFAULT)
            if view.visible and _left_out(_publication(slot), view, kept):
                self._limits[slot.mid] = Limit.LAST_N
                slot.pause(_REASONS[Limit.LAST_N], now)

    def forget(self, mid: str) -> None:
        """The slot is gone."""
        self._views.pop(mid, None)
        self._limits.pop(mid, None)
        self._sent.pop(mid, None)
        self._short.pop(mid, None)

    # -- time ------------------------------------------------------------------------------------------------

    def touch(self, now: float) -> None:
        """What there is to share, or to choose from, has changed."""
        due = max(now, self._last + LEAST_INTERVAL)
        if self._due is None or due < self._due:
            self._due = due
            self._egress.outlet.schedule()

    def deadline(self) -> float | None:
        """When `pulse` is due; None while no video is shown."""
        return self._due

    def pulse(self, now: float) -> None:
        """Divide again, if it is time."""
        if self._due is not None and now >= self._due:
            self.allocate(now)

    # -- the division ------------------------------------------------------------------------------------------

    def allocate(self, now: float) -> None:
        """Give every video slot its share."""
        slots = [slot for slot in self._slots.values() if _shows_video(slot)]
        self._last = now
        self._due = None
        if not slots:
            self._allocated_bps = 0
            self._egress.wish(0, now, starved=False)
            return
        kept = self._room.kept(self._participant)
        video_bps = self._budget.video_bps(now)
        self._beyond_bps = 0
        wants = [self._want(slot, kept, video_bps, now) for slot in slots]
        audio_bps = self._budget.audio_bps(now)
        choices = self._allocator.allocate(video_bps, wants, now)
        self._allocated_bps = audio_bps
        for slot, want in zip(slots, wants, strict=True):
            self._apply(slot, want, choices[slot.mid], now)
        starved = all(slot.state is SlotState.PAUSED for slot in slots)
        self._egress.wish(max(self._allocator.wish_bps, self._beyond_bps) + audio_bps, now, starved=starved)
        self._next(slots, now)

    def _next(self, slots: list[Slot], now: float) -> None:
        """When to look again at the latest; not while nothing flows."""
        again = self._allocator.deadline()
        if self._egress.ready and any(slot.encoding or slot.candidate for slot in slots):
            latest = now + self._interval(slots)
            again = latest if again is None else min(again, latest)
        if again is not None and (self._due is None or again < self._due):
            self._due = max(again, now + LEAST_INTERVAL)
            self._egress.outlet.schedule()

    def _interval(self, slots: list[Slot]) -> float:
        """Seconds for which a division holds at the most."""
        if self._budget.limited:
            return MOST_INTERVAL
        still = all(slot.encoding is None and len(_publication(slot).encodings) == 1 for slot in slots)
        return HARDLY if still else RARELY

    def _want(self, slot: Slot, kept: frozenset[str] | None, video_bps: int, now: float) -> Want:
        view = self._views.get(slot.mid, _DEFAULT)
        publication = _publication(slot)
        last_n = _left_out(publication, view, kept)
        height = view.height
        if view.width and height:
            height = min(height, round(view.width / WIDE))
        return Want(
            slot.mid,
            tuple(self._affordable(slot, height, video_bps, now)),
            self._priority(publication, view),
            height,
            view.visible,
            _CEILINGS.get(view.quality),
            last_n,
        )

    def _affordable(self, slot: Slot, height: int, video_bps: int, now: float) -> list[Option]:
        """Its options without those whose key frame alone would fill the link for long.

        Unless they are shown, or the smallest. For those that a tile of `height` has use for the link is explored.
        """
        publication = _publication(slot)
        found = _options(slot, publication, now)
        enough = min((o.height for o in found if height and o.height >= height * ENOUGH), default=1 << 30)
        kept = []
        for option in found:
            encoding = publication.find(option.rid)
            if encoding in (slot.encoding, slot.candidate) or option.rid == found[0].rid or encoding is None:
                kept.append(option)
                continue
            needed = round(encoding.quality.key_bytes * 8 / LONGEST_KEY_FRAME)
            if needed <= video_bps:
                kept.append(option)
            elif option.height <= enough:
                self._beyond_bps = max(self._beyond_bps, needed)
        return kept

    def _priority(self, publication: Publication, view: View) -> Priority:
        if view.pinned:
            return Priority.PINNED
        if publication.source == "screen":
            return Priority.SCREEN
        speaking = publication.participant in self._room.speakers.active
        return Priority.SPEAKER if speaking else Priority.NORMAL

    # -- what comes of it --------------------------------------------------------------------------------------

    def _apply(self, slot: Slot, want: Want, choice: Choice, now: float) -> None:
        self._limits[slot.mid] = choice.limit
        if choice.limit is Limit.SOURCE and _held_back(slot, want, now):
            self._limits[slot.mid] = Limit.BANDWIDTH
        option = choice.option
        if option is None and choice.limit is Limit.BANDWIDTH:
            if slot.target is None and slot.state is not SlotState.PAUSED:
                self._short.pop(slot.mid, None)  # it was for another video, or before a pause
            since = self._short.setdefault(slot.mid, now)
            if self._budget.settling(now) or (slot.state is not SlotState.PAUSED and now < since + PATIENCE):
                option = want.options[0]
        else:
            self._short.pop(slot.mid, None)
        if option is None:
            if choice.limit is Limit.NOTHING:  # whatever comes first is waited for
                slot.wish(frozenset(encoding.rid for encoding in _publication(slot).encodings), now)
                return
            slot.wish(frozenset(), now)
            slot.pause(_REASONS.get(choice.limit), now)
            return
        publication = _publication(slot)
        encoding = publication.find(option.rid)
        assert encoding is not None, "options are of this publication"
        self._allocated_bps += option.bps
        slot.resume()
        slot.wish(_wishes(slot, publication, encoding, want, choice), now)
        whole = option.temporal == WHOLE
        slot.aim(Target(encoding) if whole else Target(encoding, option.spatial, option.temporal), now)
        if slot.encoding is not None and slot.encoding is not encoding:
            _reduce(slot, slot.encoding, option.bps)

    # -- what is told ------------------------------------------------------------------------------------------

    def report(self, now: float) -> Bandwidth:
        """The way to this client, and what each video slot gets of it."""
        egress = self._egress
        flows = []
        total = 0
        for mid, slot in self._slots.items():
            bps = self._sent_bps(mid, slot, now)
            total += bps
            if slot.kind == "video" and slot.publication is not None:
                flows.append(_flow(slot, bps, self._limits.get(mid, Limit.NONE)))
        return Bandwidth(
            egress.available_bps or 0, self._allocated_bps, total, str(egress.estimator.source), tuple(flows)
        )

    def _sent_bps(self, mid: str, slot: Slot, now: float) -> int:
        """Since the last report, if that is not just now."""
        before = self._sent.get(mid)
        if before is None:
            self._sent[mid] = _Sent(slot.bytes_sent, now)
            return 0
        if now > before.at + LEAST_INTERVAL:
            before.bps = round((slot.bytes_sent - before.bytes) * 8 / (now - before.at))
            before.bytes, before.at = slot.bytes_sent, now
        return before.bps


_DEFAULT: Final = View()


def _shows_video(slot: Slot) -> bool:
    return (
        slot.kind == "video"
        and slot.publication is not None
        and slot.state is not SlotState.UNSUPPORTED_CODEC
    )


def _publication(slot: Slot) -> Publication:
    assert slot.publication is not None, "chosen for it"
    return slot.publication


def _left_out(publication: Publication, view: View, kept: frozenset[str] | None) -> bool:
    """Whether last-N, which leaves the videos of `kept`, leaves this one out."""
    if view.pinned or publication.source == "screen":
        return False
    return kept is not None and publication.participant not in kept


def _options(slot: Slot, publication: Publication, now: float) -> list[Option]:
    """What can be had of a publication: encodings that come, or would if they were asked for.

    Of a lower frame rate only the smallest picture is worth it, and half the rate of the others: a smaller picture
    that moves is better than a larger one that doesn't.
    """
    present = [encoding for encoding in publication.encodings if publication.available(encoding, now)]
    if slot.encoding is None and slot.state is not SlotState.PAUSED:
        # The first picture is that which comes soonest.
        present = [encoding for encoding in present if encoding.alive(now)] or present
    found: list[Option] = []
    for encoding in present:
        options = encoding.options(publication.encodings.index(encoding))
        most = slot.most_spatial(encoding)
        options = [option for option in options if option.spatial <= most] or options
        smooth = sorted({option.temporal for option in options})[-2:]
        found += [option for option in options if encoding is present[0] or option.temporal in smooth]
    return found


def _held_back(slot: Slot, want: Want, now: float) -> bool:
    """Whether there is something better that was left out for its key frame."""
    publication = _publication(slot)
    offered = {option.rid for option in want.options}
    return any(publication.available(one, now) and one.rid not in offered for one in publication.encodings)


def _wishes(
    slot: Slot, publication: Publication, encoding: Encoding, want: Want, choice: Choice
) -> frozenset[str]:
    """What the publisher should send beside what is taken: more than it does now, or whatever comes soonest."""
    encodings = publication.encodings
    wishes: set[str] = set()
    more = choice.limit is Limit.SOURCE or (choice.limit is Limit.NONE and not want.height)
    if more:
        wishes.update(one.rid for one in encodings[encodings.index(encoding) + 1 :])
    if slot.encoding is None:
        wishes.add(encodings[0].rid)
    return frozenset(wishes)


def _reduce(slot: Slot, forwarded: Encoding, bps: int) -> None:
    """Until the switch: of what is forwarded now, as much as the new share carries."""
    most = slot.most_spatial(forwarded)
    options = [option for option in forwarded.options() if option.spatial <= most]
    fitting = [option for option in options if option.bps <= bps]
    if len(fitting) == len(options):
        slot.reduce(ALL, ALL)
    elif fitting:
        slot.reduce(fitting[-1].spatial, fitting[-1].temporal)
    else:
        slot.reduce(0, 0)


def _flow(slot: Slot, bps: int, limit: Limit) -> SlotFlow:
    publication = slot.publication.id if slot.publication is not None else None
    encoding = slot.encoding
    if encoding is None:
        return SlotFlow(slot.mid, publication, "", 0, 0, 0, bps, limit.value)
    spatial = temporal = 0
    if encoding.layers is not None:
        spatial, temporal = slot.filter.spatial, slot.filter.temporal
    height = encoding.quality.layer_height(spatial)
    return SlotFlow(slot.mid, publication, encoding.rid, spatial, temporal, height, bps, limit.value)
