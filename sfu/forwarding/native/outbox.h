/* The sending side of a UDP port: packets wait here until the end of a wake-up, then leave in few system calls.
 *
 * Packets lie one after another in an arena; each destination (`box`) has a list of its own, so their order per
 * destination stays. Knows addresses and bytes; nothing of RTP. Used by one thread.
 */

#ifndef SFU_OUTBOX_H
#define SFU_OUTBOX_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* A destination. `first` and `last` are places in the list of entries, plus one; 0 while nothing waits for it. */
struct box {
    struct sockaddr_in6 address; /* or a sockaddr_in, by its family */
    socklen_t address_size;
    uint32_t first, last;
    struct box *next; /* that something waits for, in the order in which it came */
};

struct entry {
    uint32_t at, size; /* in the arena */
    uint32_t next;     /* of the same box, plus one; 0 = the last */
};

struct sent_counts {
    uint64_t datagrams, bytes, sends, buffer_full, unreachable;
};

struct outbox {
    int fd;  /* -1: what is queued goes nowhere */
    int gso; /* whether runs of equal size leave as one segmented send */
    unsigned char *arena;
    size_t used, room;
    struct entry *entries;
    uint32_t count, entry_room;
    struct box *first, *last;
    struct sent_counts counts;
};

void outbox_init(struct outbox *outbox, int fd, int gso);
void outbox_free(struct outbox *outbox);

/* Room for one packet of up to `size` bytes, 16-byte aligned; valid until the next call. NULL without memory.
 * When the bound is reached, what waits is sent first. */
unsigned char *outbox_reserve(struct outbox *outbox, size_t size);

/* The first `size` bytes of the room reserved last are a packet for `box`. */
void outbox_commit(struct outbox *outbox, struct box *box, size_t size);

/* Send all that waits. What can't be sent is counted and gone: loss is repaired by who misses it. */
void outbox_flush(struct outbox *outbox);

/* Forget all that waits. */
void outbox_clear(struct outbox *outbox);

#endif
