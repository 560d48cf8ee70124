/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_SIM_AUTH_H
#define EAP_SIM_AUTH_H

/*
 * The part that EAP-SIM, EAP-AKA and EAP-AKA' share: the identity of the peer (sim_identity.c),
 * encrypted attributes (sim_encrypted.c), and fast re-authentication (sim_reauth.c):
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
#define SIM_ENCRYPTED  640  /* octets of AT_ENCR_DATA: two names and small attributes */

/* The Subtypes that all three methods have. */
enum sim_common_subtype { SIM_NOTIFICATION = 12, SIM_REAUTHENTICATION = 13, SIM_CLIENT_ERROR = 14 };

/* The identity that a request asks for. A later request must have a higher rank (RFC 4187 section
 * 4.1.4). */
enum sim_rank { SIM_ASKED_NOTHING, SIM_ASKED_ANY, SIM_ASKED_FULL, SIM_ASKED_PERMANENT };

struct sim_auth {
    enum eap_type type;
    enum sim_rank rank;  /* of the last request for an identity */
    unsigned identities; /* number of requests for an identity */
    size_t rounds_len;
    uint8_t rounds[SIM_ROUNDS]; /* AKA: those requests and their responses, for AT_CHECKCODE */
    struct sim_mac_key k_aut;
    uint8_t k_encr[16], key[32], msk[EAP_MSK]; /* `key`: of struct eap_reauth */
    uint8_t usim[EAP_USIM_DIGEST];
    struct eap_reauth reauth; /* of the fast re-authentication. Peer: only its counter; 0: none */
    /* authenticator */
    bool refused; /* a Notification has told the peer */
    uint8_t nonce_s[SIM_NONCE];
    size_t reauth_id_len;
    uint8_t reauth_id[EAP_IDENTITY]; /* the next one, as it was sent */
};

/* The codes of AT_CLIENT_ERROR_CODE (RFC 4186 section 10.16). */
enum sim_error_code { SIM_UNABLE, SIM_VERSION_UNKNOWN, SIM_FEW_RANDS, SIM_OLD_RANDS };

/* sim_client_error - writes Client-Error, "unable to process packet" (RFC 4187 section 6.3.1).
 * sim_client_error_of - with another code. */
enum eap_step sim_client_error(struct eap_talk *talk, struct writer *w, const char *reason);
enum eap_step sim_client_error_of(struct eap_talk *talk, struct writer *w, enum sim_error_code code,
                                  const char *reason);

/* sim_refuse - authenticator: the peer's packet is wrong. Writes a Notification of the failure. The
 * response to it gets EAP-Failure (RFC 4187 sections 6.3.2 and 6.3.3). `w` has the header only. */
enum eap_step sim_refuse(struct eap_talk *talk, struct sim_auth *auth, struct writer *w,
                         const char *reason);

/* sim_notification_answer - peer: a Notification reports a failure, since we send no AT_RESULT_IND
 * (RFC 4187 section 6.1). */
enum eap_step sim_notification_answer(struct eap_talk *talk, struct sim_auth *auth,
                                      const struct eap_packet *request,
                                      const struct sim_attributes *a, struct writer *w);

/* sim_key_yield - the MSK of the conversation. A peer that has it takes a Notification only. */
enum eap_step sim_key_yield(struct eap_talk *talk, const struct sim_auth *auth);

/* A GSM triplet: RAND, SRES, Kc. */
#define SIM_RAND    MILENAGE_KEY
#define SIM_SRES    4
#define SIM_KC      8
#define SIM_TRIPLET (SIM_RAND + SIM_SRES + SIM_KC)
#define SIM_RANDS   3 /* number of triplets that we use; we also accept two */

/* sim_secret_find - the secret of talk->identity; the caller wipes it. auth->usim is its digest. It
 * is K and OPc, or, for EAP-SIM only, SIM_RANDS triplets or more. Any error. */
int sim_secret_find(struct eap_talk *talk, struct sim_auth *auth, struct eap_secret *ret) MUST_USE;

/* sim_usim_find - K and OPc of talk->identity, as sim_secret_find. */
int sim_usim_find(struct eap_talk *talk, struct sim_auth *auth, struct milenage *ret) MUST_USE;

/* sim_auth_derive - sets the keys of EAP-SIM and EAP-AKA from MK (RFC 4186 and 4187, section 7). */
void sim_auth_derive(struct sim_auth *auth, const uint8_t mk[20]);

