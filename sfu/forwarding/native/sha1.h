/* HMAC-SHA1 (RFC 2104, RFC 3174), by which STUN messages are proven (RFC 8489 14.5). Knows nothing of STUN. */

#ifndef SFU_SHA1_H
#define SFU_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_BLOCK 64
#define SHA1_DIGEST 20

/* Both hashes after the block that the key makes of itself: the same for every message. */
struct hmac_key {
    uint32_t inner[5], outer[5];
};

/* 0 for a key of more than a block, which is not done here. */
int hmac_init(struct hmac_key *key, const unsigned char *secret, size_t size);

void hmac_sha1(const struct hmac_key *key, const unsigned char *data, size_t size, unsigned char *digest);

#endif
