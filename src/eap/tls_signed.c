/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/tls_signed.h"

#include <openssl/bn.h>

#define CONTEXT_13     33 /* octets of the context string */
#define SPACES_13      64
#define NAMED_CURVE    3
#define CLIENT_HELLO   1
#define IKE_MAJOR      2
#define IKE_SA_INIT    34
#define IKE_VERSION_AT 17 /* in the header of an IKE message, behind both SPIs and Next Payload */

/* could_be_ike - major version, exchange type and Message ID are those of IKE_SA_INIT. Receivers
 * ignore the minor version (RFC 7296 section 2.5). Random octets look like this by chance in one of
 * 2^44 logins. */
static bool could_be_ike(struct span octets)
{
    struct reader r = reader_of(octets);
    (void)read_bytes(&r, IKE_VERSION_AT);
    uint8_t version = read_u8(&r);
    uint8_t exchange = read_u8(&r);
    (void)read_u8(&r); /* flags */
    uint32_t message_id = read_u32(&r);
    return !reader_failed(&r) && version >> 4 == IKE_MAJOR && exchange == IKE_SA_INIT &&
           message_id == 0;
}

static bool is_13(struct span octets)
{
    static const char *const contexts[] = {"TLS 1.3, server CertificateVerify",
                                           "TLS 1.3, client CertificateVerify"};
    struct reader r = reader_of(octets);
    for (int i = 0; i < SPACES_13; i++)
        if (read_u8(&r) != ' ')
            return false;
    struct span context = read_bytes(&r, CONTEXT_13);
    bool known =
        span_equal(context, span_text(contexts[0])) || span_equal(context, span_text(contexts[1]));
    return known && read_u8(&r) == 0 && (r.left == 32 || r.left == 48);
}

static bool is_prime_of_rfc3526(struct span octets)
{
    static BIGNUM *(*const primes[])(BIGNUM *) = {
        BN_get_rfc3526_prime_2048, BN_get_rfc3526_prime_3072, BN_get_rfc3526_prime_4096,
        BN_get_rfc3526_prime_8192};
    uint8_t prime[1024];
    for (size_t i = 0; i < sizeof(primes) / sizeof(primes[0]); i++) {
        BIGNUM *number = primes[i](NULL);
        int len = number == NULL ? 0 : BN_bn2bin(number, prime);
        BN_free(number);
        if (len > 0 && span_equal(octets, span_of(prime, (size_t)len)))
            return true;
    }
    return false;
}

/* is_12_server_dhe - RFC 5246 section 7.4.3: both randoms, then ServerDHParams: a prime that
 * tls_context.h allows, the generator 2, and a public value. */
static bool is_12_server_dhe(struct span octets)
{
    struct reader r = reader_of(octets);
    (void)read_bytes(&r, 64); /* the randoms */
    struct span prime = read_bytes(&r, read_u16(&r));
    struct span generator = read_bytes(&r, read_u16(&r));
    struct span value = read_bytes(&r, read_u16(&r));
    return reader_done(&r) && generator.len == 1 && generator.ptr[0] == 2 && value.len > 0 &&
           value.len <= prime.len && is_prime_of_rfc3526(prime);
}

/* is_12_server - RFC 8422 section 5.4: both randoms, a named curve, and a point with its length. */
static bool is_12_server(struct span octets)
{
    static const struct {
        uint16_t curve;
        uint8_t len;
    } curves[] = {{23, 65}, {24, 97}, {25, 133}, {29, 32}, {30, 56}};
    struct reader r = reader_of(octets);
    (void)read_bytes(&r, 64); /* the randoms */
    uint8_t type = read_u8(&r);
    uint16_t curve = read_u16(&r);
    uint8_t len = read_u8(&r);
    (void)read_bytes(&r, len);
    bool known = false;
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
        known |= curves[i].curve == curve && curves[i].len == len;
    return reader_done(&r) && type == NAMED_CURVE && known;
}

/* is_12_client - all messages of the handshake so far: the last one is ClientKeyExchange. */
static bool is_12_client(struct span octets)
{
    struct reader r = reader_of(octets);
    unsigned n = 0;
    uint8_t type = 0;
    while (r.left > 0) {
        type = read_u8(&r);
        uint32_t high = read_u8(&r);
        uint32_t len = high << 16 | read_u16(&r);
        (void)read_bytes(&r, len);
        if (reader_failed(&r) || (n++ == 0) != (type == CLIENT_HELLO))
            return false;
    }
    return n >= 5 && type == 16; /* ClientKeyExchange */
}

bool tls_signed_is(struct span octets)
{
    return !could_be_ike(octets) && (is_13(octets) || is_12_server(octets) ||
                                     is_12_server_dhe(octets) || is_12_client(octets));
}
