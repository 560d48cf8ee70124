/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONN_BUILD_H
#define DAEMON_CONN_BUILD_H

/*
 * From a tree to the configuration of the core. The tree is a section of a configuration file, or
 * the body of a VICI load command; both have the same form. Every key has a row in a table. A key
 * without a row is an error with a suggestion. Errors name the place: "file:line: key: why", or
 * "mobike: why" without a file.
 */

#include "control/tree.h"
#include "daemon/common/aaa_channel.h"
#include "daemon/config/engine_load.h"

#define BUILD_ERRORS_MAX 20

/* struct build_errors - the errors of a whole configuration, up to a limit. */
struct build_errors {
    unsigned n;
    bool more; /* than these */
    char text[BUILD_ERRORS_MAX][ENGINE_ERROR_MAX];
};

struct build_error {
    char text[ENGINE_ERROR_MAX];   /* the first */
    struct build_errors *all;      /* NULL: reading ends at the first error */
    struct build_errors *warnings; /* NULL: no warnings are wanted */
};

/* build_goes_on - after a step that ended with `err`: keeps the first error in *first. false: later
 * steps would report nothing useful. */
bool build_goes_on(const struct build_error *error, int err, int *first);
/* build_note - a line of text is an error. */
void build_note(struct build_error *error, const char *text);

/* conn_build - `section` is named after the connection. Its keys and certificates are in
 * `ret_credentials`; free them with conn_credentials_done(), even after an error. ERR_INVALID with
 * error; ERR_NO_MEMORY. */
int conn_build(const struct tree *section, struct ike_conn **ret_conn,
               struct conn_credentials *ret_credentials, struct build_error *error) MUST_USE;

int pool_build(const struct tree *section, struct pool_config *ret_pool,
               struct build_error *error) MUST_USE;

/* radius_build - a section of `radius`, named after the server. The caller wipes it. `held`: another
 * process has its secret, and the section must not. */
int radius_build(const struct tree *section, bool held, struct aaa_server *ret_server,
                 struct build_error *error) MUST_USE;

#define SECRET_OCTETS_MAX 512
/* secret_build - a section of `secrets`: "ike1 { id-a = ...  secret = ... }". `octets` receives the
 * value. */
int secret_build(const struct tree *section, uint8_t octets[SECRET_OCTETS_MAX],
                 struct engine_secret *ret_secret, struct build_error *error) MUST_USE;

/* config_check - checks a whole file: every section, and that all named objects exist. */
int config_check(const struct tree *root, struct build_error *error) MUST_USE;

/* build_warn - notes a warning in the form of an error; the configuration is still valid. */
void build_warn(struct build_error *error, const struct tree *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int build_fail(struct build_error *error, const struct tree *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
