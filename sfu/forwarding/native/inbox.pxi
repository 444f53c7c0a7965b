# inbox.h: reading, and who gets what was read.

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
    cdef bint _given  # something went up since the batch began
    cdef Py_ssize_t _datagrams, _bytes

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
        cdef int found, whole
        cdef datagram one
        self._given = False
        while most > 0 and self.c.fd >= 0:
            whole = min(most, INBOX_BATCH)
            with nogil:
                found = inbox_read(&self.c, most)
            if found == 0:
                break
            if found < 0:
                most -= 1
            while inbox_next(&self.c, &one):
                most -= 1
                self._datagrams += 1
                self._bytes += one.size
                try:
                    self._give(&one, now, on_datagram)
                except Exception:
                    on_failure()
            if 0 < found < whole:  # there was no more
                break
        return self._given

    def run(self, int most, Outbox outbox not None, on_datagram, on_failure, on_batch):
        cdef double now = monotonic()
        outbox.held = True
        try:
            if self.read(most, now, on_datagram, on_failure):
                on_batch(now)
        finally:
            outbox.held = False
        outbox.leave()

    def counts(self):
        counted = self._datagrams, self._bytes
        self._datagrams = self._bytes = 0
        return counted

    def close(self):
        self.c.fd = -1

    cdef _give(self, datagram *one, double now, on_datagram):
        cdef Link link
        cdef int opened
        if inbox_is_rtp(one):
            link = self._links.get(sender_key(&one.sender, one.sender_size))
            if link is not None and link.c.receiving != NULL:
                opened = link_open(&link.c, one.data, one.size)
                if opened < 0:
                    return
                inbox_fence(&self.c, one, <size_t>opened)
                if link.intake is None or not link.intake.taken(one.data, <size_t>opened, None, now):
                    self._given = True
                    link.on_rtp((<char *>one.data)[:opened], now)
                return
        elif one.size and one.data[0] == 0:  # RFC 7983 7: STUN
            link = self._links.get(sender_key(&one.sender, one.sender_size))
            if link is not None and link.answered(one, now):
                return
        self._given = True
        on_datagram((<char *>one.data)[:one.size], sender_address(&one.sender), now)
