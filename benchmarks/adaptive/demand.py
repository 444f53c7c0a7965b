"""What the room's publishers would fill a link with if it were large enough."""

from __future__ import annotations

from benchmarks.adaptive.camera import ENCODINGS
from benchmarks.adaptive.publisher import AUDIO_BYTES, AUDIO_INTERVAL, CHUNK
from benchmarks.topology.packets import RTP_HEADER, SRTP_TAG, UDP_IP

OVERHEAD = RTP_HEADER + 12 + SRTP_TAG + UDP_IP  # bytes a packet, with the header extensions


def demand_bps(publishers: int) -> int:
    """The best encoding of every camera and one voice, with headers, bit/s."""
    best = ENCODINGS[-1].bps
    video = best * (1 + OVERHEAD / CHUNK)
    audio = (AUDIO_BYTES + OVERHEAD) * 8 / AUDIO_INTERVAL
    return round(publishers * video + audio)
