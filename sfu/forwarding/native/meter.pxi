# meter.h as a Python object.

cdef class Meter:
    """The twin of `sfu.flow.rate.RateMeter`."""

    cdef meter c

    def __cinit__(self, double window=1.0):
        assert window > 0
        meter_init(&self.c, window)

    @property
    def total_bytes(self):
        return self.c.total_bytes

    @property
    def total_packets(self):
        return self.c.total_packets

    def add(self, int64_t size, double now):
        meter_add(&self.c, size, now)

    cdef int _oldest(self, double now):
        if now >= self.c.end:
            meter_roll(&self.c, now)
        return (self.c.newest + 1) % (METER_BUCKETS + 1)

    def bytes(self, double now):
        cdef int oldest = self._oldest(now)
        return self.c.total_bytes - self.c.byte_marks[oldest]

    def packets(self, double now):
        cdef int oldest = self._oldest(now)
        return self.c.total_packets - self.c.packet_marks[oldest]

    def bps(self, double now):
        return round(self.bytes(now) * 8 / self._span(now))

    cdef object _span(self, double now):
        return now - self.c.end + (METER_BUCKETS + 1) * self.c.step
