# The twin of `sfu.flow.history.History`, rule by rule.

cdef enum:
    HISTORY_RESTART = 3000

cdef int64_t HISTORY_EMPTY = -(<int64_t>1 << 62)


cdef class History:
    cdef int64_t _highest, _tail, _held, _max_bytes, _mask
    cdef double _max_age, _trim_at
    cdef int64_t *_seqs
    cdef double *_times
    cdef list _packets  # made, as the other two, when first needed

    def __cinit__(self, int max_packets=1024, double max_age=2.0, int64_t max_bytes=2 << 20):
        assert max_packets > 0
        self._mask = (1 << (max_packets - 1).bit_length()) - 1
        self._max_age, self._max_bytes = max_age, max_bytes
        self._highest = self._tail = HISTORY_EMPTY

    def __dealloc__(self):
        PyMem_Free(self._seqs)
        PyMem_Free(self._times)

    @property
    def bytes_held(self):
        return self._held

    cpdef bint add(self, int64_t seq, bytes packet, double now) except -1:
        cdef Py_ssize_t slot = seq & self._mask
        if self._packets is None:
            self._make()
        if seq == self._highest + 1:
            self._highest = seq
            if seq - self._tail > self._mask:
                self._tail += 1
                self._held -= len(<bytes>self._packets[slot])
        elif seq > self._highest:
            self._skip_to(seq, now)
        elif seq < self._tail:
            if self._highest - seq <= HISTORY_RESTART:
                return False
            self._begin(seq, now)
        elif self._seqs[slot] == seq:
            return False
        self._seqs[slot] = seq
        self._packets[slot] = packet
        self._times[slot] = now
        self._held += len(packet)
        if self._held > self._max_bytes or now >= self._trim_at:
            self.drop_older(now)
        return True

    def get(self, int64_t seq, double now):
        cdef Py_ssize_t slot = seq & self._mask
        if self._packets is None or self._seqs[slot] != seq or now - self._times[slot] > self._max_age:
            return None
        return self._packets[slot]

    def added_at(self, int64_t seq):
        return 0.0 if self._packets is None else self._times[seq & self._mask]

    cpdef drop_older(self, double now):
        cdef double oldest = now - self._max_age
        self._trim_at = now + self._max_age / 8
        if self._packets is None:
            return
        while self._tail <= self._highest and (
            self._held > self._max_bytes or self._times[self._tail & self._mask] < oldest
        ):
            self._drop_tail()

    cdef int _make(self) except -1:
        cdef size_t size = <size_t>(self._mask + 1)
        cdef size_t number
        if self._seqs == NULL:
            self._seqs = <int64_t *>PyMem_Calloc(size, sizeof(int64_t))
        if self._times == NULL:
            self._times = <double *>PyMem_Calloc(size, sizeof(double))
        if self._seqs == NULL or self._times == NULL:
            raise MemoryError
        for number in range(size):
            self._seqs[number] = HISTORY_EMPTY
        self._packets = [b""] * <Py_ssize_t>size
        return 0

    cdef int _skip_to(self, int64_t seq, double now) except -1:
        cdef int64_t missing
        if seq - self._highest > self._mask:
            return self._begin(seq, now)
        while seq - self._tail > self._mask:
            self._drop_tail()
        for missing in range(self._highest + 1, seq):
            self._times[missing & self._mask] = now
        self._highest = seq
        return 0

    cdef int _begin(self, int64_t seq, double now) except -1:
        cdef int64_t slot
        self._packets = [b""] * <Py_ssize_t>(self._mask + 1)
        for slot in range(self._mask + 1):
            self._seqs[slot] = HISTORY_EMPTY
            self._times[slot] = now
        self._held = 0
        self._highest = seq
        self._tail = seq - self._mask
        return 0

    cdef int _drop_tail(self) except -1:
        cdef Py_ssize_t slot = self._tail & self._mask
        self._held -= len(<bytes>self._packets[slot])
        self._seqs[slot] = HISTORY_EMPTY
        self._packets[slot] = b""
        self._tail += 1
        return 0
