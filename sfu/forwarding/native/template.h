/* A packet as one profile wants it: the twin of sfu/forwarding/profile.py's Translation, for one-byte headers. */

#ifndef SFU_TEMPLATE_H
#define SFU_TEMPLATE_H

#include "rtp.h"

/* As sfu/transport/seam.py: what is longer is not sent. */
#define PACKET_MAX 2048

struct translation {
    uint8_t payload_type;
    uint8_t stamp_id, send_time_id; /* 0 = not written */
    uint8_t descriptor_id;          /* 0 = not copied */
    int in_descriptor;              /* patches count from the descriptor, not from the payload */
    int copying;                    /* anything at all */
    uint8_t copies[256];            /* id that comes -> id that leaves; 0 = not copied */
};

/* Offsets are 0 where there is no such thing. */
struct template {
    unsigned char bytes[PACKET_MAX];
    size_t size;
    size_t stamp_at, send_time_at, descriptor_at, patch_at;
};

/* With zero in place of number, timestamp and SSRC. `send_time` has 24 bits. 0 where one-byte headers don't do, or the
 * packet is too long: that is left to Python. */
int template_write(const struct translation *translation, const unsigned char *packet, const struct rtp *view,
                   uint32_t send_time, struct template *template);

#endif
