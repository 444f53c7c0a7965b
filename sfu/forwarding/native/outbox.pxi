# outbox.h: destinations, and what waits for them.

@cython.no_gc_clear
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


@cython.no_gc_clear
cdef class Outbox:
    """The sending side of a UDP port, by its file descriptor; `on_waiting` is called when there is something to flush.

    Without a descriptor (-1) packets wait until they are taken.
    """

    cdef c_outbox c
    cdef dict _boxes
    cdef Py_ssize_t _most
    cdef object _on_waiting
    cdef bint _told
    cdef bint held  # it is flushed soon in any case

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
        if self.c.count and not self._told and not self.held:
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

    cpdef leave(self):
        self._told = False
        if self.c.count:
            with nogil:
                outbox_flush(&self.c)
            self._tidy()

    def flush(self):
        self.leave()
        return self.counts()

    def counts(self):
        cdef sent_counts counts = self.c.counts
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
