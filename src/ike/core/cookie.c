/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/core/cookie.h"

#include "base/secret.h"
#include "base/writer.h"
#include "crypto/prf.h"

static bool compute(const struct cookie_jar *jar, uint8_t version, struct crypto_provider *crypto,
                    const struct cookie_input *input, uint8_t ret_cookie[COOKIE_LEN])
{
    uint8_t octets[10], out[CRYPTO_HASH_MAX];
    struct writer w = writer_of(octets, sizeof(octets));
    write_u16(&w, input->source.port);
    write_u64(&w, input->spi_i);
    struct span parts[3] = {input->ni, address_span(&input->source.address), writer_span(&w)};
    if (crypto_hmac(crypto, CRYPTO_SHA2_256, span_of(jar->secrets[version % 2], COOKIE_SECRET_LEN),
                    parts, 3, out) != 0)
        return false;
    ret_cookie[0] = version;
    memcpy(ret_cookie + 1, out, COOKIE_LEN - 1);
    return true;
}

bool cookie_make(struct cookie_jar *jar, struct crypto_provider *crypto,
                 const struct random *random, const struct cookie_input *input, nanos now,
                 uint8_t ret_cookie[COOKIE_LEN])
{
    if (jar->version == 0 || now - jar->changed_ns >= COOKIE_LIFETIME_NS) {
        /* After a quiet time the previous secret is too old: cookies made with it are refused. */
        if (now - jar->changed_ns >= 2 * COOKIE_LIFETIME_NS)
            random_fill(random, jar->secrets[jar->version % 2], COOKIE_SECRET_LEN);
        jar->version = jar->version == UINT8_MAX ? 1 : (uint8_t)(jar->version + 1);
        jar->changed_ns = now;
        random_fill(random, jar->secrets[jar->version % 2], COOKIE_SECRET_LEN);
    }
    return compute(jar, jar->version, crypto, input, ret_cookie);
}

bool cookie_check(const struct cookie_jar *jar, struct crypto_provider *crypto,
                  const struct cookie_input *input, struct span cookie, nanos now)
{
    uint8_t want[COOKIE_LEN];
    if (cookie.len != COOKIE_LEN || jar->version == 0)
        return false;
    uint8_t version = cookie.ptr[0];
    /* a secret ends on time, even if no request came */
    bool current = version == jar->version && now - jar->changed_ns < 2 * COOKIE_LIFETIME_NS;
    bool previous = jar->version > 1 && version == jar->version - 1 &&
                    now - jar->changed_ns < COOKIE_LIFETIME_NS;
    if (!current && !previous)
        return false;
    return compute(jar, version, crypto, input, want) && ct_equal(want, cookie.ptr, COOKIE_LEN);
}
