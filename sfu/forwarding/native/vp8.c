#include "vp8.h"

/* As in sfu/flow/layers/layer.py. */
#define STEP_BACK 900000u

static int64_t unwrap(struct vp8_reader *reader, int64_t raw, int bits, uint32_t timestamp)
{
    const int64_t cycle = (int64_t)1 << bits;

    if (!reader->started) {
        reader->started = 1;
        reader->highest = raw;
        reader->timestamp = timestamp;
        return raw;
    }
    int64_t ahead = (raw - reader->highest) & (cycle - 1);
    const uint32_t age = reader->timestamp - timestamp;
    if (age == 0) {
        if (ahead >= cycle / 2)
            ahead -= cycle;
    } else if (age <= STEP_BACK) {
        return reader->highest + (ahead ? ahead - cycle : 0);
    } else if (ahead == 0) {
        ahead = cycle;
    }
    if (ahead <= 0)
        return reader->highest + ahead;
    reader->highest += ahead;
    reader->timestamp = timestamp;
    return reader->highest;
}

int vp8_read(struct vp8_reader *reader, const unsigned char *payload, size_t size, uint32_t timestamp)
{
    if (size < 3 || !(payload[0] & 0x80) || !(payload[1] & 0x80)) /* X, I */
        return 0;
    const unsigned present = payload[1]; /* I L T K */
    size_t position = 2;
    int64_t picture = payload[position];
    int bits = 7;
    if (picture & 0x80) {
        if (size < 4)
            return 0;
        picture = (picture & 0x7F) << 8 | payload[++position];
        bits = 15;
    }
    position++;
    if (position + ((present & 0x40) != 0) + ((present & 0x30) != 0) > size)
        return 0;
    struct vp8_layer *layer = &reader->layer;
    layer->tl0_index = present & 0x40 ? payload[position++] : -1;
    layer->temporal = layer->sync = 0;
    if (present & 0x30) {
        const unsigned last = payload[position++];
        if (present & 0x20) {
            layer->temporal = (int)(last >> 6);
            layer->sync = (last & 0x20) != 0;
        }
    }
    layer->bits = bits;
    layer->picture = unwrap(reader, picture, bits, timestamp);
    layer->key = layer->picture * 4 | (bits == 15) << 1 | (layer->tl0_index >= 0);
    reader->described = position;
    return 1;
}
