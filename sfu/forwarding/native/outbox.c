#define _GNU_SOURCE
#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* A frame of 9 packets to 700 subscribers. Beyond that it is sent in parts. */
#define ARENA_MAX (8u << 20)
#define ARENA_FIRST (64u << 10)
#define ENTRIES_FIRST 64u
#define ALIGNED(size) (((size) + 15) & ~(size_t)15)

/* As in sfu/transport/udp.py: UDP_MAX_SEGMENTS of older kernels, and what fits into one IP datagram. */
#define RUN_PACKETS 64
#define RUN_BYTES 65000

#define BATCH_MESSAGES 64
#define BATCH_PIECES 1024

/* What one sendmmsg takes. A message is a run: packets of equal size, but the last may be shorter. */
struct batch {
    unsigned messages, pieces;
    struct mmsghdr message[BATCH_MESSAGES];
    struct iovec piece[BATCH_PIECES];
    union {
        char space[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control[BATCH_MESSAGES];
};

void outbox_init(struct outbox *outbox, int fd, int gso)
{
    memset(outbox, 0, sizeof *outbox);
    outbox->fd = fd;
    outbox->gso = gso;
}

void outbox_free(struct outbox *outbox)
{
    free(outbox->arena);
    free(outbox->entries);
    memset(outbox, 0, sizeof *outbox);
    outbox->fd = -1;
}

static int grow_arena(struct outbox *outbox, size_t needed)
{
    size_t room = outbox->room ? outbox->room : ARENA_FIRST;

    while (room < needed)
        room *= 2;
    void *arena = realloc(outbox->arena, room);
    if (arena == NULL)
        return 0;
    outbox->arena = arena;
    outbox->room = room;
    return 1;
}

static int grow_entries(struct outbox *outbox)
{
    uint32_t room = outbox->entry_room ? outbox->entry_room * 2 : ENTRIES_FIRST;
    void *entries = realloc(outbox->entries, room * sizeof *outbox->entries);

    if (entries == NULL)
        return 0;
    outbox->entries = entries;
    outbox->entry_room = room;
    return 1;
}

unsigned char *outbox_reserve(struct outbox *outbox, size_t size)
{
    if (size > ARENA_FIRST)
        return NULL;
    if (outbox->used + size > ARENA_MAX)
        outbox_flush(outbox);
    if (outbox->used + size > outbox->room && !grow_arena(outbox, outbox->used + size))
        return NULL;
    if (outbox->count == outbox->entry_room && !grow_entries(outbox))
        return NULL;
    return outbox->arena + outbox->used;
}

void outbox_commit(struct outbox *outbox, struct box *box, size_t size)
{
    outbox->entries[outbox->count] = (struct entry){(uint32_t)outbox->used, (uint32_t)size, 0};
    outbox->used += ALIGNED(size);
    uint32_t place = ++outbox->count;

    if (box->first != 0) {
        outbox->entries[box->last - 1].next = place;
        box->last = place;
        return;
    }
    box->first = box->last = place;
    box->next = NULL;
    if (outbox->last != NULL)
        outbox->last->next = box;
    else
        outbox->first = box;
    outbox->last = box;
}

void outbox_clear(struct outbox *outbox)
{
    for (struct box *box = outbox->first; box != NULL; box = box->next)
        box->first = box->last = 0;
    outbox->first = outbox->last = NULL;
    outbox->used = 0;
    outbox->count = 0;
}

/* -- sending ------------------------------------------------------------------------------------------------ */

static void count_sent(struct outbox *outbox, const struct msghdr *header)
{
    outbox->counts.sends += 1;
    outbox->counts.datagrams += header->msg_iovlen;
    for (size_t i = 0; i < header->msg_iovlen; i++)
        outbox->counts.bytes += header->msg_iov[i].iov_len;
}

static void count_failed(struct outbox *outbox, const struct msghdr *header, int error)
{
    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS)
        outbox->counts.buffer_full += header->msg_iovlen;
    else
        outbox->counts.unreachable += header->msg_iovlen;
}

static void send_singly(struct outbox *outbox, const struct msghdr *run)
{
    struct msghdr one = {.msg_name = run->msg_name, .msg_namelen = run->msg_namelen, .msg_iovlen = 1};

    for (size_t i = 0; i < run->msg_iovlen; i++) {
        one.msg_iov = &run->msg_iov[i];
        ssize_t sent;
        do
            sent = sendmsg(outbox->fd, &one, 0);
        while (sent < 0 && errno == EINTR);
        if (sent < 0)
            count_failed(outbox, &one, errno);
        else
            count_sent(outbox, &one);
    }
}

/* sendmmsg stops at the first message that fails, and says why only if it is the first of the call. */
static void send_batch(struct outbox *outbox, struct batch *batch)
{
    unsigned done = 0;

    while (done < batch->messages) {
        int sent = sendmmsg(outbox->fd, &batch->message[done], batch->messages - done, 0);
        if (sent >= 0) {
            for (int i = 0; i < sent; i++)
                count_sent(outbox, &batch->message[done + (unsigned)i].msg_hdr);
            done += (unsigned)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        const struct msghdr *failed = &batch->message[done++].msg_hdr;
        /* The route's device can't segment, or the MTU is smaller than a packet. */
        if (failed->msg_iovlen > 1 && (errno == EIO || errno == EINVAL || errno == EMSGSIZE))
            send_singly(outbox, failed);
        else
            count_failed(outbox, failed, errno);
    }
    batch->messages = batch->pieces = 0;
}

static void ask_for_segments(struct msghdr *header, char *control, size_t space, uint16_t size)
{
    memset(control, 0, space);
    header->msg_control = control;
    header->msg_controllen = space;
    struct cmsghdr *message = CMSG_FIRSTHDR(header);
    message->cmsg_level = SOL_UDP;
    message->cmsg_type = UDP_SEGMENT;
    message->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(message), &size, sizeof size);
}

/* Add the packets of a box from `place` on that fit one message; the place after them. */
static uint32_t add_run(struct outbox *outbox, struct batch *batch, struct box *box, uint32_t place)
{
    unsigned number = batch->messages++;
    struct msghdr *header = &batch->message[number].msg_hdr;
    struct iovec *first = &batch->piece[batch->pieces];
    const size_t size = outbox->entries[place - 1].size;
    const size_t most = outbox->gso ? RUN_PACKETS : 1;
    size_t total = 0, count = 0;

    while (place != 0 && count < most) {
        const struct entry *entry = &outbox->entries[place - 1];
        if (count > 0 && (entry->size > size || total + entry->size > RUN_BYTES))
            break;
        first[count++] = (struct iovec){outbox->arena + entry->at, entry->size};
        total += entry->size;
        place = entry->next;
        if (entry->size < size)
            break;
    }
    batch->pieces += (unsigned)count;
    memset(header, 0, sizeof *header);
    header->msg_name = &box->address;
    header->msg_namelen = box->address_size;
    header->msg_iov = first;
    header->msg_iovlen = count;
    if (count > 1)
        ask_for_segments(header, batch->control[number].space, sizeof batch->control[number].space, (uint16_t)size);
    return place;
}

void outbox_flush(struct outbox *outbox)
{
    struct batch batch;

    batch.messages = batch.pieces = 0;
    for (struct box *box = outbox->fd >= 0 ? outbox->first : NULL; box != NULL; box = box->next) {
        for (uint32_t place = box->first; place != 0;) {
            place = add_run(outbox, &batch, box, place);
            if (batch.messages == BATCH_MESSAGES || batch.pieces + RUN_PACKETS > BATCH_PIECES)
                send_batch(outbox, &batch);
        }
    }
    send_batch(outbox, &batch);
    outbox_clear(outbox);
}
