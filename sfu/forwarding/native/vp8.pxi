# vp8.h: the twin of `sfu.flow.layers.vp8.Vp8Reader`, whose layers are objects only where Python asks for them.

cdef object vp8_object(const vp8_layer *layer, bint key_frame):
    return Vp8Layer(layer.key, layer.picture, 0, layer.temporal, key_frame, bool(layer.sync), layer.bits,
                    layer.tl0_index)


cdef class Vp8LayerReader:
    cdef vp8_reader c
    cdef unsigned char _descriptor[6]  # read last, the first byte left out
    cdef bint _key_frame
    cdef object _layer
    cdef object _without

    def __cinit__(self, without):
        memset(&self.c, 0, sizeof(self.c))
        self._without = without

    @property
    def sizes(self):
        return self._without.sizes if self._without is not None else ()

    cdef object layer(self):
        if self._layer is None:
            self._layer = vp8_object(&self.c.layer, self._key_frame)
        return self._layer

    cdef bint same(self, const unsigned char *payload, size_t size):
        """Whether a payload is of the layer that was read last."""
        cdef size_t described = self.c.described
        return (
            described != 0 and size >= described and payload[0] & 0x80
            and memcmp(payload + 1, self._descriptor, described - 1) == 0
        )

    cdef bint look(self, const unsigned char *payload, size_t size, uint32_t timestamp, bint key_frame):
        """Whether the payload's descriptor could be read."""
        if not vp8_read(&self.c, payload, size, timestamp):
            return False
        memcpy(self._descriptor, payload + 1, self.c.described - 1)
        self._key_frame, self._layer = key_frame, None
        return True

    def read(self, view, bint key_frame=False):
        cdef bytes packet = view.packet
        cdef size_t start = view.payload_start, end = view.payload_end
        cdef const unsigned char *payload = <const unsigned char *>packet + start
        if end > <size_t>len(packet) or start > end:
            raise ValueError("a view of another packet")
        if self.same(payload, end - start) or self.look(payload, end - start, view.timestamp, key_frame):
            return self.layer()
        return self._without.read(view, key_frame) if self._without is not None else None
