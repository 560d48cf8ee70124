/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_BUILD_H
#define DAEMON_TOKEN_BUILD_H

/* Keys and certificates on PKCS#11 tokens, and the libraries for them. */

#include "daemon/common/key_channel.h"
#include "daemon/config/conn_build.h"

/* token_build - reads handle, slot, module and pin of a section `token...` of secrets, of a section
 * `cert...` of a round, or of load-token. The caller wipes it. ERR_INVALID with error. */
int token_build(const struct tree *section, struct key_token *ret_token,
                struct build_error *error) MUST_USE;

/* module_build - a section of `pkcs11`. ERR_INVALID with error. */
int module_build(const struct tree *section, struct key_module *ret_module,
                 struct build_error *error) MUST_USE;

/* token_secret - a section of `secrets` is about a key on a token. */
bool token_secret(const struct tree *section);

#endif
