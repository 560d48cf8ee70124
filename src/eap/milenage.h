/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_MILENAGE_H
#define EAP_MILENAGE_H

/* The algorithms of a USIM: 3GPP TS 35.206, MILENAGE. */

#include "eap/eap_crypto.h"

#define MILENAGE_KEY  16 /* K, OPc, RAND, CK, IK */
#define MILENAGE_MAC  8
#define MILENAGE_RES  8
#define MILENAGE_SQN  6 /* and AK */
#define MILENAGE_AUTN 16
#define MILENAGE_AUTS 14

struct milenage {
    uint8_t k[MILENAGE_KEY], opc[MILENAGE_KEY];
};

struct milenage_answer {
    uint8_t res[MILENAGE_RES], ck[MILENAGE_KEY], ik[MILENAGE_KEY], ak[MILENAGE_SQN];
    uint8_t ak_star[MILENAGE_SQN];
};

/* milenage_f1 - MAC-A; `star`: MAC-S (f1*). ERR_CRYPTO. */
int milenage_f1(struct eap_crypto *crypto, const struct milenage *usim, const uint8_t *rand,
                const uint8_t sqn_amf[8], uint8_t ret_mac_a_s[2 * MILENAGE_MAC]) MUST_USE;

/* milenage_f2345 - RES, CK, IK, AK and AK of f5*. ERR_CRYPTO. */
int milenage_f2345(struct eap_crypto *crypto, const struct milenage *usim, const uint8_t *rand,
                   struct milenage_answer *ret) MUST_USE;

#endif
