/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED /* only the low-level API has SHA-1 without padding */
#include "eap/sim_keys.h"

#include <openssl/sha.h>

#include "base/secret.h"

enum place { PLACE_UNKNOWN, PLACE_CLEAR, PLACE_NESTED };

/* RFC 4187 section 10.1, column "E": which attributes must be encrypted. */
static const uint8_t places[AT_END] = {
    [AT_RAND] = PLACE_CLEAR,
    [AT_AUTN] = PLACE_CLEAR,
    [AT_RES] = PLACE_CLEAR,
    [AT_AUTS] = PLACE_CLEAR,
    [AT_PADDING] = PLACE_NESTED,
    [AT_NONCE_MT] = PLACE_CLEAR,
    [AT_PERMANENT_ID_REQ] = PLACE_CLEAR,
    [AT_MAC] = PLACE_CLEAR,
    [AT_NOTIFICATION] = PLACE_CLEAR,
    [AT_ANY_ID_REQ] = PLACE_CLEAR,
    [AT_IDENTITY] = PLACE_CLEAR,
    [AT_VERSION_LIST] = PLACE_CLEAR,
    [AT_SELECTED_VERSION] = PLACE_CLEAR,
    [AT_FULLAUTH_ID_REQ] = PLACE_CLEAR,
    [AT_COUNTER] = PLACE_NESTED,
    [AT_COUNTER_TOO_SMALL] = PLACE_NESTED,
    [AT_NONCE_S] = PLACE_NESTED,
    [AT_CLIENT_ERROR_CODE] = PLACE_CLEAR,
    [AT_KDF_INPUT] = PLACE_CLEAR,
    [AT_KDF] = PLACE_CLEAR,
    [AT_IV] = PLACE_CLEAR,
    [AT_ENCR_DATA] = PLACE_CLEAR,
    [AT_NEXT_PSEUDONYM] = PLACE_NESTED,
    [AT_NEXT_REAUTH_ID] = PLACE_NESTED,
    [AT_CHECKCODE] = PLACE_CLEAR,
    [AT_RESULT_IND] = PLACE_CLEAR,
    [AT_BIDDING] = PLACE_CLEAR,
};

/* list_read - Length counts Type and Length too, so 0 is malformed (CVE-2026-35330). */
static bool list_read(struct reader *r, enum place place, struct sim_attributes *ret)
{
    while (r->left > 0) {
        uint8_t type = read_u8(r);
        uint8_t units = read_u8(r);
        struct span value = read_bytes(r, units == 0 ? 0 : (size_t)units * 4 - 2);
        if (units == 0 || reader_failed(r))
            return false;
        bool known = type < AT_END && places[type] == place;
        if (!known && type < AT_SKIPPABLE)
            return false;
        if (!known || (ret->seen[type] && type == AT_KDF))
            continue;
        if (ret->seen[type])
            return false;
        ret->seen[type] = true;
        ret->values[type] = value;
    }
    return !reader_failed(r);
}

/*
 *   | Subtype (1) | Reserved (2) | attribute: Type (1), Length (1, in 4 octets), value ... |
 */
bool sim_attributes_read(struct span data, struct sim_attributes *ret)
{
    struct reader r = reader_of(data);
    *ret = (struct sim_attributes){.subtype = read_u8(&r)};
    (void)read_u16(&r);
    return list_read(&r, PLACE_CLEAR, ret);
}

bool sim_nested_read(struct span data, struct sim_attributes *ret)
{
    struct reader r = reader_of(data);
    *ret = (struct sim_attributes){0};
    return list_read(&r, PLACE_NESTED, ret);
}

void sim_begin(struct writer *w, uint8_t subtype)
{
    write_u8(w, subtype);
    write_u16(w, 0);
}

void sim_attribute_write(struct writer *w, enum sim_attribute type, const struct span *parts,
                         size_t n)
{
    size_t begin = w->len;
    write_u8(w, (uint8_t)type);
    write_u8(w, 0);
    for (size_t i = 0; i < n; i++)
        write_bytes(w, parts[i]);
    write_zeros(w, (4 - (w->len - begin) % 4) % 4);
    if (!writer_failed(w))
        writer_patch_u8(w, begin + 1, (uint8_t)((w->len - begin) / 4));
}

