/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_LOGIN_H
#define IKE_LOGIN_H

/*
 * IKE_SA_INIT and IKE_AUTH. State that an IKE SA needs only until they are over lives in struct
 * login. Each side authenticates in one or more rounds (RFC 4739), by AUTH or by EAP; the login is
 * complete when both sides have proven all rounds that the connection demands.
 *
 *   login.c         beginning, end, results of jobs
 *   login_init.c    IKE_SA_INIT, our side        answer_init.c   theirs
 *   login_ask.c     IKE_AUTH of the End User     login_answer.c  IKE_AUTH of the Gateway
 *   login_rounds.c  a round of either side: IDs, CERT, AUTH
 *   login_eap.c     an EAP conversation in IKE_AUTH
 *   login_ppk.c     a post-quantum preshared key in the first AUTH
 *   resumption.c    a login by session ticket         answer_resume.c its first request
 */

#include "crypto/ke.h"
#include "ike/core/answer.h"
#include "ike/core/half_open.h"
#include "ike/core/jobs.h"
#include "ike/core/upper.h"
#include "ike/login/kept_message.h"
#include "ike/terms/proposal.h"

/* How long a Gateway waits in EAP: for one message, since the user may have to type, and for all of
 * them. half_open_patience() gives the time limit without EAP. A verification has at least its own:
 * the verifier waits up to 10 seconds for the server of a CA. */
#define LOGIN_EAP_STEP_NS  (3 * 60 * NANOS_PER_SEC)
#define LOGIN_EAP_TOTAL_NS (10 * 60 * NANOS_PER_SEC)
#define LOGIN_VERIFY_NS    (15 * NANOS_PER_SEC)
#define LOGIN_HINT_NS      (2 * NANOS_PER_SEC)
#define LOGIN_NONCE_LEN    32   /* at least half of the largest PRF key (RFC 7296 section 2.10) */
#define LOGIN_AUTH_MAX     2048 /* limit of our AUTH data: an RSA signature of 8192 bits fits */
#define LOGIN_MSK_MIN      64   /* RFC 3748 section 7.10 */
#define LOGIN_EAP_MAX      8192 /* limit of our EAP packets */

/* enum login_phase - the event for which a login waits. Only login_phase_set() changes it, and
 * checks the edge. */
enum login_phase {
    LOGIN_WAITS_INIT,   /* initiator: the IKE_SA_INIT response; responder: its key exchange */
    LOGIN_WAITS_AUTH,   /* an IKE_AUTH message of the peer */
    LOGIN_WAITS_PPK,    /* a job: keys with the PPK; AUTH is made or verified with them */
    LOGIN_WAITS_VERIFY, /* a job: the peer's AUTH */
    LOGIN_WAITS_EAP,    /* a job: the next EAP packet */
    LOGIN_WAITS_ADMIT,  /* a job: whether the session may begin */
    LOGIN_WAITS_LEASE,  /* a job: inner addresses */
    LOGIN_WAITS_SIGN,   /* a job: our AUTH */
    LOGIN_WAITS_TICKET, /* a job: a session ticket is marked as used, or the next one is made */
    LOGIN_REFUSED,      /* responder: the time at which the refusal is sent (auth_wait.h) */
};

enum login_eap_stage {
    LOGIN_EAP_NONE,
    LOGIN_EAP_TALKS,    /* the conversation is under way */
    LOGIN_EAP_PROVEN,   /* Success was sent or received; the initiator's AUTH is next */
    LOGIN_EAP_CONFIRMS, /* the initiator's AUTH is verified; the responder's AUTH is next */
};

/* struct login_eap - the conversation of the current round of the initiator. */
struct login_eap {
    enum login_eap_stage stage;
    uint32_t conversation; /* number of the conversation, for jobs; 0: none is open */
    uint32_t credentials;  /* of the policy of the round */
    uint8_t identifier;    /* Identifier of the last Request (RFC 3748 section 4.1) */
    bool asked;            /* a Request was sent or received */
    bool success;          /* the packet of the job is a Success */
    unsigned n_packets;
    /* the peer has answered within the method, so it no longer refuses the method */
    bool begun;
    size_t n_heard; /* the peer's Response/Identity; owned */
    uint8_t *heard;
    struct secret key; /* MSK; empty: SK_p takes its place (RFC 7296 section 2.16) */
    size_t n_packet;
    uint8_t *packet; /* owned: to be sent */
};

