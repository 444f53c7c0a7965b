/* One stream to one subscriber, as far as plain packets need it: the numbers of sfu/forwarding/stream.py.
 *
 * A plain packet is a new one (its number is above all before), of a picture that is decided on, and may leave at
 * once. Python does all others, and owns the rules; it reads and writes these fields in place.
 */

#ifndef SFU_LEG_H
#define SFU_LEG_H

#include "link.h"
#include "meter.h"

/* Decisions about layers that are kept: six of a picture with three spatial layers, and some of the one before. */
#define LEG_DECISIONS 8
#define LEG_PATCH_MAX 8

/* The packets of one layer of one picture are forwarded, with these bytes overwritten: sfu/flow/layers. */
struct decision {
    int64_t key;
    uint32_t offset;
    uint8_t marker, used, size;
    unsigned char data[LEG_PATCH_MAX];
};

struct leg {
    struct link *link;
    uint32_t ssrc;
    int slow;               /* its packets leave at a rate */
    int64_t high, offset;   /* sfu/flow/renumber.py */
    uint32_t timestamp, timestamp_offset;
    uint32_t anchor;        /* the timestamp that left at `anchor_at`; NAN: none has */
    double anchor_at, observe_at; /* and when the next such pair is noted */
    int64_t whole_until;    /* up to this number packets pass as they are, whatever their layer */
    struct decision decisions[LEG_DECISIONS];
    unsigned next_decision;
    int64_t octets;
    struct meter *forwarded; /* packets and bytes, from which retransmissions are budgeted */
};

/* As in sfu/forwarding/stream.py: seconds between two pairs of timestamp and time. */
#define LEG_OBSERVE 1.0

/* One packet of an encoding, translated to the profile of its legs. */
struct packet {
    const unsigned char *template;
    size_t size, payload_size;
    int64_t seq;
    uint32_t timestamp;
    size_t stamp_at, patch_at; /* 0 = none */
    int layered;
    int64_t layer_key;
    double now;
};

/* One with more bytes than there is room for is left to Python. */
void leg_remember(struct leg *leg, const struct decision *decision);
void leg_forget(struct leg *leg);

/* Send the packet on if it is plain; 0 if Python is to, and then nothing has changed. */
int leg_send(struct leg *leg, const struct packet *packet);

/* Send it on to the legs from `from` on; the first one for which it is not plain, or `count`. */
size_t legs_send(struct leg *const *legs, size_t from, size_t count, const struct packet *packet);

#endif
