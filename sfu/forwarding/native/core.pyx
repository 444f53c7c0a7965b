# cython: language_level=3, boundscheck=True, wraparound=False, embedsignature=True
"""The C files as Python objects. What each is for, and what it expects, their headers say; types are in core.pyi.

Each C file has its part in a .pxi of its name.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcmp, memcpy, memset

from sfu.forwarding.native.c cimport *

from time import monotonic

from sfu.flow.layers.vp8 import Vp8Layer
from sfu.wire.extensions import abs_send_time
from sfu.wire.rtp import parse as parse_rtp

# Their pointers into each other hold as long as they do: the collector of cycles must not take what is referred to.
# (`no_gc_clear` below; every cycle they may be in has Python objects in it, which can be cleared.)

cdef enum:
    # UDP would take no more.
    MAX_DATAGRAM = 65000
    # With fewer packets to protect, giving up the GIL costs more than it gives.
    WORTH_RELEASING = 16
    # Destinations kept without a connection: handshakes and STUN of strangers.
    STRANGERS = 256

cdef class Intake
cdef class Track
cdef class Way

include "meter.pxi"
include "outbox.pxi"
include "link.pxi"
include "leg.pxi"
include "history.pxi"
include "vp8.pxi"
include "track.pxi"
include "intake.pxi"
include "inbox.pxi"
include "peek.pxi"
