/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_CERTS_H
#define DAEMON_TOKEN_CERTS_H

#include "daemon/config/conn_build.h"
#include "daemon/config/secret_doors.h"

/* token_certs_resolve - sections "cert1 { handle = ... }" in the rounds of connections become the
 * certificates that the tokens have. One that cannot be had now is left out with a warning; where it
 * is of a remote round, with its connection: the peer would be held to less than the files say.
 * ERR_INVALID with error; ERR_NO_MEMORY. */
int token_certs_resolve(const struct secret_doors *doors, struct tree *root,
                        struct build_error *error) MUST_USE;

#endif
