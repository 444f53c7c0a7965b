/* One connection's way out: where to, under which keys, and at which pace.
 *
 * The numbers that Python's Pacer and SentPackets keep for this connection live here, so that a packet can leave
 * without them; they read and write them in place. Knows nothing of what streams hold.
 */

#ifndef SFU_LINK_H
#define SFU_LINK_H

#include "outbox.h"
#include "template.h"

/* libsrtp's srtp_protect: encrypts in place and adds the tag; 0 = done. And srtp_unprotect, which undoes it. */
typedef int (*protect_function)(void *session, void *packet, int *size);

struct link {
    struct outbox *outbox;
    struct box *box;          /* NULL until there is an address */
    void *session;            /* NULL before the handshake and after the end */
    protect_function protect;
    void *receiving;          /* as `session`, for packets that come */
    protect_function unprotect;

    int clogged;              /* so much waits that frames are cut off */
    int paced;                /* whether there is a pace: sfu/forwarding/egress.py */
    double free_at, per_byte; /* sfu/flow/pacing.py */
    int64_t waiting, admitted;

    int64_t next;             /* transport-wide number, unwrapped: sfu/flow/bandwidth/sent.py */
    double *times;            /* rings of when each was sent, and its size; NULL until first needed */
    uint32_t *entries;
    int64_t ring_mask;

    uint64_t packets, bytes;  /* protected and queued */
    uint64_t not_sent;
    uint64_t packets_in, bytes_in, rejected;
};

/* What is written into a copy of the template as it leaves. */
struct changes {
    uint16_t seq16;
    uint32_t timestamp, ssrc;
    int marker;         /* set it */
    size_t stamp_at;    /* 0 = none */
    uint16_t stamp;
    size_t patch_at;
    const unsigned char *patch;
    size_t patch_size;  /* 0 = none */
};

/* Protect a changed copy of the template and queue it; 0 if it can't be, and then nothing has changed. Templates above
 * PACKET_MAX are refused. */
int link_send(struct link *link, const unsigned char *template, size_t size, const struct changes *changes);

/* Decrypt a packet of `size` bytes in place; the size of what is left, or -1 if it is not authentic or came before. */
int link_open(struct link *link, unsigned char *packet, size_t size);

/* Whether a packet may leave at once by the pace; nothing is counted yet. */
int link_admits(const struct link *link, double now);

/* A packet has left at the pace: count it. */
void link_admitted(struct link *link, size_t size, double now);

/* A packet has left that never waits: what does waits the longer for it. */
void link_spend(struct link *link, size_t size, double now);

/* Note a packet under the next transport-wide number. The rings must be there. */
void link_stamped(struct link *link, size_t size, double now);

#endif
