/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUDIT_CHANNEL_H
#define DAEMON_AUDIT_CHANNEL_H

/*
 * The messages from the supervisor and from the engine to the audit process, each over its own
 * channel, without answers. A record has no room for a secret: it says who, where, when and why.
 * The receiver checks each member, and accepts from each sender only that sender's kinds.
 */

#include <sys/types.h>

#include "base/address.h"
#include "ike/ike.h"
#include "ike/terms/identity.h"

#define AUDIT_REASON    256
#define AUDIT_WORD      96
#define AUDIT_ARGUMENTS 6

enum audit_kind {
    /* of the supervisor */
    AUDIT_START,
    AUDIT_STOP,
    AUDIT_RESTART, /* reason: the process that ended */
    AUDIT_RELOAD,  /* reason: the outcome */
    AUDIT_REOPEN,  /* no record: one descriptor comes along, the file from now on */
    /* of the engine */
    AUDIT_LOGIN,   /* a session began */
    AUDIT_REFUSED, /* a login failed */
    AUDIT_END,     /* a session ended */
    AUDIT_MOVED,   /* an IKE SA has other addresses */
    AUDIT_COMMAND, /* a client of the control socket asked for a change */
    AUDIT_RESULT,  /* reason: the result of the change */
    AUDIT_KINDS
};

enum audit_role { AUDIT_NO_ROLE, AUDIT_END_USER, AUDIT_GATEWAY, AUDIT_ROLES };

struct audit_argument {
    char key[16], value[AUDIT_WORD];
};

/* struct audit_traffic - octets and packets of a session on all its paths. */
struct audit_traffic {
    uint64_t octets_in, octets_out, packets_in, packets_out;
};

/* struct audit_record - all texts end with NUL. A member that is empty or 0 is not known, or has no
 * meaning for the kind. */
struct audit_record {
    uint32_t kind, role; /* enum audit_kind, enum audit_role */
    uint32_t session, sa;
    uint32_t user;     /* COMMAND, RESULT: user id of the client */
    uint32_t left_out; /* records of the kind before this one that were not sent */
    uint64_t duration_ns;
    struct audit_traffic traffic; /* END */
    char conn[LIMIT_NAME];
    char local_id[IDENTITY_TEXT_MAX], remote_id[IDENTITY_TEXT_MAX];
    char claimed_id[IDENTITY_TEXT_MAX]; /* of the ID payload, where EAP proved another identity */
    char method[AUDIT_WORD];            /* how the peer authenticated */
    char local[ENDPOINT_TEXT_MAX], remote[ENDPOINT_TEXT_MAX];
    char local_old[ENDPOINT_TEXT_MAX], remote_old[ENDPOINT_TEXT_MAX];
    uint32_t n_addresses; /* inner ones of the End User */
    char addresses[IKE_LEASE_ADDRESSES][ADDRESS_TEXT_MAX];
    char command[32];
    struct audit_argument arguments[AUDIT_ARGUMENTS]; /* key empty: no more */
    char reason[AUDIT_REASON];
};

#endif
