/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/mschap.h"

#include "base/reader.h"
#include "base/secret.h"
#include "base/writer.h"

#define SHA1_LEN 20

/* utf8_read - reads one code point. The reader fails if it is not UTF-8 (RFC 3629). */
static uint32_t utf8_read(struct reader *r)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = read_u8(r);
    unsigned more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (first >= 0x80 && (first < 0xc2 || first > 0xf4))
        reader_fail(r);
    uint32_t code = more == 0 ? first : first & (0x3fu >> more);
    for (unsigned i = 0; i < more; i++) {
        uint8_t next = read_u8(r);
        if ((next & 0xc0) != 0x80)
            reader_fail(r);
        code = code << 6 | (next & 0x3f);
    }
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        reader_fail(r);
    return code;
}

static void utf16le_write(struct writer *w, uint16_t unit)
{
    write_u8(w, (uint8_t)unit);
    write_u8(w, (uint8_t)(unit >> 8));
}

int mschap_password_hash(struct eap_crypto *crypto, struct span password,
                         uint8_t ret_hash[MSCHAP_HASH])
{
    uint8_t unicode[2 * EAP_PASSWORD];
    struct writer w = writer_of(unicode, sizeof(unicode));
    struct reader r = reader_of(password);
    while (r.left > 0) {
        uint32_t code = utf8_read(&r);
        if (code >= 0x10000) {
            utf16le_write(&w, (uint16_t)(0xd800 + ((code - 0x10000) >> 10)));
            utf16le_write(&w, (uint16_t)(0xdc00 + ((code - 0x10000) & 0x3ff)));
        } else {
            utf16le_write(&w, (uint16_t)code);
        }
    }
    int error = ERR_INVALID;
    if (!reader_failed(&r) && !writer_failed(&w)) {
        const struct span part = writer_span(&w);
        error = eap_digest(crypto, crypto->md4, &part, 1, ret_hash);
    }
    wipe(unicode, sizeof(unicode));
    return error;
}

int mschap_secret_hash(struct eap_crypto *crypto, const struct eap_secret *secret,
                       uint8_t ret_hash[MSCHAP_HASH])
{
    switch (secret->kind) {
    case EAP_SECRET_PASSWORD:
        return mschap_password_hash(crypto, span_of(secret->octets, secret->len), ret_hash);
    case EAP_SECRET_NT_HASH:
        if (secret->len != MSCHAP_HASH)
            return ERR_INVALID;
        memcpy(ret_hash, secret->octets, MSCHAP_HASH);
        return 0;
    }
    return ERR_INVALID;
}

static struct span without_domain(struct span name)
{
    const uint8_t *slash = name.len == 0 ? NULL : memrchr(name.ptr, '\\', name.len);
    if (slash == NULL)
        return name;
    size_t skip = (size_t)(slash + 1 - name.ptr);
    return span_of(name.ptr + skip, name.len - skip);
}

static int challenge_hash(struct eap_crypto *crypto, const struct mschap_exchange *exchange,
                          struct span name, uint8_t ret_challenge[SHA1_LEN])
{
    const struct span parts[] = {span_of(exchange->peer_challenge, MSCHAP_CHALLENGE),
                                 span_of(exchange->authenticator_challenge, MSCHAP_CHALLENGE),
                                 without_domain(name)};
    return eap_digest(crypto, crypto->sha1, parts, 3, ret_challenge);
}

/* des_encrypt - DesEncrypt: spreads the 56 bits of the key over 64. The lowest bit of each octet is
 * for parity, which DES ignores. */
static int des_encrypt(struct eap_crypto *crypto, const uint8_t clear[8], const uint8_t key[7],
                       uint8_t out[8])
{
    uint8_t spread[8];
    uint64_t bits = 0;
    for (int i = 0; i < 7; i++)
        bits = bits << 8 | key[i];
    for (int i = 0; i < 8; i++)
        spread[i] = (uint8_t)((bits >> (49 - 7 * i) & 0x7f) << 1);
    int error = eap_cipher(crypto, crypto->des, true, spread, NULL, span_of(clear, 8), out);
    wipe(spread, sizeof(spread));
    return error;
}

