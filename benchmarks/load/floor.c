/* The floor: what the kernel (and libsrtp) charge for the same datagrams when nobody thinks about them.
 *
 * Knows: one sending socket, its destinations, three ways of sending, libsrtp's srtp_protect by pointer.
 * Does not know: who receives. The struct is shared with load/native.py field by field.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h, Linux 4.18 */
#endif
#define BATCH 64
#define TRAILER_MAX 144 /* libsrtp's SRTP_MAX_TRAILER_LEN */

enum mode { SENDTO, SENDMMSG, GSO };

struct floor {
    const struct sockaddr_in *addresses;
    uint64_t address_count;
    uint64_t rotate;      /* 1: frame number f skips destination f % address_count (all to all in a room) */
    int32_t socket;
    int32_t mode;
    uint32_t packets;     /* in one frame */
    uint32_t size;        /* RTP bytes of a packet, before SRTP */
    uint64_t frames;
    int64_t interval_ns;  /* between frames; 0: as fast as it goes */
    int (*protect)(void *session, void *packet, int *length); /* NULL: no SRTP */
    void **sessions;      /* one srtp_t per destination */
    int64_t cpu_ns;       /* out: of this thread */
    int64_t user_us;      /* out: the same as the kernel splits it */
    int64_t system_us;
    uint64_t sent;        /* out */
    uint64_t errors;      /* out */
    uint32_t stop;        /* set by another thread to end the run */
};

uint64_t floor_sizeof(void) { return sizeof(struct floor); }

struct outgoing { uint8_t *data; int length; const struct sockaddr_in *to; };

static int64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t micros(struct timeval t) { return (int64_t)t.tv_sec * 1000000 + t.tv_usec; }

static void address_message(struct msghdr *header, struct iovec *part, const struct outgoing *o, size_t length) {
    memset(header, 0, sizeof *header);
    part->iov_base = o->data;
    part->iov_len = length;
    header->msg_name = (void *)o->to;
    header->msg_namelen = sizeof *o->to;
    header->msg_iov = part;
    header->msg_iovlen = 1;
}

static void send_each(struct floor *f, const struct outgoing *out, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        ssize_t sent = sendto(f->socket, out[i].data, out[i].length, 0,
                              (const struct sockaddr *)out[i].to, sizeof *out[i].to);
        *(sent < 0 ? &f->errors : &f->sent) += 1;
    }
}

static void send_batches(struct floor *f, const struct outgoing *out, uint64_t count) {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    for (uint64_t done = 0; done < count;) {
        uint64_t n = count - done < BATCH ? count - done : BATCH;
        for (uint64_t i = 0; i < n; i++)
            address_message(&messages[i].msg_hdr, &parts[i], &out[done + i], out[done + i].length);
        int sent = sendmmsg(f->socket, messages, n, 0);
        *(sent <= 0 ? &f->errors : &f->sent) += sent <= 0 ? 1 : (uint64_t)sent;
        done += sent <= 0 ? 1 : (uint64_t)sent;
    }
}

/* `out` is ordered by destination: each run of f->packets equal sized ones is one message. */
static void send_segments(struct floor *f, const struct outgoing *out, uint64_t count) {
    for (uint64_t i = 0; i < count; i += f->packets) {
        struct msghdr header;
        struct iovec part;
        union { struct cmsghdr align; uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))]; } control = {0};
        uint16_t segment = out[i].length;
        address_message(&header, &part, &out[i], (size_t)segment * f->packets);
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
        *(sendmsg(f->socket, &header, 0) < 0 ? &f->errors : &f->sent) += f->packets;
    }
}

/* Write one frame's datagrams: copied from the template, numbered, and protected when asked. */
static uint64_t prepare(struct floor *f, uint64_t frame, const uint8_t *template, uint8_t *space,
                        struct outgoing *out) {
    uint64_t count = 0, stride = f->size + TRAILER_MAX;
    for (uint64_t d = 0; d < f->address_count; d++) {
        if (f->rotate && d == frame % f->address_count)
            continue;
        int length = f->size;
        for (uint32_t p = 0; p < f->packets; p++) {
            /* datagrams of one destination lie back to back, as one GSO message needs them */
            uint8_t *data = p ? out[count - 1].data + length : space + d * f->packets * stride;
            uint16_t seq16 = htons((uint16_t)(frame * f->packets + p));
            memcpy(data, template, f->size);
            memcpy(data + 2, &seq16, sizeof seq16);
            length = f->size;
            if (f->protect && f->protect(f->sessions[d], data, &length) != 0)
                f->errors++;
            out[count++] = (struct outgoing){data, length, &f->addresses[d]};
        }
    }
    return count;
}

/* Forwarders that take packets one by one send packet 1 to everybody, then packet 2. */
static void order_by_packet(const struct floor *f, const struct outgoing *in, struct outgoing *out, uint64_t count) {
    uint64_t destinations = count / f->packets, n = 0;
    for (uint32_t p = 0; p < f->packets; p++)
        for (uint64_t d = 0; d < destinations; d++)
            out[n++] = in[d * f->packets + p];
}

/* Returns 0, or ENOMEM. */
int floor_run(struct floor *f) {
    uint64_t most = f->address_count * f->packets;
    uint8_t *template = calloc(1, f->size), *space = calloc(most, f->size + TRAILER_MAX);
    struct outgoing *by_destination = calloc(most, sizeof *by_destination), *by_packet = calloc(most, sizeof *by_packet);
    if (!template || !space || !by_destination || !by_packet) {
        free(template); free(space); free(by_destination); free(by_packet);
        return ENOMEM;
    }
    template[0] = 0x80; /* RTP version 2, RFC 3550 section 5.1 */
    template[1] = 96;
    memcpy(template + 8, "floor", 4);
    struct rusage before, after;
    getrusage(RUSAGE_THREAD, &before);
    int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID), start = clock_ns(CLOCK_MONOTONIC);
    for (uint64_t frame = 0; frame < f->frames && !__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE); frame++) {
        if (f->interval_ns) {
            int64_t at = start + (int64_t)frame * f->interval_ns;
            struct timespec t = {at / 1000000000, at % 1000000000};
            while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
        }
        uint64_t count = prepare(f, frame, template, space, by_destination);
        if (f->mode == GSO) {
            send_segments(f, by_destination, count);
            continue;
        }
        order_by_packet(f, by_destination, by_packet, count);
        (f->mode == SENDTO ? send_each : send_batches)(f, by_packet, count);
    }
    f->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    getrusage(RUSAGE_THREAD, &after);
    f->user_us = micros(after.ru_utime) - micros(before.ru_utime);
    f->system_us = micros(after.ru_stime) - micros(before.ru_stime);
    free(template); free(space); free(by_destination); free(by_packet);
    return 0;
}
