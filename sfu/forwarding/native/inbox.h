/* The receiving side of a UDP port: datagrams are read in batches. Knows bytes and addresses, and which bytes may be
 * SRTP. Used by one thread.
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

struct inbox {
    int fd;
    unsigned char *space;
    struct datagram datagrams[INBOX_BATCH]; /* read last */
};

/* 0 without memory. */
int inbox_init(struct inbox *inbox, int fd);
void inbox_free(struct inbox *inbox);

/* Read up to `most` datagrams; how many, 0 when none is there, -1 for an error that says nothing about this socket
 * (an ICMP answer to something sent before). */
int inbox_read(struct inbox *inbox, unsigned most);

/* Where AddressSanitizer looks on (`make sanitize`), reads behind the first `size` bytes of a datagram are found, until
 * the next are read. */
void inbox_fence(const struct datagram *datagram, size_t size);

/* Whether a datagram may be an SRTP packet: neither SRTCP nor anything else (RFC 7983 7, RFC 5761 4). */
int inbox_is_rtp(const struct datagram *datagram);

#endif
