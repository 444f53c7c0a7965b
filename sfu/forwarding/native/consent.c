#include "consent.h"

#include <string.h>

#define HEADER 20
#define TRANSACTION 8 /* where it begins */
#define INTEGRITY (4 + SHA1_DIGEST)
#define FINGERPRINT 8
#define PROOF (INTEGRITY + FINGERPRINT)

/* RFC 8489 5 and 14: types and sizes as they are sent. */
static const unsigned char COOKIE[4] = {0x21, 0x12, 0xa4, 0x42};
static const unsigned char REQUEST[2] = {0, 1}, SUCCESS[2] = {1, 1};
static const unsigned char IS_INTEGRITY[4] = {0, 8, 0, SHA1_DIGEST}, IS_FINGERPRINT[4] = {0x80, 0x28, 0, 4};

static void write16(unsigned char *at, size_t value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

/* The value of FINGERPRINT behind this (RFC 8489 14.7). Without a table: it would have left the caches each time. */
static void fingerprint(const unsigned char *data, size_t size, unsigned char *value)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    crc = ~crc ^ 0x5354554e;
    write16(value, crc >> 16);
    write16(value + 2, crc);
}

static int same(const unsigned char *one, const unsigned char *other, size_t size)
{
    unsigned char different = 0;

    for (size_t i = 0; i < size; i++) /* all of them, so that the time it takes tells nothing */
        different |= one[i] ^ other[i];
    return different == 0;
}

/* A request that ends in integrity and fingerprint. */
static int has_form(const unsigned char *check, size_t size)
{
    return size >= HEADER + PROOF && memcmp(check, REQUEST, 2) == 0 && memcmp(check + 4, COOKIE, 4) == 0 &&
           (size_t)(check[2] << 8 | check[3]) == size - HEADER &&
           memcmp(check + size - PROOF, IS_INTEGRITY, 4) == 0 &&
           memcmp(check + size - FINGERPRINT, IS_FINGERPRINT, 4) == 0;
}

void consent_expect(struct consent *consent, const unsigned char *check, size_t size, const unsigned char *secret,
                    size_t secret_size, const struct sockaddr_in6 *from)
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)from;

    consent->size = 0;
    if (!has_form(check, size) || size - PROOF > CONSENT_CHECK || !hmac_init(&consent->key, secret, secret_size))
        return;
    memcpy(consent->check, check, size - PROOF);
    write16(consent->check + 2, size - HEADER - FINGERPRINT); /* RFC 8489 14.5: as if the integrity were the end */
    consent->size = (uint32_t)(size - PROOF);
    memcpy(consent->mapped, from->sin6_family == AF_INET6 ? &from->sin6_port : &four->sin_port, 2);
    consent->mapped_size = 6;
    if (from->sin6_family != AF_INET6) {
        memcpy(consent->mapped + 2, &four->sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&from->sin6_addr)) {
        memcpy(consent->mapped + 2, from->sin6_addr.s6_addr + 12, 4);
    } else {
        memcpy(consent->mapped + 2, &from->sin6_addr, 16);
        consent->mapped_size = 18;
    }
}

static int is_repetition(const struct consent *consent, const unsigned char *check, size_t size)
{
    unsigned char proven[CONSENT_CHECK], proof[SHA1_DIGEST];

    if (consent->size == 0 || size != consent->size + PROOF || !has_form(check, size) ||
        memcmp(check + HEADER, consent->check + HEADER, consent->size - HEADER) != 0)
        return 0;
    memcpy(proven, consent->check, consent->size);
    memcpy(proven + TRANSACTION, check + TRANSACTION, HEADER - TRANSACTION);
    hmac_sha1(&consent->key, proven, consent->size, proof);
    if (!same(proof, check + consent->size + 4, SHA1_DIGEST))
        return 0;
    fingerprint(check, size - FINGERPRINT, proof);
    return memcmp(proof, check + size - 4, 4) == 0;
}

size_t consent_answer(const struct consent *consent, const unsigned char *check, size_t size, unsigned char *answer)
{
    if (!is_repetition(consent, check, size))
        return 0;

    unsigned char *end = answer + HEADER;

    memcpy(answer, SUCCESS, 2);
    memcpy(answer + 4, check + 4, HEADER - 4);
    /* RFC 8489 14.2: XOR-MAPPED-ADDRESS, mixed with the cookie and the transaction. */
    memcpy(end, (unsigned char[]){0, 0x20, 0, 0, 0, 0}, 6);
    write16(end + 2, consent->mapped_size + 2);
    end[5] = consent->mapped_size == 6 ? 1 : 2;
    end += 6;
    for (uint32_t i = 0; i < consent->mapped_size; i++)
        *end++ = consent->mapped[i] ^ check[4 + (i < 2 ? i : i - 2)];
    write16(answer + 2, (size_t)(end - answer) - HEADER + INTEGRITY);
    memcpy(end, IS_INTEGRITY, 4);
    hmac_sha1(&consent->key, answer, (size_t)(end - answer), end + 4);
    end += INTEGRITY;
    write16(answer + 2, (size_t)(end - answer) - HEADER + FINGERPRINT);
    memcpy(end, IS_FINGERPRINT, 4);
    fingerprint(answer, (size_t)(end - answer), end + 4);
    return (size_t)(end - answer) + FINGERPRINT;
}
