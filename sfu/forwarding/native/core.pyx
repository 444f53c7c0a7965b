# cython: language_level=3, boundscheck=True, wraparound=False, embedsignature=True
"""The C files as Python objects. What each is for, and what it expects, their headers say; types are in core.pyi."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

cdef extern from "<arpa/inet.h>" nogil:
    int AF_INET
    int AF_INET6
    int inet_pton(int family, const char *text, void *address)
    const char *inet_ntop(int family, const void *address, char *text, uint32_t size)
    uint16_t htons(uint16_t value)
    uint16_t ntohs(uint16_t value)
    uint32_t htonl(uint32_t value)
    uint32_t ntohl(uint32_t value)

cdef extern from "<net/if.h>" nogil:
    char *if_indextoname(unsigned int index, char *name)

cdef extern from "<netinet/in.h>" nogil:
    struct in6_addr:
        pass
    struct in_addr:
        pass
    struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        uint16_t sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id

cdef extern from "meter.h" nogil:
    int METER_BUCKETS
    struct meter:
        int64_t total_bytes
        int64_t total_packets
        int64_t *byte_marks
        int64_t *packet_marks
        double step
        double end
        int newest
    void meter_init(meter *, double window)
    void meter_roll(meter *, double now)
    void meter_add(meter *, int64_t size, double now)

cdef extern from "outbox.h" nogil:
    struct c_box "box":
        sockaddr_in6 address
        uint32_t address_size
        uint32_t first
    struct entry:
        uint32_t at
        uint32_t size
        uint32_t next
    struct sent_counts:
        uint64_t datagrams
        uint64_t bytes
        uint64_t sends
        uint64_t buffer_full
        uint64_t unreachable
    struct c_outbox "outbox":
        int fd
        unsigned char *arena
        entry *entries
        uint32_t count
        sent_counts counts
    void outbox_init(c_outbox *, int fd, int gso)
    void outbox_free(c_outbox *)
    unsigned char *outbox_reserve(c_outbox *, size_t size)
    void outbox_commit(c_outbox *, c_box *, size_t size)
    void outbox_flush(c_outbox *)
    void outbox_clear(c_outbox *)

cdef extern from "inbox.h" nogil:
    int INBOX_BATCH
    struct datagram:
        unsigned char *data
        size_t size
        sockaddr_in6 sender
        uint32_t sender_size
    struct c_inbox "inbox":
        int fd
        datagram *datagrams
    int inbox_init(c_inbox *, int fd)
    void inbox_free(c_inbox *)
    int inbox_read(c_inbox *, unsigned int most)
    int inbox_is_rtp(const datagram *)

cdef extern from "link.h" nogil:
    ctypedef int (*protect_function)(void *session, void *packet, int *size)
    struct c_link "link":
        c_outbox *outbox
        c_box *box
        void *session
        protect_function protect
        void *receiving
        protect_function unprotect
        int clogged
        double free_at
        double per_byte
        int64_t waiting
        int64_t admitted
        int64_t next
        double *times
        uint32_t *entries
        int64_t ring_mask
        uint64_t packets
        uint64_t bytes
        uint64_t not_sent
        uint64_t packets_in
        uint64_t bytes_in
        uint64_t rejected
    int link_open(c_link *, unsigned char *packet, size_t size)
    struct changes:
        uint16_t seq16
        uint32_t timestamp
        uint32_t ssrc
        int marker
        size_t stamp_at
        uint16_t stamp
        size_t patch_at
        const unsigned char *patch
        size_t patch_size
    int link_send(c_link *, const unsigned char *template, size_t size, const changes *)

cdef extern from "leg.h" nogil:
    int LEG_PATCH_MAX
    struct decision:
        int64_t key
        uint32_t offset
        uint8_t marker
        uint8_t size
        unsigned char *data
    struct c_leg "leg":
        c_link *link
        uint32_t ssrc
        int slow
        int64_t high
        int64_t offset
        uint32_t timestamp
        uint32_t timestamp_offset
        double observe_at
        int64_t whole_until
        int64_t packets
        int64_t octets
        int64_t bytes
        meter *forwarded
    struct packet:
        const unsigned char *template
        size_t size
        size_t payload_size
        int64_t seq
        uint32_t timestamp
        size_t stamp_at
        size_t patch_at
        int layered
        int64_t layer_key
        double now
    void leg_remember(c_leg *, const decision *)
    void leg_forget(c_leg *)
    size_t legs_send(c_leg **, size_t begin, size_t count, const packet *)

cdef enum:
    # UDP would take no more.
    MAX_DATAGRAM = 65000
    # With fewer packets to protect, giving up the GIL costs more than it gives.
    WORTH_RELEASING = 16
    # Destinations kept without a connection: handshakes and STUN of strangers.
    STRANGERS = 256


cdef class Meter:
    """The twin of `sfu.flow.rate.RateMeter`."""

    cdef meter c

    def __cinit__(self, double window=1.0):
        assert window > 0
        meter_init(&self.c, window)

    @property
    def total_bytes(self):
        return self.c.total_bytes

    @property
    def total_packets(self):
        return self.c.total_packets

    def add(self, int64_t size, double now):
        meter_add(&self.c, size, now)

    cdef int _oldest(self, double now):
        if now >= self.c.end:
            meter_roll(&self.c, now)
        return (self.c.newest + 1) % (METER_BUCKETS + 1)

    def bytes(self, double now):
        cdef int oldest = self._oldest(now)
        return self.c.total_bytes - self.c.byte_marks[oldest]

    def packets(self, double now):
        cdef int oldest = self._oldest(now)
        return self.c.total_packets - self.c.packet_marks[oldest]

    def bps(self, double now):
        return round(self.bytes(now) * 8 / self._span(now))

    def packets_per_second(self, double now):
        return self.packets(now) / self._span(now)

    cdef object _span(self, double now):
        return now - self.c.end + (METER_BUCKETS + 1) * self.c.step


cdef class Box:
    """A destination; made by `Outbox`."""

    cdef c_box c
    cdef int users  # links that aim at it
    cdef readonly object address

    def __cinit__(self, address):
        memset(&self.c, 0, sizeof(self.c))
        self.address = address
        host = address[0].partition("%")[0].encode()
        if len(address) == 2:
            self._set4(host, address[1])
        else:
            self._set6(host, address[1], address[2], address[3])

    cdef _set4(self, bytes host, uint16_t port):
        cdef sockaddr_in *to = <sockaddr_in *>&self.c.address
        to.sin_family = AF_INET
        to.sin_port = htons(port)
        self.c.address_size = sizeof(sockaddr_in)
        if inet_pton(AF_INET, host, &to.sin_addr) != 1:
            raise ValueError("not an IPv4 address")

    cdef _set6(self, bytes host, uint16_t port, uint32_t flow, uint32_t scope):
        cdef sockaddr_in6 *to = &self.c.address
        to.sin6_family = AF_INET6
        to.sin6_port = htons(port)
        to.sin6_flowinfo = htonl(flow)
        to.sin6_scope_id = scope
        self.c.address_size = sizeof(sockaddr_in6)
        if inet_pton(AF_INET6, host, &to.sin6_addr) != 1:
            raise ValueError("not an IPv6 address")


cdef class Outbox:
    """The sending side of a UDP port, by its file descriptor; `on_waiting` is called when there is something to flush.

    Without a descriptor (-1) packets wait until they are taken.
    """

    cdef c_outbox c
    cdef dict _boxes
    cdef Py_ssize_t _most
    cdef object _on_waiting
    cdef bint _told

    def __cinit__(self, int fd, bint gso, on_waiting):
        outbox_init(&self.c, fd, gso)
        self._boxes = {}
        self._most = STRANGERS
        self._on_waiting = on_waiting
        self._told = False

    def __dealloc__(self):
        outbox_free(&self.c)

    cdef Box box(self, address):
        cdef Box box = self._boxes.get(address)
        if box is None:
            box = self._boxes[address] = Box(address)
        return box

    cdef int waiting(self) except -1:
        """Packets were queued: have them flushed, if that is not under way."""
        if self.c.count and not self._told:
            self._told = True
            self._on_waiting()
        return 0

    def queue(self, bytes data not None, address):
        cdef size_t size = len(data)
        cdef Box box = self.box(address)
        if size > MAX_DATAGRAM:
            self.c.counts.unreachable += 1
            return
        cdef unsigned char *room = outbox_reserve(&self.c, size)
        if room == NULL:
            raise MemoryError
        memcpy(room, <const unsigned char *>data, size)
        outbox_commit(&self.c, &box.c, size)
        self.waiting()

    def flush(self):
        cdef sent_counts counts
        self._told = False
        if self.c.count:
            with nogil:
                outbox_flush(&self.c)
            self._tidy()
        counts = self.c.counts
        memset(&self.c.counts, 0, sizeof(self.c.counts))
        return counts.datagrams, counts.bytes, counts.sends, counts.buffer_full, counts.unreachable

    def take(self):
        cdef Box box
        cdef uint32_t place
        cdef entry *one
        self._told = False
        taken = {}
        for address, box in self._boxes.items():
            place = box.c.first
            while place:
                one = &self.c.entries[place - 1]
                taken.setdefault(address, []).append((<char *>self.c.arena)[one.at:one.at + one.size])
                place = one.next
        outbox_clear(&self.c)
        self._tidy()
        return taken

    def close(self):
        outbox_clear(&self.c)
        self.c.fd = -1

    cdef _tidy(self):
        """Nothing waits: boxes that no link aims at may go, once there are many."""
        cdef Box box
        if len(self._boxes) > self._most:
            self._boxes = {address: box for address, box in self._boxes.items() if box.users}
            self._most = 2 * len(self._boxes) + STRANGERS


cdef class Link:
    """One connection's way out. The numbers are those of `Pacer`, `SentPackets` and `Egress`."""

    cdef c_link c
    cdef readonly Outbox outbox
    cdef Box _box
    cdef object _keep  # the sessions' owner
    cdef public object on_rtp
    cdef object _times
    cdef object _entries

    def __cinit__(self, Outbox outbox not None):
        memset(&self.c, 0, sizeof(self.c))
        self.outbox = outbox
        self.c.outbox = &outbox.c
        self.c.free_at = -float("inf")

    @property
    def ready(self):
        return self.c.session != NULL and self.c.box != NULL

    def open(self, owner, uintptr_t session, uintptr_t protect, uintptr_t receiving=0, uintptr_t unprotect=0):
        self._keep = owner
        self.c.session, self.c.protect = <void *>session, <protect_function>protect
        self.c.receiving, self.c.unprotect = <void *>receiving, <protect_function>unprotect

    def close(self):
        self.c.session = self.c.receiving = NULL
        self._keep = None
        self.aim(None)

    def aim(self, address):
        cdef Box box = None if address is None else self.outbox.box(address)
        if box is self._box:
            return
        if self._box is not None:
            self._box.users -= 1
        if box is not None:
            box.users += 1
        self._box = box
        self.c.box = NULL if box is None else &box.c

    def __dealloc__(self):
        if self._box is not None:
            self._box.users -= 1

    def lend(self, double[::1] times, unsigned int[::1] entries):
        assert len(times) == len(entries) and len(times) & (len(times) - 1) == 0
        self._times, self._entries = times, entries
        self.c.times, self.c.entries = &times[0], <uint32_t *>&entries[0]
        self.c.ring_mask = len(times) - 1

    def send_rtp(self, bytes template not None, unsigned int seq16, uint32_t timestamp, uint32_t ssrc,
                 size_t stamp_at=0, unsigned int stamp=0, size_t patch_at=0, bytes patch=b""):
        cdef changes what
        if not self.ready:
            return False
        what.seq16, what.timestamp, what.ssrc, what.marker = <uint16_t>seq16, timestamp, ssrc, 0
        what.stamp_at, what.stamp = stamp_at, <uint16_t>stamp
        what.patch_at, what.patch, what.patch_size = patch_at, <const unsigned char *>patch, len(patch)
        if not link_send(&self.c, <const unsigned char *>template, len(template), &what):
            self.c.not_sent += 1
            return False
        self.outbox.waiting()
        return True

    @property
    def clogged(self): return bool(self.c.clogged)
    @clogged.setter
    def clogged(self, bint value): self.c.clogged = value

    @property
    def free_at(self): return self.c.free_at
    @free_at.setter
    def free_at(self, double value): self.c.free_at = value

    @property
    def per_byte(self): return self.c.per_byte
    @per_byte.setter
    def per_byte(self, double value): self.c.per_byte = value

    @property
    def waiting(self): return self.c.waiting
    @waiting.setter
    def waiting(self, int64_t value): self.c.waiting = value

    @property
    def admitted(self): return self.c.admitted
    @admitted.setter
    def admitted(self, int64_t value): self.c.admitted = value

    @property
    def next(self): return self.c.next
    @next.setter
    def next(self, int64_t value): self.c.next = value

    @property
    def packets_out(self): return self.c.packets
    @property
    def bytes_out(self): return self.c.bytes
    @property
    def not_sent(self): return self.c.not_sent
    @property
    def packets_in(self): return self.c.packets_in
    @property
    def bytes_in(self): return self.c.bytes_in
    @property
    def rejected(self): return self.c.rejected


