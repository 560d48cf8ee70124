/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that need the shared secret: authenticators and encrypted keys. */
#include <openssl/evp.h>

#include "base/secret.h"
#include "radius/radius.h"

#define MD5_LEN     16
#define VENDOR_MS   311 /* Microsoft, RFC 2548 */
#define MS_SEND_KEY 16
#define MS_RECV_KEY 17
#define MPPE_KEY    32 /* octets of each key, at most */
#define MPPE_VALUE  250

/* md5 - the digest of all parts, one after the other. */
static int md5(const struct span *parts, size_t n, uint8_t out[MD5_LEN])
{
    uint8_t octets[RADIUS_PACKET + RADIUS_SECRET + RADIUS_AUTHENTICATOR];
    struct writer w = writer_of(octets, sizeof(octets));
    for (size_t i = 0; i < n; i++)
        write_bytes(&w, parts[i]);
    bool ok = !writer_failed(&w) && EVP_Q_digest(NULL, "MD5", NULL, octets, w.len, out, NULL) == 1;
    wipe(octets, sizeof(octets));
    return ok ? 0 : ERR_CRYPTO;
}

static int hmac_md5(const struct radius_key *key, struct span octets, uint8_t out[MD5_LEN])
{
    size_t len = 0;
    return EVP_Q_mac(NULL, "HMAC", NULL, "MD5", NULL, key->octets, key->len, octets.ptr, octets.len,
                     out, MD5_LEN, &len) != NULL &&
                   len == MD5_LEN
               ? 0
               : ERR_CRYPTO;
}

static struct span key_span(const struct radius_key *key)
{
    return span_of(key->octets, key->len);
}

int radius_request_seal(const struct radius_request *request, const struct radius_key *key,
                        uint8_t authenticator[RADIUS_AUTHENTICATOR], struct writer *w)
{
    bool access = request->code != RADIUS_ACCOUNTING_REQUEST;
    int error = 0;
    write_u8(w, (uint8_t)request->code);
    write_u8(w, request->identifier);
    write_u16(w, 0);
    if (!access)
        memset(authenticator, 0, RADIUS_AUTHENTICATOR);
    write_bytes(w, span_of(authenticator, RADIUS_AUTHENTICATOR));
    size_t mac = w->len + 2;
    if (access) {
        write_u8(w, RADIUS_MESSAGE_AUTHENTICATOR), write_u8(w, 2 + MD5_LEN);
        write_zeros(w, MD5_LEN);
    }
    write_bytes(w, request->attributes);
    if (writer_failed(w) || w->len > RADIUS_PACKET)
        return ERR_TRUNCATED;
    writer_patch_u16(w, 2, (uint16_t)w->len);
    const struct span parts[] = {span_of(w->buf, w->len), key_span(key)};
    if (access)
        return hmac_md5(key, parts[0], w->buf + mac);
    error = md5(parts, 2, authenticator);
    memcpy(w->buf + 4, authenticator, RADIUS_AUTHENTICATOR);
    return error;
}

/* message_authenticator_check - RFC 3579 section 3.2: the value is an HMAC-MD5 over the reply, with
 * the Request Authenticator in its header and zeros in place of the value. */
static int message_authenticator_check(const struct radius_packet *reply,
                                       const struct radius_key *key, const uint8_t *authenticator)
{
    uint8_t octets[RADIUS_PACKET], mac[MD5_LEN];
    struct span value;
    if (radius_count(reply, RADIUS_MESSAGE_AUTHENTICATOR) != 1 ||
        !radius_find(reply, RADIUS_MESSAGE_AUTHENTICATOR, &value) || value.len != MD5_LEN)
        return ERR_AUTH;
    memcpy(octets, reply->octets.ptr, reply->octets.len);
    memcpy(octets + 4, authenticator, RADIUS_AUTHENTICATOR);
    memset(octets + (value.ptr - reply->octets.ptr), 0, MD5_LEN);
    int error = hmac_md5(key, span_of(octets, reply->octets.len), mac);
    return error != 0 ? error : ct_equal(mac, value.ptr, MD5_LEN) ? 0 : ERR_AUTH;
}

int radius_reply_check(const struct radius_packet *reply, enum radius_code request,
                       const struct radius_key *key,
                       const uint8_t authenticator[RADIUS_AUTHENTICATOR])
{
    uint8_t digest[MD5_LEN];
    struct span octets = reply->octets;
    const struct span parts[] = {span_of(octets.ptr, 4),
                                 span_of(authenticator, RADIUS_AUTHENTICATOR), reply->attributes,
                                 key_span(key)};
    int error = md5(parts, 4, digest);
    if (error == 0 && !ct_equal(digest, octets.ptr + 4, MD5_LEN))
        error = ERR_AUTH;
    bool bare =
        reply->code == RADIUS_ACCOUNTING_RESPONSE ||
        (request == RADIUS_STATUS_SERVER && radius_count(reply, RADIUS_MESSAGE_AUTHENTICATOR) == 0);
    if (error == 0 && !bare)
        error = message_authenticator_check(reply, key, authenticator);
    return error;
}