/* --- sim_identity.c: the peer --- */

/* sim_identity_first - the identity for EAP-Response/Identity (RFC 4187 section 4.1.2). */
struct span sim_identity_first(struct eap_talk *talk, const enum eap_type *methods, size_t n);

/* sim_identity_asks - reads AT_..._ID_REQ. false: it occurs twice, or is not allowed at this
 * point. */
bool sim_identity_asks(struct sim_auth *auth, const struct sim_attributes *a);

/* sim_identity_write - writes AT_IDENTITY with the identity that was asked for, and sets
 * talk->claimed to it. true: it is a re-authentication identity. */
bool sim_identity_write(struct eap_talk *talk, struct sim_auth *auth, struct writer *w);

/* --- sim_identity.c: the authenticator --- */

enum sim_found {
    SIM_FOUND_FULL = 1, /* talk->identity is the permanent identity: full authentication */
    SIM_FOUND_REAUTH,   /* the same, and auth->reauth is set: fast re-authentication */
    SIM_FOUND_ASK,      /* ask for the identity of auth->rank */
    SIM_FOUND_NOBODY,
};

/* sim_identity_find - looks up talk->claimed, which may be a name or a permanent identity. */
enum sim_found sim_identity_find(struct eap_talk *talk, struct sim_auth *auth);

void sim_identity_ask(const struct sim_auth *auth, struct writer *w); /* writes AT_..._ID_REQ */

/* sim_identity_read - sets talk->claimed from the value of AT_IDENTITY. false: malformed. */
bool sim_identity_read(struct eap_talk *talk, struct span value);

/* --- sim_identity.c: AT_CHECKCODE (RFC 4187 section 10.13) --- */

/* sim_round_add - keeps a whole AKA-Identity packet, sent or received. false: no room. */
bool sim_round_add(struct sim_auth *auth, struct span packet);
/* sim_checkcode_write - writes AT_CHECKCODE. sim_checkcode_right - false: it is wrong, or an
 * error. */
void sim_checkcode_write(struct eap_talk *talk, const struct sim_auth *auth, struct writer *w);
bool sim_checkcode_right(struct eap_talk *talk, const struct sim_auth *auth,
                         const struct sim_attributes *a);

/* --- sim_encrypted.c --- */

/* sim_encrypted_write - writes AT_IV and AT_ENCR_DATA, which holds the attributes in `plain`. The
 * buffer of `plain` has room for the padding. ERR_CRYPTO. */
int sim_encrypted_write(struct eap_talk *talk, const struct sim_auth *auth, struct writer *plain,
                        struct writer *w) MUST_USE;

/* sim_encrypted_read - decrypts AT_ENCR_DATA into `room`, and reads its attributes, which borrow
 * `room`. false: malformed. */
bool sim_encrypted_read(struct eap_talk *talk, const struct sim_auth *auth,
                        const struct sim_attributes *a, uint8_t room[SIM_ENCRYPTED],
                        struct sim_attributes *ret);

/* --- sim_reauth.c --- */

/* sim_names_offer - authenticator: writes the next pseudonym and re-authentication identity into a
 * challenge. ERR_CRYPTO. sim_names_register - stores that identity once the login has succeeded. */
int sim_names_offer(struct eap_talk *talk, struct sim_auth *auth, struct writer *w) MUST_USE;
void sim_names_register(struct eap_talk *talk, const struct sim_auth *auth, uint32_t counter);

/* sim_names_take - peer: stores the names of a challenge whose AT_MAC is right. false:
 * malformed. */
bool sim_names_take(struct eap_talk *talk, const struct sim_auth *auth,
                    const struct sim_attributes *a);

/* sim_reauth_ask - authenticator: writes the Request. sim_reauth_read - reads the Response. */
enum eap_step sim_reauth_ask(struct eap_talk *talk, struct sim_auth *auth, struct writer *w);
enum sim_reauth_verdict { SIM_REAUTH_PROVEN = 1, SIM_REAUTH_COUNTER, SIM_REAUTH_WRONG };
enum sim_reauth_verdict sim_reauth_read(struct eap_talk *talk, struct sim_auth *auth,
                                        const struct eap_packet *response,
                                        const struct sim_attributes *a);

/* sim_reauth_answer - peer: checks the Request, and writes the Response. */
enum eap_step sim_reauth_answer(struct eap_talk *talk, struct sim_auth *auth,
                                const struct eap_packet *request, const struct sim_attributes *a,
                                struct writer *w);

#endif
