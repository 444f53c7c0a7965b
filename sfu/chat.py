"""Text chat of a room over its participants' data channels.

Joins the messages of `signaling.chat` to the channels of `sfu.transport`; knows who is in the room by id only.
"""

import time

from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError

from signaling.chat import ChatLine, ToOthers, nobody

# What may wait for one slow reader; a chat line has 16 kB at most, so this is a long absence.
MAX_BUFFERED_BYTES = 256 * 1024


class ChatRoom:
    """Passes each message to everybody else's open channel, or to one."""

    def __init__(self) -> None:
        self._channels: dict[str, RTCDataChannel] = {}
        # Kept while the participant is here: another channel brings no new allowance.
        self._lines: dict[str, ChatLine] = {}
        self.messages = 0
        self.refused = 0
        self.dropped_slow_reader = 0

    def attach(self, participant: str, channel: RTCDataChannel) -> None:
        """A participant opened its chat channel; it replaces the one before."""
        before = self._channels.get(participant)
        self._channels[participant] = channel
        if before is not None:
            before.close()
        line = self._lines.setdefault(participant, ChatLine(participant, time.monotonic()))

        def on_message(data: str | bytes) -> None:
            if self._channels.get(participant) is not channel:
                return
            result = line.receive(data, time.monotonic(), int(time.time() * 1000))
            if isinstance(result, ToOthers):
                targets = self._targets(participant, result.to)
                if result.to is not None and not targets:
                    result = nobody(result.to)
            if isinstance(result, ToOthers):
                self.messages += 1
                for target in targets:
                    self._send(target, result.text)
            elif result is not None:
                self.refused += 1
                self._send(channel, result.text)

        channel.on("message", on_message)
        channel.on("close", lambda: self._forget(participant, channel))

    def _targets(self, sender: str, to: str | None) -> list[RTCDataChannel]:
        """The channels of everybody else, or that of one participant."""
        return [
            channel
            for participant, channel in self._channels.items()
            if participant != sender and to in (None, participant)
        ]

    def _send(self, channel: RTCDataChannel, text: str) -> None:
        if channel.readyState != "open":
            return
        if channel.bufferedAmount > MAX_BUFFERED_BYTES:
            self.dropped_slow_reader += 1
            return
        try:
            channel.send(text)
        except (InvalidStateError, ConnectionError, ValueError):
            self.dropped_slow_reader += 1

    def _forget(self, participant: str, channel: RTCDataChannel) -> None:
        if self._channels.get(participant) is channel:
            del self._channels[participant]

    def leave(self, participant: str) -> None:
        """The participant is gone."""
        self._channels.pop(participant, None)
        self._lines.pop(participant, None)
