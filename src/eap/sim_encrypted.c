/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AT_IV, AT_ENCR_DATA and AT_PADDING (RFC 4187 section 10.12): AES-128-CBC with K_encr. AT_MAC
 * covers the ciphertext, so it is checked first.
 */
#include "base/secret.h"
#include "eap/sim_auth.h"

#define BLOCK 16

/* RFC 4187 section 10.12: AT_PADDING fills the last block, with 4, 8 or 12 octets. */
static void pad(struct writer *plain)
{
    static const uint8_t zeros[BLOCK];
    size_t missing = -plain->len & (BLOCK - 1);
    const struct span value = span_of(zeros, missing < 2 ? 0 : missing - 2);
    if (missing > 0)
        sim_attribute_write(plain, AT_PADDING, &value, 1);
}

int sim_encrypted_write(struct eap_talk *talk, const struct sim_auth *auth, struct writer *plain,
                        struct writer *w)
{
    static const uint8_t reserved[2];
    uint8_t iv[BLOCK], octets[SIM_ENCRYPTED];
    pad(plain);
    if (writer_failed(plain) || plain->len > sizeof(octets))
        return ERR_CRYPTO;
    random_fill(talk->random, iv, sizeof(iv));
    int error = eap_cipher(talk->crypto, talk->crypto->aes_128_cbc, true, auth->k_encr, iv,
                           writer_span(plain), octets);
    const struct span iv_parts[] = {span_of(reserved, 2), span_of(iv, sizeof(iv))};
    const struct span data_parts[] = {span_of(reserved, 2), span_of(octets, plain->len)};
    sim_attribute_write(w, AT_IV, iv_parts, 2);
    sim_attribute_write(w, AT_ENCR_DATA, data_parts, 2);
    return error;
}

/* RFC 4187 section 10.12: "the recipient MUST verify that the pad bytes are set to zero". */
static bool padding_right(const struct sim_attributes *a)
{
    struct span pad = a->values[AT_PADDING];
    bool zeros = true;
    for (size_t i = 0; i < pad.len; i++)
        zeros &= pad.ptr[i] == 0;
    return zeros && pad.len < BLOCK;
}

bool sim_encrypted_read(struct eap_talk *talk, const struct sim_auth *auth,
                        const struct sim_attributes *a, uint8_t room[SIM_ENCRYPTED],
                        struct sim_attributes *ret)
{
    struct span iv = a->values[AT_IV], data = a->values[AT_ENCR_DATA];
    if (iv.len != 2 + BLOCK || data.len < 2 + BLOCK || (data.len - 2) % BLOCK != 0 ||
        data.len - 2 > SIM_ENCRYPTED)
        return false;
    const struct span in = span_of(data.ptr + 2, data.len - 2);
    return eap_cipher(talk->crypto, talk->crypto->aes_128_cbc, false, auth->k_encr, iv.ptr + 2, in,
                      room) == 0 &&
           sim_nested_read(span_of(room, in.len), ret) && padding_right(ret);
}
