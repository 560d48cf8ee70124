/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TOKEN_MODULE_H
#define DAEMON_TOKEN_MODULE_H

/*
 * One PKCS#11 library and its tokens (PKCS#11 2.40). Lives in a worker of the token process, since
 * such libraries block, crash and hang: only the worker does so then.
 */

#include "base/error.h"
#include "base/span.h"
#include "base/writer.h"
#include "daemon/common/token_channel.h"

struct token_module;

/* token_module_open - loads the library, which must be a file of root's that nobody else can write.
 * NULL: ret_reason says why. */
struct token_module *token_module_open(const char *path, char ret_reason[TOKEN_REASON]);
struct token_module *token_module_close(struct token_module *module); /* takes NULL; returns NULL */

/* token_module_answer - does what the keyholder asks, synchronously: the token may take seconds. A
 * token that was out and is back again is found. `ret_octets` has room for TOKEN_ANSWER. */
void token_module_answer(struct token_module *module, const struct token_request *request,
                         struct span octets, struct token_answer *ret_answer,
                         struct writer *ret_octets);

#endif
