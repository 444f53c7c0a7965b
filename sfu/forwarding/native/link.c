#include "link.h"

#include <string.h>

/* What srtp_protect may append: tag (16) and MKI (128). */
#define TRAILER (16 + 128)
/* sfu/flow/pacing.py: what may leave at once, in seconds at the rate. */
#define WINDOW 0.005

int link_send(struct link *link, const unsigned char *template, size_t size, const struct changes *changes)
{
    if (link->session == NULL || link->box == NULL || size < 12 || size > PACKET_MAX)
        return 0;
    if (changes->stamp_at > size - 2 || changes->patch_at > size || changes->patch_size > size - changes->patch_at)
        return 0;
    unsigned char *packet = outbox_reserve(link->outbox, size + TRAILER);
    if (packet == NULL)
        return 0;
    memcpy(packet, template, size);
    if (changes->marker)
        packet[1] |= 0x80;
    put16(packet + 2, changes->seq16);
    put32(packet + 4, changes->timestamp);
    put32(packet + 8, changes->ssrc);
    if (changes->stamp_at != 0)
        put16(packet + changes->stamp_at, changes->stamp);
    if (changes->patch_size != 0)
        memcpy(packet + changes->patch_at, changes->patch, changes->patch_size);
    int protected = (int)size;
    if (link->protect(link->session, packet, &protected) != 0)
        return 0;
    outbox_commit(link->outbox, link->box, (size_t)protected);
    link->packets += 1;
    link->bytes += (uint64_t)protected;
    return 1;
}

int link_open(struct link *link, unsigned char *packet, size_t size)
{
    int opened = (int)size;

    link->packets_in += 1;
    link->bytes_in += size;
    if (link->unprotect(link->receiving, packet, &opened) == 0)
        return opened;
    link->rejected += 1;
    return -1;
}

int link_admits(const struct link *link, double now)
{
    return link->waiting == 0 && link->free_at < now + WINDOW;
}

void link_spend(struct link *link, size_t size, double now)
{
    double free_at = link->free_at < now ? now : link->free_at;

    link->free_at = free_at + (double)size * link->per_byte;
}

void link_admitted(struct link *link, size_t size, double now)
{
    link_spend(link, size, now);
    link->admitted += 1;
}

void link_stamped(struct link *link, size_t size, double now)
{
    int64_t place = link->next & link->ring_mask;

    link->times[place] = now;
    link->entries[place] = (uint32_t)size;
    link->next += 1;
}
