/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_AUTH_BUILD_H
#define DAEMON_AUTH_BUILD_H

/* The sections local* and remote* of a connection: its authentication rounds. Used by conn_build.c.
 */

#include "daemon/config/conn_build.h"

/* struct auth_rounds - the rounds of one side, in the order of the file until
 * auth_rounds_finish(). */
struct auth_rounds {
    bool remote;
    uint8_t n;
    uint32_t order[POLICY_ROUNDS];    /* `round`: the sort key */
    struct ike_auth_policy *policies; /* of the connection that is built */
    struct cert_policy certs[POLICY_ROUNDS];
};

/* auth_build - reads one section. Its certificates are appended to `credentials`. */
int auth_build(const struct tree *section, struct auth_rounds *rounds,
               struct conn_credentials *credentials, struct build_error *error) MUST_USE;

/* auth_rounds_check - if only EAP proves both sides (RFC 5998), its method must have a key.
 * ERR_INVALID, with the error at `section`. Warns of a Gateway that asks for EAP, but proves itself
 * only by a pre-shared key. */
int auth_rounds_check(const struct tree *section, const struct auth_rounds *local,
                      const struct auth_rounds *remote, struct build_error *error) MUST_USE;

/* auth_rounds_finish - sorts the rounds by `round`, at least one: a side without a section has one
 * round with a key and any identity. */
void auth_rounds_finish(struct auth_rounds *rounds, uint8_t *ret_n,
                        struct cert_policy ret_certs[POLICY_ROUNDS]);

#endif
