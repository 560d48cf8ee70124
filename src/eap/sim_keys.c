/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED /* low-level API: only it computes SHA-1 without padding */
#include "eap/sim_keys.h"

#include <openssl/sha.h>

#include "base/secret.h"

/*
 *   | Subtype (1) | Reserved (2) | attribute: Type (1), Length (1, in 4 octets), value ... |
 *
 * Length counts Type and Length too: 0 is malformed (CVE-2026-35330).
 */
bool sim_attributes_read(struct span data, struct sim_attributes *ret)
{
    struct reader r = reader_of(data);
    *ret = (struct sim_attributes){.subtype = read_u8(&r)};
    (void)read_u16(&r);
    while (r.left > 0) {
        uint8_t type = read_u8(&r);
        uint8_t units = read_u8(&r);
        struct span value = read_bytes(&r, units == 0 ? 0 : (size_t)units * 4 - 2);
        if (units == 0 || reader_failed(&r))
            return false;
        if (type >= AT_SKIPPABLE)
            continue;
        if (ret->seen[type] && type == AT_KDF)
            continue;
        if (ret->seen[type])
            return false;
        ret->seen[type] = true;
        ret->values[type] = value;
    }
    return !reader_failed(&r);
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

void sim_keys_derive(const uint8_t mk[20], struct sim_keys *ret)
{
    uint8_t xkey[20], stream[160];
    _Static_assert(sizeof(*ret) == sizeof(stream), "the keys are the stream, in this order");
    memcpy(xkey, mk, sizeof(xkey));
    for (size_t at = 0; at < sizeof(stream); at += 20) {
        g(xkey, stream + at);
        xkey_add(xkey, stream + at);
    }
    memcpy(ret, stream, sizeof(stream));
    wipe(xkey, sizeof(xkey));
    wipe(stream, sizeof(stream));
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

/* RFC 9048 section 3.4.1: PRF'(K, S) = T1 | T2 | ..., Tn = HMAC-SHA-256(K, Tn-1 | S | n). */
int aka_prime_derive(struct eap_crypto *crypto, const struct aka_prime_input *input,
                     struct aka_prime_keys *ret)
{
    uint8_t prime[32], key[32], stream[5 * 32];
    _Static_assert(sizeof(*ret) <= sizeof(stream), "the keys are the stream, in this order");
    int error = prime_keys(crypto, input, prime);
    memcpy(key, prime + 16, 16); /* IK' | CK' */
    memcpy(key + 16, prime, 16);
    for (uint8_t n = 1; error == 0 && n <= 5; n++) {
        uint8_t *t = stream + (n - 1) * 32;
        const struct span parts[] = {span_of(t - (n > 1 ? 32 : 0), n > 1 ? 32 : 0),
                                     span_text("EAP-AKA'"), input->identity, span_of(&n, 1)};
        error =
            eap_hmac(crypto, "SHA256", span_of(key, sizeof(key)), parts, 4, (struct buffer){t, 32});
    }
    memcpy(ret, stream, sizeof(*ret));
    wipe(prime, sizeof(prime));
    wipe(key, sizeof(key));
    wipe(stream, sizeof(stream));
    return error;
}
