#include "sha1.h"

#include <string.h>

static const uint32_t FIRST[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

static uint32_t rotated(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t read32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write32(unsigned char *at, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(word >> (24 - 8 * i));
}

/* RFC 3174 6.1. */
static void add_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t words[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

    for (int t = 0; t < 16; t++)
        words[t] = read32(block + 4 * t);
    for (int t = 16; t < 80; t++)
        words[t] = rotated(words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t mixed = t < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                         : t < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                         : t < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                  : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = rotated(a, 5) + mixed + e + words[t];

        e = d;
        d = c;
        c = rotated(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* What is left of a message behind the block that made `from`, and the end (RFC 3174 4). */
static void finish(const uint32_t from[5], const unsigned char *data, size_t size, unsigned char *digest)
{
    const uint64_t bits = 8 * (uint64_t)(SHA1_BLOCK + size);
    unsigned char last[2 * SHA1_BLOCK] = {0};
    uint32_t state[5];

    memcpy(state, from, sizeof state);
    for (; size >= SHA1_BLOCK; size -= SHA1_BLOCK, data += SHA1_BLOCK)
        add_block(state, data);
    const size_t blocks = size + 9 > SHA1_BLOCK ? 2 : 1;
    memcpy(last, data, size);
    last[size] = 0x80;
    write32(last + blocks * SHA1_BLOCK - 8, (uint32_t)(bits >> 32));
    write32(last + blocks * SHA1_BLOCK - 4, (uint32_t)bits);
    for (size_t i = 0; i < blocks; i++)
        add_block(state, last + i * SHA1_BLOCK);
    for (int i = 0; i < 5; i++)
        write32(digest + 4 * i, state[i]);
}

static void begin(uint32_t state[5], const unsigned char *secret, size_t size, unsigned char pad)
{
    unsigned char block[SHA1_BLOCK];

    memset(block, pad, sizeof block);
    for (size_t i = 0; i < size; i++)
        block[i] ^= secret[i];
    memcpy(state, FIRST, sizeof FIRST);
    add_block(state, block);
}

int hmac_init(struct hmac_key *key, const unsigned char *secret, size_t size)
{
    if (size > SHA1_BLOCK)
        return 0;
    begin(key->inner, secret, size, 0x36);
    begin(key->outer, secret, size, 0x5c);
    return 1;
}

void hmac_sha1(const struct hmac_key *key, const unsigned char *data, size_t size, unsigned char *digest)
{
    unsigned char inner[SHA1_DIGEST];

    finish(key->inner, data, size, inner);
    finish(key->outer, inner, sizeof inner, digest);
}
