/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_EAP_CHANNEL_H
#define DAEMON_EAP_CHANNEL_H

/* The messages between the engine and the eap process, over daemon/common/channel.h: structs, and
 * octets behind a request. */

#include "daemon/common/cert_policy.h"
#include "eap/eap.h"
#include "ike/connection.h"

#define EAP_OWNERS 8

enum eap_request_kind {
    EAP_LOAD = 1,     /* load: replaces the secret of the same name */
    EAP_UNLOAD,       /* load.name */
    EAP_CLEAR,        /* all secrets */
    EAP_STEP,         /* step: the answer has this job number, not 0 */
    EAP_END,          /* step.conversation has ended */
    EAP_STAGE_COMMIT, /* load_number; as KEY_STAGE_COMMIT (key_channel.h) */
    EAP_STAGE_DROP,   /* load_number */
};

/* A loader has a channel of its own, which takes EAP_LOAD only. The secrets wait there until the
 * engine sends EAP_STAGE_COMMIT. */

struct eap_load {
    char name[LIMIT_NAME];
    uint32_t kind; /* enum eap_secret_kind */
    uint32_t len, n_owners;
    uint8_t octets[EAP_PASSWORD];
    /* the octets of an EAP identity, of any type; empty: any identity */
    struct ike_id owners[EAP_OWNERS];
};

struct eap_step_request {
    uint32_t conversation; /* a new one: it begins */
    uint32_t authenticator, n_methods;
    uint32_t identity_len; /* authenticator: 0: ask */
    uint32_t packet_len;   /* 0: the authenticator begins */
    /* 1: the authenticator has proven an identity; compare it with this step (`unfit` of the answer) */
    uint32_t again;
    uint8_t methods[EAP_METHODS];
    uint8_t identity[EAP_IDENTITY + 3];
    char pattern[LIMIT_ID / 2]; /* the proven identity must match this pattern; empty: any */
    uint8_t packet[EAP_PACKET];
};

#define EAP_CHAIN_MAX (EAP_CERTS * 16 * 1024) /* octets of our chain, behind a request */

/* struct eap_tls_terms - our certificates, and the conditions for those of the other side, for
 * methods that use TLS. The first step of a conversation has them. */
struct eap_tls_terms {
    uint32_t n_certs; /* behind the struct, ours first; none: we present none */
    uint32_t cert_lengths[EAP_CERTS];
    uint32_t ocsp_length;      /* behind the certificates: an OCSP response about ours; 0: none */
    struct ike_id server;      /* peer: the identity that the server's certificate must name */
    char conn[LIMIT_NAME];     /* for messages to the user */
    struct cert_policy policy; /* of the other side's certificates */
};

struct eap_request {
    uint32_t n_octets; /* behind the struct */
    uint32_t kind;     /* enum eap_request_kind */
    uint64_t job;
    struct eap_tls_terms tls; /* EAP_STEP */
    union {
        struct eap_load load;
        struct eap_step_request step;
        uint64_t load_number; /* STAGE_COMMIT, STAGE_DROP */
    };
};

struct eap_answer {
    uint64_t job;     /* of the request */
    int32_t error;    /* not 0: `result` means nothing */
    uint32_t verdict; /* enum eap_verdict */
    /* EAP_FAILED only. 1: the identity is proven, and result.identity is that, but it does not match
     * `pattern`. The eap process keeps the result until EAP_END, for a step with `again` */
    uint32_t unfit;
    struct eap_result result;
};

#endif
