/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_NAMES_H
#define EAP_NAMES_H

/*
 * The names that an authenticator of EAP-SIM (RFC 4186), EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048)
 * gives to a peer: a pseudonym hides the permanent identity, and a re-authentication identity names
 * the keys of a login, so that the next one needs no challenge of the USIM.
 *
 *   struct eap_names        the peer's: what it got last
 *   struct eap_named        the authenticator's: what one of its names stands for
 *   struct eap_name_store   where both are; name_book.h is the authenticator's half
 */

#include "eap/eap.h"

#define EAP_USIM_DIGEST 32 /* SHA-256 of K and OPc: names are void with another USIM */

/* struct eap_reauth - the keys of a full authentication (RFC 4187 section 5.1). */
struct eap_reauth {
    /* the lowest one that may come next; 16 bits on the wire. 0: there are no keys */
    uint32_t counter;
    uint8_t key[32]; /* MK, 20 octets; of AKA': K_re */
    uint8_t k_encr[16];
    uint8_t k_aut[32]; /* 16 octets; of AKA': 32 */
    uint8_t usim[EAP_USIM_DIGEST];
};

/* struct eap_names - whole identities, with the realm of the permanent one. Length 0: none. */
struct eap_names {
    uint32_t type;  /* enum eap_type of the method that gave them */
    uint32_t tries; /* logins with the pseudonym since the last one that succeeded */
    uint32_t pseudonym_len, reauth_id_len;
    uint8_t pseudonym[EAP_IDENTITY + 3], reauth_id[EAP_IDENTITY + 3];
    struct eap_reauth reauth; /* what reauth_id stands for */
    uint8_t usim[EAP_USIM_DIGEST];
};

enum eap_name_kind {
    EAP_NAME_OTHER = 1,     /* not of the form of our names: a permanent identity, or nonsense */
    EAP_NAME_PSEUDONYM,     /* `identity` is set */
    EAP_NAME_REAUTH,        /* `identity` and `reauth` are set */
    EAP_NAME_OLD_PSEUDONYM, /* of the form of ours, but expired, of another method, or forged */
    EAP_NAME_OLD_REAUTH,
};

struct eap_named {
    size_t identity_len;
    uint8_t identity[EAP_IDENTITY]; /* the permanent one */
    struct eap_reauth reauth;
};

/* struct eap_name_store - functions of the conversation's owner. */
struct eap_name_store {
    /* peer: the names of a permanent identity. false: none. put - replaces them. */
    bool (*get)(void *context, struct span permanent, struct eap_names *ret);
    void (*put)(void *context, struct span permanent, const struct eap_names *names);
    /* authenticator: what a name stands for. A re-authentication identity is found once. */
    enum eap_name_kind (*find)(void *context, enum eap_type type, struct span name,
                               struct eap_named *ret);
    /* A new pseudonym, without a realm; a new re-authentication identity, with one. Return the
     * length; 0: none. */
    size_t (*pseudonym_make)(void *context, enum eap_type type, struct span permanent,
                             uint8_t ret[EAP_IDENTITY]);
    size_t (*reauth_make)(void *context, enum eap_type type, struct span permanent,
                          uint8_t ret[EAP_IDENTITY]);
    /* From now on the re-authentication identity stands for this. */
    void (*reauth_put)(void *context, struct span reauth_id, const struct eap_named *named);
    void *context;
};

/* eap_realm - what stands behind the last '@', with it; empty: there is none. */
struct span eap_realm(struct span identity);

#endif
