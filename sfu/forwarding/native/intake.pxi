# One publisher's packets, as far as they are plain: from decrypted bytes to the track they belong to.

cdef enum:
    # Arrivals that wait to be told: some more than a second of the densest stream has in one tenth of it.
    ARRIVALS = 1024

cdef struct arrival:
    uint16_t seq16
    double at


cdef class Intake:
    """What `Ingress` says of a connection. `take` is True for a packet that is dealt with; else nothing has changed."""

    cdef dict _tracks  # by SSRC
    cdef arrival *_arrivals
    cdef int _count
    cdef unsigned int _transport_wide_id, _level_id
    # Whether packets need nothing but what is done here; whether feedback on arrivals, and a report, are on their way.
    cdef public bint open, feedback_due, report_due
    cdef public uint32_t feedback_ssrc
    cdef object _on_level, _on_other, _on_feedback_due

    def __cinit__(self):
        self._tracks = {}

    def __dealloc__(self):
        PyMem_Free(self._arrivals)

    def configure(self, bint open, unsigned int transport_wide_id, unsigned int level_id, on_level, on_other,
                  on_feedback_due):
        self.open, self._transport_wide_id, self._level_id = open, transport_wide_id, level_id
        self._on_level, self._on_other, self._on_feedback_due = on_level, on_other, on_feedback_due
        self._tracks.clear()

    def know(self, uint32_t ssrc, Track track not None):
        """Packets of this SSRC are of this track."""
        self._tracks[ssrc] = track

    def forget(self):
        self._tracks.clear()

    def arrivals(self):
        """The transport-wide numbers of packets that were taken, with when they came; each is told once."""
        cdef int count = self._count
        self._count = 0
        return [(self._arrivals[number].seq16, self._arrivals[number].at) for number in range(count)]

    def take(self, bytes packet not None, double now):
        return self.taken(<const unsigned char *>packet, <size_t>len(packet), packet, now)

    cdef bint taken(self, const unsigned char *data, size_t size, bytes packet, double now) except -1:
        """`packet`: the same as an object, if there is one."""
        cdef rtp view
        cdef element level
        cdef Track track
        cdef int64_t seq
        if not self.open or not self.report_due or not rtp_parse(data, size, &view):
            return False
        track = self._tracks.get(view.ssrc)
        if track is None or not track_plain(&track.c, data, &view, now, &seq):
            return False
        if self._transport_wide_id and not self._noted(data, &view, now):
            return False
        if packet is None:
            packet = (<const char *>data)[:size]
        if (
            self._level_id and track.audio
            and rtp_find_element(data, &view, self._level_id, &level) and level.size == 1
        ):
            self._on_level(track.encoding, data[level.start], now)
            if not track_plain(&track.c, data, &view, now, &seq):  # who heard it has changed something
                self._on_other(track.encoding, packet, now)
                return True
        track.forward(data, size, &view, packet, seq, now)
        return True

    cdef bint _noted(self, const unsigned char *data, const rtp *view, double now) except -1:
        """Note the packet's transport-wide number, if it has one; False if Python is to."""
        cdef element found
        if not rtp_find_element(data, view, self._transport_wide_id, &found) or found.size != 2:
            return True
        if self._count == ARRIVALS:
            return False
        if not self.feedback_due:
            self._on_feedback_due(now)
        if self._arrivals == NULL:
            self._arrivals = <arrival *>PyMem_Calloc(ARRIVALS, sizeof(arrival))
            if self._arrivals == NULL:
                raise MemoryError
        self._arrivals[self._count] = arrival(seq16=get16(data + found.start), at=now)
        self._count += 1
        self.feedback_ssrc = view.ssrc
        return True
