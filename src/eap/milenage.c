/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/milenage.h"

#include "base/secret.h"

#define BLOCK MILENAGE_KEY

static int encrypt(struct eap_crypto *crypto, const struct milenage *usim, const uint8_t in[BLOCK],
                   uint8_t out[BLOCK])
{
    return eap_cipher(crypto, crypto->aes_128_ecb, true, usim->k, NULL, span_of(in, BLOCK), out);
}

static void xor
    (uint8_t out[BLOCK], const uint8_t a[BLOCK], const uint8_t b[BLOCK]) {
        for (size_t i = 0; i < BLOCK; i++)
            out[i] = a[i] ^ b[i];
    }

    /* TEMP = E[RAND xor OPc] */
    static int temp_make(struct eap_crypto *crypto, const struct milenage *usim,
                         const uint8_t *rand, uint8_t temp[BLOCK])
{
    uint8_t in[BLOCK];
    xor(in, rand, usim->opc);
    return encrypt(crypto, usim, in, temp);
}

int milenage_f1(struct eap_crypto *crypto, const struct milenage *usim, const uint8_t *rand,
                const uint8_t sqn_amf[8], uint8_t ret_mac_a_s[2 * MILENAGE_MAC])
{
    uint8_t temp[BLOCK], in1[BLOCK], rotated[BLOCK], out[BLOCK];
    int error = temp_make(crypto, usim, rand, temp);
    memcpy(in1, sqn_amf, 8);
    memcpy(in1 + 8, sqn_amf, 8);
    xor(in1, in1, usim->opc);
    for (size_t i = 0; i < BLOCK; i++) /* r1 = 64 bits, c1 = 0 */
        rotated[i] = in1[(i + 8) % BLOCK] ^ temp[i];
    if (error == 0)
        error = encrypt(crypto, usim, rotated, out);
    xor(ret_mac_a_s, out, usim->opc);
    wipe(temp, sizeof(temp));
    return error;
}

/* struct out_constants - rn in octets, and the lowest octet of cn; its other octets are 0. */
struct out_constants {
    uint8_t r, c;
};

/* OUTn = E[rot(TEMP xor OPc, rn) xor cn] xor OPc */
static int out_make(struct eap_crypto *crypto, const struct milenage *usim,
                    const uint8_t temp[BLOCK], struct out_constants n, uint8_t out[BLOCK])
{
    uint8_t mixed[BLOCK], rotated[BLOCK];
    xor(mixed, temp, usim->opc);
    for (size_t i = 0; i < BLOCK; i++)
        rotated[i] = mixed[(i + n.r) % BLOCK];
    rotated[BLOCK - 1] ^= n.c;
    int error = encrypt(crypto, usim, rotated, mixed);
    xor(out, mixed, usim->opc);
    return error;
}

int milenage_f2345(struct eap_crypto *crypto, const struct milenage *usim, const uint8_t *rand,
                   struct milenage_answer *ret)
{
    uint8_t temp[BLOCK], out[BLOCK];
    int error = temp_make(crypto, usim, rand, temp);
    if (error == 0)
        error = out_make(crypto, usim, temp, (struct out_constants){0, 1}, out);
    memcpy(ret->ak, out, MILENAGE_SQN);
    memcpy(ret->res, out + 8, MILENAGE_RES);
    if (error == 0)
        error = out_make(crypto, usim, temp, (struct out_constants){4, 2}, ret->ck);
    if (error == 0)
        error = out_make(crypto, usim, temp, (struct out_constants){8, 4}, ret->ik);
    if (error == 0)
        error = out_make(crypto, usim, temp, (struct out_constants){12, 8}, out);
    memcpy(ret->ak_star, out, MILENAGE_SQN);
    wipe(temp, sizeof(temp));
    wipe(out, sizeof(out));
    return error;
}