cdef bytes sender_key(const sockaddr_in6 *address, uint32_t size):
    return (<const char *>address)[:size]


cdef tuple sender_address(const sockaddr_in6 *six):
    """As Python's sockets write it."""
    cdef char text[64]
    cdef char name[64]
    cdef const sockaddr_in *four = <const sockaddr_in *>six
    if four.sin_family == AF_INET:
        inet_ntop(AF_INET, &four.sin_addr, text, sizeof(text))
        return (<bytes>text).decode(), ntohs(four.sin_port)
    inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof(text))
    host = (<bytes>text).decode()
    if six.sin6_scope_id and if_indextoname(six.sin6_scope_id, name) != NULL:
        host += "%" + (<bytes>name).decode()
    return host, ntohs(six.sin6_port), ntohl(six.sin6_flowinfo), six.sin6_scope_id


cdef class Inbox:
    """The receiving side of a UDP port: SRTP of known senders goes to their links, all else to who reads."""

    cdef c_inbox c
    cdef dict _links  # by the sender's address as the kernel writes it

    def __cinit__(self, int fd):
        self._links = {}
        if not inbox_init(&self.c, fd):
            raise MemoryError

    def __dealloc__(self):
        inbox_free(&self.c)

    def route(self, address, link):
        cdef Box box = Box(address)
        cdef bytes key = sender_key(&box.c.address, box.c.address_size)
        if link is None:
            self._links.pop(key, None)
        else:
            self._links[key] = link

    def read(self, int most, double now, on_datagram, on_failure):
        cdef int found, number
        cdef Py_ssize_t datagrams = 0, size = 0
        while most > 0 and self.c.fd >= 0:
            with nogil:
                found = inbox_read(&self.c, most)
            if found == 0:
                break
            most -= found if found > 0 else 1
            for number in range(found):
                datagrams += 1
                size += self.c.datagrams[number].size
                try:
                    self._give(&self.c.datagrams[number], now, on_datagram)
                except Exception:
                    on_failure()
            if 0 < found < INBOX_BATCH:
                break
        return datagrams, size

    def close(self):
        self.c.fd = -1

    cdef _give(self, datagram *one, double now, on_datagram):
        cdef Link link
        cdef int opened
        if inbox_is_rtp(one):
            link = self._links.get(sender_key(&one.sender, one.sender_size))
            if link is not None and link.c.receiving != NULL:
                opened = link_open(&link.c, one.data, one.size)
                if opened >= 0:
                    link.on_rtp((<char *>one.data)[:opened], now)
                return
        on_datagram((<char *>one.data)[:one.size], sender_address(&one.sender), now)


