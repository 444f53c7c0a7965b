/* The receiving side of a UDP port: datagrams are read in batches, those that the kernel has put together (UDP_GRO) as
 * one message. Knows bytes and addresses, and which bytes may be SRTP. Used by one thread.
 */

#ifndef SFU_INBOX_H
#define SFU_INBOX_H

#include <netinet/in.h>
#include <stddef.h>

/* One system call's worth. */
#define INBOX_BATCH 64
/* As in sfu/transport/udp.py: more than any Ethernet MTU; the rest of what is longer is cut off. */
#define INBOX_DATAGRAM 2048

struct datagram {
    unsigned char *data;
    size_t size;
    struct sockaddr_in6 sender; /* or a sockaddr_in, by its family */
    socklen_t sender_size;
};

/* Datagrams of one sender, one behind the other; all of `segment` bytes but the last. */
struct message {
    size_t size, segment;
    struct sockaddr_in6 sender;
    socklen_t sender_size;
};

struct inbox {
    int fd;
    unsigned char *space;                  /* a place for each message, and one for what lies badly in it */
    struct message messages[INBOX_BATCH];  /* read last */
    unsigned found, place;                 /* how many these are, and of which the next datagram is */
    size_t offset;                         /* in it */
};

/* 0 without memory. */
int inbox_init(struct inbox *inbox, int fd);
void inbox_free(struct inbox *inbox);

/* Read up to `most` messages; how many, 0 when none is there, -1 for an error that says nothing about this socket
 * (an ICMP answer to something sent before). */
int inbox_read(struct inbox *inbox, unsigned most);

/* The next datagram of what was read last, valid until the call after; 0 when there is no more. */
int inbox_next(struct inbox *inbox, struct datagram *datagram);

/* Where AddressSanitizer looks on (`make sanitize`), reads behind the first `size` bytes of the datagram that came last
 * are found, until the next one. */
void inbox_fence(const struct inbox *inbox, const struct datagram *datagram, size_t size);

/* Whether a datagram may be an SRTP packet: neither SRTCP nor anything else (RFC 7983 7, RFC 5761 4). */
int inbox_is_rtp(const struct datagram *datagram);

#endif
