/* Layers of VP8: the twin of what sfu/flow/layers/vp8.py reads (RFC 7741 4.2). Every read is within the payload. */

#ifndef SFU_VP8_H
#define SFU_VP8_H

#include <stddef.h>
#include <stdint.h>

struct vp8_layer {
    int64_t key, picture;
    int temporal, sync, bits, tl0_index; /* -1 = not there */
};

struct vp8_reader {
    int started; /* numbers of pictures, unwrapped */
    int64_t highest;
    uint32_t timestamp;
    struct vp8_layer layer; /* read last */
    size_t described;       /* bytes of its descriptor */
};

/* Read the descriptor of a payload; 0 if it has no picture id or is cut off. */
int vp8_read(struct vp8_reader *reader, const unsigned char *payload, size_t size, uint32_t timestamp);

#endif