cdef class Leg:
    """One stream to one subscriber. The numbers are those of `Stream` and `Renumber`; `forwarded` is ResendBudget's."""

    cdef c_leg c
    cdef readonly Link link
    cdef readonly Meter forwarded

    def __cinit__(self, Link link not None):
        memset(&self.c, 0, sizeof(self.c))
        self.link = link
        self.forwarded = Meter()
        self.c.link = &link.c
        self.c.forwarded = &self.forwarded.c

    def remember(self, int64_t key, uint32_t offset, bytes data not None, bint marker):
        cdef decision one
        if <int>len(data) > LEG_PATCH_MAX:
            return  # Python goes on deciding
        memset(&one, 0, sizeof(one))
        one.key, one.offset, one.marker, one.size = key, offset, marker, <uint8_t>len(data)
        memcpy(one.data, <const unsigned char *>data, len(data))
        leg_remember(&self.c, &one)

    def forget(self):
        leg_forget(&self.c)

    @property
    def ssrc(self): return self.c.ssrc
    @ssrc.setter
    def ssrc(self, uint32_t value): self.c.ssrc = value

    @property
    def slow(self): return bool(self.c.slow)
    @slow.setter
    def slow(self, bint value): self.c.slow = value

    @property
    def high(self): return self.c.high
    @high.setter
    def high(self, int64_t value): self.c.high = value

    @property
    def offset(self): return self.c.offset
    @offset.setter
    def offset(self, int64_t value): self.c.offset = value

    @property
    def timestamp(self): return self.c.timestamp
    @timestamp.setter
    def timestamp(self, uint32_t value): self.c.timestamp = value

    @property
    def timestamp_offset(self): return self.c.timestamp_offset
    @timestamp_offset.setter
    def timestamp_offset(self, uint32_t value): self.c.timestamp_offset = value

    @property
    def observe_at(self): return self.c.observe_at
    @observe_at.setter
    def observe_at(self, double value): self.c.observe_at = value

    @property
    def whole_until(self): return self.c.whole_until
    @whole_until.setter
    def whole_until(self, int64_t value): self.c.whole_until = value

    @property
    def packets(self): return self.c.packets
    @packets.setter
    def packets(self, int64_t value): self.c.packets = value

    @property
    def octets(self): return self.c.octets
    @octets.setter
    def octets(self, int64_t value): self.c.octets = value

    @property
    def total_bytes(self): return self.c.bytes
    @total_bytes.setter
    def total_bytes(self, int64_t value): self.c.bytes = value


