"""Who speaks in a room, and who spoke last, from the audio levels of packets (RFC 6464).

Knows levels and times. Does not know packets, or what is done with the answer.

Two time scales, after the idea of Volfin and Cohen (Dominant speaker identification for multipoint videoconferencing,
2012): how much of the last half second was loud enough to be speech says who speaks at all, so that a click or a cough
is not enough; the loudness of the last second helps to say whose speech it is when several do.
"""

from math import exp
from typing import Final

_MAX_LOUDNESS: Final = 127
# Loudness is 127 - level: dB above the smallest that can be said. Levels of speech are some 20..50, of quiet rooms 60
# and more. Below this loudness nothing is speech.
_QUIET: Final = 65
# Speech is so many dB above the noise floor of its own microphone, and more if the sender's detector denies voice.
_ABOVE_FLOOR: Final = 9
_ABOVE_FLOOR_UNVOICED: Final = 15
# The floor is the least loudness of the last one to one and a half seconds: speech has gaps, a fan has none.
_FLOOR_STEP: Final = 0.5
_FLOOR_STEPS: Final = 3
# A packet stands for the time since the one before, but not for more than this; beyond, there was silence (DTX, mute).
_PACKET: Final = 0.060
# Time constants of the two scales, seconds.
_SHARE_TIME: Final = 0.4
_FORCE_TIME: Final = 1.0
# Share of the time in which somebody begins to speak, and goes on speaking: unbroken noise of 0.28 s, or speech with
# its gaps for 0.35 to 0.45 s, makes a speaker; keyboards have a share of 0.1 to 0.3.
_BEGIN: Final = 0.5
_GO_ON: Final = 0.3
# Seconds below that for which one still counts as speaking: a pause for breath.
_PAUSE: Final = 1.0
# The dominant speaker whose share falls below this gives way to any other who speaks; before that, only to one whose
# force is half as large again and more.
_YIELD: Final = 0.35
_LEAD_FORCE: Final = 1.5
_LEAD_FORCE_DB: Final = 6.0
# And no sooner than after so many seconds, so that two who speak at once do not alternate.
_DWELL: Final = 1.0
# Louder than this above the floor is not more of a speaker.
_MOST_FORCE: Final = 40
# More than any room shows at a time; those who spoke before all of these are as if they never had.
_REMEMBERED: Final = 256


class _Voice:
    """What is known of one participant's sound."""

    __slots__ = ("_floor", "_floor_until", "_floors", "began", "force", "heard_at", "share", "spoke_at")

    def __init__(self, now: float) -> None:
        self.share = 0.0  # of the last half second, loud enough for speech
        self.force = 0.0  # dB above what would be enough, over the last second
        self.heard_at = now
        self.spoke_at = float("-inf")
        self.began = 0  # the order in which those who speak began
        self._floor = _MAX_LOUDNESS
        self._floors = [_MAX_LOUDNESS] * _FLOOR_STEPS  # the least of each half second, the running one last
        self._floor_until = now + _FLOOR_STEP

    def hear(self, loudness: int, voice: bool | None, now: float) -> None:
        """One packet."""
        passed = now - self.heard_at
        if passed > _PACKET:
            self.fade(now - _PACKET)
            passed = _PACKET
        elif passed < 0:
            passed = 0.0
        self.heard_at = now
        if loudness and (
            loudness < self._floor or loudness < self._floors[-1]
        ):  # 0 is mute, not a quiet room
            self._floors[-1] = min(loudness, self._floors[-1])
            self._floor = min(loudness, self._floor)
        if now >= self._floor_until:
            self._step(loudness or _MAX_LOUDNESS, now)
        extra = 0
        if loudness >= _QUIET:
            needed = _ABOVE_FLOOR_UNVOICED if voice is False else _ABOVE_FLOOR
            extra = min(loudness - self._floor - needed + 1, _MOST_FORCE)
        if extra > 0:
            self.share += (1.0 - self.share) * passed / _SHARE_TIME
            self.force += (extra - self.force) * passed / _FORCE_TIME
        else:
            self.share -= self.share * passed / _SHARE_TIME
            self.force -= self.force * passed / _FORCE_TIME
        if self.share >= _GO_ON:
            self.spoke_at = now

    def fade(self, until: float) -> None:
        """Silence, from the last packet on."""
        passed = until - self.heard_at
        if passed > 0:
            self.share *= exp(-passed / _SHARE_TIME)
            self.force *= exp(-passed / _FORCE_TIME)
            self.heard_at = until

    def _step(self, loudness: int, now: float) -> None:
        self._floors.append(loudness)
        del self._floors[0]
        self._floor = min(self._floors)
        self._floor_until = now + _FLOOR_STEP


