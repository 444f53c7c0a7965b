/* The load client's hot loop: sends prepared datagrams on a schedule, drains and counts what comes back.
 *
 * Knows: sockets, the schedule, kernel receive times, the first two bytes of a datagram.
 * Does not know: encryption (datagrams come ready made), rooms, who should receive what.
 * One thread calls it, without Python's lock; the struct is shared with load/native.py field by field.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64           /* datagrams per system call */
#define DATAGRAM_MAX 2048  /* above any Ethernet frame; longer ones are cut and fail the payload proof */

struct burst {             /* datagrams first .. first + count - 1 leave `socket` at `due_ns` after the start */
    int64_t due_ns;
    uint32_t first;
    uint32_t count;
    uint32_t socket;
    uint32_t reserved;
};

struct kept {              /* a datagram handed to Python: a sampled media packet, or anything that is not media */
    int64_t received_ns;   /* CLOCK_REALTIME, stamped by the kernel */
    uint32_t socket;
    uint32_t length;
    uint8_t data[DATAGRAM_MAX];
};

struct load {
    const int32_t *sockets;
    uint64_t socket_count;
    const uint8_t *arena;       /* datagrams back to back; number i is arena[offsets[i] .. offsets[i + 1]) */
    const uint64_t *offsets;
    const struct burst *bursts; /* ordered by due_ns */
    int64_t *sent_ns;           /* per datagram: CLOCK_REALTIME when its burst was handed to the kernel */
    uint64_t *packets;          /* per socket: media packets received */
    uint64_t *bytes;            /* per socket: their bytes, as on the wire, without UDP and IP headers */
    struct kept *samples;       /* media packet number n of socket s is kept when (n + s) % sample_every == 0 */
    uint64_t sample_capacity;
    uint64_t sample_count;
    uint64_t sample_every;      /* a power of two; 0 keeps none */
    struct kept *others;        /* ring of what is not media; others_count only grows */
    uint64_t others_capacity;
    uint64_t others_count;
    int64_t start_ns;           /* CLOCK_MONOTONIC time zero of the schedule */
    int64_t drain_ns;           /* how often sockets are emptied when nothing is due; 0: as soon as data comes */
    int64_t late_max_ns;        /* the client's own lateness: worst delay of a burst past its due time */
    uint64_t sent;
    uint64_t send_errors;
    uint32_t stop;              /* set by another thread to end the run */
};

/* The size of each struct, so that Python can check that it describes the same ones. */
uint64_t load_sizeof(int which) {
    return which == 0 ? sizeof(struct burst) : which == 1 ? sizeof(struct kept) : sizeof(struct load);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void send_burst(struct load *l, const struct burst *b) {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    int64_t now = clock_ns(CLOCK_REALTIME);
    for (uint32_t done = 0; done < b->count;) {
        uint32_t n = b->count - done < BATCH ? b->count - done : BATCH;
        memset(messages, 0, n * sizeof messages[0]);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t number = b->first + done + i;
            parts[i].iov_base = (void *)(l->arena + l->offsets[number]);
            parts[i].iov_len = l->offsets[number + 1] - l->offsets[number];
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
            l->sent_ns[number] = now;
        }
        int sent = sendmmsg(l->sockets[b->socket], messages, n, 0);
        if (sent <= 0) { /* one datagram refused: count it and go on with the next */
            l->send_errors++;
            sent = 1;
        } else {
            l->sent += sent;
        }
        done += sent;
    }
}

static void keep(struct kept *slot, int64_t received_ns, uint32_t socket, const uint8_t *data, uint32_t length) {
    slot->received_ns = received_ns;
    slot->socket = socket;
    slot->length = length;
    memcpy(slot->data, data, length);
}

static int64_t receive_time(struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(c), sizeof t);
            return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
        }
    }
    return 0;
}

