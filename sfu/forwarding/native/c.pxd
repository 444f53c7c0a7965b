# cython: language_level=3
"""The C files, and what of the system's headers goes with them, as Cython knows them."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

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
    int inbox_init(c_inbox *, int fd)
    void inbox_free(c_inbox *)
    int inbox_read(c_inbox *, unsigned int most)
    int inbox_next(c_inbox *, datagram *)
    void inbox_fence(const c_inbox *, const datagram *, size_t size)
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
        int paced
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
        uint32_t anchor
        double anchor_at
        double observe_at
        int64_t whole_until
        int64_t octets
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

cdef extern from "rtp.h" nogil:
    struct rtp:
        int marker
        uint8_t payload_type
        uint16_t seq16
        uint16_t extension_profile
        uint32_t timestamp
        uint32_t ssrc
        size_t extension_start
        size_t extension_end
        size_t payload_start
        size_t payload_end
    struct element:
        unsigned int id
        size_t start
        size_t size
    int rtp_parse(const unsigned char *packet, size_t size, rtp *view)
    int rtp_next_element(const unsigned char *packet, const rtp *view, size_t *position, element *element)
    int rtp_find_element(const unsigned char *packet, const rtp *view, unsigned int id, element *element)
    uint16_t get16(const unsigned char *at)

cdef extern from "template.h" nogil:
    int PACKET_MAX
    struct translation:
        uint8_t payload_type
        uint8_t stamp_id
        uint8_t send_time_id
        uint8_t descriptor_id
        int in_descriptor
        int copying
        uint8_t *copies
    struct template:
        unsigned char *bytes
        size_t size
        size_t stamp_at
        size_t send_time_at
        size_t descriptor_at
        size_t patch_at
    int template_write(const translation *, const unsigned char *packet, const rtp *view, uint32_t send_time,
                       template *template)

cdef extern from "vp8.h" nogil:
    struct vp8_layer:
        int64_t key
        int64_t picture
        int temporal
        int sync
        int bits
        int tl0_index
    struct vp8_reader:
        vp8_layer layer
        size_t described
    int vp8_read(vp8_reader *, const unsigned char *payload, size_t size, uint32_t timestamp)

cdef extern from "track.h" nogil:
    int TRACK_LAYERS
    int TRACK_DESCRIPTOR_MAX
    double TRACK_LOOK
    enum track_codec:
        CODEC_OTHER
        CODEC_NONE
        CODEC_VP8
        CODEC_VP9
        CODEC_H264
        CODEC_AV1
    struct c_track "track":
        uint32_t ssrc
        uint8_t payload_type
        int ready
        int waiting
        track_codec codec
        int64_t highest
        int64_t packets
        int64_t received
        uint32_t timestamp
        double arrived
        double jitter
        double clock_rate
        int guarded
        int64_t unwrapped
        int64_t newest
        int64_t frames
        int64_t key_timestamp
        double last_at
        double look_at
        int watched
        int64_t *layer_bytes
        double layers_at
        unsigned char *descriptor
        unsigned char mask
        unsigned char flags
        size_t described
    void track_init(c_track *)
    int track_arrive(c_track *, int64_t seq, uint32_t timestamp, double now)
    int64_t track_unwrap(c_track *, uint16_t seq16)
    int track_plain(const c_track *, const unsigned char *packet, const rtp *view, double now, int64_t *seq)
    int track_may_begin(track_codec, const unsigned char *payload, size_t size)
    int track_same_layer(const c_track *, const unsigned char *packet, const rtp *view)
