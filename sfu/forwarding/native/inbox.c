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

int inbox_init(struct inbox *inbox, int fd)
{
    memset(inbox, 0, sizeof *inbox);
    inbox->fd = fd;
    inbox->space = malloc((size_t)INBOX_BATCH * INBOX_DATAGRAM);
    return inbox->space != NULL;
}

void inbox_free(struct inbox *inbox)
{
    free(inbox->space);
    inbox->space = NULL;
}

void inbox_fence(const struct datagram *datagram, size_t size)
{
    ASAN_POISON_MEMORY_REGION(datagram->data + size, INBOX_DATAGRAM - size);
}

int inbox_read(struct inbox *inbox, unsigned most)
{
    struct mmsghdr messages[INBOX_BATCH];
    struct iovec pieces[INBOX_BATCH];
    const unsigned count = most < INBOX_BATCH ? most : INBOX_BATCH;

    memset(messages, 0, sizeof messages);
    ASAN_UNPOISON_MEMORY_REGION(inbox->space, (size_t)INBOX_BATCH * INBOX_DATAGRAM);
    for (unsigned i = 0; i < count; i++) {
        pieces[i] = (struct iovec){inbox->space + (size_t)i * INBOX_DATAGRAM, INBOX_DATAGRAM};
        messages[i].msg_hdr.msg_iov = &pieces[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &inbox->datagrams[i].sender;
        messages[i].msg_hdr.msg_namelen = sizeof inbox->datagrams[i].sender;
    }
    int found = recvmmsg(inbox->fd, messages, count, MSG_DONTWAIT, NULL);
    if (found < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
    for (int i = 0; i < found; i++) {
        inbox->datagrams[i].data = pieces[i].iov_base;
        inbox->datagrams[i].size = messages[i].msg_len;
        inbox->datagrams[i].sender_size = messages[i].msg_hdr.msg_namelen;
        if (inbox->datagrams[i].sender_size > sizeof inbox->datagrams[i].sender) /* what there would have been */
            inbox->datagrams[i].sender_size = sizeof inbox->datagrams[i].sender;
        inbox_fence(&inbox->datagrams[i], inbox->datagrams[i].size);
    }
    return found;
}

int inbox_is_rtp(const struct datagram *datagram)
{
    const unsigned char *data = datagram->data;

    return datagram->size >= 12 && data[0] >> 6 == 2 && (data[1] < 192 || data[1] > 223);
}
