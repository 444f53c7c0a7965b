#define _GNU_SOURCE
#include "inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* What the kernel puts together is one IP datagram at most. The rest keeps places from sharing the lines of a cache. */
#define PLACE (65536u + 17 * 64)
#define SPACE ((INBOX_BATCH + 1) * (size_t)PLACE)
/* libsrtp reads headers by words. */
#define ALIGNMENT 4

int inbox_init(struct inbox *inbox, int fd)
{
    const int on = 1;

    memset(inbox, 0, sizeof *inbox);
    inbox->fd = fd;
    inbox->space = malloc(SPACE);
    if (fd >= 0) /* where it can't be had, each datagram is a message */
        (void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on);
    return inbox->space != NULL;
}

void inbox_free(struct inbox *inbox)
{
    free(inbox->space);
    inbox->space = NULL;
}

void inbox_fence(const struct inbox *inbox, const struct datagram *datagram, size_t size)
{
    ASAN_POISON_MEMORY_REGION(datagram->data + size, (size_t)(inbox->space + SPACE - (datagram->data + size)));
}

/* The size of the datagrams that this message was put together from; 0: it is one. */
static size_t segment_of(struct msghdr *header)
{
    for (struct cmsghdr *note = CMSG_FIRSTHDR(header); note != NULL; note = CMSG_NXTHDR(header, note)) {
        int size;
        if (note->cmsg_level != SOL_UDP || note->cmsg_type != UDP_GRO || note->cmsg_len < CMSG_LEN(sizeof size))
            continue;
        memcpy(&size, CMSG_DATA(note), sizeof size);
        return size > 0 ? (size_t)size : 0;
    }
    return 0;
}

int inbox_read(struct inbox *inbox, unsigned most)
{
    struct mmsghdr messages[INBOX_BATCH];
    struct iovec pieces[INBOX_BATCH];
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } notes[INBOX_BATCH];
    const unsigned count = most < INBOX_BATCH ? most : INBOX_BATCH;

    inbox->found = inbox->place = 0;
    inbox->offset = 0;
    memset(messages, 0, count * sizeof *messages);
    ASAN_UNPOISON_MEMORY_REGION(inbox->space, SPACE);
    for (unsigned i = 0; i < count; i++) {
        struct msghdr *header = &messages[i].msg_hdr;
        pieces[i] = (struct iovec){inbox->space + (size_t)i * PLACE, 65536};
        header->msg_iov = &pieces[i];
        header->msg_iovlen = 1;
        header->msg_name = &inbox->messages[i].sender;
        header->msg_namelen = sizeof inbox->messages[i].sender;
        header->msg_control = notes[i].space;
        header->msg_controllen = sizeof notes[i].space;
    }
    int found = recvmmsg(inbox->fd, messages, count, MSG_DONTWAIT, NULL);
    if (found < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    for (int i = 0; i < found; i++) {
        struct message *message = &inbox->messages[i];
        message->size = messages[i].msg_len;
        message->segment = segment_of(&messages[i].msg_hdr);
        message->sender_size = messages[i].msg_hdr.msg_namelen;
        if (message->sender_size > sizeof message->sender) /* what there would have been */
            message->sender_size = sizeof message->sender;
    }
    inbox->found = (unsigned)found;
    return found;
}

int inbox_next(struct inbox *inbox, struct datagram *datagram)
{
    if (inbox->place == inbox->found)
        return 0;
    const struct message *message = &inbox->messages[inbox->place];
    unsigned char *data = inbox->space + (size_t)inbox->place * PLACE + inbox->offset;
    const size_t left = message->size - inbox->offset;
    const size_t size = message->segment != 0 && message->segment < left ? message->segment : left;

    *datagram = (struct datagram){data, size, message->sender, message->sender_size};
    if (size > INBOX_DATAGRAM)
        datagram->size = INBOX_DATAGRAM;
    ASAN_UNPOISON_MEMORY_REGION(data, (size_t)(inbox->space + SPACE - data));
    if (inbox->offset % ALIGNMENT != 0) {
        datagram->data = inbox->space + INBOX_BATCH * (size_t)PLACE;
        memcpy(datagram->data, data, datagram->size);
    }
    inbox_fence(inbox, datagram, datagram->size);
    inbox->offset += size;
    if (inbox->offset >= message->size) {
        inbox->offset = 0;
        inbox->place++;
    }
    return 1;
}

int inbox_is_rtp(const struct datagram *datagram)
{
    const unsigned char *data = datagram->data;

    return datagram->size >= 12 && data[0] >> 6 == 2 && (data[1] < 192 || data[1] > 223);
}
