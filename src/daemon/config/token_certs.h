/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_CERTS_H
#define DAEMON_TOKEN_CERTS_H

#include "daemon/config/conn_build.h"
#include "daemon/config/secret_doors.h"

/* token_certs_resolve - sections "cert1 { handle = ... }" in the rounds of connections become the
 * certificates that the tokens have. An unavailable one is left out with a warning. If it belongs
 * to a remote round, its connection is left out: otherwise the demands on the peer would be weaker
 * than in the files. ERR_INVALID with error; ERR_NO_MEMORY. */
int token_certs_resolve(const struct secret_doors *doors, struct tree *root,
                        struct build_error *error) MUST_USE;

#endif
