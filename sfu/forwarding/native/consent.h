/* Answers the checks by which a client renews consent (RFC 7675), each like the one before it but for the transaction
 * and the proof. An idle server does nothing else. Whatever differs is for Python to read (sfu/transport/ice.py).
 */

#ifndef SFU_CONSENT_H
#define SFU_CONSENT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "sha1.h"

/* Of a check, without its proof: those of browsers have 70 to 90 bytes. */
#define CONSENT_CHECK 144
/* Of an answer, with an IPv6 address. */
#define CONSENT_ANSWER 76

struct consent {
    struct hmac_key key;
    unsigned char check[CONSENT_CHECK]; /* as it is proven; the transaction is any */
    uint32_t size;                      /* 0: none is expected */
    uint32_t mapped_size;
    unsigned char mapped[18]; /* port and address of the client, as they are */
};

/* From now on expect repetitions of a check that was found good, from there and under that key. Forget it if there can
 * be none: it has another form, or is too long. */
void consent_expect(struct consent *consent, const unsigned char *check, size_t size, const unsigned char *secret,
                    size_t secret_size, const struct sockaddr_in6 *from);

/* Write the success response; its size, or 0 where the check is no repetition, or not authentic. */
size_t consent_answer(const struct consent *consent, const unsigned char *check, size_t size, unsigned char *answer);

#endif
