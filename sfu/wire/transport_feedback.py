"""The inside of transport-wide feedback: which packets of a connection arrived, and when.

Knows: draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1: status chunks and receive deltas.
Does not know: the RTCP header and padding around it (rtcp.py), clocks, or what to conclude from it.
"""

from dataclasses import dataclass

from sfu.wire.rtcp import RtcpError

TICK_US = 250
"""Unit of a receive delta."""
REFERENCE_MS = 64
"""Unit of the reference time: 256 ticks."""

_LOST, _SMALL, _LARGE = 0, 1, 2  # section 3.1.1; the number is also the size of the delta in bytes
_MAX_RUN = 0x1FFF


@dataclass(frozen=True, slots=True)
class Feedback:
    """Arrivals of the packets `base_seq16`, `base_seq16 + 1`, ...: one delta each, at least one."""

    base_seq16: int
    reference_time: int
    """In 64 ms units of the receiver's clock; signed 24 bits, larger values wrap when written."""
    feedback_count: int
    """8 bits: one more in each feedback, to see lost ones."""
    deltas: tuple[int | None, ...]
    """Ticks of 250 us since the received packet before (the first: since the reference time), each within
    signed 16 bits; None = not received."""


def write_fci(feedback: Feedback) -> bytes:
    """The feedback control information, unpadded: TransportFeedback.write() pads the packet to 32 bits."""
    deltas = feedback.deltas
    assert 0 < len(deltas) <= 0xFFFF
    out = bytearray()
    out += feedback.base_seq16.to_bytes(2, "big")
    out += len(deltas).to_bytes(2, "big")
    out += (feedback.reference_time & 0xFFFFFF).to_bytes(3, "big")
    out.append(feedback.feedback_count & 0xFF)
    symbols = []
    times = bytearray()
    for delta in deltas:
        if delta is None:
            symbols.append(_LOST)
        elif 0 <= delta <= 0xFF:  # section 3.1.5: small deltas are unsigned, large ones signed
            symbols.append(_SMALL)
            times.append(delta)
        else:
            symbols.append(_LARGE)
            times += delta.to_bytes(2, "big", signed=True)
    _write_chunks(out, symbols)
    return bytes(out + times)


def status_count(fci: bytes) -> int:
    """Of how many packets it claims to speak, before it is read: a few bytes can say it of 65535; 0 if cut off."""
    return int.from_bytes(fci[2:4], "big") if len(fci) >= 4 else 0


def parse_fci(fci: bytes) -> Feedback:
    """Read the feedback control information; bytes behind the last delta are padding. Raises RtcpError."""
    if len(fci) < 8:
        raise RtcpError("transport feedback is shorter than its header")
    count = status_count(fci)
    if count == 0:
        raise RtcpError("transport feedback reports on no packet")
    symbols, position = _read_chunks(fci, 8, count)
    if position + sum(symbols) > len(fci):
        raise RtcpError("transport feedback lacks receive deltas")
    deltas: list[int | None] = []
    for symbol in symbols:
        if symbol == _LOST:
            deltas.append(None)
        else:
            end = position + symbol
            deltas.append(int.from_bytes(fci[position:end], "big", signed=symbol == _LARGE))
            position = end
    return Feedback(
        base_seq16=int.from_bytes(fci[:2], "big"),
        reference_time=int.from_bytes(fci[4:7], "big", signed=True),
        feedback_count=fci[7],
        deltas=tuple(deltas),
    )


def _write_chunks(out: bytearray, symbols: list[int]) -> None:
    """Greedy: a run where it says at least as much as a vector could, else the vector that holds more."""
    position, size = 0, len(symbols)
    while position < size:
        symbol = symbols[position]
        run = 1
        limit = min(size - position, _MAX_RUN)
        while run < limit and symbols[position + run] == symbol:
            run += 1
        ahead = symbols[position : position + 14]
        one_bit = _LARGE not in ahead
        if run >= (14 if one_bit else 7) or run == size - position:
            chunk = symbol << 13 | run  # section 3.1.3: 0, two bits of symbol, 13 bits of length
            position += run
        elif one_bit:
            chunk = 0x8000  # section 3.1.4: 1, 0, fourteen symbols of one bit
            for index, value in enumerate(ahead):
                chunk |= value << (13 - index)
            position += 14
        else:
            chunk = 0xC000  # 1, 1, seven symbols of two bits
            for index, value in enumerate(ahead[:7]):
                chunk |= value << (12 - 2 * index)
            position += 7
        out += chunk.to_bytes(2, "big")


def _read_chunks(fci: bytes, position: int, count: int) -> tuple[list[int], int]:
    """The `count` symbols of the chunks at `position`, and the offset of the first delta."""
    symbols: list[int] = []
    while len(symbols) < count:
        if position + 2 > len(fci):
            raise RtcpError("transport feedback lacks status chunks")
        chunk = fci[position] << 8 | fci[position + 1]
        position += 2
        if chunk < 0x8000:
            symbols += [chunk >> 13] * min(chunk & _MAX_RUN, count - len(symbols))
        elif chunk < 0xC000:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
        else:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
    del symbols[count:]  # section 3.1.4: the last vector may say more than there is
    if 3 in symbols:
        raise RtcpError("transport feedback uses the reserved symbol")
    return symbols, position
