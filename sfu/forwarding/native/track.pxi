# track.h: one encoding, and what becomes of its plain packets.

CODECS = {None: CODEC_NONE, "vp8": CODEC_VP8, "vp9": CODEC_VP9, "h264": CODEC_H264, "av1": CODEC_AV1}


cdef class Way:
    """The slots of one profile, and how packets become theirs; `translation` is the Python one."""

    cdef translation c
    cdef bint writes  # else Python does
    cdef object translation
    cdef Fan fan
    cdef template last

    def __cinit__(self, translation, Fan fan not None):
        self.translation, self.fan = translation, fan
        payload_type, stamp_id, send_time_id, descriptor_id, in_descriptor, copies = translation.rules()
        self.writes = max([stamp_id, send_time_id, descriptor_id] + list(copies) + list(copies.values())) < 256
        if not self.writes:
            return
        memset(&self.c, 0, sizeof(self.c))
        self.c.payload_type, self.c.stamp_id, self.c.send_time_id = payload_type, stamp_id, send_time_id
        self.c.descriptor_id, self.c.in_descriptor = descriptor_id, in_descriptor
        self.c.copying = bool(copies)
        for id_in, id_out in copies.items():
            self.c.copies[<size_t>id_in] = id_out

    cdef bytes told(self):
        """The template made last, with what Python notes of it."""
        translation = self.translation
        translation.stamp_at, translation.send_time_at = self.last.stamp_at, self.last.send_time_at
        translation.descriptor_at, translation.patch_at = self.last.descriptor_at, self.last.patch_at
        return (<char *>self.last.bytes)[:self.last.size]

    cdef int forward(self, packet *one, const unsigned char *data, const rtp *view, uint32_t send_time, bytes whole,
                     layer, Track track) except -1:
        cdef bytes made = None
        if self.writes and template_write(&self.c, data, view, send_time, &self.last):
            one.template, one.size = self.last.bytes, self.last.size
            one.stamp_at, one.patch_at = self.last.stamp_at, self.last.patch_at
        else:
            translation = self.translation
            made = translation.template(parse_rtp(whole), abs_send_time(one.now))
            one.template, one.size = <const unsigned char *>made, len(made)
            one.stamp_at, one.patch_at = translation.stamp_at, translation.patch_at
        return self.fan._send(one, made, layer, self, track)