/* struct login_side - the rounds of one side. */
struct login_side {
    uint8_t round; /* the current one, from 0 */
    bool over;     /* all are proven */
};

/* struct login_proof - our AUTH of a round, from the job. Owned. */
struct login_proof {
    uint8_t method;
    struct span auth;
    uint8_t n_certs;
    struct ike_cert certs[LIMIT_CERTS];
    uint8_t *octets;
    size_t n_octets;
};

/* struct login_outgoing - contents of our next IKE_AUTH message. */
struct login_outgoing {
    bool id;   /* ID payload: a round of ours begins */
    bool auth; /* CERT, AUTH: the proof of the round, or that of EAP's key */
    bool eap;  /* EAP payload: the packet of struct login_eap */
};

/* struct login_peer - the authentication methods that the peer announced. */
struct login_peer {
    bool multiple_auth, eap_only, hash_and_url;
    bool cert_wanted; /* CERTREQ came */
    bool ocsp_wanted; /* the peer wants OCSP content (RFC 4806) */
    uint8_t n_hashes;
    uint16_t hashes[IKE_HASHES];
    size_t n_ca_ids; /* octets */
    uint8_t ca_ids[LIMIT_CERTREQ_IDS * IKE_KEY_ID];
    uint8_t n_announced;
    struct ike_announced announced[IKE_ANNOUNCED];
};

/* struct login_ppk - see login_ppk.h. */
struct login_ppk {
    bool wanted; /* initiator: USE_PPK is sent */
    bool agreed; /* both ends sent USE_PPK */
    /* the first AUTH of the initiator has decided about the PPK, or a job decides */
    bool settled;
    bool offered;                  /* initiator: our next or outstanding AUTH is made with `keys` */
    bool plain;                    /* the next AUTH is the one without the PPK */
    bool mixed;                    /* `keys` became the keys of the IKE SA */
    bool told;                     /* responder: PPK_IDENTITY was sent */
    struct ike_id id;              /* responder: the PPK_ID that the peer named */
    bool not_loaded;               /* initiator: the PPK is not loaded: log in again without it */
    const char *why;               /* why no PPK is used; NULL: none was wanted */
    uint8_t keys[3 * SK_HASH_MAX]; /* SK_d, SK_pi, SK_pr with the PPK, without gaps */
    uint8_t plain_method;          /* AUTH method of plain_auth */
    size_t n_plain_auth;
    uint8_t *plain_auth; /* owned: data of NO_PPK_AUTH; NULL: not sent */
};

/* struct login_unfit - responder: the credentials of policies that the proof of a round of the peer
 * does not meet. See login_choose.h. */
struct login_unfit {
    uint8_t tried, n;
    struct {
        uint8_t round;
        uint32_t credentials;
    } of[LIMIT_LOGIN_CONNS];
};

struct resumption;

struct login {
    struct ike_conn *conn;  /* reference; responder: a guess by addresses until IKE_AUTH */
    char child[LIMIT_NAME]; /* initiator: name of the first Child SA; empty: the first configured */
    struct ike_packet packet; /* initiator: the packet that needs that Child SA */
    ike_session_id replaces;  /* initiator: reauthenticates beside this session; 0 */

    uint16_t ke_group;
    uint8_t ke_retries, cookie_retries;
    uint8_t n_cookie, cookie[LIMIT_COOKIE];
    uint16_t hint; /* initiator: type of an unauthenticated error notify; 0: none */
    bool hint_ppk; /* a response lacked USE_PPK, which is required */
    uint16_t n_ni, n_nr;
    uint8_t ni[LIMIT_NONCE], nr[LIMIT_NONCE];
    uint8_t *init_request, *init_response; /* owned: AUTH covers them (RFC 7296 section 2.15) */
    size_t n_init_request, n_init_response;