static int mac_compute(struct eap_crypto *crypto, const struct sim_mac_key *k_aut,
                       struct span packet, uint8_t out[SIM_MAC])
{
    const struct span parts[] = {packet, k_aut->extra};
    return eap_hmac(crypto, k_aut->len == 16 ? "SHA1" : "SHA256",
                    span_of(k_aut->octets, k_aut->len), parts, 2, (struct buffer){out, SIM_MAC});
}

int sim_mac_write(struct eap_crypto *crypto, const struct sim_mac_key *k_aut, struct writer *w)
{
    static const uint8_t zeros[2 + SIM_MAC];
    const struct span value = span_of(zeros, sizeof(zeros));
    sim_attribute_write(w, AT_MAC, &value, 1);
    eap_packet_end(w);
    if (writer_failed(w))
        return ERR_CRYPTO;
    const struct span packet = span_of(w->buf, w->len);
    struct buffer mac = {w->buf + w->len - SIM_MAC, SIM_MAC};
    uint8_t computed[SIM_MAC];
    int error = mac_compute(crypto, k_aut, packet, computed);
    memcpy(mac.ptr, computed, sizeof(computed));
    return error;
}

int sim_mac_check(struct eap_crypto *crypto, const struct sim_mac_key *k_aut,
                  const struct eap_packet *packet, const struct sim_attributes *attributes)
{
    uint8_t octets[EAP_PACKET], mac[SIM_MAC];
    struct span value = attributes->values[AT_MAC];
    if (value.len != 2 + SIM_MAC || packet->octets.len > sizeof(octets))
        return ERR_AUTH;
    memcpy(octets, packet->octets.ptr, packet->octets.len);
    memset(octets + (value.ptr + 2 - packet->octets.ptr), 0, SIM_MAC);
    const struct span part = span_of(octets, packet->octets.len);
    int error = mac_compute(crypto, k_aut, part, mac);
    return error != 0 ? error : ct_equal(mac, value.ptr + 2, SIM_MAC) ? 0 : ERR_AUTH;
}

/* G(t, XVAL): one compression of SHA-1 over XVAL and zeros. */
static void g(const uint8_t xval[20], uint8_t out[20])
{
    SHA_CTX context;
    uint8_t block[64] = {0};
    memcpy(block, xval, 20);
    (void)SHA1_Init(&context);
    SHA1_Transform(&context, block);
    const uint32_t words[] = {(uint32_t)context.h0, (uint32_t)context.h1, (uint32_t)context.h2,
                              (uint32_t)context.h3, (uint32_t)context.h4};
    struct writer w = writer_of(out, 20);
    for (size_t i = 0; i < 5; i++)
        write_u32(&w, words[i]);
    wipe(block, sizeof(block));
    wipe(&context, sizeof(context));
}