class Speakers:
    """The speakers of one room. `level` per audio packet; `pulse` some four times a second.

    `active`: who speaks now, the dominant speaker first, the others in the order in which they began.
    `recent`: everybody who ever spoke, the latest first: the dominant speaker, then those before; one who speaks beside
    the dominant speaker comes right behind.
    """

    __slots__ = ("_began", "_dominant_since", "_voices", "active", "recent")

    def __init__(self) -> None:
        self.active: tuple[str, ...] = ()
        self.recent: tuple[str, ...] = ()
        self._voices: dict[str, _Voice] = {}  # of participants, who are bounded elsewhere
        self._began = 0
        self._dominant_since = float("-inf")

    def level(self, participant: str, level: int, voice: bool | None, now: float) -> bool:
        """One packet's level, 0 (loudest) .. 127, and voice flag (None: not known). True: an answer changed."""
        known = self._voices.get(participant)
        if known is None:
            self._voices[participant] = known = _Voice(now)
        known.hear(_MAX_LOUDNESS - level, voice, now)
        if known.share < _BEGIN:
            return False
        active = self.active
        if active and active[0] == participant:
            return False
        return self._speaks(participant, known, now)

    def pulse(self, now: float) -> bool:
        """Look for those who fell silent; also those of whom no packets come. True: an answer changed."""
        if not self.active:
            return False
        staying = tuple(name for name in self.active if now - self._voices[name].spoke_at <= _PAUSE)
        return self._set_active(staying, now)

    def gone(self, participant: str, now: float) -> bool:
        """A participant left. True: an answer changed."""
        self._voices.pop(participant, None)
        changed = participant in self.recent
        if changed:
            self.recent = tuple(name for name in self.recent if name != participant)
        if participant in self.active:
            self._set_active(tuple(name for name in self.active if name != participant), now)
            changed = True
        return changed

    def silence(self, participant: str, now: float) -> bool:
        """A participant was muted: silent at once, but still one who spoke. True: an answer changed."""
        self._voices.pop(participant, None)
        if participant not in self.active:
            return False
        return self._set_active(tuple(name for name in self.active if name != participant), now)

    def _speaks(self, participant: str, known: _Voice, now: float) -> bool:
        """Somebody who is not the dominant speaker speaks: do they begin to, or become it?"""
        if not self.active:
            return self._set_active((participant,), now)
        dominant = self._voices[self.active[0]]
        dominant.fade(now - _PACKET)
        if now - self._dominant_since >= _DWELL and (
            dominant.share < _YIELD or known.force >= dominant.force * _LEAD_FORCE + _LEAD_FORCE_DB
        ):
            others = tuple(name for name in self.active if name != participant)
            return self._set_active((participant, *others), now)
        if participant in self.active:
            return False
        return self._set_active((*self.active, participant), now)

    def _set_active(self, active: tuple[str, ...], now: float) -> bool:
        """Make it so, after putting the others in their order; True if anything changed."""
        before = self.active
        if active == before:
            return False
        for name in active:
            if name not in before:
                self._began += 1
                self._voices[name].began = self._began
        if active and before and active[0] != before[0] and active[0] in before and before[0] not in active:
            # The dominant speaker fell silent, and nobody took over: whoever spoke most of the time.
            for name in active:
                self._voices[name].fade(now - _PACKET)
            active = tuple(sorted(active, key=lambda name: -self._voices[name].share))
        if len(active) > 2:
            active = (active[0], *sorted(active[1:], key=lambda name: self._voices[name].began))
        self.active = active
        recent = self.recent
        if active and (not before or active[0] != before[0]):
            self._dominant_since = now
            if recent[:1] != active[:1]:
                recent = (active[0], *(name for name in recent if name != active[0]))
        for name in active[1:]:
            if name not in before:
                recent = (recent[0], name, *(other for other in recent[1:] if other != name))
        self.recent = recent[:_REMEMBERED]
        return True
