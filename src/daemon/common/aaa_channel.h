/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_CHANNEL_H
#define DAEMON_AAA_CHANNEL_H

/* The messages between the engine and the aaa process, over daemon/common/channel.h: structs, and a
 * struct aaa_server behind a request that loads one. A boolean is an octet, 1 or 0, because a
 * receiver can check an octet, but not a bool. */

#include "daemon/common/eap_channel.h"
#include "daemon/common/key_channel.h"
#include "radius/radius.h"

#define AAA_GROUPS  8
#define AAA_CLASSES 512 /* octets */
#define AAA_DNS     8

struct aaa_groups {
    uint32_t n;
    char names[AAA_GROUPS][LIMIT_NAME];
};

enum aaa_request_kind {
    AAA_SERVER_LOAD = 1, /* the server follows; it replaces a server of the same name */
    AAA_SERVER_UNLOAD,   /* name */
    AAA_STEP,            /* step: answered, job is not 0 */
    AAA_END,             /* step.eap.conversation is over */
    AAA_ACCOUNT,         /* account: not answered */
    AAA_CHANGED,         /* changed: the outcome of a struct aaa_change */
    AAA_STAGE_COMMIT,    /* load_number; as KEY_STAGE_COMMIT (key_channel.h) */
    AAA_STAGE_DROP,      /* load_number */
    AAA_ACCOUNT_KEEP,    /* account: of a session that came from another engine; not answered */
    AAA_ACCOUNTS_ALL,    /* no more of these; not answered */
};

/* A loader has a channel of its own, which takes AAA_SERVER_LOAD only. The servers wait there until
 * the engine sends AAA_STAGE_COMMIT. */

#define AAA_CERTS 8
#define AAA_CHAIN 16384 /* octets of all certificates of a server's section */

/* struct aaa_tls - with RADIUS/TLS: the identity of the server, and our certificate. */
struct aaa_tls {
    struct ike_id id;    /* the server's certificate must have it: a DNS name or an address */
    uint32_t revocation; /* enum cert_revocation */
    uint32_t n_certs;    /* our chain, our own certificate first */
    uint32_t n_cas;      /* the server's chain ends at one of them; none: at one of x509ca */
    uint32_t lengths[AAA_CERTS + CERT_POLICY_CERTS];
    uint8_t cas[CERT_POLICY_CERTS][CERT_DIGEST];
    uint8_t key_id[KEY_ID_SIZE]; /* of our certificate */
    uint8_t octets[AAA_CHAIN];   /* DER: ours, then the CAs */
};

struct aaa_server {
    char name[LIMIT_NAME];
    struct address address;
    /* 1: RADIUS/TLS (RFC 6614) at `tls_port`; 0: RADIUS over UDP at the other two */
    uint8_t stream;
    uint16_t tls_port, auth_port, acct_port;
    int32_t preference;  /* the highest is asked first */
    uint8_t class_group; /* Class names groups, as Filter-Id does */
    uint8_t accounting;  /* it takes Accounting-Requests */
    uint8_t watched;     /* it answers Status-Server */
    uint8_t dae;         /* it may send Disconnect-Requests and CoA-Requests, to dae_port */
    uint8_t undated;     /* ... also without an Event-Timestamp */
    uint16_t dae_port;
    nanos interval_ns; /* between Interim-Updates; 0: as the server says */
    uint32_t retransmit_tries, max_requests;
    nanos retransmit_ns, dead_ns;
    uint32_t secret_len;
    uint8_t secret[RADIUS_SECRET];
    struct aaa_tls tls; /* stream */
};

/* struct aaa_step - as struct eap_step_request, without methods, which the server chooses. */
struct aaa_step {
    struct eap_step_request eap;
    char called[ENDPOINT_TEXT_MAX], calling[ENDPOINT_TEXT_MAX]; /* addresses: ours, the peer's */
    char nas[LIMIT_ID / 2];                                     /* the Gateway's identity */
    struct address nas_address;                                 /* NONE: not known */
    struct aaa_groups groups; /* the server must name one of them; none: any login */
    uint64_t earlier;         /* grant of the login's rounds before; comes back with the new one */
};

/* --- accounting --- */

/* RFC 2866 section 5.1. ON and OFF are of no session: only who, when, and where from. */
enum aaa_account_kind {
    AAA_ACCOUNT_START = 1,
    AAA_ACCOUNT_STOP = 2,
    AAA_ACCOUNT_INTERIM = 3,
    AAA_ACCOUNT_ON = 7,  /* we have started: all earlier sessions have ended */
    AAA_ACCOUNT_OFF = 8, /* we end, and so do all sessions */
};

static inline bool aaa_account_of_session(uint32_t kind)
{
    return kind >= AAA_ACCOUNT_START && kind <= AAA_ACCOUNT_INTERIM;
}

