/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_COOKIE_H
#define IKE_COOKIE_H

/* Stateless cookies of IKE_SA_INIT (RFC 7296 section 2.6):
 * <VersionIDofSecret> | HMAC-SHA2-256(<secret>, Ni | IPi | port | SPIi). Two secrets are alive, so
 * that a cookie survives one change of the secret. */

#include "base/address.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/provider.h"

#define COOKIE_LEN         33
#define COOKIE_SECRET_LEN  32
#define COOKIE_LIFETIME_NS (60 * NANOS_PER_SEC)

struct cookie_jar {
    uint8_t secrets[2][COOKIE_SECRET_LEN];
    uint8_t version; /* version of secrets[version % 2]; 0: no secret yet */
    nanos changed_ns;
};

struct cookie_input {
    struct span ni;
    struct endpoint source;
    uint64_t spi_i;
};

bool cookie_make(struct cookie_jar *jar, struct crypto_provider *crypto,
                 const struct random *random, const struct cookie_input *input, nanos now,
                 uint8_t ret_cookie[COOKIE_LEN]);
bool cookie_check(const struct cookie_jar *jar, struct crypto_provider *crypto,
                  const struct cookie_input *input, struct span cookie, nanos now);

#endif