/* XKEY = (1 + XKEY + w) mod 2^160 */
static void xkey_add(uint8_t xkey[20], const uint8_t w[20])
{
    unsigned carry = 1;
    for (int i = 19; i >= 0; i--) {
        carry += (unsigned)xkey[i] + w[i];
        xkey[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

static void stream_make(const uint8_t seed[20], struct buffer out)
{
    uint8_t xkey[20], piece[20];
    memcpy(xkey, seed, sizeof(xkey));
    for (size_t at = 0; at < out.len; at += sizeof(piece)) {
        size_t left = out.len - at;
        g(xkey, piece);
        xkey_add(xkey, piece);
        memcpy(out.ptr + at, piece, left < sizeof(piece) ? left : sizeof(piece));
    }
    wipe(xkey, sizeof(xkey));
    wipe(piece, sizeof(piece));
}

void sim_keys_derive(const uint8_t mk[20], struct sim_keys *ret)
{
    uint8_t stream[sizeof(*ret)];
    _Static_assert(sizeof(*ret) == 16 + 16 + EAP_MSK, "the keys are the stream, in this order");
    stream_make(mk, (struct buffer){stream, sizeof(stream)});
    memcpy(ret, stream, sizeof(stream));
    wipe(stream, sizeof(stream));
}

/* XKEY' = SHA1(Identity | counter | NONCE_S | MK) */
int sim_reauth_derive(struct eap_crypto *crypto, const struct sim_reauth_input *input,
                      uint8_t ret_msk[EAP_MSK])
{
    const uint8_t counter[] = {(uint8_t)(input->counter >> 8), (uint8_t)input->counter};
    const struct span parts[] = {input->identity, span_of(counter, 2), input->nonce_s, input->key};
    uint8_t xkey[20] = {0};
    int error = eap_digest(crypto, crypto->sha1, parts, 4, xkey);
    stream_make(xkey, (struct buffer){ret_msk, EAP_MSK});
    wipe(xkey, sizeof(xkey));
    return error;
}

/* --- EAP-AKA' --- */

/* 3GPP TS 33.402 annex A.2: CK' | IK' = HMAC-SHA-256(CK | IK, FC | P0 | L0 | P1 | L1). */
static int prime_keys(struct eap_crypto *crypto, const struct aka_prime_input *input,
                      uint8_t out[32])
{
    const uint8_t fc = 0x20, l1[] = {0, 6};
    const uint8_t l0[] = {(uint8_t)(input->network.len >> 8), (uint8_t)input->network.len};
    const struct span parts[] = {span_of(&fc, 1), input->network, span_of(l0, 2), input->sqn_ak,
                                 span_of(l1, 2)};
    return eap_hmac(crypto, "SHA256", input->ck_ik, parts, 5, (struct buffer){out, 32});
}

/* RFC 9048 section 3.4.1: PRF'(K, S) = T1 | T2 | ..., Tn = HMAC-SHA-256(K, Tn-1 | S | n). `seeds`:
 * S, at most 4 parts; `out` is a whole number of Tn. */
static int prf_prime(struct eap_crypto *crypto, struct span key, const struct span seeds[4],
                     struct buffer out)
{
    int error = 0;
    for (uint8_t n = 1; error == 0 && n <= out.len / 32; n++) {
        uint8_t *t = out.ptr + (n - 1) * 32;
        const struct span parts[] = {span_of(t - (n > 1 ? 32 : 0), n > 1 ? 32 : 0),
                                     seeds[0],
                                     seeds[1],
                                     seeds[2],
                                     seeds[3],
                                     span_of(&n, 1)};
        error = eap_hmac(crypto, "SHA256", key, parts, 6, (struct buffer){t, 32});
    }
    return error;
}

int aka_prime_derive(struct eap_crypto *crypto, const struct aka_prime_input *input,
                     struct aka_prime_keys *ret)
{
    uint8_t prime[32], key[32], stream[5 * 32];
    const struct span seeds[4] = {span_text("EAP-AKA'"), input->identity};
    _Static_assert(sizeof(*ret) <= sizeof(stream), "the keys are the stream, in this order");
    int error = prime_keys(crypto, input, prime);
    memcpy(key, prime + 16, 16); /* IK' | CK' */
    memcpy(key + 16, prime, 16);
    if (error == 0)
        error = prf_prime(crypto, span_of(key, sizeof(key)), seeds,
                          (struct buffer){stream, sizeof(stream)});
    memcpy(ret, stream, sizeof(*ret));
    wipe(prime, sizeof(prime));
    wipe(key, sizeof(key));
    wipe(stream, sizeof(stream));
    return error;
}

int aka_prime_reauth_derive(struct eap_crypto *crypto, const struct sim_reauth_input *input,
                            uint8_t ret_msk[EAP_MSK])
{
    const uint8_t counter[] = {(uint8_t)(input->counter >> 8), (uint8_t)input->counter};
    const struct span seeds[4] = {span_text("EAP-AKA' re-auth"), input->identity,
                                  span_of(counter, 2), input->nonce_s};
    return prf_prime(crypto, input->key, seeds, (struct buffer){ret_msk, EAP_MSK});
}
