# link.h: one connection's way out.

@cython.no_gc_clear
cdef class Link:
    """One connection's way out. The numbers are those of `Pacer`, `SentPackets` and `Egress`."""

    cdef c_link c
    cdef readonly Outbox outbox
    cdef Box _box
    cdef object _keep  # the sessions' owner
    cdef public object on_rtp, on_stun
    cdef public Intake intake
    cdef object _times
    cdef object _entries

    def __cinit__(self, Outbox outbox not None):
        memset(&self.c, 0, sizeof(self.c))
        self.outbox = outbox
        self.c.outbox = &outbox.c
        self.c.free_at = -float("inf")

    @property
    def ready(self):
        return self.c.session != NULL and self.c.box != NULL

    def open(self, owner, uintptr_t session, uintptr_t protect, uintptr_t receiving=0, uintptr_t unprotect=0):
        self._keep = owner
        self.c.session, self.c.protect = <void *>session, <protect_function>protect
        self.c.receiving, self.c.unprotect = <void *>receiving, <protect_function>unprotect

    def close(self):
        self.c.session = self.c.receiving = NULL
        self._keep = None
        self.aim(None)

    def aim(self, address):
        cdef Box box = None if address is None else self.outbox.box(address)
        if box is self._box:
            return
        if self._box is not None:
            self._box.users -= 1
        if box is not None:
            box.users += 1
        self._box = box
        self.c.box = NULL if box is None else &box.c

    cdef bint answered(self, const datagram *one, double now) except -1:
        """Give a STUN message from where the link aims to `on_stun`; whether it had an answer."""
        if self.on_stun is None or self._box is None or one.sender_size != self._box.c.address_size:
            return False
        if memcmp(&one.sender, &self._box.c.address, one.sender_size) != 0:
            return False
        answer = self.on_stun((<char *>one.data)[:one.size], self._box.address, now)
        if answer is None:
            return False
        self.outbox.queue(answer, self._box.address)
        return True

    def __dealloc__(self):
        if self._box is not None:
            self._box.users -= 1

    def lend(self, double[::1] times, unsigned int[::1] entries):
        assert len(times) == len(entries) and len(times) & (len(times) - 1) == 0
        self._times, self._entries = times, entries
        self.c.times, self.c.entries = &times[0], <uint32_t *>&entries[0]
        self.c.ring_mask = len(times) - 1

    def send_rtp(self, bytes template not None, unsigned int seq16, uint32_t timestamp, uint32_t ssrc,
                 size_t stamp_at=0, unsigned int stamp=0, size_t patch_at=0, bytes patch=b""):
        cdef changes what
        if not self.ready:
            return False
        what.seq16, what.timestamp, what.ssrc, what.marker = <uint16_t>seq16, timestamp, ssrc, 0
        what.stamp_at, what.stamp = stamp_at, <uint16_t>stamp
        what.patch_at, what.patch, what.patch_size = patch_at, <const unsigned char *>patch, len(patch)
        if not link_send(&self.c, <const unsigned char *>template, len(template), &what):
            self.c.not_sent += 1
            return False
        self.outbox.waiting()
        return True

    @property
    def clogged(self): return bool(self.c.clogged)
    @clogged.setter
    def clogged(self, bint value): self.c.clogged = value

    @property
    def paced(self): return bool(self.c.paced)
    @paced.setter
    def paced(self, bint value): self.c.paced = value

    @property
    def free_at(self): return self.c.free_at
    @free_at.setter
    def free_at(self, double value): self.c.free_at = value

    @property
    def per_byte(self): return self.c.per_byte
    @per_byte.setter
    def per_byte(self, double value): self.c.per_byte = value

    @property
    def waiting(self): return self.c.waiting
    @waiting.setter
    def waiting(self, int64_t value): self.c.waiting = value

    @property
    def admitted(self): return self.c.admitted
    @admitted.setter
    def admitted(self, int64_t value): self.c.admitted = value

    @property
    def next(self): return self.c.next
    @next.setter
    def next(self, int64_t value): self.c.next = value

    @property
    def packets_out(self): return self.c.packets
    @property
    def bytes_out(self): return self.c.bytes
    @property
    def not_sent(self): return self.c.not_sent
    @property
    def packets_in(self): return self.c.packets_in
    @property
    def bytes_in(self): return self.c.bytes_in
    @property
    def rejected(self): return self.c.rejected