cdef class Track:
    """The numbers of one `Encoding`. What it is asked beside: `history`, `reader` (of layers), `encoding` itself."""

    cdef c_track c
    cdef readonly Meter rate
    cdef public History history
    cdef object encoding
    cdef object _reader
    cdef Vp8LayerReader _vp8  # the same, if it is that
    cdef object _layer     # read last, as described
    cdef int64_t _key
    cdef Py_ssize_t _place # of it, in rates
    cdef tuple _ways
    cdef bint _led         # to all slots
    cdef bint _fresh       # the layer of the last plain packet was read from it
    cdef bint _some_last
    cdef int64_t _last_picture
    cdef object _last      # None: it is the one below
    cdef vp8_layer _last_vp8

    def __cinit__(self, encoding):
        track_init(&self.c)
        self.encoding = encoding
        self.rate = Meter()
        self._ways = ()

    # -- what Python tells -----------------------------------------------------------------------------------

    def lead(self, ways):
        """To these (translation, slots, fan) its packets go."""
        self._ways = tuple([Way(translation, fan) for translation, _, fan in ways if fan is not None])
        self._led = len(self._ways) == len(ways)
        self.c.ready = self.c.ready and self._led

    def read(self, codec, reader):
        """What its packets are: `codec` is its name, None if it has no key frames."""
        self.c.codec = CODECS.get(codec, CODEC_OTHER)
        self._reader = reader
        self._vp8 = reader if isinstance(reader, Vp8LayerReader) else None
        self.c.described = 0
        self._layer = None
        self.c.ready = 0

    def expect(self, uint32_t ssrc, uint8_t payload_type):
        """Packets like these are taken."""
        self.c.ssrc, self.c.payload_type, self.c.ready = ssrc, payload_type, self._led
        self._describe()

    def stop(self):
        """Python is to see the next packet."""
        self.c.ready = 0

    cdef int _describe(self) except -1:
        cdef bytes descriptor
        last = getattr(self._reader, "last", None)
        if last is None:
            self.c.described = 0
            return 0
        descriptor, mask, layer = last
        if layer is self._layer and self.c.described:
            return 0
        self.c.described = 0
        if 0 < len(descriptor) <= TRACK_DESCRIPTOR_MAX:
            self.c.flags, self.c.mask = descriptor[0], mask
            memcpy(self.c.descriptor, <const unsigned char *>descriptor + 1, <size_t>len(descriptor) - 1)
            self.c.described = len(descriptor)
            self._note(layer)
        return 0

    cdef int _note(self, layer) except -1:
        self._layer, self._key = layer, layer.key
        self._place = (layer.spatial & 7) << 3 | layer.temporal & 7
        return 0

    # -- packets ---------------------------------------------------------------------------------------------

    cdef int forward(self, const unsigned char *data, size_t size, const rtp *view, bytes whole, int64_t seq,
                     double now) except -1:
        """What `Encoding.receive` does with a plain packet, `whole`."""
        cdef packet one
        cdef Way way
        cdef uint32_t send_time = <uint32_t>(<int64_t>(now * 262144.0) & 0xFFFFFF)
        track_unwrap(&self.c, view.seq16)
        track_arrive(&self.c, seq, view.timestamp, now)
        self.c.last_at = now
        self.c.frames += view.marker
        meter_add(&self.rate.c, <int64_t>size, now)
        self.history.add(seq, whole, now)
        self.c.newest = seq
        one.layered = 0
        layer = self._find_layer(data, view, whole, &one) if self._reader is not None else None
        if self.c.codec != CODEC_NONE:
            if now >= self.c.layers_at:
                self.encoding.quality.rates.roll(now)
            self.c.layer_bytes[self._place if one.layered else 0] += <int64_t>size
        one.seq, one.timestamp, one.now = seq, view.timestamp, now
        one.payload_size = view.payload_end - view.payload_start
        for way in self._ways:
            way.forward(&one, data, view, send_time, whole, layer, self)
        if self._fresh:
            self._keep_last(layer)
        if self.c.waiting:  # some were left behind with this very packet
            self.encoding.go_on(whole, seq, self.layer() if one.layered and layer is None else layer, now)
        if now >= self.c.look_at:
            self.c.look_at = now + TRACK_LOOK
        return 0

    cdef object _find_layer(self, const unsigned char *data, const rtp *view, bytes whole, packet *one):
        """Note the layer in `one`; it as an object, if there is one already."""
        cdef const unsigned char *payload = data + view.payload_start
        cdef size_t size = view.payload_end - view.payload_start
        cdef Vp8LayerReader vp8 = self._vp8
        self._fresh = False
        if vp8 is not None:
            if not vp8.same(payload, size):
                self._fresh = vp8.look(payload, size, view.timestamp, False)
                if not self._fresh:
                    return self._read_layer(whole, one)
            one.layered, one.layer_key = 1, vp8.c.layer.key
            self._place = vp8.c.layer.temporal
            return None
        if not track_same_layer(&self.c, data, view):
            return self._read_layer(whole, one)
        one.layered, one.layer_key = 1, self._key
        return self._layer

    cdef object _read_layer(self, bytes whole, packet *one):
        layer = self._reader.read(parse_rtp(whole))
        if layer is not None:
            self._fresh = True
            self.c.described = 0
            self._note(layer)
            self._describe()
            one.layered, one.layer_key = 1, layer.key
        return layer

    cdef object layer(self):
        """That of the packet which is being forwarded."""
        return self._vp8.layer()

    # -- the layer of the newest picture that was forwarded, as an object when it is asked for ------------------

    cdef int _keep_last(self, layer) except -1:
        cdef int64_t picture = self._vp8.c.layer.picture if layer is None else layer.picture
        if self._some_last and picture < self._last_picture:
            return 0
        self._some_last, self._last_picture, self._last = True, picture, layer
        if layer is None:
            self._last_vp8 = self._vp8.c.layer
        return 0

    @property
    def last_layer(self):
        if self._last is None and self._some_last:
            self._last = vp8_object(&self._last_vp8, False)
        return self._last
    @last_layer.setter
    def last_layer(self, layer):
        self._last, self._some_last = layer, layer is not None
        if layer is not None:
            self._last_picture = layer.picture

    @property
    def watched(self): return bool(self.c.watched)
    @watched.setter
    def watched(self, bint value): self.c.watched = value

    def arrive(self, int64_t seq, uint32_t timestamp, double now):
        return bool(track_arrive(&self.c, seq, timestamp, now))

    def unwrap(self, uint16_t seq16):
        return track_unwrap(&self.c, seq16)

    def count_layer(self, int place, int64_t size):
        self.c.layer_bytes[place & (TRACK_LAYERS - 1)] += size

    @property
    def layer_bytes(self):
        return [self.c.layer_bytes[<size_t>place] for place in range(TRACK_LAYERS)]
    @layer_bytes.setter
    def layer_bytes(self, values):
        for place, value in enumerate(values[:TRACK_LAYERS]):
            self.c.layer_bytes[<size_t>place] = value

    @property
    def waiting(self): return bool(self.c.waiting)
    @waiting.setter
    def waiting(self, bint value): self.c.waiting = value

    @property
    def highest(self): return self.c.highest
    @highest.setter
    def highest(self, int64_t value): self.c.highest = value

    @property
    def packets(self): return self.c.packets
    @packets.setter
    def packets(self, int64_t value): self.c.packets = value

    @property
    def received(self): return self.c.received
    @received.setter
    def received(self, int64_t value): self.c.received = value

    @property
    def timestamp(self): return self.c.timestamp
    @timestamp.setter
    def timestamp(self, uint32_t value): self.c.timestamp = value

    @property
    def arrived(self): return self.c.arrived
    @arrived.setter
    def arrived(self, double value): self.c.arrived = value

    @property
    def jitter(self): return self.c.jitter
    @jitter.setter
    def jitter(self, double value): self.c.jitter = value

    @property
    def clock_rate(self): return self.c.clock_rate
    @clock_rate.setter
    def clock_rate(self, double value): self.c.clock_rate = value

    @property
    def guarded(self): return bool(self.c.guarded)
    @guarded.setter
    def guarded(self, bint value): self.c.guarded = value

    @property
    def unwrapped(self): return self.c.unwrapped
    @unwrapped.setter
    def unwrapped(self, int64_t value): self.c.unwrapped = value

    @property
    def newest(self): return self.c.newest
    @newest.setter
    def newest(self, int64_t value): self.c.newest = value

    @property
    def frames(self): return self.c.frames
    @frames.setter
    def frames(self, int64_t value): self.c.frames = value

    @property
    def key_timestamp(self): return self.c.key_timestamp
    @key_timestamp.setter
    def key_timestamp(self, int64_t value): self.c.key_timestamp = value

    @property
    def last_at(self): return self.c.last_at
    @last_at.setter
    def last_at(self, double value): self.c.last_at = value

    @property
    def look_at(self): return self.c.look_at
    @look_at.setter
    def look_at(self, double value): self.c.look_at = value

    @property
    def layers_at(self): return self.c.layers_at
    @layers_at.setter
    def layers_at(self, double value): self.c.layers_at = value