    struct sa *sa;
    struct half_open half_open;    /* responder, in `table` */
    struct half_open_table *table; /* of ike: half_open, patient or refused; NULL: none */
    /* responder: key in ike->logins_by_request; 0: not in the table */
    uint64_t request_key;
    struct proposal_choice choice; /* responder: the answer to the proposals of IKE_SA_INIT */
    bool proven;                   /* responder: the source returned a cookie */
    nanos auth_came_ns;            /* responder: when IKE_AUTH arrived */
    /* responder: AUTH is wrong: time of the refusal; 0: not refused. Once it was sent: the end of the
     * IKE SA */
    nanos refuse_at_ns;

    /* What the peer announced in IKE_SA_INIT. */
    bool nat_traversal, fragmentation, childless, keep_old;
    bool redirects;                 /* the peer follows a REDIRECT */
    struct address redirected_from; /* ours: the Gateway that redirected us; family NONE: none */
    bool alone;                     /* ours: without a Child SA */
    bool goes_on;                   /* ours: another IKE SA tries the same login again */
    bool ticket_silent;             /* ours: the Gateway did not answer a ticket */
    struct resumption *resumption;  /* owned; resumption.h; NULL: the login has no ticket */
    struct {
        bool asked;
        uint32_t lifetime_s;
        size_t n_octets;
        uint8_t *octets;      /* owned; NULL: none */
    } ticket;                 /* responder: for the last response */
    uint16_t keep_old_notify; /* the notify number that the peer announced */
    uint16_t own_notify;      /* the number that we announced; 0: none */

    /* IKE_AUTH */
    enum login_phase phase;
    struct login_side ours, theirs;
    struct login_eap eap;
    bool theirs_eap; /* initiator: EAP proves this round of the Gateway (RFC 5998) */
    struct login_outgoing out;
    struct login_proof proof;
    struct login_ppk ppk;
    struct login_peer peer;
    struct ike_id local_id, remote_id; /* of the current rounds */
    size_t n_peer_id;
    uint8_t peer_id[4 + LIMIT_ID]; /* body of the peer's last ID payload */
    nanos valid_until_ns;          /* the earliest end of the peer's proofs */
    /* the earliest end of proofs without a grant: no server can change it */
    nanos certs_until_ns;
    uint64_t grant;
    uint8_t eap_types[POLICY_ROUNDS]; /* the EAP methods that proved the peer's rounds */
    struct ike_chains chains;
    struct ike_id proven_id;     /* identity of the session; type 0: remote_id */
    struct kept_message message; /* current message of the peer, without a group */
    struct kept_message first;   /* responder: the first request */
    /* combined.c: payloads of the clone, from the message with the last AUTH */
    struct kept_message group_message;
    uint32_t message_id;         /* responder: Message ID of the request */
    struct ike_path answer_path; /* responder */
    /* responder: `conn` fits everything that the peer has shown so far */
    bool chosen;
    struct login_unfit unfit;
    bool own_id_sent; /* responder: IDr of an EAP-proven round was sent (RFC 5998) */
    bool eap_refused; /* responder: the refusal is an EAP-Failure */
    bool eap_due;     /* responder: this response has the first EAP Request */
    nanos began_ns;
    bool cancelled;    /* by login_cancel_sa */
    bool lease_failed; /* INTERNAL_ADDRESS_FAILURE */
    uint32_t spi_in;   /* SPI of the first Child SA */
    bool transport;    /* the request asked for transport mode */

    /* Initiator: the clone that we ask for in IKE_AUTH (combined.c). */
    bool clone;             /* the caller wants it */
    struct rekeying *group; /* owned; NULL: not asked for */
    uint64_t group_spi;
    bool group_read; /* the response grants the clone, and its shared secret is being made */
    /* owned; a request on the clone before its IKE SA exists: early_request.h */
    struct early *early;
};

/* login_notice_refusal - emits a notice of NO_PROPOSAL_CHOSEN, with the peer's proposals if the
 * notify has them. */
