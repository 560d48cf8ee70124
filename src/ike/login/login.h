/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_H
#define IKE_LOGIN_H

/* IKE_SA_INIT and IKE_AUTH. What an IKE SA needs only until they are over lives in struct login.
 * login.c: beginnings, ends, jobs; login_init.c and answer_init.c: IKE_SA_INIT, our side and
 * theirs; login_auth.c: IKE_AUTH, both sides. */

#include "crypto/ke.h"
#include "ike/core/answer.h"
#include "ike/core/jobs.h"
#include "ike/login/half_open.h"
#include "ike/terms/proposal.h"

#define LOGIN_HINT_NS   (2 * NANOS_PER_SEC)
#define LOGIN_AUTH_MAX  512 /* octets of our AUTH data */
#define LOGIN_NONCE_LEN 32  /* at least half of the largest PRF key (RFC 7296 section 2.10) */

struct login {
    struct ike_conn *conn; /* a reference; responder: the best guess by addresses, until IKE_AUTH */
    char child[LIMIT_NAME]; /* initiator: name of the first Child SA; empty: the first configured */
    struct ike_packet packet; /* initiator: for which that Child SA is wanted */
    ike_session_id replaces;  /* initiator: a login anew beside this session; 0: none */

    struct ke *ke; /* owned */
    uint16_t ke_group;
    uint8_t ke_retries, cookie_retries;
    uint8_t n_cookie, cookie[LIMIT_COOKIE];
    uint16_t hint; /* initiator: unauthenticated error notify of the responder, or of somebody else;
                      0: none */
    uint16_t n_ni, n_nr;
    uint8_t ni[LIMIT_NONCE], nr[LIMIT_NONCE];
    uint8_t *init_request, *init_response; /* owned: AUTH covers them (RFC 7296 section 2.15) */
    size_t n_init_request, n_init_response;

    struct sa *sa;
    struct half_open half_open; /* responder, in ike->half_open */
    uint64_t request_key;       /* responder, in ike->logins_by_request; 0: not there */
    nanos auth_came_ns;         /* responder: when IKE_AUTH arrived */
    nanos refuse_at_ns;         /* responder: AUTH is wrong, and is refused then; 0: it is not */

    /* what the peer announced in IKE_SA_INIT */
    bool nat_traversal, fragmentation, childless, keep_old;
    uint16_t keep_old_notify; /* the number that it announced */
    uint16_t own_notify;      /* and that we did; 0: none */

    /* IKE_AUTH */
    struct ike_id local_id, remote_id;
    uint8_t *chain; /* owned: the peer's decrypted chain, which waits for the jobs */
    size_t n_chain;
    uint8_t chain_first;
    struct ike_header chain_header;
    struct ike_path answer_path; /* responder */
    uint16_t n_auth;
    uint8_t auth[LOGIN_AUTH_MAX];
    bool cancelled;    /* by login_cancel_sa */
    bool lease_failed; /* INTERNAL_ADDRESS_FAILURE */
    uint32_t spi_in;   /* of the first Child SA */

    /* initiator: the clone that is to come with IKE_AUTH (combined.c) */
    bool clone;             /* the caller wants it */
    struct rekeying *group; /* owned; NULL: not asked for */
    uint64_t group_spi;
    struct early *early[2]; /* owned; early_request.h: on this IKE SA, on the clone */
};

/* login_notice_refusal - after NO_PROPOSAL_CHOSEN: what the peer says that it takes, as a notice.
 */
void login_notice_refusal(struct sa *sa, const char *what, const struct wire_notify *notify);

/*
 * login_is_hint - an IKE_SA_INIT response that only says no. Anyone could have sent it, so it is
 * remembered, and the responder has LOGIN_HINT_NS to say otherwise (RFC 7296 section 2.21.1).
 */
bool login_is_hint(struct sa *sa, const struct wire_message *response, nanos now);

struct login *login_new(struct sa *sa, struct ike_conn *conn);  /* NULL: no memory */
struct login *login_free(struct ike *ike, struct login *login); /* takes NULL; returns NULL */

/* login_start - IKE_CMD_CONNECT. */
int login_start(struct ike *ike, const struct ike_command *command, nanos now) MUST_USE;
/* login_cancel_sa - nobody wants this login any more. If IKE_AUTH is on its way the Gateway may
 * have a session by now: its answer is waited for, and the IKE SA deleted there. */
void login_cancel_sa(struct sa *sa, nanos now);
/* login_supersede - a login of the connection is through: the IKE_AUTH of one that was cancelled is
 * not sent again, since it would take the place of this one. */
void login_supersede(struct ike *ike, const struct ike_conn *conn, nanos now);

/* login_answer_init - an IKE_SA_INIT request. */
void login_answer_init(struct ike *ike, const struct ike_path *path,
                       const struct wire_message *request, nanos now);
/* login_fragmentation - the peer may send SKF before there is a session. */
bool login_fragmentation(const struct sa *sa);

void login_job_done(struct sa *sa, enum ike_event_kind kind, const struct ike_result *result,
                    nanos now);
/* login_lease_orphaned - the lease came when the IKE SA was gone. */
void login_lease_orphaned(struct ike *ike, const struct job *job);

/* --- between the files --- */

/* What both sides announce in IKE_SA_INIT, and what they read of it. login_vendor_id_find - the
 * last announcement of KEEP_OLD_IKE_SA counts. */
void login_add_abilities(struct sa *sa, struct wire_builder *message, bool response);
void login_read_abilities(struct sa *sa, const struct wire_message *message,
                          const struct ike_path *path);
bool login_vendor_id_find(const struct wire_message *message, uint16_t *ret_notify);
uint8_t *login_copy(struct span octets, size_t *ret_len); /* from malloc; NULL: no memory */
/* login_derive - the keys of the IKE SA; the key exchange is over. ERR_CRYPTO, ERR_NO_MEMORY. */
int login_derive(struct sa *sa, struct span peer_public) MUST_USE;

/* login_refusal_due - the time has come to say that AUTH is wrong. */
void login_refusal_due(struct sa *sa, nanos now);

/* login_conn_rank - how well a connection fits the addresses of a path: 0 not at all. */
unsigned login_conn_rank(const struct ike_conn *conn, const struct ike_path *path);

/* IKE_SA_INIT, our side */
enum ike_outcome login_ask_init(struct sa *sa, struct wire_builder *request);
struct verdict login_init_answered(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from, nanos now);
/* IKE_AUTH, our side */
enum ike_outcome login_ask_auth(struct sa *sa, struct wire_builder *request);
struct verdict login_auth_answered(struct sa *sa, const struct wire_message *response, nanos now);

/* login_sign, login_verify - emit the jobs for our AUTH and the peer's. `peer_id_body`: body of its
 * ID payload, as received. */
int login_sign(struct sa *sa);
int login_verify(struct sa *sa, struct span peer_id_body, const struct wire_auth *auth);

/* what follows the jobs */
void login_auth_signed(struct sa *sa, nanos now);
void login_auth_verified(struct sa *sa, int error, nanos now);
void login_auth_leased(struct sa *sa, const struct ike_result *result, nanos now);

#endif
