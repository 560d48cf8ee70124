/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_NAMES_H
#define EAP_NAMES_H

/*
 * The names that an authenticator of EAP-SIM (RFC 4186), EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048)
 * gives to a peer. A pseudonym hides the permanent identity. A re-authentication identity names the
 * keys of a login, so that the next login needs no challenge of the USIM.
 *
 *   struct eap_names        on the peer: the names that it got last
 *   struct eap_named        on the authenticator: the identity and the keys behind one name
 *   struct eap_name_store   where both are stored; name_book.h is the authenticator's half
 */

#include "eap/eap.h"

#define EAP_USIM_DIGEST 32 /* SHA-256 of K and OPc: a name belongs to one USIM */

/* struct eap_reauth - the keys of a full authentication (RFC 4187 section 5.1). */
struct eap_reauth {
    /* the lowest counter that may come next; 16 bits on the wire. 0: no keys */
    uint32_t counter;
    uint8_t key[32]; /* MK, 20 octets; of AKA': K_re */
    uint8_t k_encr[16];
    uint8_t k_aut[32]; /* 16 octets; of AKA': 32 */
    uint8_t usim[EAP_USIM_DIGEST];
};

/* struct eap_names - whole identities, with the realm of the permanent identity. Length 0: none. */
struct eap_names {
    uint32_t type;  /* enum eap_type of the method that gave them */
    uint32_t tries; /* logins with the pseudonym since the last one that succeeded */
    uint32_t pseudonym_len, reauth_id_len;
    uint8_t pseudonym[EAP_IDENTITY + 3], reauth_id[EAP_IDENTITY + 3];
    struct eap_reauth reauth; /* the keys that reauth_id names */
    uint8_t usim[EAP_USIM_DIGEST];
};

enum eap_name_kind {
    EAP_NAME_OTHER = 1,     /* not in the form of our names: a permanent identity, or nonsense */
    EAP_NAME_PSEUDONYM,     /* `identity` is set */
    EAP_NAME_REAUTH,        /* `identity` and `reauth` are set */
    EAP_NAME_OLD_PSEUDONYM, /* in our form, but expired, of another method, or forged */
    EAP_NAME_OLD_REAUTH,
};

struct eap_named {
    size_t identity_len;
    uint8_t identity[EAP_IDENTITY]; /* the permanent identity */
    struct eap_reauth reauth;
};

/* struct eap_name_store - functions of the owner of the conversation. */
struct eap_name_store {
    /* peer: `get` finds the names of a permanent identity (false: none), `put` replaces them. */
    bool (*get)(void *context, struct span permanent, struct eap_names *ret);
    void (*put)(void *context, struct span permanent, const struct eap_names *names);
    /* authenticator: looks a name up. A re-authentication identity is found only once. */
    enum eap_name_kind (*find)(void *context, enum eap_type type, struct span name,
                               struct eap_named *ret);
    /* authenticator: make a new pseudonym, without a realm, or a new re-authentication identity,
     * with the realm. Return the length; 0: none. */
    size_t (*pseudonym_make)(void *context, enum eap_type type, struct span permanent,
                             uint8_t ret[EAP_IDENTITY]);
    size_t (*reauth_make)(void *context, enum eap_type type, struct span permanent,
                          uint8_t ret[EAP_IDENTITY]);
    /* authenticator: stores the identity and the keys of a re-authentication identity. */
    void (*reauth_put)(void *context, struct span reauth_id, const struct eap_named *named);
    void *context;
};

/* eap_realm - the realm: the octets from the last '@' on; empty: no '@'. Borrowed. */
struct span eap_realm(struct span identity);

#endif
