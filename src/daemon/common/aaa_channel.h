/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AAA_CHANNEL_H
#define DAEMON_AAA_CHANNEL_H

/* What the engine and the aaa process say to each other, over daemon/common/channel.h. */

#include "daemon/common/eap_channel.h"
#include "radius/radius.h"

#define AAA_GROUPS 8

struct aaa_groups {
    uint32_t n;
    char names[AAA_GROUPS][LIMIT_NAME];
};

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
    bool class_group;   /* Class names groups, as Filter-Id does */
    uint32_t secret_len;
    uint8_t secret[RADIUS_SECRET];
};

/* struct aaa_step - as for the eap process, without methods: those are the server's. */
struct aaa_step {
    struct eap_step_request eap;
    char called[ENDPOINT_TEXT_MAX], calling[ENDPOINT_TEXT_MAX]; /* addresses: ours, the peer's */
    struct aaa_groups groups; /* the server must name one of them; none: any login */
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

#define AAA_CLASSES 512
#define AAA_DNS     8

/* struct aaa_grant - what an Access-Accept gives besides the fact. Empty, 0 or NONE: not given. */
struct aaa_grant {
    uint32_t session_timeout_s, idle_timeout_s, interim_s;
    struct address framed4, framed6;
    char pool4[LIMIT_NAME], pool6[LIMIT_NAME];
    struct aaa_groups groups;  /* Filter-Id; Class, with class_group */
    uint32_t n_dns, n_classes; /* n_classes: octets */
    struct address dns[AAA_DNS];
    uint8_t classes[AAA_CLASSES]; /* Class attributes, whole and in order */
};

struct aaa_answer {
    uint64_t job;     /* of the request */
    int32_t error;    /* not 0: the rest says nothing */
    uint32_t verdict; /* enum eap_verdict */
    struct eap_result result;
    struct aaa_grant grant; /* with EAP_SUCCEEDED */
};

#endif