static void take(struct load *l, uint32_t s, struct msghdr *header, const uint8_t *data, uint32_t length) {
    /* RFC 7983: 128..191 is RTP or RTCP; RFC 5761 section 4: RTCP has 192..223 in its second byte */
    int media = length >= 12 && data[0] >= 128 && data[0] <= 191 && !(data[1] >= 192 && data[1] <= 223);
    if (!media) {
        keep(&l->others[l->others_count % l->others_capacity], receive_time(header), s, data, length);
        __atomic_store_n(&l->others_count, l->others_count + 1, __ATOMIC_RELEASE);
        return;
    }
    uint64_t number = l->packets[s]++;
    l->bytes[s] += length;
    if (l->sample_every && ((number + s) & (l->sample_every - 1)) == 0 && l->sample_count < l->sample_capacity)
        keep(&l->samples[l->sample_count++], receive_time(header), s, data, length);
}

static void drain(struct load *l, uint32_t s) {
    static __thread uint8_t data[BATCH][DATAGRAM_MAX];
    static __thread _Alignas(struct cmsghdr) uint8_t control[BATCH][64];
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    int got;
    do {
        memset(messages, 0, sizeof messages);
        for (int i = 0; i < BATCH; i++) {
            parts[i].iov_base = data[i];
            parts[i].iov_len = DATAGRAM_MAX;
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
            messages[i].msg_hdr.msg_control = control[i];
            messages[i].msg_hdr.msg_controllen = sizeof control[i];
        }
        got = recvmmsg(l->sockets[s], messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < got; i++)
            take(l, s, &messages[i].msg_hdr, data[i], messages[i].msg_len);
    } while (got == BATCH);
}

static void drain_ready(struct load *l, int poller) {
    struct epoll_event events[BATCH];
    for (uint64_t left = l->socket_count + BATCH; left > 0;) { /* each socket about once: sending goes first */
        int ready = epoll_wait(poller, events, BATCH, 0);
        for (int i = 0; i < ready; i++)
            drain(l, events[i].data.u32);
        if (ready < BATCH || left < BATCH)
            return;
        left -= BATCH;
    }
}

static void sleep_until(int64_t at_ns) {
    struct timespec t = {at_ns / 1000000000, at_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

static void wait_for_data(int poller, int64_t most_ns) {
    struct epoll_event event;
    struct timespec t = {most_ns / 1000000000, most_ns % 1000000000};
    epoll_pwait2(poller, &event, 1, &t, NULL);
}

/* Send bursts `next` .. `last` - 1 when due and drain until `end_ns` after the start.
 *
 * Unless drain_ns is 0 it sleeps by the clock and asks epoll only afterwards which sockets hold data: nobody
 * waits *in* epoll, so the server does not pay for waking this client, as over a real network it would not.
 * Returns 0, or the errno of a failed set-up. */
int load_run(struct load *l, uint64_t next, uint64_t last, int64_t end_ns) {
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        return errno;
    for (uint64_t s = 0; s < l->socket_count; s++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)s};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, l->sockets[s], &event) < 0) {
            int failure = errno;
            close(poller);
            return failure;
        }
    }
    while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
        int64_t now = clock_ns(CLOCK_MONOTONIC) - l->start_ns;
        while (next < last && l->bursts[next].due_ns <= now) {
            if (now - l->bursts[next].due_ns > l->late_max_ns)
                l->late_max_ns = now - l->bursts[next].due_ns;
            send_burst(l, &l->bursts[next++]);
            now = clock_ns(CLOCK_MONOTONIC) - l->start_ns;
        }
        drain_ready(l, poller);
        if (now >= end_ns)
            break;
        int64_t wake = l->drain_ns && now + l->drain_ns < end_ns ? now + l->drain_ns : end_ns;
        if (next < last && l->bursts[next].due_ns < wake)
            wake = l->bursts[next].due_ns;
        if (l->drain_ns)
            sleep_until(l->start_ns + wake);
        else
            wait_for_data(poller, wake - now < 50000000 ? wake - now : 50000000); /* `stop` is seen in time */
    }
    close(poller);
    return 0;
}
