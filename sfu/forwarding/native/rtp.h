/* The RTP header and its extensions: the twin of sfu/wire/rtp.py and of the searches of sfu/wire/extensions.py.
 *
 * Reads bytes of the network: every offset it gives lies within the packet. Knows no stream.
 */

#ifndef SFU_RTP_H
#define SFU_RTP_H

#include <stddef.h>
#include <stdint.h>

/* Offsets into the packet. Without an extension both of its offsets are where the payload begins. */
struct rtp {
    int marker;
    uint8_t payload_type;
    uint16_t seq16, extension_profile;
    uint32_t timestamp, ssrc;
    size_t extension_start, extension_end; /* of its body */
    size_t payload_start, payload_end;     /* without padding */
};

/* 0 if it is no RTP packet (RFC 3550 5.1). */
int rtp_parse(const unsigned char *packet, size_t size, struct rtp *view);

/* One element of the extension block (RFC 8285): its data is `size` bytes at `start`. */
struct element {
    unsigned id;
    size_t start, size;
};

/* The element at or after `*position`, which is moved behind it; 0 at the end, and at what is malformed.
 * Begin with `view->extension_start`. */
int rtp_next_element(const unsigned char *packet, const struct rtp *view, size_t *position, struct element *element);

/* The first element of this id; 0 if there is none. */
int rtp_find_element(const unsigned char *packet, const struct rtp *view, unsigned id, struct element *element);

static inline uint16_t get16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const unsigned char *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(unsigned char *at, uint16_t value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static inline void put32(unsigned char *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

#endif
