/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NM_PLAN_H
#define NM_PLAN_H

/*
 * From the settings of a NetworkManager connection to what ikatd loads over VICI: a pure function,
 * without D-Bus, files and sockets. The settings come from users. So each name must be known, and each
 * value must be printable, without quotes, and of bounded length. ikatd checks the values of its own
 * keys (proposals, multipath), and refuses a wrong one with a reason.
 */

#include "control/tree.h"

#define NM_CONN_PREFIX "nm-"
#define NM_CONN_MAX    40  /* "nm-" and a UUID */
#define NM_DEVICE_MAX  16  /* IFNAMSIZ */
#define NM_WHY_MAX     256 /* a message for a person */

struct nm_value {
    const char *name, *value; /* borrowed */
};

struct nm_values {
    const struct nm_value *values;
    size_t n;
};

/* struct nm_settings - of one connection; vpn.data and vpn.secrets. */
struct nm_settings {
    const char *uuid;
    struct nm_values data, secrets;
};

struct nm_plan {
    char conn[NM_CONN_MAX];     /* name of the connection and id of the secret at ikatd */
    char device[NM_DEVICE_MAX]; /* name of the TUN device of this connection alone */
    bool persists;              /* ikatd logs in again by itself when the session is lost */
    struct tree *load;          /* owned: the message of load-conn, without certificates */
    struct tree *shared;        /* owned: the message of load-shared; NULL: none is needed */
    /* files, borrowed from the settings; NULL: none */
    const char *certificate, *private_key, *ca;
    const char *key_password; /* borrowed; NULL: none */
};

/* nm_plan_build - false: `why` has the reason, and there is nothing to free. The caller frees the
 * plan with nm_plan_done(), which wipes the secrets in it. */
bool nm_plan_build(const struct nm_settings *settings, struct nm_plan *ret_plan,
                   char why[NM_WHY_MAX]);
void nm_plan_done(struct nm_plan *plan);

/* nm_plan_file - puts the octets of a file into the plan: a certificate of ours, or with `ca` one
 * that the Gateway's must lead to. false: no memory. */
bool nm_plan_file(struct nm_plan *plan, bool ca, struct span octets) MUST_USE;

/* nm_secret_missing - the name of the secret that the login needs and the settings lack; NULL:
 * none. Settings that are refused miss nothing. */
const char *nm_secret_missing(const struct nm_settings *settings);
/* nm_secret_label - the name of a secret for a person. */
const char *nm_secret_label(const char *name);

/* nm_failure_is_login - of the outcome of a login, as ikatd words it: a secret or an identity is
 * wrong. */
bool nm_failure_is_login(const char *outcome);

#endif
