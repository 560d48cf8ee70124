/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_CHANNEL_H
#define DAEMON_AAA_CHANNEL_H

/* What the engine and the aaa process say to each other, over daemon/common/channel.h. */

#include "daemon/common/eap_channel.h"
#include "radius/radius.h"

enum aaa_request_kind {
    AAA_SERVER_LOAD = 1, /* server: replaces the one of the same name */
    AAA_SERVER_UNLOAD,   /* server.name */
    AAA_STEP,            /* step: answered, job is not 0 */
    AAA_END,             /* step.eap.conversation is over */
};

struct aaa_server {
    char name[LIMIT_NAME];
    struct address address;
    uint16_t auth_port, acct_port;
    int32_t preference; /* the highest is asked first */
    uint32_t secret_len;
    uint8_t secret[RADIUS_SECRET];
};

/* struct aaa_step - as for the eap process, without methods: those are the server's. */
struct aaa_step {
    struct eap_step_request eap;
    char called[ENDPOINT_TEXT_MAX], calling[ENDPOINT_TEXT_MAX]; /* addresses: ours, the peer's */
};

struct aaa_request {
    uint32_t kind; /* enum aaa_request_kind */
    uint32_t zero;
    uint64_t job;
    union {
        struct aaa_server server;
        struct aaa_step step;
    };
};

#define AAA_CLASS 253
#define AAA_DNS   2

/* struct aaa_grant - what an Access-Accept gives besides the fact. */
struct aaa_grant {
    uint32_t session_timeout_s, idle_timeout_s; /* 0: none */
    struct address framed;                      /* NONE: none */
    char pool[LIMIT_NAME], group[LIMIT_NAME];   /* Framed-Pool; Filter-Id */
    uint32_t class_len;
    uint8_t class[AAA_CLASS];
    uint32_t n_dns;
    struct address dns[AAA_DNS];
};

struct aaa_answer {
    uint64_t job;     /* of the request */
    int32_t error;    /* not 0: the rest says nothing */
    uint32_t verdict; /* enum eap_verdict */
    struct eap_result result;
    struct aaa_grant grant; /* with EAP_SUCCEEDED */
};

#endif
