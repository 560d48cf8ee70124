/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_SIM_KEYS_H
#define EAP_SIM_KEYS_H

/* The attributes and keys of EAP-SIM (RFC 4186), EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048). */

#include "eap/eap_crypto.h"
#include "eap/packet.h"

#define SIM_MAC 16

enum sim_attribute {
    AT_RAND = 1,
    AT_AUTN = 2,
    AT_RES = 3,
    AT_AUTS = 4,
    AT_PADDING = 6, /* encrypted, as those below that are marked so */
    AT_NONCE_MT = 7,
    AT_PERMANENT_ID_REQ = 10,
    AT_MAC = 11,
    AT_NOTIFICATION = 12,
    AT_ANY_ID_REQ = 13,
    AT_IDENTITY = 14,
    AT_VERSION_LIST = 15,
    AT_SELECTED_VERSION = 16,
    AT_FULLAUTH_ID_REQ = 17,
    AT_COUNTER = 19,           /* encrypted */
    AT_COUNTER_TOO_SMALL = 20, /* encrypted */
    AT_NONCE_S = 21,           /* encrypted */
    AT_CLIENT_ERROR_CODE = 22,
    AT_KDF_INPUT = 23,
    AT_KDF = 24,        /* may occur several times: the first one counts */
    AT_SKIPPABLE = 128, /* the first of the attributes that may be ignored */
    AT_IV = 129,
    AT_ENCR_DATA = 130,
    AT_NEXT_PSEUDONYM = 132, /* encrypted */
    AT_NEXT_REAUTH_ID = 133, /* encrypted */
    AT_CHECKCODE = 134,
    AT_RESULT_IND = 135,
    AT_BIDDING = 136,
    AT_END
};

/* struct sim_attributes - the attributes of a packet by Type. A value begins behind Length; it is
 * borrowed, and empty if the attribute is missing. */
struct sim_attributes {
    uint8_t subtype;
    bool seen[AT_END];
    struct span values[AT_END];
};

/* sim_attributes_read - reads Type-Data. false: an attribute is malformed, occurs twice, must be
 * encrypted, or is unknown and must not be ignored. sim_nested_read - the same for the decrypted
 * octets of AT_ENCR_DATA. */
bool sim_attributes_read(struct span data, struct sim_attributes *ret);
bool sim_nested_read(struct span data, struct sim_attributes *ret);

/* sim_begin - writes the Subtype; attributes follow. sim_attribute_write - writes an attribute, and
 * pads it with zeros. Its value begins behind Length. */
void sim_begin(struct writer *w, uint8_t subtype);
void sim_attribute_write(struct writer *w, enum sim_attribute type, const struct span *parts,
                         size_t n);

/* struct sim_mac_key - K_aut: 16 octets for HMAC-SHA1-128; in AKA' 32 octets for
 * HMAC-SHA-256-128. */
struct sim_mac_key {
    size_t len;
    uint8_t octets[32];
    struct span extra; /* of SIM: octets that the MAC covers behind the packet; borrowed */
};

/* sim_mac_write - adds AT_MAC as the last attribute of a packet with which `w` began.
 * ERR_CRYPTO. */
int sim_mac_write(struct eap_crypto *crypto, const struct sim_mac_key *k_aut,
                  struct writer *w) MUST_USE;

/* sim_mac_check - checks AT_MAC of a packet. ERR_AUTH: it is wrong; ERR_CRYPTO. */
int sim_mac_check(struct eap_crypto *crypto, const struct sim_mac_key *k_aut,
                  const struct eap_packet *packet,
                  const struct sim_attributes *attributes) MUST_USE;

struct sim_keys {
    uint8_t k_encr[16], k_aut[16], msk[EAP_MSK];
};

/* sim_keys_derive - the keys from MK, by the generator of FIPS 186-2, change notice 1. */
void sim_keys_derive(const uint8_t mk[20], struct sim_keys *ret);

/* struct aka_prime_keys - the parts of MK in AKA' (RFC 9048 section 3.3). */
struct aka_prime_keys {
    uint8_t k_encr[16], k_aut[32], k_re[32], msk[EAP_MSK];
};

/* aka_prime_derive - the keys of AKA' from CK | IK, SQN xor AK (the first six octets of AUTN), the
 * name of the network and the identity of the peer. ERR_CRYPTO. */
struct aka_prime_input {
    struct span ck_ik, sqn_ak, network, identity;
};
int aka_prime_derive(struct eap_crypto *crypto, const struct aka_prime_input *input,
                     struct aka_prime_keys *ret) MUST_USE;

/* struct sim_reauth_input - for fast re-authentication. `key`: MK; in AKA' K_re. */
struct sim_reauth_input {
    struct span key, identity, nonce_s;
    uint32_t counter;
};

/* sim_reauth_derive, aka_prime_reauth_derive - the MSK of a fast re-authentication (RFC 4186 and
 * 4187, section 7; RFC 9048 section 3.3). ERR_CRYPTO. */
int sim_reauth_derive(struct eap_crypto *crypto, const struct sim_reauth_input *input,
                      uint8_t ret_msk[EAP_MSK]) MUST_USE;
int aka_prime_reauth_derive(struct eap_crypto *crypto, const struct sim_reauth_input *input,
                            uint8_t ret_msk[EAP_MSK]) MUST_USE;

#endif
