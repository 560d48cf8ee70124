/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONN_BUILD_H
#define DAEMON_CONN_BUILD_H

/*
 * From a tree - a section of a configuration file, or the body of a VICI load command, which are
 * the same thing - to what the core works with. Every key has a row in a table; what is not there
 * is an error with a suggestion. Errors name the place: "file:line: key: why", or
 * "mobike: why" where there is no file.
 */

#include "control/tree.h"
#include "daemon/engine_ops.h"

struct build_error {
    char text[ENGINE_ERROR_MAX];
};

/* conn_build - `section` is named after the connection. ERR_INVALID with error; ERR_NO_MEMORY. */
int conn_build(const struct tree *section, struct ike_conn **ret_conn,
               struct build_error *error) MUST_USE;

int pool_build(const struct tree *section, struct pool_config *ret_pool,
               struct build_error *error) MUST_USE;

#define SECRET_OCTETS_MAX 512
/* secret_build - a section of `secrets`: "ike1 { id-a = ...  secret = ... }". `octets` holds the
 * value. */
int secret_build(const struct tree *section, uint8_t octets[SECRET_OCTETS_MAX],
                 struct engine_secret *ret_secret, struct build_error *error) MUST_USE;

/* config_check - a whole file: every section, and that what is named exists. */
int config_check(const struct tree *root, struct build_error *error) MUST_USE;

int build_fail(struct build_error *error, const struct tree *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