int radius_change_check(const struct radius_packet *request, const struct radius_key *key)
{
    static const uint8_t zeros[RADIUS_AUTHENTICATOR];
    uint8_t digest[MD5_LEN];
    struct span octets = request->octets;
    const struct span parts[] = {span_of(octets.ptr, 4), span_of(zeros, sizeof(zeros)),
                                 request->attributes, key_span(key)};
    int error = md5(parts, 4, digest);
    if (error == 0 && !ct_equal(digest, octets.ptr + 4, MD5_LEN))
        error = ERR_AUTH;
    if (error == 0 && radius_count(request, RADIUS_MESSAGE_AUTHENTICATOR) > 0)
        error = message_authenticator_check(request, key, zeros);
    return error;
}

int radius_reply_seal(const struct radius_request *reply, const struct radius_key *key,
                      const uint8_t authenticator[RADIUS_AUTHENTICATOR], struct writer *w)
{
    write_u8(w, (uint8_t)reply->code);
    write_u8(w, reply->identifier);
    write_u16(w, 0);
    write_bytes(w, span_of(authenticator, RADIUS_AUTHENTICATOR));
    size_t mac = w->len + 2;
    write_u8(w, RADIUS_MESSAGE_AUTHENTICATOR);
    write_u8(w, 2 + MD5_LEN);
    write_zeros(w, MD5_LEN);
    write_bytes(w, reply->attributes);
    if (writer_failed(w) || w->len > RADIUS_PACKET)
        return ERR_TRUNCATED;
    writer_patch_u16(w, 2, (uint16_t)w->len);
    int error = hmac_md5(key, span_of(w->buf, w->len), w->buf + mac);
    const struct span parts[] = {span_of(w->buf, w->len), key_span(key)};
    return error != 0 ? error : md5(parts, 2, w->buf + 4);
}

/* mppe_open - decrypts a key (RFC 2548 section 2.4.2): Salt (2), then blocks of 16 octets, each
 * XORed with MD5 of the secret and the block before. The plain text: length (1), key, zeros. */
static int mppe_open(struct span value, const struct radius_key *key, const uint8_t *authenticator,
                     uint8_t ret_key[MPPE_KEY], size_t *ret_len)
{
    uint8_t plain[MPPE_VALUE] = {0}, pad[MD5_LEN] = {0};
    struct reader r = reader_of(value);
    struct span salt = read_bytes(&r, 2);
    struct span hidden = read_rest(&r);
    if (reader_failed(&r) || hidden.len == 0 || hidden.len % MD5_LEN != 0 ||
        hidden.len > sizeof(plain))
        return ERR_INVALID;
    int error = 0;
    for (size_t at = 0; error == 0 && at < hidden.len; at += MD5_LEN) {
        bool first = at == 0;
        const struct span parts[] = {
            key_span(key),
            first ? span_of(authenticator, RADIUS_AUTHENTICATOR)
                  : span_of(hidden.ptr + (at - MD5_LEN), MD5_LEN),
            salt,
        };
        error = md5(parts, first ? 3 : 2, pad);
        for (size_t i = 0; i < MD5_LEN; i++)
            plain[at + i] = hidden.ptr[at + i] ^ pad[i];
    }
    if (error == 0 && (plain[0] == 0 || plain[0] > MPPE_KEY || plain[0] >= hidden.len))
        error = ERR_INVALID;
    if (error == 0) {
        memcpy(ret_key, plain + 1, plain[0]);
        *ret_len = plain[0];
    }
    wipe(plain, sizeof(plain));
    wipe(pad, sizeof(pad));
    return error;
}

int radius_msk(const struct radius_packet *accept, const struct radius_key *key,
               const uint8_t authenticator[RADIUS_AUTHENTICATOR], uint8_t ret_msk[RADIUS_MSK])
{
    uint8_t both[2 * MPPE_KEY] = {0};
    struct span recv, send;
    size_t recv_len = 0, send_len = 0;
    if (!radius_find_vendor(accept, VENDOR_MS, MS_RECV_KEY, &recv) ||
        !radius_find_vendor(accept, VENDOR_MS, MS_SEND_KEY, &send))
        return ERR_NOT_FOUND;
    int error = mppe_open(recv, key, authenticator, both, &recv_len);
    if (error == 0)
        error = mppe_open(send, key, authenticator, both + recv_len, &send_len);
    if (error == 0)
        memcpy(ret_msk, both, sizeof(both));
    wipe(both, sizeof(both));
    return error;
}