void login_notice_refusal(struct sa *sa, const char *what, const struct wire_notify *notify);

struct login *login_new(struct sa *sa, struct ike_conn *conn); /* NULL: no memory */

/* login_supersede - another login of the connection has succeeded: a cancelled login stops
 * retransmitting its IKE_AUTH, which would replace the successful one. */
void login_supersede(struct ike *ike, const struct ike_conn *conn, nanos now);

/* --- between the files --- */

void login_phase_set(struct login *login, enum login_phase phase);

/* Writing and reading the announcements of IKE_SA_INIT, on both sides. login_vendor_id_find - the
 * last announcement of KEEP_OLD_IKE_SA counts. */
void login_add_abilities(struct sa *sa, struct wire_builder *message, bool response);
void login_read_abilities(struct sa *sa, const struct wire_message *message,
                          const struct ike_path *path);
bool login_vendor_id_find(const struct wire_message *message, uint16_t *ret_notify);
/* login_read_response_abilities - reads the announcements of the response, for login and session.
 * login_keep_request - keeps the octets of the last request, since AUTH covers them.
 * login_keys_made - the IKE SA has its keys: IKE_AUTH comes next. */
void login_read_response_abilities(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from);
bool login_keep_request(struct sa *sa);
struct verdict login_keys_made(struct sa *sa, nanos now);
uint8_t *login_copy(struct span octets, size_t *ret_len); /* from malloc; NULL: no memory */

/* login_conn_signs - a signature may prove a round of the peer, so we announce our algorithms. */
bool login_conn_signs(const struct ike_conn *conn);

/* IKE_SA_INIT, our side */
enum ike_outcome login_ask_init(struct sa *sa, struct wire_builder *request);
struct verdict login_init_answered(struct sa *sa, const struct wire_message *response,
                                   const struct ike_path *from, nanos now);
/* login_init_keys - continues after login_init_answered() with the shared secret. */
struct verdict login_init_keys(struct sa *sa, nanos now);

/* login_ask.c */
struct verdict login_ask_begin(struct sa *sa, nanos now);
enum ike_outcome login_ask_auth(struct sa *sa, struct wire_builder *request);
struct verdict login_auth_answered(struct sa *sa, const struct wire_message *response);
struct verdict login_through(struct sa *sa, nanos now); /* both sides have proven all rounds */

/* login_admit_ask - both sides have proven all rounds. Gives the identities and the limits of the proofs to
 * the session, and emits the job that decides whether it begins. ERR_NO_MEMORY. */
int login_admit_ask(struct sa *sa) MUST_USE;

/* login_refuse_later - AUTH failed: the refusal leaves after the wait of auth_wait.h, the same for
 * every reason. */
void login_refuse_later(struct sa *sa, const char *why, nanos now);

/* The next step after a job: End User, Gateway. */
struct verdict login_ask_job_done(struct sa *sa, enum ike_event_kind kind,
                                  const struct ike_result *result, nanos now);
void login_answer_job_done(struct sa *sa, enum ike_event_kind kind, const struct ike_result *result,
                           nanos now);

/* login_evict - makes room in a full table: ends a random login of the largest /48 or IPv4 /24.
 * false: all logins are busy or come from known sources. */
bool login_evict(struct ike *ike, struct half_open_table *table, nanos now) MUST_USE;

/* login_table_change - counts the login in another table, which makes room if it is full. false:
 * the source has enough logins there, or no login can be ended. */
bool login_table_change(struct sa *sa, struct half_open_table *table, nanos now) MUST_USE;

/* login_refused_stays - responder: the refusal of the login was sent. true: the IKE SA stays for a
 * while to repeat it. false: the table is full. */
bool login_refused_stays(struct sa *sa, nanos now) MUST_USE;

/* login_patience - responder: an EAP message of the peer arrived, and its time for the next one
 * begins. */
void login_patience(struct sa *sa, nanos now);

/* login_delete_unwanted - sends a Delete for a Child SA that the peer has and we do not. */
void login_delete_unwanted(struct sa *sa, uint32_t spi_in);

#endif