/* RFC 2866 section 5.10; 0: the session lives */
enum aaa_cause {
    AAA_CAUSE_USER_REQUEST = 1,
    AAA_CAUSE_LOST_CARRIER = 2,
    AAA_CAUSE_IDLE_TIMEOUT = 4,
    AAA_CAUSE_SESSION_TIMEOUT = 5,
    AAA_CAUSE_ADMIN_RESET = 6,
    AAA_CAUSE_ADMIN_REBOOT = 7,
    AAA_CAUSE_NAS_ERROR = 9,
    AAA_CAUSE_NAS_REBOOT = 11,
};

#define AAA_SESSION_ID 32
#define AAA_PATHS      10 /* the last one stands for all that are more */

struct aaa_traffic {
    uint64_t octets_in, octets_out, packets_in, packets_out;
};

struct aaa_path {
    struct address local, remote; /* NONE: several */
    char interface[16];
    struct aaa_traffic traffic;
};

/* struct aaa_account - the state of a session, now or at its end, with all its paths. */
struct aaa_account {
    uint32_t kind;  /* enum aaa_account_kind */
    uint32_t cause; /* of a stop: enum aaa_cause */
    int64_t at_s;   /* when: seconds since 1970 */
    uint32_t duration_s;
    uint32_t port;     /* number of the session in the engine */
    uint8_t by_server; /* a RADIUS server let it in */
    char session_id[AAA_SESSION_ID];
    char conn[LIMIT_NAME], nas[LIMIT_ID / 2]; /* nas: the Gateway's identity */
    char called[ENDPOINT_TEXT_MAX], calling[ENDPOINT_TEXT_MAX];
    struct address nas_address, framed4, framed6; /* NONE: none */
    uint32_t user_len, n_paths, n_classes;
    uint8_t user[RADIUS_VALUE + 3];
    struct aaa_traffic traffic;
    struct aaa_path paths[AAA_PATHS];
    uint8_t classes[AAA_CLASSES];
};

/* --- changes that a server asks for (RFC 5176) --- */

/* Error-Cause, section 3.5; 0: done */
enum aaa_error {
    AAA_DONE = 0,
    AAA_UNSUPPORTED_ATTRIBUTE = 401,
    AAA_MISSING_ATTRIBUTE = 402,
    AAA_NAS_MISMATCH = 403,
    AAA_INVALID_REQUEST = 404,
    AAA_UNSUPPORTED_SERVICE = 405,
    AAA_UNSUPPORTED_EXTENSION = 406,
    AAA_INVALID_VALUE = 407,
    AAA_SESSION_NOT_FOUND = 503,
    AAA_NO_RESOURCES = 506,
};

#define AAA_STATION 64

/* struct aaa_change - a change of sessions. The first members select the sessions: all given values
 * must match. The others are the new values. */
struct aaa_change {
    uint8_t disconnect; /* else: the values below become those of the sessions */
    uint8_t timeout, idle, filter;
    uint32_t session_timeout_s, idle_timeout_s;
    struct aaa_groups groups; /* filter */
    /* empty, NONE and 0: not given */
    char session_id[AAA_SESSION_ID], calling[AAA_STATION], conn[LIMIT_NAME], nas[LIMIT_ID / 2];
    uint32_t user_len, port;
    uint8_t user[RADIUS_VALUE + 3];
    struct address framed4, framed6, nas_address;
};

struct aaa_changed {
    uint32_t cause; /* enum aaa_error */
};

struct aaa_request {
    uint32_t n_octets; /* behind the struct */
    uint32_t kind;     /* enum aaa_request_kind */
    uint64_t job;
    union {
        char name[LIMIT_NAME];
        struct aaa_step step;
        struct aaa_account account;
        struct aaa_changed changed;
        uint64_t load_number; /* STAGE_COMMIT, STAGE_DROP */
    };
};

/* struct aaa_grant - the rights and limits in an Access-Accept. Empty, 0 or NONE: not given. */
struct aaa_grant {
    uint32_t session_timeout_s, idle_timeout_s, interim_s;
    struct address framed4, framed6;
    char pool4[LIMIT_NAME], pool6[LIMIT_NAME];
    struct aaa_groups groups;  /* Filter-Id; Class, with class_group */
    uint32_t n_dns, n_classes; /* n_classes: octets */
    struct address dns[AAA_DNS];
    uint8_t classes[AAA_CLASSES]; /* Class attributes, whole and in order */
};

enum aaa_answer_kind { AAA_ANSWER, AAA_CHANGE };

struct aaa_answer {
    uint32_t kind; /* enum aaa_answer_kind */
    uint32_t zero;
    uint64_t job;     /* of the request; of a change: for AAA_CHANGED */
    int32_t error;    /* not 0: the rest says nothing */
    uint32_t verdict; /* enum eap_verdict */
    struct eap_result result;
    struct aaa_grant grant; /* with EAP_SUCCEEDED */
    uint64_t earlier;       /* of the step that began the conversation */
    /* EAP_FAILED only. 1: the server accepts the peer, but its groups or its identity do not fit the
     * step; result.identity is the proven one. The aaa process keeps the server's answer until AAA_END,
     * for a step with `again` */
    uint32_t unfit;
    struct aaa_change change; /* AAA_CHANGE: nothing else but `job` counts */
};

#endif