cdef class Fan:
    """The slots of one encoding and one profile: a packet is sent to each as `slot.send` or `slot.send_layer` would."""

    cdef tuple _slots
    cdef list _legs
    cdef tuple _outboxes
    cdef c_leg **_c
    cdef size_t _count

    def __cinit__(self, slots):
        cdef Leg leg
        self._slots = tuple(slots)
        self._legs = [slot.leg for slot in self._slots]
        self._outboxes = tuple({id(leg.link.outbox): leg.link.outbox for leg in self._legs}.values())
        self._count = len(self._legs)
        self._c = <c_leg **>PyMem_Calloc(self._count + 1, sizeof(c_leg *))
        if self._c == NULL:
            raise MemoryError
        for number, leg in enumerate(self._legs):
            self._c[<size_t>number] = &leg.c

    def __dealloc__(self):
        PyMem_Free(self._c)

    def send(self, bytes template not None, int64_t seq, uint32_t timestamp, size_t payload_size, size_t stamp_at,
             double now, layer, size_t patch_at):
        cdef packet one
        cdef Outbox outbox
        cdef size_t place = 0
        one.template, one.size, one.payload_size = <const unsigned char *>template, len(template), payload_size
        one.seq, one.timestamp, one.stamp_at, one.now = seq, timestamp, stamp_at, now
        one.layered = layer is not None
        one.layer_key = layer.key if one.layered else 0
        one.patch_at = patch_at
        while True:
            if self._count - place < WORTH_RELEASING:
                place = legs_send(self._c, place, self._count, &one)
            else:
                with nogil:
                    place = legs_send(self._c, place, self._count, &one)
            if place == self._count:
                break
            slot = self._slots[<Py_ssize_t>place]
            if not one.layered or seq <= self._c[place].whole_until:
                slot.send(template, seq, timestamp, payload_size, stamp_at, now)
            else:
                slot.send_layer(template, seq, timestamp, payload_size, stamp_at, now, layer, patch_at)
            place += 1
        for outbox in self._outboxes:
            outbox.waiting()