int mschap_nt_response(struct eap_crypto *crypto, const struct mschap_exchange *exchange,
                       struct span name, const uint8_t hash[MSCHAP_HASH],
                       uint8_t ret_response[MSCHAP_NT_RESPONSE])
{
    uint8_t challenge[SHA1_LEN];
    uint8_t padded[21] = {0};
    memcpy(padded, hash, MSCHAP_HASH);
    int error = challenge_hash(crypto, exchange, name, challenge);
    for (size_t i = 0; error == 0 && i < 3; i++)
        error = des_encrypt(crypto, challenge, padded + 7 * i, ret_response + 8 * i);
    wipe(padded, sizeof(padded));
    return error;
}

int mschap_authenticator_response(struct eap_crypto *crypto, const struct mschap_exchange *exchange,
                                  struct span name, const uint8_t hash[MSCHAP_HASH],
                                  uint8_t ret_response[MSCHAP_AUTH])
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t hash_hash[MSCHAP_HASH], challenge[SHA1_LEN], digest[SHA1_LEN];
    const struct span one = span_of(hash, MSCHAP_HASH);
    const struct span first[] = {span_of(hash_hash, MSCHAP_HASH),
                                 span_of(exchange->nt_response, MSCHAP_NT_RESPONSE),
                                 span_text("Magic server to client signing constant")};
    const struct span second[] = {span_of(digest, SHA1_LEN), span_of(challenge, 8),
                                  span_text("Pad to make it do more than one iteration")};
    int error = eap_digest(crypto, crypto->md4, &one, 1, hash_hash);
    if (error == 0)
        error = eap_digest(crypto, crypto->sha1, first, 3, digest);
    if (error == 0)
        error = challenge_hash(crypto, exchange, name, challenge);
    if (error == 0)
        error = eap_digest(crypto, crypto->sha1, second, 3, digest);
    ret_response[0] = 'S', ret_response[1] = '=';
    for (size_t i = 0; error == 0 && i < SHA1_LEN; i++) {
        ret_response[2 + 2 * i] = (uint8_t)digits[digest[i] >> 4];
        ret_response[3 + 2 * i] = (uint8_t)digits[digest[i] & 15];
    }
    wipe(hash_hash, sizeof(hash_hash));
    return error;
}

/* RFC 3079 section 3.4: GetAsymmetricStartKey */
static int start_key(struct eap_crypto *crypto, const uint8_t master[16], const char *magic,
                     uint8_t ret_key[16])
{
    uint8_t pad1[40], pad2[40], digest[SHA1_LEN];
    memset(pad1, 0, sizeof(pad1));
    memset(pad2, 0xf2, sizeof(pad2));
    const struct span parts[] = {span_of(master, 16), span_of(pad1, sizeof(pad1)), span_text(magic),
                                 span_of(pad2, sizeof(pad2))};
    int error = eap_digest(crypto, crypto->sha1, parts, 4, digest);
    memcpy(ret_key, digest, 16);
    wipe(digest, sizeof(digest));
    return error;
}

int mschap_msk(struct eap_crypto *crypto, const uint8_t nt_response[MSCHAP_NT_RESPONSE],
               const uint8_t hash[MSCHAP_HASH], uint8_t ret_msk[EAP_MSK])
{
    uint8_t hash_hash[MSCHAP_HASH], master[SHA1_LEN];
    const struct span one = span_of(hash, MSCHAP_HASH);
    const struct span parts[] = {span_of(hash_hash, MSCHAP_HASH),
                                 span_of(nt_response, MSCHAP_NT_RESPONSE),
                                 span_text("This is the MPPE Master Key")};
    memset(ret_msk, 0, EAP_MSK);
    int error = eap_digest(crypto, crypto->md4, &one, 1, hash_hash);
    if (error == 0)
        error = eap_digest(crypto, crypto->sha1, parts, 3, master);
    if (error == 0)
        error = start_key(crypto, master,
                          "On the client side, this is the send key; "
                          "on the server side, it is the receive key.",
                          ret_msk);
    if (error == 0)
        error = start_key(crypto, master,
                          "On the client side, this is the receive key; "
                          "on the server side, it is the send key.",
                          ret_msk + 16);
    wipe(hash_hash, sizeof(hash_hash));
    wipe(master, sizeof(master));
    return error;
}
