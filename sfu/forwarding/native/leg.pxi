# leg.h: streams, and the fan-out of a packet to many of them.

@cython.no_gc_clear
cdef class Leg:
    """One stream to one subscriber. The numbers are those of `Stream` and `Renumber`; `forwarded` is ResendBudget's."""

    cdef c_leg c
    cdef readonly Link link
    cdef readonly Meter forwarded

    def __cinit__(self, Link link not None):
        memset(&self.c, 0, sizeof(self.c))
        self.link = link
        self.forwarded = Meter()
        self.c.link = &link.c
        self.c.forwarded = &self.forwarded.c

    def remember(self, int64_t key, uint32_t offset, bytes data not None, bint marker):
        cdef decision one
        if len(data) > <Py_ssize_t>LEG_PATCH_MAX:
            return  # Python goes on deciding
        memset(&one, 0, sizeof(one))
        one.key, one.offset, one.marker, one.size = key, offset, marker, <uint8_t>len(data)
        memcpy(one.data, <const unsigned char *>data, len(data))
        leg_remember(&self.c, &one)

    def forget(self):
        leg_forget(&self.c)

    @property
    def ssrc(self): return self.c.ssrc
    @ssrc.setter
    def ssrc(self, uint32_t value): self.c.ssrc = value

    @property
    def slow(self): return bool(self.c.slow)
    @slow.setter
    def slow(self, bint value): self.c.slow = value

    @property
    def high(self): return self.c.high
    @high.setter
    def high(self, int64_t value): self.c.high = value

    @property
    def offset(self): return self.c.offset
    @offset.setter
    def offset(self, int64_t value): self.c.offset = value

    @property
    def timestamp(self): return self.c.timestamp
    @timestamp.setter
    def timestamp(self, uint32_t value): self.c.timestamp = value

    @property
    def timestamp_offset(self): return self.c.timestamp_offset
    @timestamp_offset.setter
    def timestamp_offset(self, uint32_t value): self.c.timestamp_offset = value

    @property
    def observe_at(self): return self.c.observe_at
    @observe_at.setter
    def observe_at(self, double value): self.c.observe_at = value

    @property
    def whole_until(self): return self.c.whole_until
    @whole_until.setter
    def whole_until(self, int64_t value): self.c.whole_until = value

    @property
    def octets(self): return self.c.octets
    @octets.setter
    def octets(self, int64_t value): self.c.octets = value


@cython.no_gc_clear
cdef class Fan:
    """The slots of one encoding and one profile: a packet is sent to each as `slot.send` or `slot.send_layer` would."""

    cdef tuple _slots
    cdef list _legs
    cdef tuple _outboxes
    cdef c_leg **_c
    cdef size_t _count

    def __cinit__(self, slots):
        cdef Leg leg
        self._slots = tuple(slots)
        self._legs = [slot.leg for slot in self._slots]
        self._outboxes = tuple({id(leg.link.outbox): leg.link.outbox for leg in self._legs}.values())
        self._count = len(self._legs)
        self._c = <c_leg **>PyMem_Calloc(self._count + 1, sizeof(c_leg *))
        if self._c == NULL:
            raise MemoryError
        for number, leg in enumerate(self._legs):
            self._c[<size_t>number] = &leg.c

    def __dealloc__(self):
        PyMem_Free(self._c)

    def send(self, bytes template not None, int64_t seq, uint32_t timestamp, size_t payload_size, size_t stamp_at,
             double now, layer, size_t patch_at):
        cdef packet one
        one.template, one.size, one.payload_size = <const unsigned char *>template, len(template), payload_size
        one.seq, one.timestamp, one.stamp_at, one.now = seq, timestamp, stamp_at, now
        one.layered = layer is not None
        one.layer_key = layer.key if one.layered else 0
        one.patch_at = patch_at
        self._send(&one, template, layer, None, None)

    cdef int _send(self, const packet *one, bytes template, layer, Way way, Track track) except -1:
        """Without a `template` or a `layer` as Python has them, `way` and `track` make them when they are needed."""
        cdef Outbox outbox
        cdef size_t place = 0
        try:
            while True:
                if self._count - place < WORTH_RELEASING:
                    place = legs_send(self._c, place, self._count, one)
                else:
                    with nogil:
                        place = legs_send(self._c, place, self._count, one)
                if place == self._count:
                    return 0
                if template is None:
                    template = way.told()
                slot = self._slots[<Py_ssize_t>place]
                if not one.layered or one.seq <= self._c[place].whole_until:
                    slot.send(template, one.seq, one.timestamp, one.payload_size, one.stamp_at, one.now)
                else:
                    if layer is None:
                        layer = track.layer()
                    slot.send_layer(
                        template, one.seq, one.timestamp, one.payload_size, one.stamp_at, one.now, layer, one.patch_at
                    )
                place += 1
        finally:  # what was sent leaves, whatever became of the others
            for outbox in self._outboxes:
                outbox.waiting()
