# What C reads of packets, for those who compare it with what Python reads.

def parse(bytes packet not None):
    cdef rtp view
    cdef element one
    cdef size_t position
    if not rtp_parse(<const unsigned char *>packet, <size_t>len(packet), &view):
        return None
    elements = []
    position = view.extension_start
    while rtp_next_element(<const unsigned char *>packet, &view, &position, &one):
        elements.append((one.id, one.start, one.start + one.size))
    return (bool(view.marker), view.payload_type, view.seq16, view.timestamp, view.ssrc, view.extension_profile,
            view.extension_start, view.extension_end, view.payload_start, view.payload_end), elements


def may_begin_key_frame(codec, bytes payload not None):
    assert len(payload) > 0
    return bool(track_may_begin(CODECS.get(codec, CODEC_OTHER), <const unsigned char *>payload, <size_t>len(payload)))
