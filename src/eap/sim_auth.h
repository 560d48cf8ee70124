/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_SIM_AUTH_H
#define EAP_SIM_AUTH_H

/*
 * What EAP-SIM, EAP-AKA and EAP-AKA' have in common beside their challenges: who the peer says it is
 * (sim_identity.c), the attributes that are encrypted (sim_encrypted.c), and the fast
 * re-authentication (sim_reauth.c):
 *
 *   peer                                                     authenticator
 *     EAP-Response/Identity: a re-authentication identity  ---->
 *                                           <----  Re-authentication: AT_IV, AT_ENCR_DATA, AT_MAC
 *                                                  encrypted: AT_COUNTER, AT_NONCE_S,
 *                                                             [AT_NEXT_REAUTH_ID]
 *     Re-authentication: AT_IV, AT_ENCR_DATA, AT_MAC       ---->
 *     encrypted: AT_COUNTER, [AT_COUNTER_TOO_SMALL]
 */

#include "eap/method.h"
#include "eap/milenage.h"
#include "eap/sim_keys.h"

#define SIM_NONCE      16
#define SIM_IDENTITIES 3    /* RFC 4187 section 4.1.4: requests for an identity in a conversation */
#define SIM_ROUNDS     2048 /* octets of those requests and their responses */
#define SIM_ENCRYPTED  640  /* octets of AT_ENCR_DATA: two names and what is small */

/* Subtypes that all three have. */
enum sim_common_subtype { SIM_NOTIFICATION = 12, SIM_REAUTHENTICATION = 13, SIM_CLIENT_ERROR = 14 };

/* The identity that a request asks for, in the order in which they may follow one another (RFC 4187
 * section 4.1.4). */
enum sim_rank { SIM_ASKED_NOTHING, SIM_ASKED_ANY, SIM_ASKED_FULL, SIM_ASKED_PERMANENT };

struct sim_auth {
    enum eap_type type;
    enum sim_rank rank;  /* of the last request for an identity */
    unsigned identities; /* those requests */
    size_t rounds_len;
    uint8_t rounds[SIM_ROUNDS]; /* AKA: those requests and their responses, for AT_CHECKCODE */
    struct sim_mac_key k_aut;
    uint8_t k_encr[16], key[32], msk[EAP_MSK]; /* `key`: of struct eap_reauth */
    uint8_t usim[EAP_USIM_DIGEST];
    /* authenticator */
    struct eap_reauth reauth; /* of the fast re-authentication that is under way */
    uint8_t nonce_s[SIM_NONCE];
    size_t reauth_id_len;
    uint8_t reauth_id[EAP_IDENTITY]; /* the next one, as it was sent */
};

/* sim_client_error - writes Client-Error, "unable to process packet" (RFC 4187 section 6.3.1). */
enum eap_step sim_client_error(struct eap_talk *talk, struct writer *w, const char *reason);

/* sim_key_yield - the MSK of the conversation. */
enum eap_step sim_key_yield(struct eap_talk *talk, const struct sim_auth *auth);

/* sim_usim_find - K and OPc of talk->identity; auth->usim is their digest. Any error. */
int sim_usim_find(struct eap_talk *talk, struct sim_auth *auth, struct milenage *ret) MUST_USE;

/* sim_auth_derive - sets the keys of EAP-SIM and EAP-AKA from MK (RFC 4186 and 4187, section 7). */
void sim_auth_derive(struct sim_auth *auth, const uint8_t mk[20]);

/* --- sim_identity.c: the peer --- */

/* sim_identity_first - the identity for EAP-Response/Identity (RFC 4187 section 4.1.2). */
struct span sim_identity_first(struct eap_talk *talk, const enum eap_type *methods, size_t n);

/* sim_identity_asks - reads AT_..._ID_REQ. false: two of them, or one that may not come now. */
bool sim_identity_asks(struct sim_auth *auth, const struct sim_attributes *a);

/* sim_identity_write - AT_IDENTITY with what was asked for; talk->claimed is it from now on.
 * true: it is a re-authentication identity. */
bool sim_identity_write(struct eap_talk *talk, struct sim_auth *auth, struct writer *w);

/* --- sim_identity.c: the authenticator --- */

enum sim_found {
    SIM_FOUND_FULL = 1, /* talk->identity is the permanent one: a full authentication */
    SIM_FOUND_REAUTH,   /* the same, and auth->reauth is set */
    SIM_FOUND_ASK,      /* auth->rank is the next to ask */
    SIM_FOUND_NOBODY,
};

/* sim_identity_find - what talk->claimed stands for. */
enum sim_found sim_identity_find(struct eap_talk *talk, struct sim_auth *auth);

void sim_identity_ask(const struct sim_auth *auth, struct writer *w); /* writes AT_..._ID_REQ */

/* sim_identity_read - AT_IDENTITY becomes talk->claimed. false: malformed. */
bool sim_identity_read(struct eap_talk *talk, struct span value);

/* --- sim_identity.c: AT_CHECKCODE (RFC 4187 section 10.13) --- */

/* sim_round_add - a whole AKA-Identity packet, sent or received. false: too long. */
bool sim_round_add(struct sim_auth *auth, struct span packet);
/* sim_checkcode_write, _right - errors count as wrong. */
void sim_checkcode_write(struct eap_talk *talk, const struct sim_auth *auth, struct writer *w);
bool sim_checkcode_right(struct eap_talk *talk, const struct sim_auth *auth,
                         const struct sim_attributes *a);

/* --- sim_encrypted.c --- */

/* sim_encrypted_write - AT_IV and AT_ENCR_DATA with the attributes in `plain`, whose buffer has room
 * for the padding. ERR_CRYPTO. */
int sim_encrypted_write(struct eap_talk *talk, const struct sim_auth *auth, struct writer *plain,
                        struct writer *w) MUST_USE;

/* sim_encrypted_read - the attributes in AT_ENCR_DATA; they lie in `room`. false: malformed. */
bool sim_encrypted_read(struct eap_talk *talk, const struct sim_auth *auth,
                        const struct sim_attributes *a, uint8_t room[SIM_ENCRYPTED],
                        struct sim_attributes *ret);

/* --- sim_reauth.c --- */

/* sim_names_offer - authenticator, in a challenge: the next pseudonym and re-authentication
 * identity. ERR_CRYPTO. sim_names_registered - the login has succeeded: they count. */
int sim_names_offer(struct eap_talk *talk, struct sim_auth *auth, struct writer *w) MUST_USE;
void sim_names_register(struct eap_talk *talk, const struct sim_auth *auth, uint32_t counter);

/* sim_names_take - peer: those of a challenge whose AT_MAC is right. false: malformed. */
bool sim_names_take(struct eap_talk *talk, const struct sim_auth *auth,
                    const struct sim_attributes *a);

/* sim_reauth_ask - authenticator: writes the request. sim_reauth_read - the response. */
enum eap_step sim_reauth_ask(struct eap_talk *talk, struct sim_auth *auth, struct writer *w);
enum sim_reauth_verdict { SIM_REAUTH_PROVEN = 1, SIM_REAUTH_COUNTER, SIM_REAUTH_WRONG };
enum sim_reauth_verdict sim_reauth_read(struct eap_talk *talk, struct sim_auth *auth,
                                        const struct eap_packet *response,
                                        const struct sim_attributes *a);

/* sim_reauth_answer - peer: the whole step. */
enum eap_step sim_reauth_answer(struct eap_talk *talk, struct sim_auth *auth,
                                const struct eap_packet *request, const struct sim_attributes *a,
                                struct writer *w);

#endif
