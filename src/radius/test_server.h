/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RADIUS_TEST_SERVER_H
#define RADIUS_TEST_SERVER_H

/* The replies of a RADIUS server, for tests and fuzzers. Written from the RFCs, without the code of
 * seal.c. */

#include <openssl/evp.h>

#include "radius/radius.h"

struct test_reply {
    enum radius_code code;
    bool with_mac;
    struct span attributes; /* behind Message-Authenticator */
};

/* test_server_seal - returns the length. */
static inline size_t test_server_seal(const struct test_reply *reply, struct span request,
                                      const char *secret, uint8_t *out)
{
    uint8_t octets[RADIUS_PACKET + 64];
    struct writer w = writer_of(out, RADIUS_PACKET);
    size_t len = 0, secret_len = strlen(secret);
    write_u8(&w, (uint8_t)reply->code);
    write_u8(&w, request.ptr[1]);
    write_u16(&w, 0);
    write_bytes(&w, span_of(request.ptr + 4, RADIUS_AUTHENTICATOR));
    if (reply->with_mac)
        write_u8(&w, 80), write_u8(&w, 18), write_zeros(&w, 16);
    write_bytes(&w, reply->attributes);
    writer_patch_u16(&w, 2, (uint16_t)w.len);
    if (reply->with_mac)
        EVP_Q_mac(NULL, "HMAC", NULL, "MD5", NULL, secret, secret_len, out, w.len, out + 22, 16,
                  &len);
    memcpy(octets, out, w.len);
    memcpy(octets + w.len, secret, secret_len);
    EVP_Q_digest(NULL, "MD5", NULL, octets, w.len + secret_len, out + 4, NULL);
    return w.len;
}

/* test_server_request - a Disconnect-Request or CoA-Request (RFC 5176 sections 2.3 and 3.4).
 * Returns the length. */
static inline size_t test_server_request(const struct test_reply *request, uint8_t identifier,
                                         const char *secret, uint8_t *out)
{
    uint8_t octets[RADIUS_PACKET + 64];
    struct writer w = writer_of(out, RADIUS_PACKET);
    size_t len = 0, secret_len = strlen(secret);
    write_u8(&w, (uint8_t)request->code);
    write_u8(&w, identifier);
    write_u16(&w, 0);
    write_zeros(&w, RADIUS_AUTHENTICATOR);
    if (request->with_mac)
        write_u8(&w, 80), write_u8(&w, 18), write_zeros(&w, 16);
    write_bytes(&w, request->attributes);
    writer_patch_u16(&w, 2, (uint16_t)w.len);
    if (request->with_mac)
        EVP_Q_mac(NULL, "HMAC", NULL, "MD5", NULL, secret, secret_len, out, w.len, out + 22, 16,
                  &len);
    memcpy(octets, out, w.len);
    memcpy(octets + w.len, secret, secret_len);
    EVP_Q_digest(NULL, "MD5", NULL, octets, w.len + secret_len, out + 4, NULL);
    return w.len;
}

/* test_server_mppe - the value of MS-MPPE-...-Key in its vendor's attribute. */
static inline void test_server_mppe(struct writer *w, uint8_t type, struct span key,
                                    const uint8_t *authenticator, const char *secret)
{
    uint8_t value[52] = {0x80, type}, plain[48] = {(uint8_t)key.len}, pad[16], input[256];
    size_t n = (key.len + 16) / 16 * 16, secret_len = strlen(secret);
    memcpy(plain + 1, key.ptr, key.len);
    for (size_t at = 0; at < n; at += 16) {
        memcpy(input, secret, secret_len);
        if (at == 0)
            memcpy(input + secret_len, authenticator, 16),
                memcpy(input + secret_len + 16, value, 2);
        else
            memcpy(input + secret_len, value + 2 + at - 16, 16);
        EVP_Q_digest(NULL, "MD5", NULL, input, secret_len + (at == 0 ? 18 : 16), pad, NULL);
        for (size_t i = 0; i < 16; i++)
            value[2 + at + i] = plain[at + i] ^ pad[i];
    }
    write_u8(w, RADIUS_VENDOR_SPECIFIC), write_u8(w, (uint8_t)(10 + n));
    write_u32(w, 311);
    write_u8(w, type), write_u8(w, (uint8_t)(4 + n));
    write_bytes(w, span_of(value, 2 + n));
}

#endif
